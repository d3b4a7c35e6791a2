"""Statistics of ``bench.building``: medians, and ratios of runs of the same round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

STATES = ("cold", "warm")
"""Of the caches: empty, or as the previous build of the same source left them."""

OURS = "sagepip"
FLOOR = "floor"
HOOKS = "hooks"
"""The keys of the ways that others are compared with."""


@dataclass(frozen=True)
class Run:
    """One build and installation.

    Attributes:
        source: what was built.
        way: by which way.
        state: one of :data:`STATES`; empty for a way without caches, whose runs count for both.
        round: the number of the round; what ran in the same one is compared.
        seconds: by the clock.
        cpu_seconds: of all its processes together.
    """

    source: str
    way: str
    state: str
    round: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Figures:
    """What is told of one way with one source in one state.

    Ratios are medians over the rounds of the ratio within a round, and None where there was
    nothing to compare with.

    Attributes:
        source: what was built.
        way: by which way.
        state: of the caches.
        rounds: how many runs there were.
        seconds: median by the clock.
        minimum: the fastest run.
        cpu_seconds: median of the processor time.
        to_ours: by the clock, to sagepip.
        cpu_to_ours: in processor time, to sagepip.
        to_floor: by the clock, to one hook.
        to_hooks: by the clock, to all hooks.
    """

    source: str
    way: str
    state: str
    rounds: int
    seconds: float
    minimum: float
    cpu_seconds: float
    to_ours: float | None
    cpu_to_ours: float | None
    to_floor: float | None
    to_hooks: float | None


@dataclass(frozen=True)
class Summary:
    """The geometric means of one way's ratios over all sources.

    Attributes:
        way: which.
        state: of the caches.
        sources: how many sources there are figures of.
        to_ours: as in :class:`Figures`, and so on.
        cpu_to_ours: see there.
        to_floor: see there.
        to_hooks: see there.
    """

    way: str
    state: str
    sources: int
    to_ours: float | None
    cpu_to_ours: float | None
    to_floor: float | None
    to_hooks: float | None


def figures_of(runs: Iterable[Run], source: str, way: str, state: str) -> Figures | None:
    """Work out the figures of one way, or None if it never ran.

    Args:
        runs: all runs there were.
        source: which source.
        way: which way.
        state: which state of the caches.
    """
    relevant = [run for run in runs if run.source == source and run.state in (state, "")]
    own = {run.round: run for run in relevant if run.way == way}
    if not own:
        return None

    def ratio(other: str, measure: Callable[[Run], float]) -> float | None:
        theirs = {run.round: run for run in relevant if run.way == other}
        ratios = [
            measure(run) / measure(theirs[number])
            for number, run in own.items()
            if number in theirs
        ]
        return median(ratios) if ratios else None

    return Figures(
        source,
        way,
        state,
        rounds=len(own),
        seconds=median(run.seconds for run in own.values()),
        minimum=min(run.seconds for run in own.values()),
        cpu_seconds=median(run.cpu_seconds for run in own.values()),
        to_ours=ratio(OURS, lambda run: run.seconds),
        cpu_to_ours=ratio(OURS, lambda run: run.cpu_seconds),
        to_floor=ratio(FLOOR, lambda run: run.seconds),
        to_hooks=ratio(HOOKS, lambda run: run.seconds),
    )


def summary_of(figures: Sequence[Figures], way: str, state: str) -> Summary | None:
    """Work out the geometric means of one way, or None if there are no figures of it.

    Args:
        figures: of all sources.
        way: which way.
        state: which state of the caches.
    """
    own = [one for one in figures if one.way == way and one.state == state]
    if not own:
        return None

    def mean(measure: Callable[[Figures], float | None]) -> float | None:
        values = [value for one in own if (value := measure(one)) is not None]
        return geometric_mean(values) if values else None

    return Summary(
        way,
        state,
        len(own),
        mean(lambda one: one.to_ours),
        mean(lambda one: one.cpu_to_ours),
        mean(lambda one: one.to_floor),
        mean(lambda one: one.to_hooks),
    )
