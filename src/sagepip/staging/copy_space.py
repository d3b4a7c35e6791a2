"""Whether a staged tree can fit where it is going to be copied to."""

from __future__ import annotations

import os
import stat

from sagepip.ground.cloning import shares_blocks
from sagepip.ground.free_space import NoSpace, check_space, existing
from sagepip.staging.staged_tree import StagedTree

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def check_copy_fits(tree: StagedTree, prefix: str, *, move: bool) -> None:
    """Refuse a tree that cannot fit, before anything of it is copied.

    The bytes of its files count, hard links once, for each file system that they go to; what is
    renamed there counts nothing, nor does what shares blocks with its copy.

    Args:
        tree: the staged tree.
        prefix: the resolved directory that it is going to be published in.
        move: whether what lies on the same file system is renamed.

    Raises:
        NoSpace: a file system has too little space.
    """
    places = _places(tree, prefix)
    if _has_room_for_all(tree.path, places):
        return  # without a look at each file
    needed: dict[int, tuple[str, int]] = {}
    # Of each file system a file that goes there, and whether one could be renamed.
    example: dict[int, str] = {}
    movable: set[int] = set()
    for path, device, size in _sizes(tree):
        directory, target = places[os.path.dirname(path)]
        if device == target:
            movable.add(target)
            if move:
                continue
        first, so_far = needed.get(target, (directory, 0))
        needed[target] = first, so_far + size
        example[target] = path
    for target, (directory, size) in needed.items():
        try:
            check_space(
                directory,
                size,
                f"a copy of {tree.path}",
                when="",
                advice="make space" + (", or give --move" if target in movable else ""),
            )
        except NoSpace:
            if not shares_blocks(os.path.join(tree.path, example[target]), directory):
                raise


def _places(tree: StagedTree, prefix: str) -> dict[str, tuple[str, int]]:
    """Return the place of the tree and of each directory in it."""
    places = {"": _place(prefix)}
    for one in tree.directories:
        above, _, name = one.rpartition(os.sep)
        known = places[above]
        if known[0] == (os.path.join(prefix, above) if above else prefix):
            known = _place(known[0] + os.sep + name)
        places[one] = known  # in what is not there, nothing is
    return places


def _place(path: str) -> tuple[str, int]:
    """Return the directory that is, or is above, a path, and its device."""
    directory = existing(path)
    return directory, os.stat(directory).st_dev


def _has_room_for_all(source: str, places: Mapping[str, tuple[str, int]]) -> bool:
    """Whether each target has as much free space as the file system of the source has in use."""
    found = os.statvfs(source)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    one_of_each = {device: directory for directory, device in places.values()}
    return all(used <= _free(directory) for directory in one_of_each.values())


def _free(directory: str) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _sizes(tree: StagedTree) -> Iterator[tuple[str, int, int]]:
    """Yield each regular file, of hard links one: its path in the tree, device and bytes."""
    linked: set[tuple[int, int]] = set()
    for path in tree.files:
        found = os.lstat(os.path.join(tree.path, path))
        key = (found.st_dev, found.st_ino)
        if stat.S_ISREG(found.st_mode) and key not in linked:
            yield path, found.st_dev, found.st_size
            if found.st_nlink > 1:
                linked.add(key)
