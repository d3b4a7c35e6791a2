"""Recover: finish or undo an interrupted change, and remove what it left."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sagepip.operations.status import site_status
from sagepip.transaction.lock import STATE_DIRECTORY, SiteLock
from sagepip.transaction.recovery import Recovered, recover, sweep


@dataclass(frozen=True)
class RecoverReport:
    """What one call of ``recover`` did.

    Attributes:
        site: the resolved site directory.
        recovered: the interrupted change that it brought to an end, or None.
        swept: how many orphaned transactions it removed.
        left: the directories of orphaned transactions that it could not remove.
    """

    site: str
    recovered: Recovered | None
    swept: int
    left: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as one line."""
        done = [str(self.recovered)] if self.recovered is not None else []
        if self.swept:
            done.append(f"removed {self.swept} orphaned transaction{'s' * (self.swept != 1)}")
        if self.left:
            done.append(f"cannot remove {', '.join(self.left)}")
        return f"{self.site}: {'; '.join(done) or 'nothing to recover'}"


def recover_site(site: str, lock_timeout: float | None) -> RecoverReport:
    """Bring a site in order, under its lock.

    Args:
        site: the resolved site directory; if sagepip never wrote to it nothing is made.
        lock_timeout: seconds to wait for the lock, or None for ever.

    Raises:
        RecoveryError: the journal cannot be used; it is kept.
        LockTimeout, LockError: see there.
    """
    if not os.path.isdir(os.path.join(site, STATE_DIRECTORY)):
        return RecoverReport(site, None, 0, ())
    before = {one.name for one in site_status(site).orphans}
    with SiteLock(site).hold(lock_timeout):
        recovered = recover(site, announce=False)
    if recovered is not None:
        before.discard(recovered.journal.transaction)
    sweep(site)
    left = [one for one in site_status(site).orphans if one.name in before]
    return RecoverReport(
        site, recovered, len(before) - len(left), tuple(one.directory for one in left)
    )
