"""Remove from the cache what is not worth its place; never what somebody is using.

Whoever uses an entry holds a shared lock on it, whoever makes or removes something an exclusive
one. So what can be locked exclusively is free to go, and was abandoned if it is unfinished.
"""

from __future__ import annotations

import errno
import os

from sagepip.build.cache import Cache, take_away
from sagepip.build.cache_contents import Entry, Kind, by_use, list_unfinished
from sagepip.build.cache_notes import last_used
from sagepip.build.cache_sizes import Sizes
from sagepip.build.resolution_memory import leads_nowhere
from sagepip.build.tree_stamps import find_change
from sagepip.ground.filesystem import is_real_directory, remove_file
from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.kernel_locks import kernel_locks
from sagepip.transaction.lock_view import is_locked
from sagepip.transaction.owner_mark import seize_directory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Removal:
    """Something that was removed, or would be.

    Attributes:
        path: where it was.
        kind: what it was; None if it was unfinished.
        size: the bytes that it freed.
        reason: why it went.
    """

    path: str
    kind: Kind | None
    size: int
    reason: str


@dataclass(frozen=True)
class Policy:
    """What goes though it is whole.

    Attributes:
        bound: the least recently used goes until the cache takes no more bytes; 0 for no bound.
        used_since: what was last used before goes; seconds since the epoch.
        everything: all goes.
        is_late: asked before each removal whether the rest can wait for another time.
    """

    bound: int = 0
    used_since: float = 0.0
    everything: bool = False
    is_late: Callable[[], bool] = lambda: False


class Pruner:
    """Removes from one cache.

    Args:
        cache: the cache.
        entries: its entries.
        sizes: what it takes.
        dry_run: remove nothing, but note what would go.

    Attributes:
        removed: what went.
        in_use: what stayed because it is in use, or is being made or removed by somebody.
        failed: what stayed because it cannot be removed, and why.
    """

    def __init__(
        self, cache: Cache, entries: list[Entry], sizes: Sizes, *, dry_run: bool = False
    ) -> None:
        self.removed: list[Removal] = []
        self.in_use: list[str] = []
        self.failed: list[tuple[str, str]] = []
        self._cache = cache
        self._entries = {entry.path: entry for entry in entries}
        self._sizes = sizes
        self._dry_run = dry_run
        self._known_digests: dict[str, frozenset[str]] = {}

    def remove_unfinished(self) -> None:
        """Remove what processes that were killed left half made or half removed.

        Raises:
            OSError: the cache cannot be read.
        """
        for path in list_unfinished(self._cache):
            self._remove(path, None, "its process has gone")

    def remove_damaged(self) -> None:
        """Remove environments and unpacked wheels that are not as they were made."""
        for entry in list(self._entries.values()):
            if entry.kind.is_file or not (changed := _damage(entry.path)):
                continue
            reason = f"{changed} is not as it was made"
            # A sound one may have come in its place meanwhile.
            self._remove(entry.path, entry.kind, reason, lambda path: bool(_damage(path)))

    def remove_by(self, policy: Policy) -> None:
        """Remove what a policy says, the least recently used first.

        Args:
            policy: the policy.
        """
        for used, entry in by_use(list(self._entries.values()), self._digests):
            reason = self._reason(policy, used, entry)
            if not reason:
                continue
            if policy.is_late():
                return

            def is_unused(path: str, seen: float = entry.last_used) -> bool:
                return policy.everything or last_used(path) == seen

            self._remove(entry.path, entry.kind, reason, is_unused)

    def remove_dead_resolutions(self) -> None:
        """Remove what was remembered of files that are not there any more."""
        there = {digest for entry in self._entries.values() for digest in self._digests(entry)}
        for entry in list(self._entries.values()):
            if entry.kind is Kind.RESOLUTION and leads_nowhere(entry.path, there):
                self._remove(entry.path, entry.kind, "what it leads to has gone")

    def _reason(self, policy: Policy, used: float, entry: Entry) -> str:
        """Say why an entry goes by a policy; an empty string if it does not."""
        if policy.everything:
            return "everything goes"
        if used < policy.used_since:
            return "it was not used for long"
        if not policy.bound or self._sizes.total <= policy.bound:
            return ""
        if entry.kind is Kind.WHEEL and any(
            one.kind is Kind.ENVIRONMENT and not self._digests(entry).isdisjoint(self._digests(one))
            for one in self._entries.values()
        ):
            return ""  # the environment, which is in use, has its files: nothing would be free
        return "the cache is too large"

    def _digests(self, entry: Entry) -> frozenset[str]:
        """Return the digests of the distributions in an entry."""
        if entry.path not in self._known_digests:
            members = [] if entry.kind.is_file else entry.members()
            self._known_digests[entry.path] = frozenset(one.key for one in members)
        return self._known_digests[entry.path]

    def _remove(
        self,
        path: str,
        kind: Kind | None,
        reason: str,
        is_still: Callable[[str], bool] | None = None,
    ) -> None:
        """Remove something, if nobody uses it.

        Args:
            path: where it is.
            kind: what it is.
            reason: why.
            is_still: whether the reason holds, asked again when nobody can use it any more.
        """
        is_file = kind is not None and kind.is_file
        try:
            if self._dry_run:
                is_free = is_file or not is_in_use(path)
            elif is_file:
                remove_file(path)  # who reads it has it open; who writes it does so elsewhere
                is_free = True
            else:
                is_free = _take_if_free(path, is_still)
        except OSError as error:
            self.failed.append((path, error.strerror or str(error)))
            return
        if is_free:
            self._entries.pop(path, None)
            self.removed.append(Removal(path, kind, self._sizes.release(path), reason))
        elif os.path.lexists(path) and path not in self.in_use:
            self.in_use.append(path)


def is_in_use(path: str) -> bool:
    """Whether somebody uses, makes or removes something; where the kernel tells nobody notices.

    Args:
        path: an environment, an unpacked wheel, or something unfinished.
    """
    lock = _lock_of(path)
    kernel = kernel_locks(lock)
    return bool(is_locked(lock) if kernel is None else kernel.holders)


def _take_if_free(path: str, is_still: Callable[[str], bool] | None) -> bool:
    descriptor = seize_directory(_lock_of(path))
    if descriptor < 0:
        return False
    try:
        if is_still is not None and not is_still(path):
            return False
        if not is_real_directory(path):
            remove_file(path)
        elif not take_away(path):
            raise OSError(errno.ENOTEMPTY, "cannot be removed whole", path)
    finally:
        os.close(descriptor)
    return True


def _lock_of(path: str) -> str:
    """Return the directory whose lock its users hold: of a file it is the one that it is in."""
    return path if is_real_directory(path) else os.path.dirname(path)


def _damage(path: str) -> str:
    """Return what in an entry is not as it was made; an empty string if it is sound or gone."""
    if not is_real_directory(path):
        return os.path.basename(path) if os.path.lexists(path) else ""
    return find_change(path)
