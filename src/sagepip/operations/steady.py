"""A consistent look at a site that others may be changing, without its lock.

Reading a whole site takes seconds, and the lock is for renames: a look takes none. What it finds
is looked at again while no commit is under way; what was only the middle of somebody's commit is
gone by then. So nobody waits for a look, a look waits for nobody, and it works where nothing can
be written.
"""

from __future__ import annotations

import os
import time

from sagepip.transaction.journal import journal_path
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.lock_view import look_at_lock
from sagepip.transaction.steps import DirectoryStamp

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Found = TypeVar("Found")

_LOOKS = 30
_PAUSE_SECONDS = 0.1


def steady(site: str, look: Callable[[], list[Found]]) -> list[Found]:
    """Return what a look finds again and again.

    Args:
        site: the resolved site directory.
        look: looks, and returns what is not as it should be.

    Returns:
        What every look found, the last of them while nobody changed the site; on a site that
        changes all the time, what 30 of them found.
    """
    found = look()
    for _ in range(_LOOKS):
        if not found:
            break
        is_quiet, stamp = not _commit_under_way(site), _stamp(site)
        again = look()
        found = [one for one in found if one in again]
        if is_quiet and _stamp(site) == stamp:
            break
        time.sleep(_PAUSE_SECONDS)
    return found


def _stamp(site: str) -> DirectoryStamp | None:
    # A journal that comes or goes changes the time of the directory.
    return DirectoryStamp.of(os.path.join(site, STATE_DIRECTORY))


def _commit_under_way(site: str) -> bool:
    # A hot journal changes nothing by itself: what is found beside it is steady.
    return os.path.lexists(journal_path(site)) and bool(look_at_lock(site).held)
