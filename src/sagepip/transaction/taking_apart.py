"""Directories that cannot be renamed: what is in them goes file by file, then they are removed.

That is so on the lower layers of an overlay file system (the lower layers of a container image)
and where something is mounted inside a package. No call takes such a directory away in one step.
"""

from __future__ import annotations

import os
from itertools import chain

from sagepip.ground.filesystem import is_real_directory
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.staging_area import StagingArea
from sagepip.transaction.steps import DirectoryStamp, RemoveDirectory, Retire

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A reader that meets metadata without RECORD gets on; without its name it may not.
_FIRST = ("RECORD", "installed-files.txt")
_LAST = ("METADATA", "PKG-INFO")


def moves_whole(area: StagingArea, stamps: Sequence[DirectoryStamp]) -> bool:
    """Whether a directory can be renamed with all that is below it.

    Args:
        area: the staging area that it would be moved to.
        stamps: the stamps of it, as the first, and of all directories below it.
    """
    if not area.can_move(stamps[0].path):
        return False
    from sagepip.ground.mounts import is_mounted_below

    # A mount below would go along into the trash, and what is in it be removed there.
    if is_mounted_below(stamps[0].path) is False:
        return True
    return all(area.can_move(stamp.path) for stamp in stamps)


def retire_metadata(
    area: StagingArea, path: str, retire: Callable[[str], Retire]
) -> list[Retire | RemoveDirectory]:
    """Return the steps that take metadata away: one, unless its directory cannot be renamed.

    Args:
        area: the staging area.
        path: the live path of a dist-info or egg-info.
        retire: makes the step for one live path.
    """
    if not is_real_directory(path) or area.can_move(path):
        return [retire(path)]
    return take_apart(path, retire)


def take_apart(directory: str, retire: Callable[[str], Retire]) -> list[Retire | RemoveDirectory]:
    """Return the steps that empty a directory and remove it, innermost first.

    Args:
        directory: a live directory, all of which goes.
        retire: makes the step for one live path.
    """
    with os.scandir(directory) as entries:
        # On a mount of its own the transaction's directory is in the very one to be emptied.
        others = [one for one in entries if not one.name.startswith(STATE_DIRECTORY)]
    children = sorted(others, key=lambda one: (_rank(one.name), one.name))
    steps = chain.from_iterable(
        take_apart(one.path, retire) if one.is_dir(follow_symlinks=False) else [retire(one.path)]
        for one in children
    )
    return [*steps, RemoveDirectory.of(directory)]


def _rank(name: str) -> int:
    return 0 if name in _FIRST else 2 if name in _LAST else 1
