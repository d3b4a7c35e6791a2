"""From the events of a trace to commands: what each did, when, and what it waited for."""

from __future__ import annotations

from bisect import bisect_left

from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.timing import PhaseTime
from sagepip.operations.trace_records import Event, by_run

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS = 90
_WAITS = ("wait", "wait-build")
# Times are rounded, but otherwise a lock is released before another has it.
_SLACK_SECONDS = 1e-5


@dataclass
class Span:
    """One phase of a command; times are seconds since the epoch.

    Attributes:
        phase: its name.
        what: what it was done with.
        began: when.
        ended: when; None if the command was killed in it, or is still in it.
        cpu_seconds: processor time, that of phases within it included.
        depth: how many phases it lies in.
        failed: whether an error ended it.
    """

    phase: str
    what: str
    began: float
    depth: int
    ended: float | None = None
    cpu_seconds: float = 0.0
    failed: bool = False


@dataclass
class Hold:
    """A time for which a command held a lock.

    Attributes:
        lock: its name.
        began: when.
        ended: when; None if the command was killed, or still holds it.
        shared: beside others.
    """

    lock: str
    began: float
    shared: bool
    ended: float | None = None


@dataclass(frozen=True)
class Blocker:
    """Who held a lock while somebody waited for it.

    Attributes:
        run: the process.
        seconds: how long.
    """

    run: str
    seconds: float


@dataclass
class Wait:
    """A time for which a command waited for a lock that others held.

    Attributes:
        lock: its name.
        began: when.
        ended: when; None as for spans.
        told: who held it, as far as the command could see when it began to wait and later.
        in_vain: whether it did not get the lock.
        blockers: the commands of the trace that held it meanwhile.
    """

    lock: str
    began: float
    told: list[str]
    ended: float | None = None
    in_vain: bool = False
    blockers: list[Blocker] = field(default_factory=list)


