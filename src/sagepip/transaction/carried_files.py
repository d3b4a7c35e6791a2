"""Hard links in staged directories to what only the old version has.

A directory that is swapped in must hold every file that the old metadata lists for as long as that
is visible; the links go after it does (DESIGN.md, Commit protocol).
"""

from __future__ import annotations

import os

from sagepip.ground.filesystem import (
    is_real_directory,
    link_or_copy,
    make_directories,
    remove_directory_if_empty,
    remove_file,
)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection


class CarriedFiles:
    """What one plan has put into the staging area besides what was staged."""

    def __init__(self) -> None:
        self._made: list[str] = []

    def drop(self) -> None:
        """Take all of it away again: the plan is not carried out."""
        for path in reversed(self._made):
            if is_real_directory(path):
                remove_directory_if_empty(path)
            else:
                remove_file(path)
        self._made.clear()

    def carry(self, live: str, staged: str, old: Collection[str], new: Collection[str]) -> None:
        """Give a directory that will be swapped in what only the old version has.

        Args:
            live: the directory as it is.
            staged: the one that will take its place.
            old: the live paths of the old version's files.
            new: the live paths of the new version's files.
        """
        prefix = live + os.sep
        for path in sorted(old):
            if not path.startswith(prefix) or path in new or not os.path.lexists(path):
                continue
            target = os.path.join(staged, path[len(prefix) :])
            if (
                is_real_directory(path)
                or os.path.lexists(target)
                or _becomes_file(os.path.dirname(path), live, new)
            ):
                continue
            self._made += make_directories(os.path.dirname(target))
            link_or_copy(path, target)
            self._made.append(target)


def _becomes_file(directory: str, within: str, new: Collection[str]) -> bool:
    """Whether a directory of the old version, or one above it, is a file in the new."""
    while len(directory) > len(within):
        if directory in new:
            return True
        directory = os.path.dirname(directory)
    return False
