"""Work out the plan: from what is staged and what is live to places, swaps and retirements.

Nothing live is changed here. The staging area is: a directory that will be swapped in gets hard
links to the files that only the old version has, so that the old metadata never points at
nothing while it is visible.
"""

from __future__ import annotations

import os
import stat

from sagepip.ground import console
from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import (
    Identity,
    can_exchange,
    can_link,
    identity,
    identity_of,
    is_real_directory,
    walk_files,
)
from sagepip.ground.removing import KnownDirectory
from sagepip.transaction.carried_files import CarriedFiles
from sagepip.transaction.departing import DepartingDirectories
from sagepip.transaction.easy_install import forget_links
from sagepip.transaction.exchanging import exchange
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.observation import SiteObservation, renewed
from sagepip.transaction.ownership import OwnedTree, bytecode_source, same_content, walk_owned
from sagepip.transaction.phases import Phase, PhasedSteps
from sagepip.transaction.removal import Removal, directories_above
from sagepip.transaction.replacements import Replacements, WholeTree
from sagepip.transaction.staging_area import StagedDistribution, StagingArea, StagingRoot
from sagepip.transaction.steps import Place, Plan, Relied, Retire, Step, Swap, Unchanged
from sagepip.transaction.taking_apart import moves_whole, retire_metadata, take_apart

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sagepip.transaction.prefix_observation import PrefixObservation

    Observation = SiteObservation | PrefixObservation


