"""The file that many processes write their events to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from sagepip.ground.trace_recorder import OPENING, TraceRecorder
from sagepip.operations.trace_records import Event, read_traces

PROCESSES = 8
EVENTS = 300
WRITER = """
import sys
from sagepip.ground.trace_recorder import TraceRecorder
recorder = TraceRecorder(sys.argv[1])
recorder.open()
recorder.command("writer", sys.argv)
recorder.flush()
sys.stdin.readline()
number = 0
while number != int(sys.argv[2]):
    recorder.begin("unpack", f"wheel {number}", number)
    number += 1
print(recorder.finish(0, "", 0, 0))
"""


def start(path: Path, events: int) -> subprocess.Popen[str]:
    """Start a process that writes so many events once it is told to begin; -1 without an end."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(events)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def events_of(path: Path) -> list[Event]:
    """Return the events of a file in which there is nothing else."""
    reading = read_traces([str(path)])
    assert not reading.passed_over
    return reading.events


def tell(process: subprocess.Popen[str]) -> None:
    """Have a writer begin."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_lines_of_many_processes_are_whole(tmp_path: Path) -> None:
    """What eight processes write at once is all there, and each one's in its order."""
    path = tmp_path / "trace"
    processes = [start(path, EVENTS) for _ in range(PROCESSES)]
    for process in processes:
        tell(process)
    for process in processes:
        assert process.communicate()[0] == "\n"
    found: dict[str, list[float]] = {}
    for event in events_of(path):
        if event.kind == "begin":
            found.setdefault(event.run, []).append(event.at)
    assert list(found.values()) == [list(range(EVENTS))] * PROCESSES


def test_a_kill_leaves_what_was_told_before(tmp_path: Path) -> None:
    """Processes that are killed while they write: their lines are there, and the others' whole."""
    path = tmp_path / "trace"
    processes = [start(path, -1) for _ in range(3)]
    last = start(path, EVENTS)
    for process in processes:
        tell(process)
    for process in processes:
        while not path.exists() or path.read_text().count(f'"run": "{process.pid}-') < 100:
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        process.communicate()
    tell(last)
    assert last.communicate()[0] == "\n"
    reading = read_traces([str(path)])
    # In theory the kernel may end the write of a line between two pages.
    assert sum(reading.passed_over.values()) <= len(processes)
    counts = Counter(event.run for event in reading.events)
    assert len(counts) == len(processes) + 1
    assert min(counts.values()) >= 99
    (ended,) = [event.run for event in reading.events if event.kind == "exit"]
    assert counts[ended] == EVENTS + 2


def test_nothing_is_written_under_a_lock(tmp_path: Path) -> None:
    """What happens while a lock is held is told afterwards, in its order."""
    path = tmp_path / "trace"
    recorder = TraceRecorder(str(path))
    recorder.open()
    recorder.begin("wait", "", 1)
    size = path.stat().st_size
    assert size
    recorder.acquired("L", 2, shared=False)
    recorder.end("wait", 2, 0.5, failed=False)
    recorder.begin("commit", "", 2)
    assert path.stat().st_size == size
    recorder.released("L", 3)
    recorder.flush()
    kinds = [event.kind for event in events_of(path)]
    assert kinds == ["begin", "acquired", "end", "begin", "released"]


def test_lines_are_json(tmp_path: Path) -> None:
    """Each line is an object for any reader; odd names and passwords do no harm."""
    path = tmp_path / "deep" / "er" / "trace"
    recorder = TraceRecorder(str(path))
    recorder.open()
    recorder.command("odd", ['a "b"\n', "http://me:secret@host/", "\udcff", *["word"] * 1000])
    recorder.begin("unpack", OPENING, 1)
    assert recorder.finish(-9, "two\nlines", 2, 0.25) == ""
    lines = path.read_text("ascii").splitlines()
    command, begun, ended = [json.loads(line) for line in lines]
    assert all(line.startswith(OPENING) for line in lines)
    assert command["words"][:3] == ['a "b"\n', "http://****@host/", "\udcff"]
    assert len(lines[0]) < 4096
    assert (begun["phase"], begun["what"], begun["at"]) == ("unpack", OPENING, 1)
    assert (ended["status"], ended["problem"], ended["cpu"]) == (-9, "two lines", 0.25)
    assert [event.kind for event in events_of(path)] == ["command", "begin", "exit"]


def test_a_directory_gets_a_file_of_each_process(tmp_path: Path) -> None:
    """For file systems on which two processes cannot append to one file; a slash asks for it."""
    for place in (tmp_path / "there", tmp_path / "new"):
        (tmp_path / "there").mkdir(exist_ok=True)
        for _ in range(2):
            recorder = TraceRecorder(f"{place}/")
            recorder.open()
            recorder.command("some", [])
            assert recorder.finish(0, "", 0, 0) == ""
        assert len(list(place.iterdir())) == 2
        assert len(events_of(place)) == 4


def test_a_trace_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reason is told in one line at the end; nothing waits, nothing fails."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    problems = {
        "trace": "no trace: SAGEPIP_TRACE is a relative path: trace",
        f"{tmp_path}/file/trace": f"no trace: cannot write {tmp_path}/file/trace (SAGEPIP_TRACE)",
        f"{tmp_path}/pipe": f"no trace: cannot write {tmp_path}/pipe (SAGEPIP_TRACE): No such",
        "/dev/full": "the trace /dev/full ends before its time: No space left on device",
        f"{tmp_path}/\0": "no trace: cannot write",
    }
    for path, problem in problems.items():
        recorder = TraceRecorder(path)
        recorder.open()
        recorder.command("some", [])
        recorder.begin("unpack", "", 1)
        said = recorder.finish(0, "", 2, 0)
        assert said.startswith(problem)
        assert "\n" not in said
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe"]
