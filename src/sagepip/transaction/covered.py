"""Directories that a staged one replaces as a whole, for it has all that is in them."""

from __future__ import annotations

import errno
import os
import time

from sagepip.ground.listing import list_directory
from sagepip.ground.removing import KnownDirectory
from sagepip.transaction.replacements import WholeTree
from sagepip.transaction.steps import DirectoryStamp

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sagepip.ground.listing import Listing

_CLOCK_TICK_SECONDS = 0.02


class CoveredDirectories:
    """Finds live directories in which each name is also in the staged one, and of the same kind.

    To exchange the two is then the same as to exchange the files one by one, if both have the same
    mode, owner and extended attributes: those of a live directory stay.

    Args:
        kept: live paths of files that must not be replaced.
        staged: what is in the staged directory for a live one, where that is known.
    """

    def __init__(self, kept: Iterable[str], staged: Callable[[str], Listing | None]) -> None:
        self._found: dict[str, WholeTree | None] = {}
        self._staged = staged
        for path in kept:
            above = os.path.dirname(path)
            while above not in self._found:
                self._found[above] = None
                above = os.path.dirname(above)

    def find(self, staged: str, live: str) -> WholeTree | None:
        """Return what a live directory is if it can be exchanged for a staged one, else None.

        Args:
            staged: the staged directory.
            live: the live one, a real directory.
        """
        if live not in self._found:
            self._found[live] = self._look(staged, live)
        return self._found[live]

    def _look(self, staged: str, live: str) -> WholeTree | None:
        stamp = _settled(live)
        if stamp is None:
            return None
        stamps, contents = [stamp], KnownDirectory(os.path.basename(live), [], [])
        try:
            is_covered = _attributes(staged) == _attributes(live)
            new, old = self._staged(live) or list_directory(staged), list_directory(live)
        except PermissionError:
            return None  # it may be written to all the same
        for names in (old.files, old.links, old.others):
            contents.files.extend(names)
        if not {*new.files, *new.links, *new.others}.issuperset(contents.files):
            is_covered = False
        directories = set(new.directories)
        for name in old.directories:
            if name not in directories:
                is_covered = False
                continue
            # Also where this one is not covered: the answer will be asked for.
            below = self.find(staged + os.sep + name, live + os.sep + name)
            if below is None or below.contents is None:
                is_covered = False
            else:
                stamps += below.stamps
                contents.directories.append(below.contents)
        return WholeTree(stamps, contents) if is_covered else None


def _settled(directory: str) -> DirectoryStamp | None:
    """Return the stamp of a directory, whose change from now on will show in it."""
    while True:
        stamp = DirectoryStamp.of(directory)
        # A change within the clock tick of the last one would not show in the time.
        if stamp is None or not 0 <= time.time() - stamp.modified / 1e9 < _CLOCK_TICK_SECONDS:
            return stamp
        time.sleep(_CLOCK_TICK_SECONDS)


def _attributes(path: str) -> tuple[int, int, int, int, dict[str, bytes]]:
    """Return the mode, the owner, the flags and the extended attributes of a directory."""
    found = os.lstat(path)
    extended = {}
    if hasattr(os, "listxattr"):
        try:
            extended = {name: os.getxattr(path, name) for name in os.listxattr(path)}
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP):
                raise
    flags = getattr(found, "st_flags", 0)
    return found.st_mode, found.st_uid, found.st_gid, flags, extended
