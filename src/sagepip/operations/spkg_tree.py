"""Where the packages of a prefix lie, and the records of what is installed there."""

from __future__ import annotations

import json
import os
import sys
import tempfile

from sagepip.build.output_text import tail
from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import make_directories, publish_file
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

_LAST_LINES = 20


@dataclass(frozen=True)
class Record:
    """What is known of an installed package.

    Attributes:
        name: the package.
        version: its version.
        files: what was published, relative to the prefix.
        path: the record's own file.
    """

    name: str
    version: str
    files: tuple[str, ...]
    path: str


@dataclass(frozen=True)
class SpkgTree:
    """A prefix into which packages are installed; it is a virtual environment as well.

    Attributes:
        prefix: absolute and resolved.
        upstream: where upstream files are kept.
        wheels: the wheelhouse.
    """

    prefix: str
    upstream: str
    wheels: str

    @property
    def python(self) -> str:
        """Its interpreter."""
        return os.path.join(self.prefix, "bin", "python3")

    @property
    def state(self) -> str:
        """The directory of all that is not the packages'."""
        return os.path.join(self.prefix, "var", "lib", "sage")

    @property
    def records(self) -> str:
        """The directory of the installation records."""
        return os.path.join(self.state, "installed")

    @property
    def unfinished(self) -> str:
        """The directory of what tells of changes that have not ended."""
        return os.path.join(self.state, "unfinished")

    @property
    def scripts(self) -> str:
        """The directory of scripts that packages leave for later."""
        return os.path.join(self.state, "scripts")

    @property
    def logs(self) -> str:
        """The directory of the logs."""
        return os.path.join(self.state, "logs")

    def log(self, full_name: str) -> str:
        """The log of a package."""
        return os.path.join(self.logs, f"{full_name}.log")

    @property
    def builds(self) -> str:
        """The directory in which packages are built: beside the prefix, where its files go."""
        return self.prefix + ".build"

    def make(self) -> None:
        """Make the prefix: a virtual environment without pip, and the directories.

        Raises:
            TargetError: it cannot be made.
        """
        import subprocess

        try:
            if not os.path.exists(self.python):
                command = [sys.executable, "-I", "-m", "venv", "--without-pip", self.prefix]
                subprocess.run(command, check=True, capture_output=True)
            for path in (self.records, self.unfinished, self.scripts, self.logs, self.builds):
                make_directories(path)
            make_directories(self.upstream)
            make_directories(self.wheels)
        except (OSError, subprocess.CalledProcessError) as error:
            raise TargetError(
                f"cannot make the prefix {self.prefix}: {error}", advice="may it be written to?"
            ) from error

    def find_records(self) -> dict[str, Record]:
        """Return the records of all installed packages, by name.

        Raises:
            TargetError: one cannot be read.
        """
        found = {}
        names = sorted(os.listdir(self.records)) if os.path.isdir(self.records) else []
        for name in names:
            if name.startswith("."):
                continue
            path = os.path.join(self.records, name)
            record = read_record(path)
            if record is not None:
                found[record.name] = record
        return found


def write_json(
    path: str, name: str, version: str, files: Iterable[str], test_result: str = ""
) -> Record:
    """Write what is known of a package, complete or not at all.

    Args:
        path: the file.
        name: the package.
        version: its version.
        files: its files, relative to the prefix.
        test_result: what became of its test suite.
    """
    record = Record(name, version, tuple(sorted(files)), path)
    content = {
        "package_name": name,
        "package_version": version,
        "installer": "sagepip",
        "test_result": test_result,
        "files": list(record.files),
    }
    descriptor, part = tempfile.mkstemp(prefix=".new-", dir=os.path.dirname(path))
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(content, indent=4) + "\n")
        os.fchmod(stream.fileno(), 0o644)
    publish_file(part, path)
    return record


def read_record(path: str) -> Record | None:
    """Read what is known of a package; None if there is no such file.

    Raises:
        TargetError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
        files = tuple(str(one) for one in content["files"])
        return Record(content["package_name"], content["package_version"], files, path)
    except FileNotFoundError:
        return None  # another package was upgraded or uninstalled meanwhile
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"cannot read the installation record {path}: {error}", advice="install it again"
        ) from error


def distribution_names(files: Iterable[str]) -> list[str]:
    """Return the normalised names of the distributions whose metadata is among files."""
    found = []
    for path in files:
        directory, name = os.path.split(path)
        above = os.path.basename(directory)
        if name == "METADATA" and above.endswith(".dist-info"):
            found.append(canonical_name(above.partition("-")[0]))
    return found


def end_of_log(path: str) -> str:
    """Return the last lines of a package's log, with its path above them."""
    lines = tail(path, lines=_LAST_LINES)
    return f"--- the end of {path}\n{lines}\n---" if lines else ""
