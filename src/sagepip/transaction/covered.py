"""Directories that a staged one replaces as a whole, for it has all that is in them."""

from __future__ import annotations

import errno
import os
import time

from sagepip.ground import console
from sagepip.ground.filesystem import place
from sagepip.transaction.steps import DirectoryStamp

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

_CLOCK_TICK_SECONDS = 0.02


class CoveredDirectories:
    """Finds live directories in which each name is also in the staged one, and of the same kind.

    To exchange the two is then the same as to exchange the files one by one, if both have the same
    mode, owner and extended attributes: those of a live directory stay.

    Args:
        kept: live paths of files that must not be replaced.
    """

    def __init__(self, kept: Iterable[str]) -> None:
        self._found: dict[str, list[DirectoryStamp] | None] = {}
        self._asked: dict[str, tuple[str, list[DirectoryStamp]]] = {}
        for path in kept:
            above = os.path.dirname(path)
            while above not in self._found:
                self._found[above] = None
                above = os.path.dirname(above)

    def find(self, staged: str, live: str) -> list[DirectoryStamp] | None:
        """Return what to rely on if a live directory can be exchanged for a staged one, else None.

        Args:
            staged: the staged directory.
            live: the live one, a real directory.
        """
        found = self._find(staged, live)
        if found is not None:
            self._asked[live] = staged, found
        return found

    def give_back(self) -> None:
        """Bring home what came into an exchanged directory between the last look and the exchange.

        Whoever takes no lock could put it there, and it would go with the old directory. A name
        that the new one has is left: it would have been replaced a moment later.
        """
        for live, (staged, stamps) in self._asked.items():
            for stamp in stamps:
                old = staged + stamp.path[len(live) :]
                now = DirectoryStamp.of(old)
                if now is None or now.inode != stamp.inode or now.modified == stamp.modified:
                    continue
                for name in os.listdir(old):
                    home = os.path.join(stamp.path, name)
                    if os.path.lexists(home):
                        continue
                    try:
                        place(os.path.join(old, name), home)
                    except OSError as error:
                        console.warn(f"{home} came during the change and is lost: {error.strerror}")

    def _find(self, staged: str, live: str) -> list[DirectoryStamp] | None:
        if live not in self._found:
            self._found[live] = self._look(staged, live)
        return self._found[live]

    def _look(self, staged: str, live: str) -> list[DirectoryStamp] | None:
        stamp = _settled(live)
        if stamp is None:
            return None
        stamps = [stamp]
        try:
            is_covered = _attributes(staged) == _attributes(live)
            new = {one.name: one.is_dir(follow_symlinks=False) for one in _list(staged)}
            old = _list(live)
        except PermissionError:
            return None  # it may be written to all the same
        for entry in old:
            name, is_directory = entry.name, entry.is_dir(follow_symlinks=False)
            if new.get(name) is not is_directory:
                is_covered = False
            elif is_directory:
                # Also where this one is not covered: the answer will be asked for.
                below = self._find(staged + os.sep + name, live + os.sep + name)
                if below is None:
                    is_covered = False
                else:
                    stamps += below
        return stamps if is_covered else None


def _list(directory: str) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        return list(entries)


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
