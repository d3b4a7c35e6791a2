"""What a trace tells of all commands together."""

from __future__ import annotations

from sagepip.ground.light_dataclass import dataclass, replace
from sagepip.ground.timing import PhaseTime
from sagepip.operations.trace_records import read_traces
from sagepip.operations.trace_runs import Hold, Run, Wait, find_runs

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# The kernel tells the beginning of a process to the tick.
_CLOCK_SECONDS = 0.01


@dataclass(frozen=True)
class LockTimeline:
    """One lock, as the commands of a trace took it and waited for it.

    Attributes:
        lock: its name.
        holds: who held it, in order.
        waits: who waited for it while others held it, in order.
    """

    lock: str
    holds: tuple[tuple[Run, Hold], ...]
    waits: tuple[tuple[Run, Wait], ...]

    @property
    def held_seconds(self) -> float:
        """How long it was held exclusively."""
        return sum(seconds_of(one, run) for run, one in self.holds if not one.shared)

    @property
    def waited_seconds(self) -> float:
        """How long all commands together waited for it."""
        return sum(seconds_of(one, run) for run, one in self.waits)


@dataclass(frozen=True)
class TraceSummary:
    """What was found in a trace; times are seconds since the epoch.

    Attributes:
        runs: the commands, in the order in which they began.
        phases: what all of them took together.
        locks: those that were taken or waited for, the one that was waited for longest first.
        at_once: how many commands ran at the same time at most.
        passed_over: parts of the files that were of no use, and why.
    """

    runs: tuple[Run, ...]
    phases: Mapping[str, PhaseTime]
    locks: tuple[LockTimeline, ...]
    at_once: int
    passed_over: Mapping[str, int]

    @property
    def began(self) -> float:
        """When the first command began."""
        return self.runs[0].began if self.runs else 0.0

    @property
    def seconds(self) -> float:
        """How long it took from there to the end of the last."""
        return max((one.last for one in self.runs), default=0.0) - self.began

    @property
    def failed(self) -> list[Run]:
        """The commands that ended with another exit status than 0."""
        return [one for one in self.runs if one.status]

    @property
    def unfinished(self) -> list[Run]:
        """The commands whose end is not in the trace."""
        return [one for one in self.runs if one.ended is None]


def summarise(paths: Sequence[str]) -> TraceSummary:
    """Read traces and put together what they tell.

    Args:
        paths: files, or directories.

    Raises:
        TargetError: one cannot be read.
    """
    reading = read_traces(paths)
    runs, orphans = find_runs(reading.events)
    passed_over = dict(reading.passed_over)
    if orphans:
        passed_over["of commands whose beginning is missing"] = orphans
    return TraceSummary(tuple(runs), _phases(runs), _locks(runs), _at_once(runs), passed_over)


def seconds_of(one: Hold | Wait, run: Run) -> float:
    """Return how long a lock was held or waited for, as far as it is known."""
    return (run.last if one.ended is None else one.ended) - one.began


def as_json(summary: TraceSummary) -> dict[str, Any]:
    """Return a summary in the format of docs/trace.md."""
    return {
        "version": "1",
        "began": round(summary.began, 6),
        "seconds": round(summary.seconds, 6),
        "at_once": summary.at_once,
        "commands": [_run_json(one) for one in summary.runs],
        "phases": _phases_json(summary.phases),
        "locks": [
            {
                "lock": one.lock,
                "held_seconds": round(one.held_seconds, 6),
                "waited_seconds": round(one.waited_seconds, 6),
                "holds": [
                    {
                        "command": run.run,
                        "began": round(hold.began, 6),
                        "seconds": round(seconds_of(hold, run), 6),
                        "shared": hold.shared,
                        "is_released": hold.ended is not None,
                    }
                    for run, hold in one.holds
                ],
                "waits": [{"command": run.run, **_wait_json(run, wait)} for run, wait in one.waits],
            }
            for one in summary.locks
        ],
        "passed_over": dict(summary.passed_over),
    }


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "id": run.run,
        "label": run.label,
        "pid": run.pid,
        "parent": run.parent,
        "host": run.host,
        "program": run.program,
        "words": list(run.words),
        "directory": run.directory,
        "did": list(run.subjects),
        "began": round(run.began, 6),
        "seconds": round(run.seconds, 6),
        "cpu_seconds": round(run.cpu_seconds, 6),
        "status": run.status,
        "problem": run.problem,
        "unfinished": run.open_phase if run.ended is None else None,
        "waited_seconds": round(run.waited_seconds, 6),
        "lock_held_seconds": round(run.held_seconds, 6),
        "phases": _phases_json(run.phases),
    }


def _wait_json(run: Run, wait: Wait) -> dict[str, Any]:
    return {
        "began": round(wait.began, 6),
        "seconds": round(seconds_of(wait, run), 6),
        "in_vain": wait.in_vain,
        "for": [{"command": one.run, "seconds": round(one.seconds, 6)} for one in wait.blockers],
        "told": list(wait.told),
    }


def _phases_json(phases: Mapping[str, PhaseTime]) -> dict[str, Any]:
    return {
        name: {"seconds": round(one.seconds, 6), "cpu_seconds": round(one.cpu_seconds, 6)}
        for name, one in phases.items()
    }


def _phases(runs: Sequence[Run]) -> dict[str, PhaseTime]:
    total: dict[str, PhaseTime] = {}
    for run in runs:
        for name, one in run.phases.items():
            known = total.get(name, PhaseTime(0.0, 0.0))
            total[name] = replace(
                known,
                seconds=known.seconds + one.seconds,
                cpu_seconds=known.cpu_seconds + one.cpu_seconds,
            )
    return dict(sorted(total.items(), key=lambda one: -one[1].seconds))


def _locks(runs: Sequence[Run]) -> tuple[LockTimeline, ...]:
    holds: dict[str, list[tuple[Run, Hold]]] = {}
    waits: dict[str, list[tuple[Run, Wait]]] = {}
    for run in runs:
        for hold in run.holds:
            holds.setdefault(hold.lock, []).append((run, hold))
        for wait in run.waits:
            waits.setdefault(wait.lock, []).append((run, wait))
    found = [
        LockTimeline(
            lock,
            tuple(sorted(holds.get(lock, []), key=lambda one: one[1].began)),
            tuple(sorted(waits.get(lock, []), key=lambda one: one[1].began)),
        )
        for lock in dict.fromkeys([*holds, *waits])
    ]
    return tuple(sorted(found, key=lambda one: -one.waited_seconds))


def _at_once(runs: Sequence[Run]) -> int:
    changes = sorted(
        [(min(run.began + _CLOCK_SECONDS, run.last), 1) for run in runs]
        + [(run.last, -1) for run in runs]
    )
    count = most = 0
    for _, change in changes:
        count += change
        most = max(most, count)
    return most
