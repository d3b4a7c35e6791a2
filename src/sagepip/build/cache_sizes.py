"""What the cache takes on disk: measured, or, where that would take too long, as it was noted."""

from __future__ import annotations

import os

from sagepip.build.cache import Cache
from sagepip.build.cache_contents import Entry
from sagepip.build.cache_notes import disk_size, noted_size, own_size

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol
else:
    Protocol = object

_Inode = tuple[int, int]


class Sizes(Protocol):
    """What the cache takes while entries are being removed."""

    @property
    def total(self) -> int:
        """The bytes that it takes now."""

    def release(self, path: str) -> int:
        """Note that something at the top of one of its directories goes; return what that frees."""


class MeasuredSizes:
    """Sizes as they are: a file with several names counts once, and goes with the last of them.

    Args:
        cache: is looked at as a whole; what disappears meanwhile does not count.
    """

    def __init__(self, cache: Cache) -> None:
        self.total = 0
        self._own: dict[str, int] = {}
        self._shared: dict[str, dict[_Inode, int]] = {}
        from collections import Counter

        self._names: Counter[_Inode] = Counter()
        self._measure(cache)

    def _measure(self, cache: Cache) -> None:
        tops = (cache.environments, cache.wheels, cache.bytecode, cache.resolutions)
        for path in (*tops, cache.path):
            # What lies at the top of a directory is looked at on its own; the directory remains.
            self.total += _of_directory(path)
            for name in _names(path):
                one = os.path.join(path, name)
                if one not in tops:
                    self._own[one], self._shared[one] = _measure(one)
                    self.total += self._own[one]
                    self._names.update(self._shared[one].keys())
        self.total += sum({k: v for one in self._shared.values() for k, v in one.items()}.values())

    def own(self, path: str) -> int:
        """Return what would be free if something went now."""
        shared = self._shared.get(path, {})
        alone = (size for inode, size in shared.items() if self._names[inode] == 1)
        return self._own.get(path, 0) + sum(alone)

    def release(self, path: str) -> int:
        """Note that something at the top of one of its directories goes; return what that frees."""
        freed = self.own(path)
        self._own.pop(path, None)
        self._names.subtract(self._shared.pop(path, {}).keys())
        self.total -= freed
        return freed


class NotedSizes:
    """Sizes as noted when entries were made: one small file each is read.

    Args:
        entries: those of the cache.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._own = {one.path: _noted(one) for one in entries}
        self.total = sum(self._own.values())

    def release(self, path: str) -> int:
        """Note that something at the top of one of its directories goes; return what that frees."""
        freed = self._own.pop(path, 0)
        self.total -= freed
        return freed


def _noted(entry: Entry) -> int:
    if not entry.kind.is_file:
        noted = noted_size(entry.path)
        return own_size(entry.path) if noted is None else noted
    try:
        return disk_size(os.lstat(entry.path))
    except OSError:
        return 0


def _measure(path: str) -> tuple[int, dict[_Inode, int]]:
    """Return the size of what has one name in a tree, and each size of what has several."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0, {}
    total, shared = disk_size(found), dict[_Inode, int]()
    waiting = [path]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif found.st_nlink > 1:
                        shared[found.st_dev, found.st_ino] = disk_size(found)
                        continue
                    total += disk_size(found)
        except OSError:
            continue  # no directory, gone, or not to be read
    return total, shared


def _of_directory(path: str) -> int:
    try:
        return disk_size(os.lstat(path))
    except OSError:
        return 0


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
