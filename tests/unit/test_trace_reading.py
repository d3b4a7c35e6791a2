"""What is read out of a trace: events, commands, who waited for whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagepip.ground.errors import TargetError
from sagepip.ground.timing import PhaseTime
from sagepip.ground.trace_recorder import OPENING
from sagepip.operations.trace_chrome import chrome_trace
from sagepip.operations.trace_records import read_traces
from sagepip.operations.trace_runs import Run
from sagepip.operations.trace_summary import TraceSummary, as_json, summarise

WALL = 1_700_000_000.0


def line(run: str, event: str, at: float, **more: Any) -> str:
    """Return one line of a trace."""
    fields = json.dumps({"run": run, "event": event, "at": at, **more})
    return f"{OPENING}{fields[1:]}\n"


def command(run: str, at: float, **more: Any) -> str:
    """Return the first line of a command; its process number is that in its name."""
    known = {
        "wall": WALL + at,
        "pid": int(run.strip("p")),
        "program": "sage-pip-install",
        "words": [run],
        "directory": "/src",
        "host": "here",
        "boot": "today",
    }
    return line(run, "command", at, **known | more)


def hold(run: str, began: float, ended: float, lock: str = "L", **more: Any) -> str:
    """Return the lines of a lock that was held."""
    return line(run, "acquired", began, lock=lock, **more) + line(run, "released", ended, lock=lock)


def wait(run: str, began: float, ended: float, *, holder: str = "X", failed: bool = False) -> str:
    """Return the lines of a wait for the lock; it is got, or not."""
    text = line(run, "begin", began, phase="wait")
    text += line(run, "waiting", began, lock="L", holder=holder)
    if not failed:
        text += line(run, "acquired", ended, lock="L")
    return text + line(run, "end", ended, phase="wait", cpu=0, **{"failed": True} if failed else {})


def end(run: str, at: float, **more: Any) -> str:
    """Return the last line of a command."""
    return line(run, "exit", at, **{"status": 0, "cpu": 1.0} | more)


def summary_of(tmp_path: Path, text: str | bytes) -> TraceSummary:
    """Return what a file with that content tells."""
    path = tmp_path / "trace"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return summarise([str(path)])


def run_of(summary: TraceSummary, name: str) -> Run:
    """Return one of its commands."""
    (found,) = [one for one in summary.runs if one.run == name]
    return found


def blockers(summary: TraceSummary, name: str) -> list[tuple[str, float]]:
    """Return for whom a command waited, and how long."""
    (waited,) = run_of(summary, name).waits
    return [(one.run, round(one.seconds, 6)) for one in waited.blockers]


# ------------------------------------------------------------------------------- hostile files


@pytest.mark.parametrize(
    "odd",
    [
        b"hello\n",
        b"\xff\xfe\x00\n",
        b'{"event": "exit"}\n',
        b"{" * 100_000 + b"\n",
        b"[" * 100_000 + b"\n",
        OPENING.encode() + b'"run": ' + b"[" * 60_000 + b"\n",
        OPENING.encode() + b'"run": "a", "event": "exit", "at": 1' + b"0" * 20_000 + b"}\n",
        b'{"sagepip_trace": 2, "run": "p1", "event": "exit"}\n',
        line("p1", "nonsense", 1).encode(),
        line("p1", "exit", float("nan"), status=0, cpu=0).encode(),
        line("p1", "exit", float("inf"), status=0, cpu=0).encode(),
        line("p1", "exit", 1e300, status=0, cpu=0).encode(),
        line("p1", "exit", 1, status=10**400, cpu=0).encode(),
        line("p1", "exit", 1, status=True, cpu=0).encode(),
        line("p1", "exit", 1, status="0", cpu=0).encode(),
        line("p1", "exit", 1, cpu=0).encode(),
        line("p1", "begin", 1, phase=["unpack"]).encode(),
        line("p1", "run_of", 1).encode(),
        line("p1", ["exit"], 1).encode(),  # type: ignore[arg-type]
        line("p9", "exit", 1, status=0, cpu=0).encode(),
        OPENING.encode(),
        OPENING.encode() + b'"run": "torn", "ev',
    ],
)
def test_what_is_no_event_is_passed_over(tmp_path: Path, odd: bytes) -> None:
    """A line of somebody else, or one that makes no sense, costs only itself, and is counted."""
    good = (command("p1", 1) + end("p1", 3)).encode()
    # A torn one comes in front of the next, without an end of its line.
    summary = summary_of(tmp_path, odd + good)
    assert [(one.run, one.seconds) for one in summary.runs] == [("p1", 2)]
    assert sum(summary.passed_over.values()) == 1


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    """A line longer than any of ours is passed over piece by piece."""
    good = (command("p1", 1) + end("p1", 3)).encode()
    summary = summary_of(tmp_path, good + b"x" * 1_000_000 + b"\n" + command("p2", 2).encode())
    assert len(summary.runs) == 2
    assert summary.passed_over == {"too long": 1}


def test_events_out_of_order_break_nothing(tmp_path: Path) -> None:
    """Ends without a beginning, times that run backwards, a lock released twice."""
    text = line("p1", "end", 4, phase="unpack", cpu=1) + command("p1", 5)
    text += line("p1", "end", 1, phase="unpack", cpu=-5) + line("p1", "begin", 9, phase="plan")
    text += line("p1", "released", 2, lock="L") + line("p1", "end", 3, phase="plan", cpu=-1)
    text += command("p1", 50) + hold("p1", 9, 2) + line("p1", "released", 9, lock="L") * 2
    summary = summary_of(tmp_path, text + end("p1", 6))
    (run,) = summary.runs
    assert all(one.seconds >= 0 and one.cpu_seconds >= 0 for one in run.phases.values())
    json.dumps([as_json(summary), chrome_trace(summary)], allow_nan=False)


def test_a_file_that_is_given_twice(tmp_path: Path) -> None:
    """It is read once, whatever it is called."""
    (tmp_path / "t.jsonl").write_text(command("p1", 1) + end("p1", 3))
    (tmp_path / "same").symlink_to("t.jsonl")
    summary = summarise([str(tmp_path), str(tmp_path / "same")])
    assert [len(one.phases) for one in summary.runs] == [1]
    assert len(read_traces([str(tmp_path), str(tmp_path / "same")]).events) == 2


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a device and a name that is none are errors."""
    for path in (str(tmp_path / "gone"), "/dev/zero", "a\0b"):
        with pytest.raises(TargetError):
            read_traces([path])