@dataclass
class Run:
    """One command; times are seconds since the epoch.

    Attributes:
        run: what tells it from all others.
        pid: its process number on ``host``.
        parent: that of its parent.
        host: the machine.
        program: how it was called.
        words: with which words.
        directory: where.
        began: when its process began.
        last: when the last that is known of it happened.
        ended: when; None if it was killed, or is still running.
        status: its exit status; negative for a signal.
        problem: why it failed.
        subjects: what it did, in the words of the journal.
        cpu_seconds: processor time, its children's included.
        phases: of each phase what it took, without what others within it took.
        spans: the phases one by one.
        holds: of locks.
        waits: for locks.
    """

    run: str
    pid: int
    parent: int
    host: str
    program: str
    words: tuple[str, ...]
    directory: str
    began: float
    last: float
    ended: float | None = None
    status: int | None = None
    problem: str = ""
    cpu_seconds: float = 0.0
    subjects: list[str] = field(default_factory=list)
    phases: dict[str, PhaseTime] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it took, as far as it is known."""
        return self.last - self.began

    @property
    def label(self) -> str:
        """What it did, in few words."""
        if self.subjects:
            return _shortened("; ".join(dict.fromkeys(self.subjects)))
        words = _shortened(" ".join([self.program, *self.words]))
        return f"{words} (in {self.directory})" if self.directory else words

    @property
    def waited_seconds(self) -> float:
        """How long it waited for locks of sites, and for builds that others had under way."""
        return sum(self.phases[name].seconds for name in _WAITS if name in self.phases)

    @property
    def held_seconds(self) -> float:
        """How long it held locks exclusively."""
        return sum(one.ended - one.began for one in self.holds if one.ended and not one.shared)

    @property
    def open_phase(self) -> str:
        """The phase that did not end."""
        for span in reversed(self.spans):
            if span.ended is None:
                return f"{span.phase} {span.what}".rstrip()
        return ""


def find_runs(events: Sequence[Event]) -> tuple[list[Run], int]:
    """Put events together.

    Args:
        events: as they were read.

    Returns:
        The commands in the order in which they began, and how many events belong to none, as its
        beginning is missing.
    """
    offsets: dict[tuple[str, str], float] = {}
    runs, orphans = list[Run](), 0
    for found in by_run(events):
        first = next((one for one in found if one.kind == "command"), None)
        if first is None:
            orphans += len(found)
            continue
        # One clock for a machine: the other one may be set meanwhile.
        machine = (first.text("host"), first.text("boot"))
        offset = offsets.setdefault(machine, first.fields["wall"] - first.at)
        runs.append(_Assembly(first, offset).run_of(found))
    runs.sort(key=lambda run: run.began)
    _find_blockers(runs)
    return runs, orphans


class _Assembly:
    """Puts the events of one command together."""

    def __init__(self, first: Event, offset: float) -> None:
        self._offset = offset
        began = first.at + offset
        self._run = Run(
            run=first.run,
            pid=first.fields["pid"],
            parent=first.fields.get("parent", 0),
            host=first.text("host"),
            program=first.text("program"),
            words=tuple(first.fields["words"]),
            directory=first.text("directory"),
            began=began,
            last=began,
        )
        self._stack: list[Span] = []
        self._own: dict[str, list[float]] = {}
        self._inner: list[list[float]] = []

    def run_of(self, events: Sequence[Event]) -> Run:
        run = self._run
        for event in events:
            at = max(event.at + self._offset, run.began)
            run.last = max(run.last, at)
            getattr(self, f"_{event.kind}")(event, at)
        while self._stack:  # killed in it, or still there
            self._close(run.last, 0.0)
        for wait in run.waits:
            if wait.ended is None and run.ended is not None:
                wait.ended = run.ended
        run.phases = {name: PhaseTime(*one) for name, one in self._own.items()}
        other = run.seconds - sum(one.seconds for one in run.phases.values())
        rest = run.cpu_seconds - sum(one.cpu_seconds for one in run.phases.values())
        if other > 0:
            run.phases["other"] = PhaseTime(other, max(0.0, rest))
        return run

    def _command(self, event: Event, at: float) -> None:
        pass  # read before

    def _begin(self, event: Event, at: float) -> None:
        span = Span(event.text("phase"), event.text("what"), at, len(self._stack))
        self._run.spans.append(span)
        self._stack.append(span)
        self._inner.append([0.0, 0.0])

    def _end(self, event: Event, at: float) -> None:
        if event.text("phase") not in [one.phase for one in self._stack]:
            return  # its beginning is missing
        while True:
            span = self._stack[-1]
            span.ended, span.failed = at, bool(event.fields.get("failed"))
            cpu = max(0.0, float(event.fields["cpu"])) if span.phase == event.text("phase") else 0
            span.cpu_seconds = cpu
            self._close(at, cpu)
            if span.phase == event.text("phase"):
                break
        if span.phase in _WAITS:
            for wait in self._run.waits:
                if wait.ended is None:
                    wait.ended, wait.in_vain = at, span.failed

    def _close(self, at: float, cpu: float) -> None:
        span, inner = self._stack.pop(), self._inner.pop()
        own = self._own.setdefault(span.phase, [0.0, 0.0])
        took = at - span.began
        own[0] += max(0.0, took - inner[0])
        own[1] += max(0.0, cpu - inner[1])
        if self._inner:
            self._inner[-1][0] += took
            self._inner[-1][1] += cpu

    def _waiting(self, event: Event, at: float) -> None:
        lock, waits = event.text("lock"), self._run.waits
        if waits and waits[-1].ended is None and waits[-1].lock == lock:
            if event.text("holder") not in waits[-1].told:
                waits[-1].told.append(event.text("holder"))
            return
        waits.append(Wait(lock, at, [event.text("holder")]))

    def _acquired(self, event: Event, at: float) -> None:
        lock = event.text("lock")
        self._run.holds.append(Hold(lock, at, bool(event.fields.get("shared"))))
        for wait in self._run.waits:
            if wait.ended is None and wait.lock == lock:
                wait.ended = at

    def _released(self, event: Event, at: float) -> None:
        for hold in reversed(self._run.holds):
            if hold.lock == event.text("lock") and hold.ended is None:
                hold.ended = at
                return

    def _subject(self, event: Event, _at: float) -> None:
        self._run.subjects.append(event.text("what"))

    def _exit(self, event: Event, at: float) -> None:
        run = self._run
        run.ended, run.status = at, event.fields["status"]
        run.problem, run.cpu_seconds = event.text("problem"), event.fields["cpu"]


def _find_blockers(runs: Sequence[Run]) -> None:
    timelines: dict[tuple[str, str], _Timeline] = {}
    for run in runs:
        for hold in run.holds:
            timelines.setdefault((run.host, hold.lock), _Timeline()).holds.append((run, hold))
    for timeline in timelines.values():
        timeline.sort()
    for run in runs:
        for wait in run.waits:
            timeline = timelines.get((run.host, wait.lock), _Timeline())
            wait.blockers = timeline.blockers(run, wait)


class _Timeline:
    """Who held one lock, and when."""

    def __init__(self) -> None:
        self.holds: list[tuple[Run, Hold]] = []
        self._began: list[float] = []
        self._latest: list[float] = []

    def sort(self) -> None:
        """To be called once all holds are there."""
        self.holds.sort(key=lambda one: one[1].began)
        latest = 0.0
        for run, hold in self.holds:
            latest = max(latest, _end_of(hold, run))
            self._began.append(hold.began)
            self._latest.append(latest)

    def blockers(self, run: Run, wait: Wait) -> list[Blocker]:
        """Return who held it during a wait, the longest first."""
        until = wait.ended if wait.ended is not None else run.last
        took: dict[str, float] = {}
        at = bisect_left(self._began, until)
        while at and self._latest[at - 1] > wait.began:
            at -= 1
            other, hold = self.holds[at]
            ended = _end_of(hold, other)
            # Who still held it when we had got it is an ancestor, in whose lock we were.
            outlasts = not wait.in_vain and ended > until + _SLACK_SECONDS
            overlap = min(until, ended) - max(wait.began, hold.began)
            if other is not run and not outlasts and overlap > 0:
                took[other.run] = took.get(other.run, 0.0) + overlap
        return [
            Blocker(name, seconds)
            for name, seconds in sorted(took.items(), key=lambda one: -one[1])
        ]


def _end_of(hold: Hold, run: Run) -> float:
    return hold.ended if hold.ended is not None else run.last


def _shortened(text: str) -> str:
    """Leave out the middle of a long text: the end of a command line tells what it was for."""
    half = (_WORDS - 5) // 2
    return text if len(text) <= _WORDS else f"{text[:half]} ... {text[-half:]}"
