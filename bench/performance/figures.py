"""Medians, ratios of runs of the same round, and whether they meet their targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from bench.performance.stopwatch import Cost

OURS = "sagepip"
PIP = "pip"
UV = "uv"
FLOOR = "floor"
LIMIT = "limit"
"""The least work of an interpreter that imports ``installer`` and believes nothing unhashed; of
builds, of one that imports ``build`` as well, and calls both hooks; of copies, one that imports
nothing, and keeps what ``cp -Rp`` keeps."""

MEASURES = ("cpu", "wall", "peak", "held")


@dataclass(frozen=True)
class Target:
    """What a figure may be at most.

    Attributes:
        measure: one of :data:`MEASURES`.
        limit: the greatest good value: a ratio, or without ``to`` milliseconds or MB.
        to: the way that sagepip is compared with; None for an absolute limit.
    """

    measure: str
    limit: float
    to: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of a target.

    Attributes:
        target: which.
        value: what was measured; None if there was nothing to compare with.
        limit: the same of the least work there is; None if that was not measured.
    """

    target: Target
    value: float | None
    limit: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value is good."""
        return self.value is not None and self.value <= self.target.limit

    @property
    def out_of_reach(self) -> bool:
        """Whether the least work there is does not meet it either.

        What takes longer than sagepip is not the least, and says nothing.
        """
        if self.met or self.limit is None or self.value is None:
            return False
        return self.target.limit < self.limit <= self.value


@dataclass(frozen=True)
class Run:
    """One run that did what it should have.

    Attributes:
        way: which way.
        round: the number of the round; what ran in the same one is compared.
        cost: what it used.
    """

    way: str
    round: int
    cost: Cost


def value_of(cost: Cost, measure: str) -> float | None:
    """Give one measure of a cost: milliseconds, or MB of memory."""
    if measure == "peak":
        return cost.peak / 1024 if cost.peak else None
    seconds = {"cpu": cost.cpu, "wall": cost.wall, "held": cost.held}[measure]
    return None if seconds is None else seconds * 1000


def middle(runs: Iterable[Run], way: str, measure: str) -> float | None:
    """Give the median of one measure of one way, or None if it never ran."""
    values = _by_round(runs, way, measure).values()
    return median(values) if values else None


def ratio(runs: Iterable[Run], way: str, to: str, measure: str) -> float | None:
    """Give the median over the rounds of the ratio within a round; None without such rounds.

    Args:
        runs: all runs of a row.
        way: the way that is looked at.
        to: the one that it is compared with.
        measure: one of :data:`MEASURES`.
    """
    known = list(runs)
    theirs = _by_round(known, to, measure)
    found = [
        value / theirs[number]
        for number, value in _by_round(known, way, measure).items()
        if theirs.get(number)
    ]
    return median(found) if found else None


def _by_round(runs: Iterable[Run], way: str, measure: str) -> Mapping[int, float]:
    return {
        run.round: value
        for run in runs
        if run.way == way and (value := value_of(run.cost, measure)) is not None
    }


def _least(runs: Iterable[Run], target: Target) -> float | None:
    """Give what a target would be for the least work: the floor's, where there is no closer one."""
    if target.to is None:
        return None
    known = list(runs)
    found = ratio(known, LIMIT, target.to, target.measure)
    if found is None and target.to != FLOOR:
        found = ratio(known, FLOOR, target.to, target.measure)
    return found


def judge(runs: Iterable[Run], targets: Iterable[Target]) -> list[Verdict]:
    """Compare what was measured with the targets."""
    known = list(runs)
    return [
        Verdict(
            target,
            middle(known, OURS, target.measure)
            if target.to is None
            else ratio(known, OURS, target.to, target.measure),
            _least(known, target),
        )
        for target in targets
    ]
