"""Recover: finish or undo an interrupted change, and remove what it left."""

from __future__ import annotations

import os

from sagepip.ground.destination import Destination
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.timing import phase
from sagepip.transaction.journal import has_state
from sagepip.transaction.recovery import Recovered, tidy

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import Any


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

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "site": self.site,
            "recovered": str(self.recovered) if self.recovered is not None else None,
            "orphans_removed": self.swept,
            "left": list(self.left),
        }


def lock_homes(destination: Destination) -> list[str]:
    """Return the directories whose locks a destination is changed under: its site; its prefix too.

    A staged copy has a lock and a journal in the prefix where that has, or had, no site.
    """
    prefix = os.path.realpath(destination.live(destination.scheme.data))
    homes = [destination.site, *([prefix] if has_state(prefix) else [])]
    return list(dict.fromkeys(homes))


def tidy_destination(destination: Destination, lock_timeout: float | None) -> None:
    """Bring a destination in order before it is looked at (see :func:`tidy`)."""
    with phase("recover"):
        for home in lock_homes(destination):
            tidy(home, lock_timeout)


def recover_site(site: str, lock_timeout: float | None) -> RecoverReport:
    """Bring a site in order, under its lock.

    Args:
        site: the resolved site directory; if sagepip never wrote to it nothing is made.
        lock_timeout: seconds to wait for the lock, or None for ever.

    Raises:
        RecoveryError: the journal cannot be used; it is kept.
        LockTimeout, LockError: see there.
    """
    from sagepip.operations.status import site_status

    if not has_state(site):
        return RecoverReport(site, None, 0, ())
    before = {one.name for one in site_status(site).orphans}
    with phase("recover"):
        recovered = tidy(site, lock_timeout, asked=True)
    if recovered is not None:
        before.discard(recovered.journal.transaction)
    left = [one for one in site_status(site).orphans if one.name in before]
    return RecoverReport(
        site, recovered, len(before) - len(left), tuple(one.directory for one in left)
    )
