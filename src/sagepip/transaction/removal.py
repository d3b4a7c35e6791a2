"""Turn a set of files to remove into the fewest retirements that leave nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from sagepip.ground.filesystem import is_real_directory
from sagepip.transaction.ownership import CACHE_DIRECTORY, bytecode_source
from sagepip.transaction.steps import Retire, Step


def removal_steps(
    files: Collection[str],
    *,
    kept: Collection[str],
    now_at: Callable[[str], tuple[str, bool]],
    retire: Callable[[str], Retire],
) -> list[Step]:
    """Return the retirements of files, of directories emptied by that, and of their bytecode.

    Bytecode of a removed module goes with it, whether RECORD lists it or not. ``.pth`` files go
    first: one that names a missing module breaks every start of the interpreter.

    Args:
        files: live paths; those that are not there are passed over.
        kept: live directories that stay even if they are emptied: the roots and what is above
            them, and the directories of new files.
        now_at: where what will bear a live name then is now, and whether a step brings it.
        retire: makes the step for one live path.
    """
    by_directory: dict[str, set[str]] = {}
    for path in files:
        child, parent = path, os.path.dirname(path)
        while parent != child and child not in by_directory.setdefault(parent, set()):
            by_directory[parent].add(child)
            child, parent = parent, os.path.dirname(parent)
    wanted = frozenset(files)
    steps: list[Step] = []
    if files:
        _reduce(os.sep, by_directory, wanted, frozenset(kept), now_at, retire, steps)
    pth = [one for one in steps if isinstance(one, Retire) and one.source.endswith(".pth")]
    return [*pth, *(one for one in steps if one not in pth)]


def _reduce(
    live: str,
    by_directory: dict[str, set[str]],
    wanted: frozenset[str],
    kept: frozenset[str],
    now_at: Callable[[str], tuple[str, bool]],
    retire: Callable[[str], Retire],
    steps: list[Step],
) -> None:
    for child in sorted(by_directory[live]):
        path, _ = now_at(child)
        if not os.path.lexists(path):
            continue
        if child in wanted and not is_real_directory(path):
            steps.append(retire(child))
        elif child in by_directory and is_real_directory(path):
            if child not in kept and _all_wanted(path, child, wanted):
                steps.append(retire(child))
            else:
                _reduce(child, by_directory, wanted, kept, now_at, retire, steps)
    _retire_bytecode(live, by_directory[live], wanted, now_at, retire, steps)


def _all_wanted(path: str, live: str, wanted: frozenset[str]) -> bool:
    """Whether all that is in a directory (now at ``path``) is to go, ``__pycache__`` aside."""
    if os.path.basename(path) == CACHE_DIRECTORY:
        return all(
            os.path.join(live, name) in wanted
            or bytecode_source(os.path.join(live, name)) in wanted
            for name in os.listdir(path)
        )
    with os.scandir(path) as entries:
        for entry in entries:
            child = os.path.join(live, entry.name)
            if entry.is_dir(follow_symlinks=False):
                if entry.name != CACHE_DIRECTORY and not _all_wanted(entry.path, child, wanted):
                    return False
            elif child not in wanted:
                return False
    return True


def _retire_bytecode(
    live: str,
    children: set[str],
    wanted: frozenset[str],
    now_at: Callable[[str], tuple[str, bool]],
    retire: Callable[[str], Retire],
    steps: list[Step],
) -> None:
    """Retire the unlisted bytecode of modules that go, where the directory itself stays."""
    cache = os.path.join(live, CACHE_DIRECTORY)
    path, _ = now_at(cache)
    if not any(child in wanted and child.endswith(".py") for child in children):
        return
    if not is_real_directory(path) or any(
        isinstance(one, Retire) and one.source == cache for one in steps
    ):
        return
    for name in sorted(os.listdir(path)):
        member = os.path.join(cache, name)
        if member not in wanted and bytecode_source(member) in wanted:
            steps.append(retire(member))
