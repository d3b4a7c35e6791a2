"""What a plan takes for granted of a site, and whether it is still so under the lock."""

from __future__ import annotations

import os
import time

from sagepip.ground import console
from sagepip.ground.project_names import canonical_name
from sagepip.ground.site_names import CLOCK_TICK_SECONDS, is_young
from sagepip.transaction.installed import (
    InstalledDistribution,
    installed_at,
    select_installed,
)
from sagepip.transaction.metadata_names import MetadataNames, scan_metadata
from sagepip.transaction.neighbours import listed_by
from sagepip.transaction.ownership import owned_files
from sagepip.transaction.steps import DirectoryStamp, Plan
from sagepip.transaction.territory import Territory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import Protocol
else:
    Protocol = object

# A site that holds more is looked through without the lock only.
_MOST_UNDER_LOCK = 500


class SiteLook:
    """The names of all metadata in a site at one moment.

    Args:
        directories: the live directories that hold metadata.

    Attributes:
        scanned: what they hold.
    """

    def __init__(self, directories: Sequence[str]) -> None:
        while True:
            begun = time.time()
            stamps = [DirectoryStamp.of(os.path.realpath(one)) for one in directories]
            self.scanned = scan_metadata(directories)
            newest = max((stamp.modified for stamp in stamps if stamp is not None), default=0)
            # What comes while they are listed must show as well.
            may_hide = is_young(newest / 1e9, begun)
            self._stamps = [None if may_hide else stamp for stamp in stamps]
            if not may_hide or not self.is_large:
                return
            time.sleep(CLOCK_TICK_SECONDS)

    @property
    def is_large(self) -> bool:
        """Whether the site holds too much to be looked through under its lock."""
        return sum(len(one.entries) for one in self.scanned) > _MOST_UNDER_LOCK

    def still_holds(self) -> bool:
        """Whether nothing has come or gone since; no answer takes the longer, the more is there."""
        return all(stamp is not None and stamp.still_holds() for stamp in self._stamps)


class SiteObservation:
    """The distributions of a site at one moment, seen from a change of some of them.

    Args:
        directories: the live directories that hold metadata.
        names: the projects that are going to change.
        territory: what may be touched.
        may_leave: whether metadata that lists no files may be replaced, and its files left.
        look: what was seen there before, if it may still be so.
        known: distributions that were found there before, whose lists may have been read.

    Attributes:
        replaced: the installed versions of those projects.
        neighbours: the metadata of all other distributions.
        old: the live paths of their files that no other distribution lists.
        shared: the live paths of their files that another lists too, and its name and version.
        is_outdated: whether the lock had to be let go because a large site has changed.

    Raises:
        ConflictError: one of the replaced lists no files, or its list cannot be understood.
    """

    def __init__(
        self,
        directories: Sequence[str],
        names: Iterable[str],
        territory: Territory,
        *,
        may_leave: Callable[[str], bool] = lambda _: False,
        look: SiteLook | None = None,
        known: Sequence[InstalledDistribution] = (),
    ) -> None:
        self._directories = directories
        self._names = {canonical_name(name) for name in names}
        self.is_outdated = False
        is_still_so = look is not None and look.still_holds()
        self._look = look if look is not None and is_still_so else SiteLook(directories)
        found = select_installed(self._look.scanned, self._names)
        self.replaced = [known[known.index(one)] if one in known else one for one in found]
        self.old: set[str] = set()
        for one in self.replaced:
            if one.is_remnant:
                console.warn(f"removing {one.metadata_path}, what another tool left half-done")
            elif one.record is None and not one.is_link and may_leave(one.metadata_path):
                console.detail(f"{one.metadata_path} goes; it lists no files: they stay")
            else:
                self.old |= owned_files(one, territory)
        self.neighbours = _without(self._look.scanned, self.replaced)
        self.shared = listed_by(self.neighbours, self._beside_metadata(self.old))
        self.old -= self.shared.keys()

    def _beside_metadata(self, paths: Collection[str]) -> Collection[str]:
        """Return those paths that are no metadata of what is replaced: that is nobody else's."""
        within = tuple(one.metadata_path + os.sep for one in self.replaced)
        return {path for path in paths if not path.startswith(within)}

    @property
    def linked(self) -> list[InstalledDistribution]:
        """The other distributions that are development installations of old."""
        return _links(self.neighbours)

    def still_current(self, touched: Collection[str]) -> bool:
        """Whether nothing has come or gone since that matters to a change; for under the lock.

        Others may have published meanwhile, which is no matter unless it was one of the projects,
        or something that lists files that the change replaces, removes or relies on. A large site
        is not looked through: the lock must not be held the longer, the more it holds.

        Args:
            touched: the live paths of such files.
        """
        if self._look.still_holds():
            return True
        if self._look.is_large:
            self.is_outdated = True
            return False
        return self._is_unaffected(scan_metadata(self._directories), touched)

    def renew(self, touched: Collection[str]) -> bool:
        """Look again at a site that has changed; return whether nothing matters of what is new.

        Args:
            touched: see :meth:`still_current`.
        """
        look = SiteLook(self._directories)
        if not self._is_unaffected(look.scanned, touched):
            return False
        self._look = look
        self.neighbours = _without(look.scanned, self.replaced)
        self.is_outdated = False
        return True

    def _is_unaffected(self, now: list[MetadataNames], touched: Collection[str]) -> bool:
        if select_installed(now, self._names) != self.replaced:
            return False
        if any(one.is_link for one in self.replaced) and _links(now) != _links(self._look.scanned):
            return False  # others may need, or need no more, the line of easy-install.pth
        seen = {one.resolved: set(one.entries) for one in self._look.scanned}
        # One that was installed again is another: it may list other files.
        new = [
            one._replace(entries=set(one.entries).difference(seen.get(one.resolved, ())))
            for one in now
        ]
        return not listed_by(_without(new, self.replaced), touched)


class _Observation(Protocol):
    """An observation of one site, or of several."""

    @property
    def is_outdated(self) -> bool: ...

    def renew(self, touched: Collection[str]) -> bool: ...


def renewed(plan: Plan | None, seen: _Observation | None, touched: Collection[str]) -> Plan | None:
    """Return a plan again, if it failed only because a large site had changed elsewhere.

    Args:
        plan: the last one, or None.
        seen: what it was made of.
        touched: the live paths of files that no other distribution may list.
    """
    if plan is None or seen is None or not seen.is_outdated:
        return None
    return plan if seen.renew(touched) and plan.still_holds() else None


def _without(
    scanned: Iterable[MetadataNames], distributions: Iterable[InstalledDistribution]
) -> list[MetadataNames]:
    """Return what a site holds of metadata besides that of some distributions."""
    paths = {one.metadata_path for one in distributions}
    names = {os.path.basename(path) for path in paths}
    return [
        one._replace(
            entries=[
                entry
                for entry in one.entries
                if entry[0] not in names or os.path.join(one.resolved, entry[0]) not in paths
            ]
        )
        for one in scanned
    ]


def _links(scanned: Iterable[MetadataNames]) -> list[InstalledDistribution]:
    return [
        installed_at(one.directory, one.resolved, entry)
        for one in scanned
        for entry in sorted(one.entries)
        if entry[0].endswith(".egg-link")
    ]
