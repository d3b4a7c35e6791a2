"""The unpacked copies of the zip application: ``CACHE/pyz/VERSION-DIGEST``.

``sagepip.pyz`` makes them (``bench/pyz_main.py``). Whoever runs from one holds a shared lock on its
directory, and has set its time; whoever makes one holds an exclusive lock on ``CACHE/pyz``.
"""

from __future__ import annotations

import os
import time

from sagepip.build.cache import take_away
from sagepip.build.cache_contents import Kind
from sagepip.build.cache_notes import own_size
from sagepip.build.cache_pruning import Removal, is_in_use
from sagepip.ground.filesystem import is_real_directory, remove_tree
from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.owner_mark import seize_directory

UNUSED_DAYS = 30
"""For so long a copy stays that nobody uses."""


@dataclass(frozen=True)
class ZipCopy:
    """A copy.

    Attributes:
        path: where.
        size: the bytes that it takes.
        last_used: seconds since the epoch.
        in_use: whether somebody runs from it.
    """

    path: str
    size: int
    last_used: float
    in_use: bool


@dataclass(frozen=True)
class PrunedCopies:
    """What became of the copies.

    Attributes:
        removed: those that went.
        in_use: those that would have gone, but are used.
        failed: those that cannot be removed, and why.
    """

    removed: tuple[Removal, ...]
    in_use: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]


def list_copies(top: str) -> list[ZipCopy]:
    """Return the copies in a cache; nothing is waited for.

    Args:
        top: the cache's directory.

    Raises:
        OSError: it cannot be read.
    """
    found = []
    for path in _names(os.path.join(top, "pyz")):
        if is_real_directory(path) and not _is_unfinished(path):
            found.append(ZipCopy(path, own_size(path), _last_used(path), is_in_use(path)))
    return found


def prune_copies(top: str, *, used_since: float, everything: bool, dry_run: bool) -> PrunedCopies:
    """Remove copies that nobody uses, and what was left of making and removing them.

    Args:
        top: the cache's directory.
        used_since: those last used before go; seconds since the epoch.
        everything: all go.
        dry_run: remove nothing, but tell.

    Raises:
        OSError: the cache cannot be read.
    """
    used_since = max(used_since, time.time() - UNUSED_DAYS * 24 * 60 * 60)
    removed, in_use, failed = list[Removal](), list[str](), list[tuple[str, str]]()
    for copy in list_copies(top):
        if not everything and copy.last_used >= used_since:
            continue
        reason = "everything goes" if everything else "it was not used for long"
        try:
            is_free = not copy.in_use if dry_run else _take(copy, everything=everything)
        except OSError as error:
            failed.append((copy.path, error.strerror or str(error)))
            continue
        if is_free:
            removed.append(Removal(copy.path, Kind.APPLICATION, copy.size, reason))
        elif os.path.lexists(copy.path):
            in_use.append(copy.path)
    if not dry_run:
        _remove_unfinished(os.path.join(top, "pyz"))
    return PrunedCopies(tuple(removed), tuple(in_use), tuple(failed))


def _take(copy: ZipCopy, *, everything: bool) -> bool:
    descriptor = seize_directory(copy.path)
    if descriptor < 0:
        return False
    try:
        if not everything and _last_used(copy.path) != copy.last_used:
            return False
        return take_away(copy.path)
    finally:
        os.close(descriptor)


def _remove_unfinished(directory: str) -> None:
    descriptor = seize_directory(directory)
    if descriptor < 0:
        return  # nobody makes one, or it is being made
    try:
        for path in _names(directory):
            if _is_unfinished(path):
                remove_tree(path)
    finally:
        os.close(descriptor)


def _is_unfinished(path: str) -> bool:
    return path.endswith((".part", ".lock")) or os.path.basename(path).startswith(".trash-")


def _names(directory: str) -> list[str]:
    try:
        return [os.path.join(directory, one) for one in sorted(os.listdir(directory))]
    except FileNotFoundError:
        return []


def _last_used(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0
