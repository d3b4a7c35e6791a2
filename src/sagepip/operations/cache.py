"""What is in the cache of builds, and removing it."""

from __future__ import annotations

import os
import stat
import time

from sagepip.build.cache import Cache, cache_path, why_not_ours
from sagepip.build.cache_bound import last_pruning, note_pruning, size_bound
from sagepip.build.cache_contents import Entry, Kind, list_entries, list_unfinished
from sagepip.build.cache_pruning import Policy, Pruner, Removal, is_in_use
from sagepip.build.cache_sizes import MeasuredSizes
from sagepip.build.zip_copies import list_copies, prune_copies
from sagepip.ground.errors import CacheError
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_dataclass import dataclass, replace
from sagepip.transaction.owner_mark import directory_lock

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DAY = 24 * 60 * 60.0


@dataclass(frozen=True)
class EntryInfo:
    """An entry of the cache.

    Attributes:
        kind: what it is.
        path: where.
        members: the distributions in it, ``NAME VERSION``.
        size: the bytes that are its own: they would be free if it went.
        last_used: seconds since the epoch; 0 if unknown.
        in_use: whether a build uses it.
    """

    kind: Kind
    path: str
    members: tuple[str, ...]
    size: int
    last_used: float
    in_use: bool


@dataclass(frozen=True)
class UnfinishedInfo:
    """Something that is being made or removed, or was when its process was killed.

    Attributes:
        path: where.
        size: the bytes that are its own.
        in_use: whether its process is still there.
    """

    path: str
    size: int
    in_use: bool


@dataclass(frozen=True)
class CacheInfo:
    """What is in the cache.

    Attributes:
        path: where it is.
        problem: why builds do not use it; an empty string if they do.
        size: the bytes that it takes.
        bound: how many it may take; 0 for no bound.
        last_pruned: when it was pruned, in seconds since the epoch; None if never.
        entries: the entries, the most recently used first.
        unfinished: what is or was being made or removed.
        others: the caches of other versions of sagepip beside it; they are left alone.
    """

    path: str
    problem: str
    size: int
    bound: int
    last_pruned: float | None
    entries: tuple[EntryInfo, ...] = ()
    unfinished: tuple[UnfinishedInfo, ...] = ()
    others: tuple[str, ...] = ()

    def of_kind(self, kind: Kind) -> list[EntryInfo]:
        """Return the entries of one kind."""
        return [one for one in self.entries if one.kind is kind]


@dataclass(frozen=True)
class PruneRequest:
    """What is to be removed, besides what is unfinished, damaged or leads nowhere.

    Attributes:
        max_size: the bytes that may stay, the most recently used first; 0 for any number; None
            for the bound that is set for builds.
        older_than: what was not used for so many days goes.
        everything: all goes.
        dry_run: remove nothing, but tell.
    """

    max_size: int | None = None
    older_than: float | None = None
    everything: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class PruneReport:
    """What was removed, or would be.

    Attributes:
        path: where the cache is.
        dry_run: whether nothing was removed in fact.
        size_before: the bytes that it took.
        size_after: those that it takes now, or would.
        bound: how many it may take; 0 for no bound.
        removed: what went.
        in_use: what stayed because somebody uses, makes or removes it.
        failed: what stayed because it cannot be removed, and why.
    """

    path: str
    dry_run: bool
    size_before: int
    size_after: int
    bound: int
    removed: tuple[Removal, ...] = ()
    in_use: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


def cache_directory(environ: Mapping[str, str]) -> str:
    """Return where the cache is; it may not exist.

    Args:
        environ: the environment.

    Raises:
        CacheError: there can be none.
    """
    return os.path.dirname(_cache(environ).path)


def cache_info(environ: Mapping[str, str]) -> CacheInfo:
    """Look at the cache; nothing is made, and nothing waited for.

    Args:
        environ: the environment.

    Raises:
        CacheError: it cannot be read.
        UsageError: the bound is no size.
    """
    cache = _cache(environ)
    top = os.path.dirname(cache.path)
    bound = size_bound(environ)
    is_there = _exists(cache)
    with _errors(top):
        copies = [
            EntryInfo(Kind.APPLICATION, one.path, (), one.size, one.last_used, one.in_use)
            for one in list_copies(top)
        ]
        copies_size = sum(one.size for one in copies)
        if not is_there:
            return CacheInfo(top, "", copies_size, bound, None, tuple(copies))
        sizes = MeasuredSizes(cache)
        entries = [_entry_info(one, sizes) for one in list_entries(cache)]
        unfinished = [
            UnfinishedInfo(one, sizes.own(one), is_in_use(one)) for one in list_unfinished(cache)
        ]
        own = os.path.basename(cache.path)
        others = [one for one in os.listdir(top) if one != own and _is_format(one)]
        return CacheInfo(
            top,
            why_not_ours(top),
            sizes.total + copies_size,
            bound,
            last_pruning(cache),
            tuple(sorted([*entries, *copies], key=lambda one: -one.last_used)),
            tuple(unfinished),
            tuple(sorted(others)),
        )


