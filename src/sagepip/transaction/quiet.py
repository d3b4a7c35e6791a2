"""Whether anybody may have changed a site under its lock since a moment.

Who takes the lock by sagepip writes a line into its file and clears it in the end; who works inside
the lock of an ancestor works while that holds it. Who takes it by ``flock(1)`` leaves no trace: it
is seen if it holds it at that moment, or makes us wait for it later.
"""

from __future__ import annotations

import os
import time

from sagepip.ground.filesystem import Identity, identity_of
from sagepip.ground.site_names import CLOCK_TICK_SECONDS
from sagepip.transaction.kernel_locks import kernel_locks
from sagepip.transaction.lock_files import LockFiles

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class QuietHomes:
    """The locks of some homes at one moment.

    Args:
        homes: the resolved directories that hold the locks.
    """

    def __init__(self, homes: Sequence[str]) -> None:
        self._locks: dict[str, Identity] = {}
        self._is_known = all(self._look_at(home) for home in homes)

    def still_quiet(self, found: Mapping[str, Identity | None]) -> bool:
        """Whether it is known that nobody has held a lock since; to be asked while they are held.

        Args:
            found: what the file of each lock was when it was got; None if that took waiting, or if
                an ancestor holds it.
        """
        return self._is_known and all(found.get(one) == lock for one, lock in self._locks.items())

    def _look_at(self, home: str) -> bool:
        """Look at a lock; return whether what happens to it from now on will show."""
        path = LockFiles.of_site(home).lock
        try:
            lock = os.lstat(path)
        except OSError:
            return False
        self._locks[home] = identity_of(lock)
        # A change within the clock tick of the last one would not show in the time.
        if lock.st_size or time.time() - lock.st_mtime < CLOCK_TICK_SECONDS:
            return False
        kernel = kernel_locks(path)
        return kernel is not None and not kernel.holders