# ------------------------------------------------------------------------------------ commands


def test_phases_are_counted_without_those_within(tmp_path: Path) -> None:
    """As in the command's own report; what lies in no phase is the rest of the whole."""
    text = command("p1", 10) + line("p1", "begin", 11, phase="unpack", what="a.whl")
    text += line("p1", "begin", 12, phase="compile") + line("p1", "end", 15, phase="compile", cpu=2)
    text += line("p1", "end", 17, phase="unpack", cpu=3)
    text += line("p1", "subject", 17, what="install a 1") + end("p1", 20, cpu=4.5)
    (run,) = summary_of(tmp_path, text).runs
    assert run.phases == {
        "compile": PhaseTime(3, 2),
        "unpack": PhaseTime(3, 1),
        "other": PhaseTime(4, 1.5),
    }
    assert sum(one.seconds for one in run.phases.values()) == run.seconds == 10
    assert run.label == "install a 1"
    assert run.began == WALL + 10


def test_a_command_without_end(tmp_path: Path) -> None:
    """It is told in which phase it was seen last; that time counts."""
    text = command("p1", 1) + line("p1", "begin", 2, phase="build", what="/src")
    text += line("p1", "begin", 3, phase="hook", what="build_wheel") + command("p2", 1)
    summary = summary_of(tmp_path, text + end("p2", 9, status=1, problem="no luck"))
    run = run_of(summary, "p1")
    assert (run.ended, run.status, run.open_phase) == (None, None, "hook build_wheel")
    assert run.phases["build"].seconds == 1
    assert [one.run for one in summary.unfinished] == ["p1"]
    assert [(one.run, one.problem) for one in summary.failed] == [("p2", "no luck")]


def test_the_clock_of_the_machine_counts(tmp_path: Path) -> None:
    """Commands of one machine are put in order by its steady clock, though its date was set."""
    text = command("p1", 10) + end("p1", 20) + command("p2", 15, wall=WALL - 5000) + end("p2", 16)
    text += command("p3", 3, wall=WALL + 12, host="there") + end("p3", 4)
    summary = summary_of(tmp_path, text)
    found = [(one.run, one.began - WALL) for one in summary.runs]
    assert found == [("p1", 10), ("p3", 12), ("p2", 15)]
    assert summary.seconds == 10
    assert summary.at_once == 2


# --------------------------------------------------------------------------------------- locks


