"""Keep the cache within its bound, without delaying builds."""

from __future__ import annotations

import os
import time

from sagepip.build.cache import Cache
from sagepip.build.cache_contents import list_entries
from sagepip.build.cache_sizes import NotedSizes
from sagepip.ground import console
from sagepip.ground.errors import UsageError
from sagepip.transaction.owner_mark import seize_directory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "SAGEPIP_CACHE_MAX_SIZE"
# Fifteen environments of all usual backends, with numpy, Cython and CMake, take 0.27 GiB: room for
# many more, in several versions and for several interpreters.
DEFAULT_BOUND = 4 << 30
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = r"([0-9]{1,300}(?:\.[0-9]{1,300})?) ?([kmgt]?)(?:i?b)?"
_STAMP = "last-pruned"
_DAY = 24 * 60 * 60.0
# What is not done within this time is left to later builds.
_SECONDS_AT_ONCE = 1.0


def parse_size(text: str) -> int | None:
    """Return the number of bytes that a text like ``500M`` or ``1.5G`` stands for; None if none.

    Args:
        text: a number of bytes, or of units of 1024 times 1024 … bytes.
    """
    import re
    from fractions import Fraction

    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE | re.ASCII)
    return int(Fraction(match[1]) * _UNITS[match[2].lower()]) if match else None


def size_bound(environ: Mapping[str, str]) -> int:
    """Return how many bytes the cache may take; 0 for no bound.

    Args:
        environ: the environment.

    Raises:
        UsageError: the variable holds no size.
    """
    text = environ.get(VARIABLE, "")
    if not text:
        return DEFAULT_BOUND
    size = parse_size(text)
    if size is None:
        raise UsageError(
            f"{VARIABLE} is no size: {text}", advice="a number of bytes, 500M or 1.5G; 0: no bound"
        )
    return size


def keep_bound(cache: Cache, environ: Mapping[str, str]) -> None:
    """Remove what is least recently used if the cache has grown too large.

    To be called by whoever has made an environment, when that has been used. Once a day it removes
    what was left unfinished, too. Nothing is waited for, and no failure is an error.

    Args:
        cache: the cache.
        environ: the environment.
    """
    try:
        bound = size_bound(environ)
    except UsageError as error:
        console.warn(f"{error}")
        bound = DEFAULT_BOUND
    try:
        descriptor = seize_directory(cache.path)
        if descriptor < 0:
            return  # another does it
        try:
            _keep(cache, bound)
        finally:
            os.close(descriptor)
    except OSError as error:
        console.detail(f"cannot prune {cache.path}: {error.strerror}: {error.filename}")


def note_pruning(cache: Cache) -> None:
    """Note that the cache is being pruned now."""
    path = os.path.join(cache.path, _STAMP)
    try:
        with open(path, "ab"):
            os.utime(path)
    except OSError as error:
        console.detail(f"cannot write {path}: {error.strerror}")


def last_pruning(cache: Cache) -> float | None:
    """Return when the cache was pruned, in seconds since the epoch; None if it never was."""
    try:
        return os.stat(os.path.join(cache.path, _STAMP)).st_mtime
    except OSError:
        return None


def _keep(cache: Cache, bound: int) -> None:
    last = last_pruning(cache)
    if last is None:
        note_pruning(cache)  # it was just made: nobody has left anything unfinished
    is_due = last is not None and not 0 <= time.time() - last < _DAY
    entries = list_entries(cache)
    sizes = NotedSizes(entries)
    if not is_due and (not bound or sizes.total <= bound):
        return
    from sagepip.build.cache_pruning import Policy, Pruner

    # First, so that what fails is not tried again by each build.
    note_pruning(cache)
    pruner = Pruner(cache, entries, sizes)
    if is_due:
        pruner.remove_unfinished()
    if bound and sizes.total > bound:
        end = time.monotonic() + _SECONDS_AT_ONCE
        pruner.remove_by(Policy(bound, is_late=lambda: time.monotonic() > end))
    if pruner.removed:
        freed = sum(one.size for one in pruner.removed)
        console.detail(f"removed {len(pruner.removed)} old entries of {cache.path} ({freed} bytes)")
