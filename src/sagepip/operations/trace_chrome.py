"""A trace in the Trace Event Format, for chrome://tracing and Perfetto.

See "Trace Event Format" (Google, 2016): complete events (``X``), in microseconds, on the threads of
processes that metadata events (``M``) give names to.
"""

from __future__ import annotations

from sagepip.operations.trace_runs import Run
from sagepip.operations.trace_summary import TraceSummary, seconds_of

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_LOCKS = 0


def chrome_trace(summary: TraceSummary) -> dict[str, Any]:
    """Return a trace in that format: the locks as one process, each command as another.

    Args:
        summary: of the trace.
    """
    events: list[dict[str, Any]] = []
    labels = {run.run: run.label for run in summary.runs}
    # Process numbers come again: each command has one of its own here.
    for number, run in enumerate(summary.runs, start=1):
        events += _of_run(run, number, summary.began, labels)
    events.append(_name("process_name", _LOCKS, 0, "locks"))
    for number, timeline in enumerate(summary.locks):
        events.append(_name("thread_name", _LOCKS, number, timeline.lock))
        events += [
            _complete(
                f"shared: {run.label}" if hold.shared else run.label,
                (_LOCKS, number),
                hold.began - summary.began,
                seconds_of(hold, run),
                {"pid": run.pid},
            )
            for run, hold in timeline.holds
        ]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _of_run(
    run: Run, number: int, origin: float, labels: dict[str, str]
) -> Sequence[dict[str, Any]]:
    arguments = {
        "pid": run.pid,
        "words": [run.program, *run.words],
        "directory": run.directory,
        "status": run.status,
        "problem": run.problem,
        "cpu_seconds": run.cpu_seconds,
    }
    where = (number, 0)
    events = [
        _name("process_name", number, 0, f"{run.label} [{run.pid}]"),
        {**_name("process_sort_index", number, 0, ""), "args": {"sort_index": number}},
        _complete(run.label, where, run.began - origin, run.seconds, arguments),
    ]
    for span in run.spans:
        name = f"{span.phase} {span.what}".rstrip()
        ended = run.last if span.ended is None else span.ended
        more: dict[str, Any] = {"cpu_seconds": span.cpu_seconds}
        if span.failed:
            more["failed"] = True
        events.append(_complete(name, where, span.began - origin, ended - span.began, more))
    for wait in run.waits:
        who = [labels[one.run] for one in wait.blockers]
        more = {"held by": who, "told": wait.told}
        events.append(
            _complete(
                f"wait for {wait.lock}", where, wait.began - origin, seconds_of(wait, run), more
            )
        )
    return events


def _complete(
    name: str, where: tuple[int, int], at: float, seconds: float, arguments: dict[str, Any]
) -> dict[str, Any]:
    process, thread = where
    return {
        "name": name,
        "ph": "X",
        "ts": round(at * 1e6, 3),
        "dur": round(max(0.0, seconds) * 1e6, 3),
        "pid": process,
        "tid": thread,
        "args": arguments,
    }


def _name(kind: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}
