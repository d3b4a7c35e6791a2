"""Bring a staged tree into the staging area of a transaction: copied, or moved."""

from __future__ import annotations

import errno
import os

from sagepip.ground import console
from sagepip.ground.cloning import Cloner
from sagepip.ground.filesystem import make_directories, place, remove_tree
from sagepip.staging.staged_tree import StagedTree
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
        self._roots = frozenset(area.territory.roots)
        self._cloner = Cloner()
        self._moved: list[tuple[str, str]] = []
        # Directories of modules are roots of their own; what is skipped must not come along.
        self._entered = [*tree.module_directories, *tree.skipped]

    def copy(self) -> None:
        """Copy the tree, with all that ``cp -Rp`` keeps and extended attributes."""
        self._fill("", "", move=False)

    def move(self) -> None:
        """Rename what is in the tree; what lies on another mount is copied."""
        self._fill("", "", move=True)

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

    def _fill(self, directory: str, target: str, *, move: bool) -> None:
        """Bring what is in a directory of the tree into the staging area.

        Args:
            directory: relative to the tree.
            target: where it goes, if it belongs to the root of the directory above it.
            move: rename what can be renamed.
        """
        source, live = self._tree.path, self._prefix
        if directory:
            source, live = os.path.join(source, directory), os.path.join(live, directory)
        root = None
        if live in self._roots:
            root = self._area.root_of(os.path.join(live, "any"))
            target = root.staged(live)
            make_directories(target)
        else:
            os.mkdir(target)
        files, links, directories, _ = self._tree.listings[directory]
        within = target + os.sep
        if move:
            above = directory and directory + os.sep
            files = [one for one in files if not self._move(source + os.sep + one, within + one)]
            links = [one for one in links if not self._move(source + os.sep + one, within + one)]
            directories = [
                one
                for one in directories
                if self._is_entered(above + one)
                or not self._move(source + os.sep + one, within + one)
            ]
        if files or links:
            self._cloner.clone_into(source, files, links, target, live)
        for name in directories:
            self._fill(os.path.join(directory, name), within + name, move=move)
        if root is None or target != root.new:
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
