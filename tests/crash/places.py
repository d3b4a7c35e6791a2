"""Where the scenarios install to: one site, two sites, scripts on another file system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sagepip
from tests.crash.scenarios import STAGED
from tests.guarantees import snapshot, versions, violations_of_g1

Snapshot = dict[str, tuple[int, bytes | str | None]]
_VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
SITE = Path("lib") / _VERSION / "site-packages"
PLATFORM_SITE = Path("lib64") / _VERSION / "site-packages"
_SCRIPTS = "bin"
_METADATA = (".dist-info", ".egg-info")


@dataclass(frozen=True)
class Tree:
    """An installation that is tried out, in a private directory.

    Attributes:
        home: the private directory.
        scripts: the directory on another file system that the prefix's ``bin`` is a link to.
    """

    home: Path
    scripts: Path | None = None

    @property
    def prefix(self) -> Path:
        """The prefix that is installed to."""
        return self.home / "prefix"

    @property
    def staged(self) -> Path:
        """Its own copy of the staged tree, if the scenario has one."""
        return self.home / STAGED

    @property
    def states(self) -> list[Path]:
        """Where sagepip keeps locks, journals and transactions."""
        homes = (self.prefix / SITE, self.prefix / PLATFORM_SITE, self.prefix)
        return [home / ".sagepip" for home in homes]

    @property
    def temporary(self) -> Path:
        """The commands' TMPDIR."""
        return self.home / "tmp"

    def make(self) -> Tree:
        """Make an empty one."""
        self.prefix.mkdir(parents=True)
        self.temporary.mkdir()
        if self.scripts is not None:
            self.scripts.mkdir(parents=True)
            (self.prefix / _SCRIPTS).symlink_to(self.scripts)
        return self

    def copy(self, name: str) -> Tree:
        """Copy it to a directory beside its own, replacing what is there."""
        scripts = self.scripts and self.scripts.with_name(name)
        made = Tree(self.home.with_name(name), scripts)
        made.remove()
        made.temporary.mkdir(parents=True)
        # Not shutil: the links between a live file and a staged one are what is being tested.
        subprocess.run(["cp", "-a", self.prefix, made.prefix], check=True)
        if self.staged.exists():
            subprocess.run(["cp", "-a", self.staged, made.staged], check=True)
        if self.scripts is not None and scripts is not None:
            subprocess.run(["cp", "-a", self.scripts, scripts], check=True)
            (made.prefix / _SCRIPTS).unlink()
            (made.prefix / _SCRIPTS).symlink_to(scripts)
        return made

    def remove(self) -> None:
        """Remove it, if it is there."""
        for directory in (self.home, self.scripts):
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)

    def snapshot(self) -> Snapshot:
        """Return all that is there; of bytecode, which holds the prefix's path, the names only."""
        found = snapshot(self.prefix)
        if self.scripts is not None:
            found.pop(_SCRIPTS)  # it leads elsewhere in every copy
            found |= {f"{_SCRIPTS}/{key}": one for key, one in snapshot(self.scripts).items()}
        name = str(self.prefix).encode()
        return {
            key: (mode, None if key.endswith(".pyc") else _without(name, content))
            for key, (mode, content) in found.items()
        }

    def torn(self, *, hashes: bool) -> list[str]:
        """Return what breaks G1 in any of its sites."""
        sites = (self.prefix / SITE, self.prefix / PLATFORM_SITE)
        return [one for site in sites for one in violations_of_g1(site, hashes=hashes)]

    def versions(self, project: str) -> list[str]:
        """Return the visible versions of a project in any of its sites."""
        sites = (self.prefix / SITE, self.prefix / PLATFORM_SITE)
        return [one for site in sites for one in versions(site, project)]

    def metadata(self) -> set[str]:
        """Return the metadata directories that are visible, relative to the prefix."""
        return {
            str(path.relative_to(self.prefix))
            for site in (SITE, PLATFORM_SITE)
            if (self.prefix / site).is_dir()
            for path in (self.prefix / site).iterdir()
            if path.suffix in _METADATA
        }


def metadata_in(tree: Snapshot) -> set[str]:
    """Return the metadata directories of a snapshot."""
    return {name for name in tree if name.endswith(_METADATA)}


def without_state(tree: Snapshot) -> Snapshot:
    """Leave out of a snapshot what sagepip keeps, and the directories that hold the site.

    A change that did not come about may leave a site that was not there before, with the lock.
    """
    above = {str(path) for site in (SITE, PLATFORM_SITE) for path in (site, *site.parents)}
    return {
        key: one
        for key, one in tree.items()
        if key not in above and not any(part.startswith(".sagepip") for part in Path(key).parts)
    }


def leftovers_in(tree: Snapshot) -> list[str]:
    """Return what a snapshot holds of sagepip's besides locks and gates."""
    states = [home / ".sagepip" for home in (SITE, PLATFORM_SITE, Path())]
    kept = {str(path) for state in states for path in (state, state / "lock", state / "gate")}
    return [
        key
        for key in tree
        if key not in kept and any(part.startswith(".sagepip") for part in Path(key).parts)
    ]


def make_two_sites_python(directory: Path) -> str:
    """Make an interpreter that has sagepip and whose platlib is not its purelib; return its path.

    Some distributors' interpreters are so: platlib is in ``lib64``, and no link leads there.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    # As sagepip and what it needs are found by the interpreter that runs the tests.
    source = os.path.dirname(os.path.dirname(os.path.abspath(sagepip.__file__)))
    found = [path for path in sys.path if os.path.basename(path) == "site-packages"]
    lines = [source, *found, 'import sys; sys.platlibdir = "lib64"']
    (directory / SITE / "two_sites.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(directory / "bin" / "python")


@contextmanager
def other_file_system(work: Path) -> Iterator[Path | None]:
    """Make a private directory on another file system than ``work`` is on, for the body.

    Yields:
        The directory; None if there is no other file system to write to.
    """
    candidates = ["/dev/shm", os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp"]
    for one in [*candidates, os.getcwd()]:
        if one and os.access(one, os.W_OK) and os.stat(one).st_dev != work.stat().st_dev:
            with tempfile.TemporaryDirectory(prefix="sagepip-crash-", dir=one) as directory:
                yield Path(directory)
            return
    yield None


def _without(name: bytes, content: bytes | str | None) -> bytes | str | None:
    if isinstance(content, str):
        return content.replace(name.decode(), "PREFIX")
    return content if content is None else content.replace(name, b"PREFIX")
