"""Work out the plan of an uninstallation: everything goes into the trash, the metadata first."""

from __future__ import annotations

import os

from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import identity
from sagepip.transaction.departing import DepartingDirectories
from sagepip.transaction.easy_install import forget_links
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.observation import renewed
from sagepip.transaction.removal import Removal
from sagepip.transaction.staging_area import StagingArea
from sagepip.transaction.steps import Plan, Retire
from sagepip.transaction.taking_apart import moves_whole, retire_metadata

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sagepip.transaction.observation import SiteObservation
    from sagepip.transaction.prefix_observation import PrefixObservation


class UninstallPlanner:
    """Plans one uninstallation; can be asked again when the live tree has changed meanwhile.

    Args:
        area: the staging area: only its trash is used.
        observe: looks at the live distributions; those to be replaced are removed.
        also: live files that go as well, unless another distribution lists them.

    Attributes:
        shared: the live paths that the last plan leaves, and the distribution that lists them.
    """

    def __init__(
        self,
        area: StagingArea,
        observe: Callable[[], SiteObservation | PrefixObservation],
        also: Collection[str] = (),
    ) -> None:
        self._area = area
        self._observe = observe
        self._also = frozenset(also)
        self._number = 0
        self._seen: SiteObservation | PrefixObservation | None = None
        self._last: Plan | None = None
        self._departing = DepartingDirectories()
        self.shared: dict[str, str] = {}

    @property
    def removed(self) -> Sequence[InstalledDistribution]:
        """What the last plan removes."""
        return self._seen.replaced if self._seen else ()

    def plan(self) -> Plan:
        """Return the plan.

        Raises:
            ConflictError: the files of one of the distributions are unknown.
        """
        self._last = renewed(self._last, self._seen, self._touched)
        if self._last is not None:
            return self._last
        self._seen = None
        # Only what is found out now: it must not be older than the plan.
        territory = self._area.territory
        stamps = territory.stamps = {}
        self._seen = self._observe()
        self.shared = self._seen.shared
        metadata = [one.metadata_path for one in self._seen.replaced]
        within = tuple(path + os.sep for path in metadata)
        files = {
            path
            for path in self._seen.old | (self._also - self.shared.keys())
            if not path.startswith(within)
        }.difference(metadata)
        roots = territory.roots
        kept = {above for root in roots for above in _with_parents(root)}
        removal = Removal(
            files,
            kept=kept,
            now_at=lambda path: (path, False),
            retire=self._retire,
            moves_whole=lambda those: moves_whole(self._area, those),
            seen=stamps,
        )
        commit = tuple(
            step for path in metadata for step in retire_metadata(self._area, path, self._retire)
        )
        links = forget_links(self._area, self._seen.replaced, self._seen.linked, self._retire)
        # The metadata goes first, so that it never lists what is not there; .pth files next, so
        # that none names a module that has gone.
        self._last = Plan((), commit, (*links, *removal.steps), tuple(removal.relied))
        self._departing = DepartingDirectories()
        for step in removal.steps:
            if isinstance(step, Retire) and step.source in removal.contents:
                contents = removal.contents[step.source]
                self._departing.expect(step.source, step.target, contents)
        return self._last

    def clear_trash(self) -> None:
        """Remove what the plan has retired as whole directories; without the lock.

        What is in them is known, so that nobody has to ask again.
        """
        self._departing.clear()

    def still_current(self) -> bool:
        """Whether what the last plan takes for granted of other distributions is still so."""
        return self._seen is None or self._seen.still_current(self._touched)

    @property
    def _touched(self) -> Collection[str]:
        """The files that no other distribution may list."""
        return self._seen.old | self._also if self._seen is not None else self._also

    def _retire(self, live: str) -> Retire:
        self._number += 1
        found = identity(live)
        if found is None:
            raise ConflictError(f"{live} vanished while the change was planned", advice="try again")
        trash = os.path.join(self._area.root_at(os.path.dirname(live)).trash, str(self._number))
        return Retire(live, trash, found)


def _with_parents(path: str) -> list[str]:
    found = [path]
    while os.path.dirname(path) != path:
        path = os.path.dirname(path)
        found.append(path)
    return found
