"""What lies in the cache: entries, and what processes that were killed left."""

from __future__ import annotations

import os

from sagepip.build.cache import Cache, is_unfinished
from sagepip.build.cache_notes import last_used
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_enum import Enum

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from sagepip.build.members import DescribedMember

_NAME_LENGTH = 32
_DIGITS = frozenset("0123456789abcdef")


class Kind(Enum):
    """What an entry is, in the words of messages."""

    ENVIRONMENT = "environment"
    WHEEL = "unpacked wheel"
    RESOLUTION = "resolution"
    BYTECODE = "bytecode file"
    APPLICATION = "unpacked zip application"

    @property
    def is_file(self) -> bool:
        """Whether such an entry is one file, which is replaced as a whole; else a directory."""
        return self in (Kind.RESOLUTION, Kind.BYTECODE)


@dataclass(frozen=True)
class Entry:
    """An entry of the cache.

    Attributes:
        kind: what it is.
        path: where.
        last_used: when it was used, in seconds since the epoch; 0 if it is not known.
    """

    kind: Kind
    path: str
    last_used: float

    def members(self) -> list[DescribedMember]:
        """Return what an environment or an unpacked wheel says that it holds."""
        from sagepip.build.members import described_members
        from sagepip.build.tree_stamps import read_about

        return described_members(read_about(self.path))


def list_entries(cache: Cache) -> list[Entry]:
    """Return what is in the cache.

    Raises:
        OSError: it cannot be read.
    """
    found = []
    for kind, directory in _places(cache):
        for name in _names(directory):
            if len(name) != _NAME_LENGTH or not _DIGITS.issuperset(name):
                continue  # not of our making
            path = os.path.join(directory, name)
            used = _modified(path) if kind.is_file else last_used(path)
            found.append(Entry(kind, path, used))
    return found


def list_unfinished(cache: Cache) -> list[str]:
    """Return what is being made or removed, or was when its process was killed.

    Raises:
        OSError: the cache cannot be read.
    """
    return [
        os.path.join(directory, name)
        for _, directory in _places(cache)
        for name in _names(directory)
        if is_unfinished(name)
    ]


def by_use(
    entries: Sequence[Entry], digests: Callable[[Entry], Collection[str]]
) -> list[tuple[float, Entry]]:
    """Return entries in the order in which they may go, with the time that counts as last use.

    An unpacked wheel shares its files with the environments that hold it: to remove it before
    them would free nothing. So it counts as used whenever one of them was.

    Args:
        entries: the entries.
        digests: returns those of the distributions that one holds.
    """
    used: dict[str, float] = {}
    for entry in entries:
        if entry.kind is Kind.ENVIRONMENT:
            for one in digests(entry):
                used[one] = max(used.get(one, 0.0), entry.last_used)
    found = []
    for entry in entries:
        times = [entry.last_used]
        if entry.kind is Kind.WHEEL:
            times += [used.get(one, 0.0) for one in digests(entry)]
        found.append((max(times), entry))
    order = list(Kind)
    return sorted(found, key=lambda one: (one[0], order.index(one[1].kind), one[1].path))


def _places(cache: Cache) -> Iterator[tuple[Kind, str]]:
    yield Kind.ENVIRONMENT, cache.environments
    yield Kind.WHEEL, cache.wheels
    yield Kind.RESOLUTION, cache.resolutions
    yield Kind.BYTECODE, cache.bytecode


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _modified(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0
