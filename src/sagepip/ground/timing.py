"""Where the time of a command goes: so much for each phase, by the clock and in processor time.

It is always counted: a phase costs four readings of clocks, and a command has some twenty. Phases
may lie within each other; what an inner one takes is not counted for the outer one, so that all of
them add up to the whole. With ``SAGEPIP_TRACE`` every phase is also told to a recorder
(:mod:`sagepip.ground.trace_recorder`).
"""

from __future__ import annotations

import os
import sys
import time

from sagepip.ground import console
from sagepip.ground.light_dataclass import dataclass, field

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol
else:
    Protocol = object

START_UP = "start-up"
OTHER = "other"
_TOLD_SECONDS = 0.005
# Of the modules that start processes one or the other is always used.
_STARTING = frozenset({"subprocess", "sagepip.operations.command_process"})
_forked: list[int] = []


@dataclass(frozen=True)
class PhaseTime:
    """What one phase took.

    Attributes:
        seconds: by the clock.
        cpu_seconds: processor time of the process, and of its children that have ended.
    """

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class TimeSpent:
    """What all phases took.

    Attributes:
        seconds: by the clock, from the beginning of the process on.
        cpu_seconds: processor time.
        phases: of each phase, in the order in which they first began.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    phases: Mapping[str, PhaseTime] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return it for a report."""
        return {
            "seconds": round(self.seconds, 6),
            "cpu_seconds": round(self.cpu_seconds, 6),
            "phases": {
                name: {
                    "seconds": round(one.seconds, 6),
                    "cpu_seconds": round(one.cpu_seconds, 6),
                }
                for name, one in self.phases.items()
            },
        }


class Recorder(Protocol):
    """Who is told what happens, with the time on the monotonic clock."""

    def begin(self, phase: str, what: str, at: float) -> None:
        """A phase begins."""

    def end(self, phase: str, at: float, cpu: float, *, failed: bool) -> None:
        """The phase that began last ends; ``cpu`` is what it took, inner phases included."""

    def waiting(self, lock: str, who: str, at: float) -> None:
        """A lock has to be waited for."""

    def acquired(self, lock: str, at: float, *, shared: bool) -> None:
        """A lock is held from now on; nothing is written until :meth:`flush`."""

    def released(self, lock: str, at: float) -> None:
        """A lock was released."""

    def subject(self, what: str) -> None:
        """It is known what the command does."""

    def flush(self) -> None:
        """No lock is held any more."""

    def finish(self, status: int, problem: str, at: float, cpu: float) -> str:
        """The command ends; return what has kept the recorder from its work, or nothing."""


class Phase:
    """A part of a command's work; use :func:`phase`."""

    __slots__ = ("cpu", "name", "what")

    def __init__(self, name: str, what: str = "") -> None:
        self.name = name
        self.what = what
        self.cpu = 0.0

    def __enter__(self) -> Phase:
        """Begin it."""
        _clock.enter(self)
        return self

    def becomes(self, name: str) -> None:
        """End it, and begin another in its place; for less than both would cost."""
        _clock.switch(self, name)

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        """End it."""
        _clock.leave(self, failed=kind is not None)


class Holding:
    """A time for which a lock is held; use :func:`holding`."""

    __slots__ = ("_ended", "_lock", "_shared")

    def __init__(self, lock: str, *, shared: bool) -> None:
        self._lock = lock
        self._shared = shared
        self._ended: float | None = None

    def __enter__(self) -> Holding:
        """The lock is held."""
        _clock.held += 1
        if _clock.recorder is not None:
            _clock.recorder.acquired(self._lock, time.monotonic(), shared=self._shared)
        return self

    def ends(self) -> None:
        """It is going to be released now: nobody else has it before this moment."""
        self._ended = time.monotonic()

    def __exit__(self, _kind: object, _error: object, _trace: object) -> None:
        """It was released."""
        _clock.held -= 1
        if _clock.recorder is not None:
            ended = time.monotonic() if self._ended is None else self._ended
            _clock.recorder.released(self._lock, ended)
            if not _clock.held:
                _clock.recorder.flush()


