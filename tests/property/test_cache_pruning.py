"""Laws of pruning, on caches of any shape."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sagepip.build.cache import Cache
from sagepip.build.cache_contents import Entry, Kind, by_use, list_entries
from sagepip.build.cache_notes import NOTE
from sagepip.build.cache_pruning import Policy, Pruner
from sagepip.build.cache_sizes import MeasuredSizes
from sagepip.build.members import describe
from sagepip.build.tree_stamps import seal
from sagepip.build.unpacked_wheels import WheelMember
from sagepip.transaction.owner_mark import share_directory

BLOCK = 4096


@dataclass(frozen=True)
class Environment:
    """An environment to be made.

    Attributes:
        wheels: the numbers of the wheels in it.
        blocks: how large its own files are.
        used: when it was used.
        in_use: whether a build uses it.
    """

    wheels: frozenset[int]
    blocks: int
    used: int
    in_use: bool


@dataclass(frozen=True)
class Contents:
    """A cache to be made.

    Attributes:
        wheels: of each its blocks, when it was used, and whether it is in use.
        environments: the environments.
        resolutions: when each was used.
    """

    wheels: tuple[tuple[int, int, bool], ...]
    environments: tuple[Environment, ...]
    resolutions: tuple[int, ...]


@st.composite
def contents(draw: st.DrawFn) -> Contents:
    """Draw what is in a cache."""
    times, blocks = st.integers(1, 6), st.integers(1, 5)
    wheels = draw(st.lists(st.tuples(blocks, times, st.booleans()), max_size=4))
    members = st.frozensets(st.integers(0, len(wheels) - 1)) if wheels else st.just(frozenset())
    environment = st.builds(Environment, members, blocks, times, st.booleans())
    return Contents(
        tuple(wheels),
        tuple(draw(st.lists(environment, max_size=5))),
        tuple(draw(st.lists(times, max_size=2))),
    )


@contextmanager
def made(wanted: Contents) -> Iterator[Cache]:
    """Make a cache, in use as it is to be."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as held:
        cache = Cache(os.path.join(place, "cache", "v1"))
        cache.make()

        def finish(path: Path, members: list[int], used: int, in_use: bool) -> None:
            seal(
                str(path), describe([WheelMember(f"p{n}", "1", f"digest-{n}", "") for n in members])
            )
            os.utime(path / NOTE, (used, used))
            if in_use:
                held.callback(os.close, share_directory(str(path)))

        for number, one in enumerate(wanted.environments):
            path = Path(cache.environments, f"{number:032x}")
            path.mkdir()
            (path / "own").write_bytes(b"x" * one.blocks * BLOCK)
            for wheel in one.wheels:
                source = Path(cache.wheels, f"{wheel:032x}")
                source.mkdir(exist_ok=True)
                file = source / f"file-{wheel}"
                if not file.exists():
                    file.write_bytes(b"x" * wanted.wheels[wheel][0] * BLOCK)
                os.link(file, path / file.name)
            finish(path, sorted(one.wheels), one.used, one.in_use)
        for number, (blocks, used, in_use) in enumerate(wanted.wheels):
            path = Path(cache.wheels, f"{number:032x}")
            path.mkdir(exist_ok=True)
            file = path / f"file-{number}"
            if not file.exists():
                file.write_bytes(b"x" * blocks * BLOCK)
            finish(path, [number], used, in_use)
        for number, used in enumerate(wanted.resolutions):
            path = Path(cache.resolutions, f"{number:032x}")
            path.write_text("what pip chose")
            os.utime(path, (used, used))
        yield cache


def prune(cache: Cache, policy: Policy, *, dry_run: bool = False) -> tuple[Pruner, int]:
    """Prune by a policy; return what was done, and the size that is left as it was reckoned."""
    sizes = MeasuredSizes(cache)
    pruner = Pruner(cache, list_entries(cache), sizes, dry_run=dry_run)
    pruner.remove_by(policy)
    return pruner, sizes.total


def digests(entry: Entry) -> frozenset[str]:
    """Return the digests of what an entry holds."""
    return frozenset(one.key for one in entry.members() if entry.kind is not Kind.RESOLUTION)


@settings(max_examples=60)
@given(contents(), st.floats(0, 1))
def test_bound_holds_and_the_least_used_goes(wanted: Contents, share: float) -> None:
    """What stays is in use or was used later than all that went; sizes are reckoned rightly."""
    with made(wanted) as cache:
        full = MeasuredSizes(cache).total
        bound = max(1, int(full * share))
        order = [entry for _, entry in by_use(list_entries(cache), digests)]
        effective = {entry.path: used for used, entry in by_use(order, digests)}
        held = {entry.path: digests(entry) for entry in order}
        foretold, expected = prune(cache, Policy(bound), dry_run=True)
        assert MeasuredSizes(cache).total == full
        done, left = prune(cache, Policy(bound))
        assert done.failed == []
        assert (done.removed, done.in_use, left) == (foretold.removed, foretold.in_use, expected)
        assert left == MeasuredSizes(cache).total == full - sum(one.size for one in done.removed)
        gone = [one.path for one in done.removed]
        assert gone == [one.path for one in order if one.path in gone]
        stays = list_entries(cache)
        kept = {digest for one in stays if one.kind is Kind.ENVIRONMENT for digest in digests(one)}
        free = [
            one
            for one in stays
            if one.path not in done.in_use and not (one.kind is Kind.WHEEL and digests(one) & kept)
        ]
        # To remove what an environment has links to would free nothing.
        assert all(one.kind is not Kind.WHEEL or not held[one.path] & kept for one in done.removed)
        # Not one more than necessary, and not one less.
        assert left <= bound or free == []
        if done.removed:
            assert left + done.removed[-1].size > bound
            assert all(effective[one.path] >= effective[gone[-1]] for one in free)


@settings(max_examples=30)
@given(contents(), st.integers(0, 7))
def test_age_and_everything(wanted: Contents, since: int) -> None:
    """By age goes what was used before, wheels with their environments; all is all."""
    with made(wanted) as cache:
        effective = {one.path: used for used, one in by_use(list_entries(cache), digests)}
        prune(cache, Policy(used_since=since))
        in_use = {path for path in effective if is_held(path)}
        after = {one.path for one in list_entries(cache)}
        assert after == {path for path, used in effective.items() if used >= since} | in_use
        pruner, left = prune(cache, Policy(everything=True))
        assert {one.path for one in list_entries(cache)} == set(pruner.in_use) == in_use & after
        assert left == MeasuredSizes(cache).total


def is_held(path: str) -> bool:
    """Whether somebody holds a lock on a directory."""
    from sagepip.transaction.lock_view import is_locked

    return os.path.isdir(path) and bool(is_locked(path))
