"""Work out the plan of a staged copy: as that of an installation, but for a whole prefix."""

from __future__ import annotations

import os

from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import Identity, can_exchange, identity, is_real_directory
from sagepip.transaction.covered import CoveredDirectories
from sagepip.transaction.planner import Planner
from sagepip.transaction.prefix_observation import PrefixObservation
from sagepip.transaction.replacements import WholeTree
from sagepip.transaction.staging_area import StagedDistribution, StagingArea, StagingRoot
from sagepip.transaction.steps import Unchanged

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sagepip.ground.listing import Listing
    from sagepip.ground.removing import KnownDirectory
    from sagepip.transaction.planner import Observation


class CopyPlanner(Planner):
    """Plans one staged copy; can be asked again when the prefix has changed meanwhile.

    Files that no distribution lists are replaced, as ``cp`` does: nobody else can say that they
    belong to an older version of what is copied. Those of other distributions are not.

    Args:
        area: the staging area, complete.
        staged: the distributions in it.
        files: the live paths of all files in it.
        names: for the directories of each Python that hold metadata, the projects in the tree.
        listing_of: what is staged for a live directory, where that is known.
        overwrite: shell patterns of files that may be replaced whoever owns them.
    """

    def __init__(
        self,
        area: StagingArea,
        staged: Sequence[StagedDistribution],
        files: frozenset[str],
        names: Mapping[tuple[str, ...], Sequence[str]],
        listing_of: Callable[[str], Listing | None],
        *,
        overwrite: Sequence[str] = (),
    ) -> None:
        directories = [one for group in names for one in group]
        super().__init__(area, staged, directories, overwrite=overwrite)
        self._files = files
        self._names = names
        self._listing_of = listing_of

    def _observe(self) -> Observation:
        seen = PrefixObservation(self._names, self._files, self._territory)
        self._covered = CoveredDirectories(seen.shared, self._listing_of)
        return seen

    def _published_files(self) -> set[str]:
        return set(self._files)

    def _is_free(self, live: str) -> bool:
        return self._seen is not None and live not in self._seen.shared

    def _goes_whole(self, staged: str, live: str) -> WholeTree | None:
        tree = super()._goes_whole(staged, live)
        if tree is None and can_exchange(self._area.root_of(live).new):
            tree = self._covered.find(staged, live)
            if tree is not None:
                # What others list meanwhile must not be among what goes with it.
                below = live + os.sep
                self._replacements.paths.update(one for one in self._files if one.startswith(below))
        return tree

    def _replace(
        self,
        root: StagingRoot,
        staged: str,
        live: str,
        old: Identity,
        contents: KnownDirectory | None = None,
    ) -> None:
        if identity(staged) == old:
            # A second name of what is there (Cloner): it stays.
            self._kept.add(live)
            self._relied.append(Unchanged(live, old))
        else:
            super()._replace(root, staged, live, old, contents)

    def _is_followed_link(self, live: str, found: os.stat_result) -> bool:  # noqa: ARG002
        return False  # cp does not either; two staged directories could lead to one

    def _refuse(self, live: str) -> None:
        if not os.path.lexists(live) or (self._seen is not None and live in self._seen.shared):
            super()._refuse(live)
        kind = "a directory" if is_real_directory(live) else "a file"
        if os.path.islink(live):
            kind = f"a link to {os.readlink(live)}"
        raise ConflictError(
            f"{live} is {kind}, and something of another kind in the staged tree",
            advice="remove the one or the other, or build the package for the prefix as it is",
        )