class _Clock:
    """Counts for one process."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.problem = ""
        self.held = 0
        self.is_command = False
        self.spent: dict[str, list[float]] = {}
        self._stack: list[Phase] = [Phase(START_UP)]
        self._first = self._at = time.monotonic()
        self._first_cpu = _cpu()
        self._cpu = 0.0
        self._taken: dict[str, list[float]] = {}
        self._before: float | None = None

    def enter(self, phase: Phase) -> None:
        self.charge()
        if len(self._stack) == 1 and self._stack[0].name == START_UP:
            self._end_start_up()
        self._stack.append(phase)
        phase.cpu = self._cpu
        if self.recorder is not None:
            self.recorder.begin(phase.name, phase.what, self._at)

    def switch(self, phase: Phase, name: str) -> None:
        self.charge()
        old, phase.name = phase.name, name
        if self.recorder is not None:
            self.recorder.end(old, self._at, self._cpu - phase.cpu, failed=False)
            self.recorder.begin(name, phase.what, self._at)
        phase.cpu = self._cpu

    def leave(self, phase: Phase, *, failed: bool) -> None:
        self.charge()
        # A signal may have lost the end of an inner one.
        while len(self._stack) > 1:
            ended = self._stack.pop()
            if self.recorder is not None:
                self.recorder.end(ended.name, self._at, self._cpu - ended.cpu, failed=failed)
            if ended is phase:
                return

    def charge(self) -> None:
        """Count the time since the last call for the phase that we are in."""
        at, cpu = time.monotonic(), _cpu()
        name = self._stack[-1].name
        known = self.spent.get(name)
        if known is None:
            known = self.spent[name] = [0.0, 0.0]
        known[0] += at - self._at
        known[1] += cpu - self._cpu
        self._at, self._cpu = at, cpu

    def began(self) -> float:
        """Return when the process began, on the monotonic clock."""
        return self._first - self._unseen()

    def begin_recording(self, recorder: Recorder) -> None:
        self.recorder = recorder
        recorder.begin(START_UP, "", self.began())

    def take(self, *, again: bool = False) -> TimeSpent:
        """Return what was spent since the last call, or ``again`` all."""
        self.charge()
        spent = {name: list(one) for name, one in self.spent.items()}
        if START_UP in spent:
            spent[START_UP][0] += self._unseen()
        if not again:
            before, self._taken = self._taken, {name: list(one) for name, one in spent.items()}
            for name, (seconds, cpu) in before.items():
                spent[name][0] -= seconds
                spent[name][1] -= cpu
        phases = {name: PhaseTime(*one) for name, one in spent.items() if any(one)}
        return TimeSpent(
            sum(one.seconds for one in phases.values()),
            sum(one.cpu_seconds for one in phases.values()),
            phases,
        )

    def finish(self, status: int, problem: str) -> None:
        self.charge()
        if not status and console.verbosity > 0 and self._stack[0].name != START_UP:
            console.detail(_summary(self.take(again=True)))
        recorder, self.recorder = self.recorder, None
        if recorder is None:
            return
        if self._stack[0].name == START_UP:
            self.recorder = recorder
            self._end_start_up()
            self.recorder = None
        if problem := recorder.finish(status, problem or self.problem, self._at, self._cpu):
            console.warn(problem)

    def _end_start_up(self) -> None:
        self._stack[0] = Phase(OTHER)
        if self.recorder is not None:
            self.recorder.end(START_UP, self._at, self._cpu, failed=False)

    def _unseen(self) -> float:
        """Return how long the process was there before this module was; 0 in a library."""
        if self._before is None:
            least = self._first_cpu if self.is_command else 0.0
            age = _age() - (time.monotonic() - self._first) if self.is_command else 0.0
            self._before = max(least, age)
        return self._before


def phase(name: str, what: str = "") -> Phase:
    """Count the time of the body of a ``with`` statement for a phase.

    Args:
        name: of the phase; docs/trace.md lists them.
        what: what it is done with, for the trace.
    """
    return Phase(name, what)


def holding(lock: str, *, shared: bool = False) -> Holding:
    """Tell that a lock is held for the body of a ``with`` statement.

    To be left once the lock has been released: until then nothing is written. Before, the release
    is announced (:meth:`Holding.ends`).

    Args:
        lock: its name.
        shared: beside others who share it.
    """
    return Holding(lock, shared=shared)


def waiting(lock: str, who: str, since: float) -> None:
    """Tell that a lock has to be waited for.

    Args:
        lock: its name.
        who: who holds it, in words.
        since: when that was found, on the monotonic clock.
    """
    if _clock.recorder is not None:
        _clock.recorder.waiting(lock, who, since)
        if not _clock.held:
            _clock.recorder.flush()


def subject(what: str) -> None:
    """Tell what the command does, in the words of a journal: ``install six 1.17.0``."""
    if _clock.recorder is not None:
        _clock.recorder.subject(what)


def flush() -> None:
    """Write out what is held back, though a lock is held, and going to be for long."""
    if _clock.recorder is not None:
        _clock.recorder.flush()


def failed(problem: str) -> None:
    """Tell why the command fails, in one line."""
    _clock.problem = problem


def take() -> TimeSpent:
    """Return what was spent since the last call; at first since the process began."""
    return _clock.take()


def begin_command() -> None:
    """Count from the beginning of the process on: it is a command, nobody's interpreter."""
    _clock.is_command = True


def begin_recording(recorder: Recorder) -> None:
    """Tell a recorder everything from the beginning of the process on."""
    _clock.begin_recording(recorder)


def began() -> float:
    """Return when the process began, on the monotonic clock."""
    return _clock.began()


def has_forked(child: int) -> None:
    """Count the processor time of children, too: there is one that no module started."""
    _forked.append(child)


def finish(status: int, problem: str = "") -> None:
    """End the count: for ``-v`` in one line, and for the recorder.

    Args:
        status: the exit status; negative for a signal.
        problem: what ended the command, unless :func:`failed` was told.
    """
    _clock.finish(status, problem)


def _cpu() -> float:
    """Return the processor time of this process and of its children that have ended."""
    own = time.process_time()
    if not _forked and _STARTING.isdisjoint(sys.modules):
        return own  # nothing was loaded that starts any; to ask takes as long as all the rest
    used = os.times()
    return own + used.children_user + used.children_system


def _age() -> float:
    """Return how long this process has been there, to 0.01 s; 0 where it is not to be known."""
    try:
        with open("/proc/self/stat", "rb") as stream:
            ticks = int(stream.read().rpartition(b") ")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def _summary(spent: TimeSpent) -> str:
    parts = [
        f"{name} {one.seconds:.2f}"
        for name, one in spent.phases.items()
        if one.seconds >= _TOLD_SECONDS
    ]
    return (
        f"took {spent.seconds:.2f} s ({spent.cpu_seconds:.2f} s of processor time): "
        + ", ".join(parts)
    )


_clock = _Clock()
