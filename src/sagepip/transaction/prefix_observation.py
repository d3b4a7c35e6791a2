"""What a plan for a whole prefix takes for granted of its sites."""

from __future__ import annotations

import os

from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.neighbours import listed_by
from sagepip.transaction.observation import SiteObservation
from sagepip.transaction.territory import Territory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


class PrefixObservation:
    """The distributions of several sites at one moment, seen from a change of some of them.

    A project that is installed for one Python is another than that of the same name for the next.

    Args:
        names: for the directories of each Python that hold metadata, the projects to change.
        arriving: the live paths of the files that will be published.
        territory: what may be touched.

    Attributes:
        replaced: the installed versions of those projects.
        old: the live paths of their files that no other distribution lists.
        shared: the live paths that another distribution lists, and its name and version.
    """

    def __init__(
        self,
        names: Mapping[tuple[str, ...], Iterable[str]],
        arriving: Collection[str],
        territory: Territory,
    ) -> None:
        # What lists no files is superseded all the same, as cp would have done.
        self._seen = [
            SiteObservation(directories, wanted, territory, may_leave=lambda _: True)
            for directories, wanted in names.items()
        ]
        self.replaced: Sequence[InstalledDistribution] = [
            old for one in self._seen for old in one.replaced
        ]
        self.old = {path for one in self._seen for path in one.old}
        has_others = any(names.entries for one in self._seen for names in one.neighbours)
        there = _present(arriving) - self.old if has_others else set()
        self.shared: dict[str, str] = {}
        for one in self._seen:
            self.shared |= one.shared | listed_by(one.neighbours, there)
        self.old -= self.shared.keys()

    @property
    def linked(self) -> list[InstalledDistribution]:
        """The other distributions that are development installations of old."""
        return [link for one in self._seen for link in one.linked]

    @property
    def is_outdated(self) -> bool:
        """Whether a large site has changed (see ``SiteObservation``)."""
        return any(one.is_outdated for one in self._seen)

    def renew(self, touched: Collection[str]) -> bool:
        """Look again at what has changed (see ``SiteObservation``)."""
        return all(one.renew(touched) for one in self._seen)

    def still_current(self, touched: Collection[str]) -> bool:
        """Whether nothing has come or gone since that matters (see ``SiteObservation``)."""
        return all(one.still_current(touched) for one in self._seen)


def _present(paths: Iterable[str]) -> set[str]:
    """Return those of some paths that something bears; in a new directory nothing does."""
    is_there: dict[str, bool] = {}
    found = set()
    for path in paths:
        directory = path.rpartition(os.sep)[0]
        if directory not in is_there:
            is_there[directory] = os.path.lexists(directory)
        if is_there[directory] and os.path.lexists(path):
            found.add(path)
    return found


def python_of(site: str) -> str:
    """Return what the sites of one Python in a prefix have in common: ``lib`` or ``lib64`` not.

    Args:
        site: the path of a directory that holds distributions.
    """
    above = os.path.dirname(site)
    if os.path.basename(above).startswith(("python", "pypy")):
        return os.path.join(os.path.dirname(os.path.dirname(above)), os.path.basename(above))
    return site