def prune_cache(environ: Mapping[str, str], request: PruneRequest) -> PruneReport:
    """Remove from the cache what is not worth its place; never what is in use.

    Args:
        environ: the environment.
        request: what goes.

    Raises:
        CacheError: it cannot be read, or is not ours.
        LockError: it cannot be locked.
        UsageError: the bound is no size.
    """
    cache = _cache(environ)
    top = os.path.dirname(cache.path)
    bound = size_bound(environ) if request.max_size is None else request.max_size
    is_there = _exists(cache)
    with _errors(top):
        if os.path.isdir(top) and (problem := why_not_ours(top)):
            raise CacheError(f"the cache is not pruned: {problem}", advice="its owner may do it")
        if not is_there:
            report = PruneReport(top, request.dry_run, 0, 0, bound)
        elif request.dry_run:
            report = _prune(cache, bound, request)
        else:
            with directory_lock(cache.path, "pruning it"):
                note_pruning(cache)
                report = _prune(cache, bound, request)
        return _with_copies(report, request)


def _prune(cache: Cache, bound: int, request: PruneRequest) -> PruneReport:
    sizes = MeasuredSizes(cache)
    before = sizes.total
    pruner = Pruner(cache, list_entries(cache), sizes, dry_run=request.dry_run)
    pruner.remove_unfinished()
    pruner.remove_damaged()
    pruner.remove_by(Policy(bound, _used_since(request), request.everything))
    pruner.remove_dead_resolutions()
    return PruneReport(
        os.path.dirname(cache.path),
        request.dry_run,
        before,
        sizes.total,
        bound,
        tuple(pruner.removed),
        tuple(pruner.in_use),
        tuple(pruner.failed),
    )


def _with_copies(report: PruneReport, request: PruneRequest) -> PruneReport:
    """Prune the copies of the zip application, too; the bound is not for them."""
    size = sum(one.size for one in list_copies(report.path))
    pruned = prune_copies(
        report.path,
        used_since=_used_since(request),
        everything=request.everything,
        dry_run=request.dry_run,
    )
    return replace(
        report,
        size_before=report.size_before + size,
        size_after=report.size_after + size - sum(one.size for one in pruned.removed),
        removed=(*report.removed, *pruned.removed),
        in_use=(*report.in_use, *pruned.in_use),
        failed=(*report.failed, *pruned.failed),
    )


def _used_since(request: PruneRequest) -> float:
    return 0.0 if request.older_than is None else time.time() - request.older_than * _DAY


def _cache(environ: Mapping[str, str]) -> Cache:
    path = cache_path(environ)
    if not path:
        raise CacheError(
            "there is no cache: there is no home directory", advice="set SAGEPIP_CACHE_DIR"
        )
    return Cache(path)


def _exists(cache: Cache) -> bool:
    """Whether there is anything to look at.

    Raises:
        CacheError: what is there is no directory, or cannot be looked at.
    """
    for path in (os.path.dirname(cache.path), cache.path):
        try:
            if not stat.S_ISDIR(os.stat(path).st_mode):
                raise CacheError(
                    f"the cache {path} is not a directory",
                    advice="remove it, or set SAGEPIP_CACHE_DIR to a directory",
                )
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unreadable(path, error) from error
    return True


@contextmanager
def _errors(top: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unreadable(error.filename or top, error) from error


def _unreadable(path: str, error: OSError) -> CacheError:
    return CacheError(
        f"cannot read the cache {path}: {error.strerror}",
        advice="make it readable, or set SAGEPIP_CACHE_DIR to another directory",
    )


def _entry_info(entry: Entry, sizes: MeasuredSizes) -> EntryInfo:
    is_tree = not entry.kind.is_file
    members = [f"{one.name} {one.version}" for one in entry.members()] if is_tree else []
    return EntryInfo(
        entry.kind,
        entry.path,
        tuple(members),
        sizes.own(entry.path),
        entry.last_used,
        is_tree and is_in_use(entry.path),
    )


def _is_format(name: str) -> bool:
    return name[:1] == "v" and name[1:].isdecimal()