class Planner:
    """Plans one transaction; can be asked again when the live tree has changed meanwhile.

    Args:
        area: the staging area, complete.
        staged: the distributions in it.
        metadata_directories: the live directories that hold dist-infos, as the scheme spells them.
        overwrite: shell patterns of files that may be replaced whoever owns them.
    """

    def __init__(
        self,
        area: StagingArea,
        staged: Sequence[StagedDistribution],
        metadata_directories: Sequence[str],
        *,
        overwrite: Sequence[str] = (),
    ) -> None:
        self._area = area
        self._staged = staged
        self._metadata_directories = metadata_directories
        self._territory = area.territory
        self._overwrite = overwrite
        self._carried = CarriedFiles()
        self._trash_number = 0
        self._seen: Observation | None = None
        self._last: Plan | None = None
        # The live paths of files that no other distribution may list.
        self._touched: set[str] = set()

    @property
    def replaced(self) -> Sequence[InstalledDistribution]:
        """What the last plan replaces."""
        return self._seen.replaced if self._seen else ()

    def plan(self) -> Plan:
        """Return the plan that publishes what is staged in place of older versions of it.

        Raises:
            ConflictError: a file that is not ours to replace is in the way.
        """
        self._last = renewed(self._last, self._seen, self._touched)
        if self._last is not None:
            return self._last
        seen = self._reset()
        self._check_kept()
        self._new |= self._published_files()
        self._old_directories: frozenset[str] = directories_above(self._old)
        metadata = {one.metadata_path for one in self._staged}
        for root in self._area.roots:
            self._steps.make_missing_directories(root.live)
        for root in self._area.roots:
            self._publish_children(root, root.new, root.live, skip=metadata)
        commit = tuple(self._metadata_step(one) for one in self._staged)
        superseded = [one for one in self.replaced if one.metadata_path not in metadata]
        after: list[Step] = []
        for old in superseded:
            after += retire_metadata(self._area, old.metadata_path, self._retire)
        after += forget_links(self._area, superseded, seen.linked, self._retire)
        after += self._remove_leftovers(superseded, metadata - self._merged)
        self._touched = self._old | self._kept | self._replacements.paths
        self._last = Plan(tuple(self._steps.in_order), commit, tuple(after), tuple(self._relied))
        return self._last

    def still_current(self) -> bool:
        """Whether what the last plan takes for granted of other distributions is still so."""
        # Without an observation there was a conflict before anything was looked at.
        return self._seen is None or self._seen.still_current(self._touched)

    def clear_trash(self) -> None:
        """After the commit, remove the directories that others took the place of.

        What came into one between the last look and the exchange is brought back.
        """
        self._departing.clear()

    def drop(self) -> None:
        """Forget the last plan, which is not carried out, and what it added to what is staged."""
        self._last = None
        self._carried.drop()

    def _check_kept(self) -> None:
        """See that what is not staged is installed; KeptFilesChanged is raised if it is not."""
        for one in self._staged:
            if one.kept is not None:
                one.kept.check()
                self._kept.update(one.kept.files)
                self._relied.append(one.kept)
        self._above_kept = directories_above(self._kept)

    def _observe(self) -> Observation:
        """Look at what is installed."""
        return SiteObservation(
            self._metadata_directories,
            [one.name for one in self._staged],
            self._territory,
            may_leave=self._may_overwrite,
            known=[one.kept.installed for one in self._staged if one.kept is not None],
        )

    def _published_files(self) -> set[str]:
        """Return the live paths of all files that will be published."""
        return {path for one in self._staged for path in one.files}

    def _is_free(self, live: str) -> bool:  # noqa: ARG002
        """Whether a file that is in the way may be replaced whatever it is."""
        return False

    def _reset(self) -> Observation:
        self._carried.drop()
        self._seen = None
        seen = self._seen = self._observe()
        self._old = seen.old
        self._new: set[str] = set()
        self._kept: set[str] = set()
        self._steps = PhasedSteps(self._territory)
        self._relied: list[Relied] = []
        self._departing = DepartingDirectories()
        self._replacements = Replacements()
        self._merged: set[str] = set()
        return seen

    # ------------------------------------------------------------------ publishing

    def _publish_children(
        self, root: StagingRoot, staged: str, live: str, skip: Iterable[str] = ()
    ) -> None:
        if live not in self._steps.made:
            root, staged = self._area.root_at(live), self._area.staged_for(live, staged)
        for name in sorted(os.listdir(staged)):
            path = os.path.join(live, name)
            if path not in skip:
                self._publish(root, os.path.join(staged, name), path)

    def _publish(self, root: StagingRoot, staged: str, live: str) -> None:
        try:
            found = os.lstat(live)
        except FileNotFoundError:
            if live in self._steps.made:
                self._publish_children(root, staged, live)
                return
            self._add(live, Place(staged, live, _known(staged)))
            return
        is_directory = stat.S_ISDIR(found.st_mode)
        if is_real_directory(staged):
            if is_directory:
                self._publish_directory(root, staged, live)
            elif self._is_followed_link(live, found):
                self._publish_children(root, staged, os.path.realpath(live))
            elif live in self._old:
                self._replace(root, staged, live, identity_of(found))
            else:
                self._refuse(live)
        elif is_directory:
            tree = walk_owned(live, self._old) if live in self._old_directories else None
            if tree is None:
                self._refuse(live)
            else:
                self._relied += tree.stamps
                self._replace_directory(root, staged, live, tree)
        elif live in self._old or self._is_free(live) or self._is_bytecode_of_replaced(live):
            self._replace(root, staged, live, identity_of(found))
        elif same_content(staged, live) or self._is_bytecode_of_kept(live):
            # Another distribution may own it too, and must not take it away meanwhile.
            self._kept.add(live)
            self._relied.append(Unchanged(live, identity_of(found)))
        elif self._may_overwrite(live):
            console.warn(f"replacing {live}, which another may need")
            self._replace(root, staged, live, identity_of(found))
        else:
            self._refuse(live)

    def _publish_directory(self, root: StagingRoot, staged: str, live: str) -> None:
        tree = self._goes_whole(staged, live) if live not in self._above_kept else None
        stamps = tree.stamps if tree is not None else []
        if tree is None or not can_exchange(root.new) or not moves_whole(self._area, stamps):
            self._publish_children(root, staged, live)
            return
        self._relied += stamps
        self._carried.carry(live, staged, self._old, self._new)
        found = identity(live)
        if found is None:
            raise _vanished(live)
        self._replace(root, staged, live, found, tree.contents)
        self._replacements.swapped[live] = staged

    def _goes_whole(self, staged: str, live: str) -> WholeTree | None:  # noqa: ARG002
        """Return what to rely on if a directory can be replaced as a whole, else None."""
        # Only package directories: the mode and owner of share/ are the administrator's.
        in_modules = self._territory.root_of(live) in self._territory.module_roots
        is_old = in_modules and live in self._old_directories
        tree = walk_owned(live, self._old) if is_old else None
        return WholeTree(tree.stamps, tree.contents) if tree is not None else None

    def _replace(
        self,
        root: StagingRoot,
        staged: str,
        live: str,
        old: Identity,
        contents: KnownDirectory | None = None,
    ) -> None:
        """Plan that what is staged takes the place of what is live, whose contents may be known."""
        self._replacements.paths.add(live)
        step = exchange(root, staged, live, self._trash(root), _known(staged), old)
        if step is not None:
            self._add(live, step)
            if contents is not None and isinstance(step, Swap):
                self._departing.expect(live, step.source, contents)
        else:
            self._add(live, self._retire(live))
            self._add(live, Place(staged, live, _known(staged), retired_by_plan=True))

    def _replace_directory(
        self, root: StagingRoot, staged: str, live: str, tree: OwnedTree
    ) -> None:
        """Plan that a file takes the place of a directory."""
        if moves_whole(self._area, tree.stamps):
            self._replace(root, staged, live, _known(live), tree.contents)
            return
        self._replacements.paths.add(live)
        for step in take_apart(live, self._retire):
            self._add(live, step)
        self._add(live, Place(staged, live, _known(staged), retired_by_plan=True))

    def _add(self, live: str, step: Step) -> None:
        if any(live.startswith(path + os.sep) for path in self._merged):
            self._steps.add_in(Phase.OLD_METADATA, step)
        else:
            self._steps.add(live, step)

    def _metadata_step(self, one: StagedDistribution) -> Step:
        staged = self._area.staged_path(one.metadata_path)
        old = identity(one.metadata_path)
        if old is None:
            return Place(staged, one.metadata_path, _known(staged))
        root = self._area.root_of(one.metadata_path)
        if is_real_directory(one.metadata_path) and is_real_directory(staged):
            by_file = not can_exchange(root.new) and can_link(root.new)
            if by_file or not self._area.can_move(one.metadata_path):
                return self._merge_metadata(root, staged, one.metadata_path)
        return self._commit_step(root, staged, one.metadata_path)

    def _merge_metadata(self, root: StagingRoot, staged: str, live: str) -> Step:
        """Plan metadata file by file into a directory that cannot be exchanged, RECORD last."""
        self._merged.add(live)
        self._old |= {path for path, _ in walk_files(live)}
        record = os.path.join(live, "RECORD")
        self._publish_children(root, staged, live, skip=[record])
        return self._commit_step(root, os.path.join(staged, "RECORD"), record)

    def _commit_step(self, root: StagingRoot, staged: str, live: str) -> Step:
        old = identity(live)
        if old is None:
            return Place(staged, live, _known(staged))
        step = exchange(root, staged, live, self._trash(root), _known(staged), old)
        if step is not None:
            return step
        # For two renames the distribution is absent: the file system leaves no other way.
        self._steps.add_in(Phase.OLD_METADATA, self._retire(live))
        return Place(staged, live, _known(staged), retired_by_plan=True)

    # ------------------------------------------------------------------ what is there already

    def _is_bytecode_of_replaced(self, live: str) -> bool:
        """Whether a file is bytecode of a module that goes, or that was not there."""
        source = bytecode_source(live)
        if source is None or not (source in self._old or source in self._new):
            return False
        return not self._is_bytecode_of_kept(live)

    def _is_bytecode_of_kept(self, live: str) -> bool:
        """Whether a file is bytecode of a module that stays, being what was to be placed."""
        source = bytecode_source(live)
        if source is None or source not in self._new or source in self._old:
            return False
        return os.path.lexists(source) and same_content(self._area.staged_path(source), source)

    def _is_followed_link(self, live: str, found: os.stat_result) -> bool:
        from sagepip.transaction.obstacles import is_followed_link

        return is_followed_link(live, found, self._territory, self._old)

    def _may_overwrite(self, live: str) -> bool:
        from sagepip.transaction.obstacles import may_overwrite

        return may_overwrite(live, self._territory, self._overwrite)

    def _refuse(self, live: str) -> None:
        from sagepip.transaction.obstacles import in_the_way

        shared = self._seen.shared if self._seen else {}
        raise in_the_way(live, shared, self._metadata_directories)

    # ------------------------------------------------------------------ the old version's files

    def _remove_leftovers(
        self, superseded: Sequence[InstalledDistribution], metadata: set[str]
    ) -> list[Step]:
        """Plan the end of what the replaced distributions own and the new ones do not."""
        gone = tuple(one.metadata_path + os.sep for one in superseded)
        kept = tuple(path + os.sep for path in metadata)
        files = {
            path
            for path in self._old - self._new
            if not path.startswith(gone)
            and not path.startswith(kept)
            and not self._replacements.take_along(path)
        }
        if not files:
            return []
        roots = self._territory.roots
        removal = Removal(
            files,
            kept=directories_above(self._new) | set(roots) | directories_above(roots),
            now_at=self._replacements.path_after_swap,
            retire=self._retire,
            moves_whole=lambda stamps: moves_whole(self._area, stamps),
        )
        self._relied += removal.relied
        for step in removal.steps:
            if isinstance(step, Retire) and step.source in removal.contents:
                self._departing.expect(step.source, step.target, removal.contents[step.source])
        return list(removal.steps)

    def _retire(self, live: str) -> Retire:
        now, made_by_plan = self._replacements.path_after_swap(live)
        root = self._area.root_at(os.path.dirname(live))
        return Retire(live, self._trash(root), _known(now), made_by_plan)

    def _trash(self, root: StagingRoot) -> str:
        self._trash_number += 1
        return os.path.join(root.trash, str(self._trash_number))


def _known(path: str) -> Identity:
    found = identity(path)
    if found is None:
        raise _vanished(path)
    return found


def _vanished(path: str) -> ConflictError:
    return ConflictError(f"{path} vanished while the change was planned", advice="try again")
