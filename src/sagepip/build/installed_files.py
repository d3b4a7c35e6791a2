"""Where the files of installed distributions lie, and where they go in a build environment."""

from __future__ import annotations

import os
import stat

from sagepip.ground import console
from sagepip.ground.destination import Destination, Scheme, find_destination
from sagepip.ground.errors import BuildError
from sagepip.ground.filesystem import walk_files
from sagepip.ground.light_dataclass import dataclass, fields, replace
from sagepip.ground.target_python import TargetPython
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.ownership import CACHE_DIRECTORY
from sagepip.transaction.prefix_sites import SITE_NAMES
from sagepip.transaction.record import RecordRow, recorded_path
from sagepip.transaction.territory import OutOfBounds, Territory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

# Stands for an environment's directory.
_ENVIRONMENT = "/@sagepip-environment@"


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was looked at; another look tells whether it is the same still.

    Attributes:
        device: the number of its file system.
        inode: its number there.
        size: in bytes.
        modified: when its contents changed, in nanoseconds.
        changed: when anything about it did.
        mode: its kind and permissions.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int
    mode: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileState:
        """Take what ``stat`` said."""
        return cls(
            *(found.st_dev, found.st_ino, found.st_size),
            *(found.st_mtime_ns, found.st_ctime_ns, found.st_mode),
        )


@dataclass(frozen=True)
class InstalledFile:
    """A file of an installed distribution.

    Attributes:
        source: its absolute path.
        target: its path in an environment, relative.
        state: what was found there; of a link, what it leads to.
        row: what the list of files says of it; without hash if it says nothing.
    """

    source: str
    target: str
    state: FileState
    row: RecordRow


class Layout:
    """How the files of a site are laid out, and those of an environment.

    Args:
        site: the destination that its distributions were installed to.
        python: the interpreter that environments are made for.
    """

    def __init__(self, site: Destination, python: TargetPython) -> None:
        scheme = site.scheme
        self._territory = Territory(site.live_roots, scheme.scripts, scheme.data)
        # As of any virtual environment of the interpreter.
        inside = find_destination(replace(python, virtual=True), prefix=_ENVIRONMENT).scheme
        self._targets: dict[str, str] = {}
        for one in fields(scheme):
            root = os.path.realpath(getattr(scheme, one.name))
            target = os.path.relpath(getattr(inside, one.name), _ENVIRONMENT)
            self._targets.setdefault(root, target)
        self.scripts = os.path.relpath(inside.scripts, _ENVIRONMENT)

    @classmethod
    def of(cls, directory: str, python: TargetPython) -> Layout:
        """Return the layout of a site that an interpreter sees: its own, or another's.

        Args:
            directory: the site, as its interpreter spells it.
            python: the interpreter.
        """
        own = find_destination(python)
        resolved = os.path.realpath(directory)
        if resolved in map(os.path.realpath, (own.scheme.purelib, own.scheme.platlib)):
            return cls(own, python)
        return cls(Destination(python, _scheme_around(directory, python), "", False), python)

    def files(self, one: InstalledDistribution) -> list[InstalledFile]:
        """Return the files of a distribution; the metadata directory belongs to it as a whole.

        Left out is bytecode; what lies outside of the scheme's directories, or otherwise must not
        be believed to be the distribution's; and what is no file.

        Args:
            one: the distribution; it has a list of its files.

        Raises:
            ConflictError: the list cannot be understood.
            BuildError: something may not be looked at.
        """
        found: dict[str, InstalledFile] = {}
        missing = []
        for path, row in _listed(one):
            try:
                live = self._territory.locate(path, os.path.basename(one.metadata_path))
            except OutOfBounds as error:
                console.detail(f"a file of {one.label} is not used for builds: {error}")
                continue
            target = self._target(live)
            if target in found:
                continue
            try:
                state = FileState.of(os.stat(live))
            except (FileNotFoundError, NotADirectoryError):
                missing.append(live)
                continue
            except OSError as error:
                raise BuildError(
                    f"cannot look at {live} of {one.label}: {error.strerror}",
                    advice="who builds must be able to read what is installed",
                ) from error
            if stat.S_ISREG(state.mode):
                found[target] = InstalledFile(live, target, state, row)
            else:
                console.detail(f"{live} of {one.label} is no file, and not used for builds")
        if missing:
            console.warn(
                f"{one.label} lacks {len(missing)} of its files, {missing[0]} among them; builds "
                "do without"
            )
        return list(found.values())

    def _target(self, live: str) -> str:
        root = self._territory.root_of(live)
        return os.path.join(self._targets[root], live[len(root.rstrip(os.sep)) + 1 :])


def _listed(one: InstalledDistribution) -> Iterator[tuple[str, RecordRow]]:
    for row in one.record or ():
        if CACHE_DIRECTORY not in row.path.split("/"):
            yield recorded_path(row, one.directory), row
    for path, _ in walk_files(one.metadata_path):
        yield path, RecordRow(path)


def _scheme_around(directory: str, python: TargetPython) -> Scheme:
    """Return the scheme of ``PREFIX/lib/python3.11/site-packages``, or the like.

    Of a directory of another name nothing else is known.
    """
    library, name = os.path.split(os.path.dirname(directory))
    is_usual = os.path.basename(directory) in SITE_NAMES and name.startswith(("python", "pypy"))
    if not (is_usual and os.path.basename(library).startswith("lib")):
        return Scheme(*[directory] * 5)
    prefix = os.path.dirname(library)
    return Scheme(
        purelib=directory,
        platlib=directory,
        headers=os.path.join(prefix, "include", f"python{python.xy}"),
        scripts=os.path.join(prefix, "bin"),
        data=prefix,
    )
