"""The count of where the time goes, with clocks of the test's own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

from sagepip.ground import console, timing
from sagepip.ground.timing import PhaseTime, phase


@dataclass
class Clocks:
    """Clocks that stand still until they are told to go on."""

    now: float = 100.0
    cpu: float = 2.0

    def go_on(self, seconds: float, cpu: float = 0.0) -> None:
        self.now += seconds
        self.cpu += cpu

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.cpu


class Told:
    """A recorder that remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, name: str, what: str, at: float) -> None:
        self.said.append(f"begin {name} {what}".rstrip() + f" {at:g}")

    def end(self, name: str, at: float, cpu: float, *, failed: bool) -> None:
        self.said.append(f"end {name} {at:g} {cpu:g}" + " failed" * failed)

    def waiting(self, lock: str, who: str, at: float) -> None:
        self.said.append(f"waiting {lock} {who} {at:g}")

    def acquired(self, lock: str, at: float, *, shared: bool) -> None:
        self.said.append(f"acquired {lock} {at:g}" + " shared" * shared)

    def released(self, lock: str, at: float) -> None:
        self.said.append(f"released {lock} {at:g}")

    def subject(self, what: str) -> None:
        self.said.append(f"subject {what}")

    def flush(self) -> None:
        self.said.append("flush")

    def finish(self, status: int, problem: str, at: float, cpu: float) -> str:
        self.said.append(f"finish {status} {problem} {at:g} {cpu:g}")
        return ""


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks, and a count that has just begun."""
    found = Clocks()
    monkeypatch.setattr(timing, "time", found)
    monkeypatch.setattr(timing, "_cpu", found.process_time)
    monkeypatch.setattr(timing, "_clock", timing._Clock())
    return found


def test_an_inner_phase_is_not_counted_for_the_outer(clocks: Clocks) -> None:
    """Each second belongs to one phase; all of them add up to the whole."""
    clocks.go_on(1, 0.5)
    with phase("outer"):
        clocks.go_on(2, 1)
        with phase("inner"):
            clocks.go_on(4, 3)
        clocks.go_on(8)
    clocks.go_on(16)
    with phase("outer"):
        clocks.go_on(32)
    spent = timing.take()
    assert dict(spent.phases) == {
        # What the processor did before the count began was for the start as well.
        "start-up": PhaseTime(1, 2.5),
        "outer": PhaseTime(42, 1),
        "inner": PhaseTime(4, 3),
        "other": PhaseTime(16, 0),
    }
    assert (spent.seconds, spent.cpu_seconds) == (63, 6.5)


def test_a_phase_becomes_another(clocks: Clocks) -> None:
    """As if the one had ended and the other begun, also for what lies around them."""
    told = Told()
    timing.begin_recording(told)
    with phase("recover"):
        clocks.go_on(1, 1)
        with phase("wait") as under_way:
            clocks.go_on(2, 2)
            under_way.becomes("commit")
            clocks.go_on(4, 3)
    phases = timing.take().phases
    assert phases["recover"] == PhaseTime(1, 1)
    assert phases["wait"] == PhaseTime(2, 2)
    assert phases["commit"] == PhaseTime(4, 3)
    assert told.said[-5:] == [
        "begin wait 101",
        "end wait 103 2",
        "begin commit 103",
        "end commit 107 3",
        "end recover 107 6",
    ]


def test_take_begins_anew(clocks: Clocks) -> None:
    """Two reports of one process do not count anything twice, even in the middle of a phase."""
    with phase("work"):
        clocks.go_on(1)
        assert timing.take().phases["work"].seconds == 1
        clocks.go_on(2)
    assert dict(timing.take().phases) == {"work": PhaseTime(2, 0)}
    assert dict(timing.take().phases) == {}


def test_the_end_of_an_inner_phase_may_be_lost(clocks: Clocks) -> None:
    """A signal between the beginning of a phase and its body leaves nothing in disorder."""
    told = Told()
    timing.begin_recording(told)
    with pytest.raises(KeyboardInterrupt), phase("outer"):
        phase("inner").__enter__()
        clocks.go_on(1)
        raise KeyboardInterrupt
    with phase("next"):
        clocks.go_on(2)
    assert told.said[-4:] == [
        "end inner 101 0 failed",
        "end outer 101 0 failed",
        "begin next 101",
        "end next 103 0",
    ]
    assert timing.take().phases["next"] == PhaseTime(2, 0)


def test_the_recorder_hears_everything_in_order(clocks: Clocks) -> None:
    """The start-up first; nothing is written out while a lock is held, nor the end forgotten."""
    told = Told()
    timing.begin_recording(told)
    clocks.go_on(1)
    with phase("wait", "here"):
        timing.waiting("L", "held by X", 101)
        clocks.go_on(1)
    with timing.holding("L"):
        timing.waiting("M", "held by Y", 102)
        with timing.holding("M", shared=True):
            timing.subject("install six")
            clocks.go_on(1)
    timing.failed("no luck")
    timing.finish(1)
    assert told.said == [
        "begin start-up 100",
        "end start-up 101 2",
        "begin wait here 101",
        "waiting L held by X 101",
        "flush",
        "end wait 102 0",
        "acquired L 102",
        "waiting M held by Y 102",
        "acquired M 102 shared",
        "subject install six",
        "released M 103",
        "released L 103",
        "flush",
        "finish 1 no luck 103 2",
    ]


def test_a_command_without_phases_is_all_start_up(clocks: Clocks) -> None:
    """Its one phase ends with it."""
    told = Told()
    timing.begin_recording(told)
    clocks.go_on(3)
    timing.finish(0)
    assert told.said == ["begin start-up 100", "end start-up 103 2", "finish 0  103 2"]


def test_verbose_commands_say_where_the_time_went(
    clocks: Clocks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, without what took next to nothing; nothing is said without -v."""
    with phase("unpack"):
        clocks.go_on(1.5, 0.5)
    with phase("plan"):
        clocks.go_on(0.001)
    timing.finish(0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(console, "verbosity", 1)
    timing.finish(0)
    said = capsys.readouterr().err
    assert said == "sagepip: took 1.50 s (2.50 s of processor time): unpack 1.50\n"


def test_the_age_of_a_process_is_known() -> None:
    """The kernel's word for when this process began is neither absurd nor in the future."""
    age = timing._age()
    assert 0 <= age < 24 * 3600


FORKS = """
import os, sys, time
from sagepip.ground import timing
child = os.fork()
if not child:
    while time.process_time() < 0.1:
        pass
    os._exit(0)
if sys.argv[1:]:
    timing.has_forked(child)
os.waitpid(child, 0)
assert "subprocess" not in sys.modules
print(timing.take().cpu_seconds > 0.1)
"""


@pytest.mark.parametrize("told", [True, False])
def test_time_of_a_fork_counts_once_it_is_told(told: bool) -> None:
    """A worker that was forked is counted; where nothing starts processes nobody asks."""
    words = [sys.executable, "-c", FORKS, *["told"] * told]
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    assert run.stdout == f"{told}\n"
