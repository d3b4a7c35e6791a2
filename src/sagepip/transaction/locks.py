"""The locks of several sites, for changes that span them (a staged tree)."""

from __future__ import annotations

import os
import time

from sagepip.ground.filesystem import Identity, make_directories
from sagepip.ground.light_contextlib import ExitStack, contextmanager
from sagepip.ground.timing import phase
from sagepip.transaction.lock import SiteLock
from sagepip.transaction.outer_lock import outer_lock, outer_lock_to_take

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class SiteLocks:
    """The exclusive locks of some sites, always taken in the same order: no deadlock.

    Args:
        homes: the resolved directories that hold them, the one for what belongs to no site first
            if it is no site itself; others by device and inode. They are made if missing.

    Attributes:
        waited_seconds: how long the last :meth:`hold` waited, for all of them.
        held_seconds: how long the last :meth:`hold` held all of them.
        found: what the file of each lock was when it was got; None if that took waiting.
    """

    def __init__(self, homes: Sequence[str]) -> None:
        self.homes = tuple(homes)
        self.waited_seconds = 0.0
        self.held_seconds = 0.0
        self.found: dict[str, Identity | None] = {}

    def check_obtainable(self) -> None:
        """Refuse at once what could never be locked (see :meth:`SiteLock.check_obtainable`)."""
        outer_lock_to_take(shared=False)
        for home in self.homes:
            SiteLock(home).check_obtainable()

    @contextmanager
    def hold(self, timeout: float | None = None) -> Iterator[None]:
        """Hold all locks for the body of a ``with`` statement, and the one of other programs.

        Args:
            timeout: seconds to wait at most, for all together; None to wait for ever.

        Raises:
            LockTimeout, LockError: see :meth:`SiteLock.hold`.
        """
        started = time.monotonic()
        with ExitStack() as held:
            under_way = held.enter_context(phase("wait"))
            held.enter_context(outer_lock(timeout, started))
            for home in _in_order(self.homes):
                lock = SiteLock(home)
                held.enter_context(lock.hold(timeout, started))
                self.found[home] = lock.found
            acquired = time.monotonic()
            under_way.becomes("commit")
            self.waited_seconds = acquired - started
            try:
                yield
            finally:
                self.held_seconds = time.monotonic() - acquired

    def discard(self) -> None:
        """Remove the files of the locks, which are held, from a tree that keeps nothing of ours."""
        for home in self.homes:
            SiteLock(home).discard()


def _in_order(homes: Sequence[str]) -> list[str]:
    def key(home: str) -> tuple[int, int, int]:
        make_directories(home)
        found = os.stat(home)
        # A prefix that is no site comes before its sites: they may be made under its lock.
        is_above = any(other.startswith(home.rstrip(os.sep) + os.sep) for other in homes)
        return (not is_above, found.st_dev, found.st_ino)

    keys = {home: key(home) for home in homes}
    return sorted(keys, key=keys.__getitem__)
