"""Work out the plan of an uninstallation: everything goes into the trash, the metadata first."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import identity
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.observation import SiteObservation
from sagepip.transaction.removal import removal_steps
from sagepip.transaction.staging_area import StagingArea
from sagepip.transaction.steps import Plan, Retire, Step

_INTERPRETER = re.compile(r"(python|pypy|pythonw)\d*(\.\d+)*|pyvenv\.cfg")


class UninstallPlanner:
    """Plans one uninstallation; can be asked again when the live tree has changed meanwhile.

    Args:
        area: the staging area: only its trash is used.
        names: the projects to remove.
        metadata_directories: the live directories that hold metadata.
    """

    def __init__(
        self,
        area: StagingArea,
        names: Sequence[str],
        metadata_directories: Sequence[str],
    ) -> None:
        self._area = area
        self._names = names
        self._metadata_directories = metadata_directories
        self._number = 0
        self._observation = SiteObservation(metadata_directories, names, area.live_roots)

    @property
    def removed(self) -> Sequence[InstalledDistribution]:
        """What the last plan removes."""
        return self._observation.replaced

    @property
    def files(self) -> int:
        """How many files the last plan removes, metadata included."""
        return len(self._observation.old)

    def plan(self) -> Plan:
        """Return the plan.

        Raises:
            ConflictError: the files of one of the distributions are unknown.
        """
        self._observation = SiteObservation(
            self._metadata_directories, self._names, self._area.live_roots
        )
        metadata = [one.metadata_path for one in self._observation.replaced]
        within = tuple(path + os.sep for path in metadata)
        files = {
            path
            for path in self._observation.old
            if not path.startswith(within) and path not in metadata and not _is_interpreter(path)
        }
        pth = sorted(path for path in files if self._is_startup_file(path))
        roots = self._area.live_roots
        kept = {above for root in roots for above in _with_parents(root)}
        after = removal_steps(
            files.difference(pth),
            kept=kept,
            now_at=lambda path: (path, False),
            retire=self._retire,
        )
        before: list[Step] = [self._retire(path) for path in pth if os.path.lexists(path)]
        commit = tuple(self._retire(path) for path in metadata)
        return Plan(tuple(before), commit, tuple(after))

    def still_current(self) -> bool:
        """Whether what the last plan takes for granted of other distributions is still so."""
        return self._observation.still_current(self._observation.old)

    def _is_startup_file(self, path: str) -> bool:
        return path.endswith(".pth") and os.path.dirname(path) in self._metadata_directories

    def _retire(self, live: str) -> Retire:
        self._number += 1
        found = identity(live)
        if found is None:
            raise ConflictError(f"{live} vanished while the change was planned", advice="try again")
        trash = os.path.join(self._area.root_of(live).trash, str(self._number))
        return Retire(live, trash, found)


def _is_interpreter(path: str) -> bool:
    """Whether a RECORD asks for the removal of what runs everything else."""
    return _INTERPRETER.fullmatch(os.path.basename(path)) is not None and (
        os.path.basename(os.path.dirname(path)) == "bin" or path.endswith("pyvenv.cfg")
    )


def _with_parents(path: str) -> list[str]:
    found = [path]
    while os.path.dirname(path) != path:
        path = os.path.dirname(path)
        found.append(path)
    return found
