"""SAGEPIP_TRACE and ``sagepip trace``: real commands, what they record and what is told of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.e2e.commands import Terminal, error_line
from tests.e2e.locking import INSTALL, end, hold, needs_flock, new_site, reap, start
from tests.e2e.locking import wait_for_note as note_of_wait
from tests.e2e.staged_trees import distribution
from tests.guarantees import snapshot, versions
from tests.wheels import make_wheel

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    reap()


@pytest.fixture
def traced(terminal: Terminal) -> Terminal:
    """A terminal where every command records; the directory of the trace is made by the first."""
    terminal.environ["SAGEPIP_TRACE"] = str(trace_of(terminal))
    return terminal


def trace_of(terminal: Terminal) -> Path:
    """Return the path of the trace."""
    return terminal.where / "traces" / "all.jsonl"


def wheel(terminal: Terminal, name: str = "pkg") -> Path:
    """Make a small wheel."""
    return make_wheel(terminal.where / "made", name, "1", {f"{name}.py": "x = 1\n"})


def summary(terminal: Terminal) -> Json:
    """Return what ``sagepip trace --json`` tells; all of the file must be of use."""
    done = terminal.run("sagepip", "trace", "--json", trace_of(terminal))
    assert done.stderr == ""
    found: Json = json.loads(done.stdout)
    for one in found["commands"]:
        assert sum_of(one["phases"]) == pytest.approx(one["seconds"], abs=1e-3)
    return found


def only_command(terminal: Terminal) -> Json:
    """Return the one command of a trace."""
    (found,) = summary(terminal)["commands"]
    assert isinstance(found, dict)
    return found


def sum_of(phases: Mapping[str, Mapping[str, float]], key: str = "seconds") -> float:
    """Return what all phases took together."""
    return sum(one[key] for one in phases.values())


# ------------------------------------------------------------------------- what a command records


def test_an_install_tells_its_phases(traced: Terminal) -> None:
    """Report and trace agree; each second belongs to one phase; the trace knows the command."""
    report = traced.where / "report.json"
    words = ("--prefix", traced.where / "prefix", "--report", report, wheel(traced))
    traced.install(*words)
    told = json.loads(report.read_text())["sagepip"]
    time = told["time"]
    assert sum_of(time["phases"]) == pytest.approx(time["seconds"], abs=1e-4)
    assert sum_of(time["phases"], "cpu_seconds") == pytest.approx(time["cpu_seconds"], abs=1e-4)
    expected = {"start-up", "targets", "unpack", "compile", "plan", "wait", "commit", "clean"}
    assert expected <= time["phases"].keys()
    command = only_command(traced)
    assert expected <= command["phases"].keys()
    assert command["did"] == ["install pkg 1"]
    assert command["status"] == 0
    assert command["words"] == [str(word) for word in words]
    assert command["directory"] == str(traced.where)
    assert command["seconds"] >= time["seconds"] - 1e-3


def test_a_trace_changes_nothing(terminal: Terminal) -> None:
    """The same tree, words and exit status with a trace, without, and with one that fails."""
    made = wheel(terminal)
    outcomes = []
    for trace in ("", str(trace_of(terminal)), "/dev/full", "relative"):
        prefix = terminal.where / "prefix"
        settings = {"SAGEPIP_TRACE": trace, "SOURCE_DATE_EPOCH": "1700000000"}
        done = terminal.install("--prefix", prefix, made, settings=settings)
        bad = terminal.run("sage-pip-install", "./gone", status=1, settings=settings)
        outcomes.append((done.stdout, snapshot(prefix), bad.stderr.splitlines()[0]))
        warnings = [done.stderr.splitlines(), bad.stderr.splitlines()[1:]]
        if trace in ("", str(trace_of(terminal))):
            assert warnings == [[], []]
        else:
            assert warnings[0] == warnings[1]
            (warning,) = warnings[0]
            assert warning.startswith("WARNING: ")
            assert trace in warning
            assert "trace" in warning
        shutil.rmtree(prefix)
    assert outcomes == [outcomes[0]] * 4
    assert not (terminal.where / "relative").exists()


def test_a_build_tells_its_hooks(traced: Terminal) -> None:
    """Build, hook and what they are of; ``sagepip build --json`` tells the phases too."""
    source = make_project(traced.where / "source", in_tree=TINY_BACKEND)
    done = traced.run("sagepip", "build", "--json", "-w", traced.where / "out", source)
    time = json.loads(done.stdout)["time"]
    assert {"build", "provision", "hook", "store"} <= time["phases"].keys()
    assert sum_of(time["phases"]) == pytest.approx(time["seconds"], abs=1e-4)
    # A hook runs in a child: its processor time counts.
    assert time["phases"]["hook"]["cpu_seconds"] > 0
    chrome = json.loads(traced.run("sagepip", "trace", "--chrome", "-", trace_of(traced)).stdout)
    names = {event["name"] for event in chrome["traceEvents"]}
    assert {f"build {source}", "hook build_wheel", "provision"} <= names
    assert all(event["dur"] >= 0 <= event["ts"] for event in chrome["traceEvents"] if "ts" in event)


def test_a_build_that_fails(traced: Terminal) -> None:
    """The trace has the error, and which phase it ended; the report names the command."""
    source = make_project(traced.where / "source", in_tree="raise SystemExit('not today')")
    where = ("--prefix", traced.where / "prefix")
    done = traced.run("sage-pip-install", *where, ".", status=1, cwd=source)
    command = only_command(traced)
    assert command["status"] == 1
    assert done.stderr.splitlines()[-1] == f"Error: {command['problem']}"
    text = traced.run("sagepip", "trace", trace_of(traced)).stdout
    assert "1 failed" in text
    assert f" . (in {source}) [{command['pid']}]" in text
    assert command["problem"][:100] in text
    events = [json.loads(line) for line in trace_of(traced).read_text().splitlines()]
    failed = [one["phase"] for one in events if one.get("failed")]
    assert failed[:2] == ["build", "targets"]


def test_uninstall_copy_lock_and_verify(traced: Terminal) -> None:
    """Each command has the phases of its own work."""
    prefix = traced.where / "prefix"
    staged = distribution(traced.where / "staged", "made", "1.0", {"made.py": ""})
    done = traced.run("sage-staged-copy", "--json", staged, prefix)
    time = json.loads(done.stdout)["time"]
    assert {"read", "copy", "plan", "wait", "commit", "clean"} <= time["phases"].keys()
    assert sum_of(time["phases"]) == pytest.approx(time["seconds"], abs=1e-4)
    traced.run("sagepip", "verify", "--prefix", prefix)
    traced.run("sage-pip-uninstall", "-y", "--prefix", prefix, "made")
    traced.run("sage-pip-lock", prefix, "--", "true")
    copy, verify, uninstall, lock = summary(traced)["commands"]
    assert copy["did"] == ["copy made 1.0"]
    assert "check" in verify["phases"]
    assert uninstall["did"] == ["uninstall made 1.0"]
    assert {"plan", "wait", "commit"} <= uninstall["phases"].keys()
    assert {"wait", "command"} <= lock["phases"].keys()
    assert lock["lock_held_seconds"] >= lock["phases"]["command"]["seconds"]


def test_verbose_says_where_the_time_went(terminal: Terminal) -> None:
    """One line at the end, without a trace too; where a command fails the error is the last."""
    done = terminal.install("-v", "--prefix", terminal.where / "prefix", wheel(terminal))
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("sagepip: took ")]
    assert line == done.stderr.splitlines()[-1]
    assert "start-up" in line
    done = terminal.run("sage-pip-install", "-v", "./gone", status=1)
    assert "took" not in done.stderr


def test_the_descriptor_of_the_trace_is_nobodys_lock(traced: Terminal) -> None:
    """A number that only our own open file has is no descriptor that was inherited."""
    for number in range(3, 8):
        done = traced.run("sage-pip-lock", str(number), status=2)
        assert error_line(done).startswith(f"Error: descriptor {number} is not open")


# ------------------------------------------------------------------------------- several commands


def test_eight_installs_and_who_they_waited_for(traced: Terminal) -> None:
    """The report names the holder that all of them waited for, and what each of them did."""
    prefix = traced.where / "prefix"
    site = new_site(prefix)
    names = [f"pkg{number}" for number in range(8)]
    wheels = [wheel(traced, name) for name in names]
    holder = hold(traced, prefix)
    processes = [start(traced, INSTALL, "--prefix", prefix, one) for one in wheels]
    for process in processes:
        note_of_wait(process)
    end(holder)
    for process in processes:
        end(process)
    assert [versions(site, name) for name in names] == [["1"]] * 8
    found = summary(traced)
    (held,) = [one["id"] for one in found["commands"] if one["program"] == "sage-pip-lock"]
    did = sorted(one["did"] for one in found["commands"])
    assert did == [[], *([f"install {name} 1"] for name in names)]
    (lock,) = found["locks"]
    assert lock["lock"] == str(site)
    # Who finds the site changed when it has got the lock plans again.
    assert len(lock["holds"]) >= 9
    assert {one["command"] for one in lock["holds"]} == {one["id"] for one in found["commands"]}
    assert lock["holds"][0]["command"] == held
    waits = lock["waits"]
    assert len({one["command"] for one in waits}) == 8
    for wait in waits[:8]:
        assert held in [one["command"] for one in wait["for"]]
        assert "sage-pip-lock" in wait["told"][0]
        assert sum(one["seconds"] for one in wait["for"]) <= wait["seconds"] + 1e-4
    text = traced.run("sagepip", "trace", "--all", trace_of(traced)).stdout
    assert f"Lock {site}:" in text
    assert f"for sage-pip-lock {prefix}"[:40] in text
    assert text.count("install pkg3 1 [") >= 3


@needs_flock
def test_a_holder_that_records_nothing(traced: Terminal) -> None:
    """One under flock(1) is told of in the words that the waiting command had for it."""
    prefix = traced.where / "prefix"
    site = new_site(prefix)
    lock = site / ".sagepip" / "lock"
    words: list[str | Path] = ["flock", lock, "sh", "-c", "echo in; read line"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        process = start(traced, INSTALL, "--prefix", prefix, wheel(traced))
        note = note_of_wait(process)
        other.communicate("\n")
    end(process)
    ((wait,),) = [one["waits"] for one in summary(traced)["locks"]]
    assert wait["for"] == []
    assert note.rstrip().endswith(wait["told"][0])


def test_commands_within_commands(traced: Terminal) -> None:
    """An install under sage-pip-lock does not wait for the lock that it runs under."""
    prefix = traced.where / "prefix"
    site = new_site(prefix)
    words = ("--", INSTALL, "-q", "--prefix", prefix, wheel(traced))
    traced.run("sage-pip-lock", prefix, *words)
    found = summary(traced)
    outer, inner = found["commands"]
    assert inner["did"] == ["install pkg 1"]
    assert inner["parent"] == outer["pid"]
    assert outer["phases"]["command"]["seconds"] >= inner["seconds"] - 0.02
    assert [one["waits"] for one in found["locks"]] == [[]]
    assert versions(site, "pkg") == ["1"]


def test_killed_while_it_waits(traced: Terminal) -> None:
    """What a command that was killed had told before is in the report, and that it did not end."""
    prefix = traced.where / "prefix"
    new_site(prefix)
    holder = hold(traced, prefix)
    process = start(traced, INSTALL, "--prefix", prefix, wheel(traced))
    note_of_wait(process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    end(holder)
    command = summary(traced)["commands"][-1]
    assert command["status"] is None
    assert command["unfinished"] == "wait"
    assert command["did"] == ["install pkg 1"]
    text = traced.run("sagepip", "trace", trace_of(traced)).stdout
    assert "1 did not end" in text
    assert "last seen in: wait" in text


def test_a_signal_is_the_end(traced: Terminal) -> None:
    """SIGTERM ends the command by that signal, and the trace knows it."""
    prefix = traced.where / "prefix"
    new_site(prefix)
    holder = hold(traced, prefix)
    process = start(traced, INSTALL, "--prefix", prefix, wheel(traced))
    note_of_wait(process)
    process.terminate()
    assert process.wait() == -signal.SIGTERM
    end(holder)
    command = summary(traced)["commands"][-1]
    assert command["status"] == -signal.SIGTERM
    assert "SIGTERM" in command["problem"]


def test_a_lock_that_was_not_to_be_had(traced: Terminal) -> None:
    """A timeout is told as a wait in vain, and for whom."""
    prefix = traced.where / "prefix"
    new_site(prefix)
    holder = hold(traced, prefix)
    words = ("--prefix", prefix, "--lock-timeout", "0.2", wheel(traced))
    traced.run("sage-pip-install", *words, status=3)
    end(holder)
    found = summary(traced)
    ((wait,),) = [one["waits"] for one in found["locks"]]
    assert wait["in_vain"]
    assert [one["command"] for one in wait["for"]] == [found["commands"][0]["id"]]


def test_a_directory_of_traces(terminal: Terminal) -> None:
    """An existing directory gets a file of each process; the report reads all of them."""
    traces = terminal.where / "traces"
    traces.mkdir()
    settings = {"SAGEPIP_TRACE": traces}
    for name in ("one", "two"):
        made = wheel(terminal, name)
        terminal.install("--prefix", terminal.where / "prefix", made, settings=settings)
    assert len(list(traces.iterdir())) == 2
    done = terminal.run("sagepip", "trace", "--json", settings=settings)
    did = [one["did"] for one in json.loads(done.stdout)["commands"]]
    assert did == [["install one 1"], ["install two 1"]]
    # To look at it is not recorded.
    assert len(list(traces.iterdir())) == 2


# -------------------------------------------------------------------------------- sagepip trace


def test_the_command_refuses_what_it_cannot_use(terminal: Terminal) -> None:
    """One line each: nothing given, missing, no trace, a pipe, a file that it would overwrite."""
    where = terminal.where
    (where / "empty").touch()
    (where / "foreign").write_text("hello\n")
    os.mkfifo(where / "pipe")

    def refused(*words: str | Path, status: int = 1) -> str:
        return error_line(terminal.run("sagepip", "trace", "-q", *words, status=status))

    assert "no trace" in refused(status=2)
    assert "no trace" in refused("", status=2)
    assert "No such file" in refused(where / "gone")
    assert "no command of sagepip" in refused(where / "empty")
    assert "no command of sagepip" in refused(where / "foreign")
    assert "is not a file" in refused(where / "pipe")
    assert "overwrite" in refused("--chrome", where / "empty", where / "empty", status=2)
    terminal.install(
        "--prefix", where / "prefix", wheel(terminal), settings={"SAGEPIP_TRACE": where / "t"}
    )
    assert "cannot write" in refused("--chrome", where / "no" / "way", where / "t")
    terminal.run("sagepip", "trace", "--chrome", where / "chrome.json", where / "t")
    assert json.loads((where / "chrome.json").read_text())["traceEvents"]


def test_hostile_text_does_not_reach_the_terminal(traced: Terminal) -> None:
    """Escape sequences in names are shown, not sent; what is no event is counted in a warning."""
    traced.run("sage-pip-install", "./\x1b[2J\n", status=1)
    with trace_of(traced).open("a") as stream:
        stream.write('hello\n{"sagepip_trace": 7}\n{"sagepip_trace": 1, "run"')
    done = traced.run("sagepip", "trace", trace_of(traced))
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J" in done.stdout
    assert done.stderr == (
        "WARNING: passed over of the trace: 2 torn or foreign, 1 of another version of sagepip\n"
    )