def test_who_waited_for_whom(tmp_path: Path) -> None:
    """All who held the lock while one waited, however many and in whatever order of lines."""
    text = command("p1", 0) + command("p2", 0) + command("p3", 0)
    text += wait("p3", 2, 9) + line("p3", "released", 10, lock="L") + end("p3", 10)
    text += hold("p1", 1, 5) + end("p1", 5) + wait("p2", 1, 5) + line("p2", "released", 9, lock="L")
    text += end("p2", 9) + hold("p1", 3, 4, lock="M")
    summary = summary_of(tmp_path, text)
    assert blockers(summary, "p3") == [("p2", 4), ("p1", 3)]
    assert blockers(summary, "p2") == [("p1", 4)]
    first = summary.locks[0]
    assert (first.lock, first.held_seconds, first.waited_seconds) == ("L", 4 + 4 + 1, 11)
    assert [run.run for run, _ in first.holds] == ["p1", "p2", "p3"]


def test_nobody_waits_for_the_lock_that_it_runs_under(tmp_path: Path) -> None:
    """Whoever still held the lock when another had it is an ancestor of that."""
    text = command("p1", 0) + command("p2", 1) + command("p3", 1)
    text += line("p1", "acquired", 0, lock="L") + hold("p2", 2, 5) + wait("p3", 3, 5)
    text += line("p3", "released", 6, lock="L") + line("p1", "released", 7, lock="L")
    summary = summary_of(tmp_path, text + end("p1", 7) + end("p2", 5) + end("p3", 6))
    assert blockers(summary, "p3") == [("p2", 2)]


def test_a_wait_in_vain(tmp_path: Path) -> None:
    """Who gave up waited for the one that held the lock all the time."""
    text = command("p1", 0) + hold("p1", 0, 9) + end("p1", 9)
    text += command("p2", 1) + wait("p2", 2, 4, failed=True) + end("p2", 5, status=3)
    summary = summary_of(tmp_path, text)
    assert blockers(summary, "p2") == [("p1", 2)]
    assert run_of(summary, "p2").waits[0].in_vain


def test_locks_of_machines_are_apart(tmp_path: Path) -> None:
    """A path on one machine is another lock than the same on another."""
    text = command("p1", 0, host="there") + hold("p1", 0, 9) + end("p1", 9)
    text += command("p2", 1) + wait("p2", 2, 4, holder="process 7") + end("p2", 5)
    summary = summary_of(tmp_path, text)
    assert blockers(summary, "p2") == []
    assert run_of(summary, "p2").waits[0].told == ["process 7"]


def test_killed_while_it_waits(tmp_path: Path) -> None:
    """What is not known to have ended is said to be so."""
    text = command("p1", 0) + line("p1", "begin", 1, phase="wait")
    text += line("p1", "waiting", 1, lock="L", holder="Y") * 2
    (run,) = summary_of(tmp_path, text).runs
    assert [(one.ended, one.told) for one in run.waits] == [(None, ["Y"])]
    assert run.open_phase == "wait"


def test_many_waits_are_read_at_once(tmp_path: Path) -> None:
    """Thousands of holds and waits are no matter of minutes: of each only its neighbours count."""
    count = 4000
    text = command("p1", 0) + "".join(hold("p1", n, n + 0.5) for n in range(count))
    text += command("p2", 0) + "".join(
        wait("p2", n + 0.25, n + 0.5) + line("p2", "released", n + 0.75, lock="L")
        for n in range(count)
    )
    summary = summary_of(tmp_path, text + end("p1", count) + end("p2", count))
    waits = run_of(summary, "p2").waits
    assert len(waits) == count
    assert all([one.run for one in each.blockers] == ["p1"] for each in waits)


# -------------------------------------------------------------------------------------- chrome


def test_the_timeline_is_nested(tmp_path: Path) -> None:
    """Each event lies within its command; locks are a process of their own (Trace Event Format)."""
    text = command("p1", 10) + line("p1", "begin", 11, phase="build", what="/src")
    text += line("p1", "begin", 12, phase="hook", what="build_wheel")
    text += line("p1", "end", 15, phase="hook", cpu=2, failed=True)
    text += line("p1", "end", 17, phase="build", cpu=3) + hold("p1", 18, 19) + end("p1", 20)
    events = chrome_trace(summary_of(tmp_path, text))["traceEvents"]
    spans = {one["name"]: one for one in events if one["ph"] == "X" and one["pid"] == 1}
    assert set(spans) == {"sage-pip-install p1 (in /src)", "build /src", "hook build_wheel"}
    hook = spans["hook build_wheel"]
    assert (hook["ts"], hook["dur"], hook["args"]["failed"]) == (2e6, 3e6, True)
    (held,) = [one for one in events if one["ph"] == "X" and one["pid"] == 0]
    assert (held["name"], held["ts"], held["dur"]) == ("sage-pip-install p1 (in /src)", 8e6, 1e6)
    names = {(one["pid"], one["args"]["name"]) for one in events if one["name"] == "process_name"}
    assert names == {(0, "locks"), (1, "sage-pip-install p1 (in /src) [1]")}
