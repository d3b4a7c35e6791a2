"""The report of ``sagepip trace``, for people."""

from __future__ import annotations

import re
import textwrap
import time

from sagepip.ground.timing import PhaseTime
from sagepip.operations.trace_runs import Run, Wait
from sagepip.operations.trace_summary import LockTimeline, TraceSummary, seconds_of

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMANDS = 20
_WAITS = 10
_HOLDS = 5
_BLOCKERS = 5
_PROBLEM = 400
_TOLD_SECONDS = 0.005
_PROCESS = re.compile(r"process (\d+)")
_INDENT = " " * 12


def report_lines(summary: TraceSummary, *, everything: bool) -> list[str]:
    """Return the report.

    Args:
        summary: of the trace.
        everything: also what took little time.
    """
    return [
        *_head(summary),
        *_troubles(summary),
        "",
        *_commands(summary, everything=everything),
        "",
        *_totals(summary),
        *(line for lock in summary.locks for line in _lock(lock, summary, everything=everything)),
    ]


def _head(summary: TraceSummary) -> Iterator[str]:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(summary.began))
    count = len(summary.runs)
    yield (
        f"{count} command{'s' * (count != 1)} from {began} on, {_s(summary.seconds)} in all, "
        f"{summary.at_once} at once at most; {len(summary.failed)} failed, "
        f"{len(summary.unfinished)} did not end"
    )


def _troubles(summary: TraceSummary) -> Iterator[str]:
    troubled = [one for one in summary.runs if one.status or one.ended is None]
    if troubled:
        yield ""
        yield "Failed, or without an end:"
    for run in troubled:
        yield f"  {_at(run.began, summary)}  {run.label} [{run.pid}]"
        if run.ended is None:
            yield (
                f"    killed, or still there, after {_s(run.seconds)}; "
                f"last seen in: {run.open_phase or 'no phase'}"
            )
        elif run.status is not None and run.status < 0:
            yield f"    ended by signal {-run.status} after {_s(run.seconds)}"
        else:
            problem = run.problem[:_PROBLEM] + "..." * (len(run.problem) > _PROBLEM)
            yield f"    exit status {run.status} after {_s(run.seconds)}: {problem}"


def _commands(summary: TraceSummary, *, everything: bool) -> Iterator[str]:
    by_length = sorted(summary.runs, key=lambda one: -one.seconds)
    shown = by_length if everything else by_length[:_COMMANDS]
    yield "Commands, the longest first, in seconds (cpu: children included; wait, held: locks):"
    yield "    began     took      cpu     wait     held"
    for run in shown:
        yield (
            f"{_at(run.began, summary):>9} {run.seconds:8.2f} {run.cpu_seconds:8.2f} "
            f"{run.waited_seconds:8.3f} {run.held_seconds:8.4f}  {run.label} [{run.pid}]"
        )
        yield from textwrap.wrap(
            _phases(run), 100, initial_indent=_INDENT, subsequent_indent=_INDENT
        )
    if len(shown) < len(by_length):
        yield f"  and {len(by_length) - len(shown)} more: --all lists them"


def _phases(run: Run) -> str:
    found = sorted(run.phases.items(), key=lambda one: -one[1].seconds)
    told = [
        f"{name} {one.seconds:.2f}{_hooks(run) if name == 'hook' else ''}"
        for name, one in found
        if one.seconds >= _TOLD_SECONDS
    ]
    return ", ".join(told) or "no phase took 0.01 s"


def _hooks(run: Run) -> str:
    """Tell which hooks it was, if there was more than one."""
    took: dict[str, float] = {}
    for span in run.spans:
        if span.phase == "hook":
            ended = run.last if span.ended is None else span.ended
            took[span.what] = took.get(span.what, 0.0) + ended - span.began
    parts = [f"{name} {seconds:.2f}" for name, seconds in took.items() if seconds >= _TOLD_SECONDS]
    return f" ({', '.join(parts)})" if len(parts) > 1 else ""


def _totals(summary: TraceSummary) -> Iterator[str]:
    everything = sum(one.seconds for one in summary.phases.values())
    yield "All commands together, by phase:"
    yield "      seconds     %      cpu"
    rows: Mapping[str, PhaseTime] = summary.phases
    for name, one in rows.items():
        share = 100 * one.seconds / everything if everything else 0.0
        yield f"{one.seconds:13.2f} {share:5.1f} {one.cpu_seconds:8.2f}  {name}"


def _lock(lock: LockTimeline, summary: TraceSummary, *, everything: bool) -> Iterator[str]:
    shared = sum(hold.shared for _, hold in lock.holds)
    exclusive = len(lock.holds) - shared
    yield ""
    yield f"Lock {lock.lock}:"
    takers = len({run.run for run, _ in lock.holds})
    yield (
        f"  taken {exclusive} time{'s' * (exclusive != 1)}"
        + (f", shared {shared}" if shared else "")
        + f" by {takers} command{'s' * (takers != 1)}"
        + f", held {_s(lock.held_seconds)} in all; {len(lock.waits)} waited for it, "
        f"{_s(lock.waited_seconds)} in all"
    )
    runs = {run.run: run for run in summary.runs}
    waits = sorted(lock.waits, key=lambda one: -seconds_of(one[1], one[0]))
    if waits:
        yield "  longest waits:"
    for run, wait in waits if everything else waits[:_WAITS]:
        when = f"{_s(seconds_of(wait, run))} at {_at(wait.began, summary)}"
        yield f"    {when}: {run.label} [{run.pid}]{_outcome(wait)}"
        yield from _reasons(run, wait, runs)
    holds = sorted(
        (one for one in lock.holds if not one[1].shared),
        key=lambda one: -seconds_of(one[1], one[0]),
    )
    if holds:
        yield "  held longest:"
    for run, hold in holds if everything else holds[:_HOLDS]:
        end = "" if hold.ended is not None else ", and not released when it was last seen"
        yield (
            f"    {_s(seconds_of(hold, run))} at {_at(hold.began, summary)}: "
            f"{run.label} [{run.pid}]{end}"
        )


def _outcome(wait: Wait) -> str:
    if wait.in_vain:
        return ", in vain"
    return "" if wait.ended is not None else ", killed then or under the lock, or still there"


def _reasons(run: Run, wait: Wait, runs: Mapping[str, Run]) -> Iterator[str]:
    """Say for whom a command waited, and how long for each."""
    left = seconds_of(wait, run)
    for one in wait.blockers[:_BLOCKERS]:
        holder = runs[one.run]
        left -= one.seconds
        yield f"      {_s(one.seconds):>9} for {holder.label} [{holder.pid}]"
    more = wait.blockers[_BLOCKERS:]
    if more:
        seconds = sum(one.seconds for one in more)
        left -= seconds
        yield f"      {_s(seconds):>9} for {len(more)} more commands"
    if left > max(0.02, 0.1 * seconds_of(wait, run)):
        known = {str(one.pid) for one in runs.values()}
        told = [(_PROCESS.findall(one), one) for one in wait.told]
        others = [one for pids, one in told if pids and not known.issuperset(pids)]
        for_whom = f"for others: {'; '.join(others[-2:])}" if others else "for its turn to come"
        yield f"      {_s(left):>9} {for_whom}"


def _at(moment: float, summary: TraceSummary) -> str:
    return f"+{moment - summary.began:.2f}"


def _s(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"
