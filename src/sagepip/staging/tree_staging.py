"""Bring a staged tree into the staging area of a transaction: copied, or moved."""

from __future__ import annotations

import errno
import os

from sagepip.ground import console
from sagepip.ground.cloning import Cloner
from sagepip.ground.filesystem import make_directories, place, remove_tree
from sagepip.staging.staged_tree import StagedTree
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.staging_area import StagingArea

# Another mount, a mount point, or a directory that may not be changed.
_NOT_TO_BE_MOVED = frozenset({errno.EXDEV, errno.EBUSY, errno.EACCES, errno.EPERM})


class TreeStaging:
    """Fills the staging area from a staged tree.

    Args:
        tree: the staged tree.
        prefix: the resolved directory that it is going to be published in.
        area: where its files wait; the module directories of the tree are roots of it.
    """

    def __init__(self, tree: StagedTree, prefix: str, area: StagingArea) -> None:
        self._tree = tree
        self._prefix = prefix
        self._area = area
        self._cloner = Cloner()
        self._moved: list[tuple[str, str]] = []
        # Directories of modules are roots of their own; what is skipped must not come along.
        self._entered = [*tree.module_directories, *tree.skipped]

    def copy(self) -> None:
        """Copy the tree, with all that ``cp -Rp`` keeps and extended attributes."""
        self._fill("", move=False)

    def move(self) -> None:
        """Rename what is in the tree; what lies on another mount is copied."""
        self._fill("", move=True)

    def restore(self) -> None:
        """Move back what was moved: nothing of it was published."""
        for source, staged in reversed(self._moved):
            try:
                if os.path.lexists(staged):
                    place(staged, source)
            except OSError as error:
                # One that is lost must not take the others along.
                console.warn(f"cannot move {source} back, it is lost: {error.strerror}")
        self._moved.clear()

    def remove_source(self) -> None:
        """Empty the staged tree, all of which was published."""
        for name in os.listdir(self._tree.path):
            path = os.path.join(self._tree.path, name)
            try:
                gone = remove_tree(path)
            except OSError:
                gone = False
            if not gone:
                console.warn(f"it was published, but {path} cannot be removed")

    def _fill(self, directory: str, *, move: bool) -> None:
        source = os.path.join(self._tree.path, directory)
        live = os.path.normpath(os.path.join(self._prefix, directory))
        root = self._area.root_of(os.path.join(live, "any"))
        target = root.staged(live)
        make_directories(target)
        with os.scandir(source) as scanned:
            entries = [one for one in scanned if not one.name.startswith(STATE_DIRECTORY)]
        below: list[os.DirEntry[str]] = []
        copied: list[os.DirEntry[str]] = []
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            if move:
                path = os.path.join(directory, entry.name)
                is_entered = is_directory and self._is_entered(path)
                if not is_entered and self._move(entry.path, target + os.sep + entry.name):
                    continue
            (below if is_directory else copied).append(entry)
        if copied:
            self._cloner.clone_into(source, copied, target)
        for entry in below:
            self._fill(os.path.join(directory, entry.name), move=move)
        if target != root.new:
            self._cloner.clone_directory_attributes(source, target)

    def _is_entered(self, directory: str) -> bool:
        """Whether a directory cannot go as a whole."""
        return any(one == directory or one.startswith(directory + os.sep) for one in self._entered)

    def _move(self, source: str, staged: str) -> bool:
        try:
            place(source, staged)
        except OSError as error:
            if error.errno not in _NOT_TO_BE_MOVED:
                raise
            return False  # copied, then
        self._moved.append((source, staged))
        return True
