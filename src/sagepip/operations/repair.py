"""Take away what is known to be rubbish, in a transaction."""

from __future__ import annotations

import os

from sagepip.ground.filesystem import Identity, identity
from sagepip.operations.symptoms import Diagnosis, Symptom
from sagepip.transaction.staging_area import StagingArea
from sagepip.transaction.steps import DirectoryStamp, Plan, Retire

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class RepairPlanner:
    """Plans the removal of what a diagnosis found; can be asked again.

    Args:
        area: the staging area: only its trash is used.
        diagnose: looks for what is to be removed.
    """

    def __init__(self, area: StagingArea, diagnose: Callable[[], Sequence[Diagnosis]]) -> None:
        self._area = area
        self._diagnose = diagnose
        self._number = 0
        self.removed: tuple[Diagnosis, ...] = ()

    def plan(self) -> Plan:
        """Return the plan; recovery finishes it once its first step is done."""
        found = [(one, identity(one.path)) for one in self._diagnose()]
        self.removed = tuple(one for one, what in found if what is not None)
        steps = [self._retire(one.path, what) for one, what in found if what is not None]
        watched = {one.path for one in self.removed}
        # A module that was put beside its bytecode meanwhile changes the time of its directory.
        watched |= {
            os.path.dirname(os.path.dirname(one.path))
            for one in self.removed
            if one.symptom is Symptom.STALE
        }
        stamps = [DirectoryStamp.of(path) for path in sorted(watched) if os.path.isdir(path)]
        relied = tuple(stamp for stamp in stamps if stamp is not None)
        return Plan((), tuple(steps[:1]), tuple(steps[1:]), relied)

    def still_current(self) -> bool:
        """Whether what the last plan takes for granted is still so: its stamps tell."""
        return True

    def _retire(self, path: str, what: Identity) -> Retire:
        self._number += 1
        trash = os.path.join(self._area.root_of(path).trash, str(self._number))
        return Retire(path, trash, what)
