"""The kills and errors of one tool in one scenario."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from tests.crash.matrix import Scenario
from tests.guarantees import versions

from bench.environment import PreparationError, VirtualEnvironment, tool_environment
from bench.peers_tools import Tool
from bench.peers_trace import Point, Tracer
from bench.peers_tree import State, Tree, half_installed, judge, read_tree
from bench.processes import ProcessTable

TRIES = 3
"""How often a call is tried to be hit: threads may come in another order."""

EXAMPLES = 3


@dataclass
class Counts:
    """What was counted at the kills, or the errors, of one tool in one scenario.

    Attributes:
        tool: its name.
        scenario: and the scenario's.
        matrix: ``kills`` or ``errors``.
        calls: how many calls change something.
        cases: how many kills or errors were tried.
        missed: of those that did not hit the call meant, in several tries.
        half: after how many the site held half a distribution (G1).
        absent: after how many no version was there of what was being replaced (G2).
        broken: after how many the tree was neither old nor new (G3).
        left_overs: likewise, but one of both was whole, with something left over.
        misreported: errors after which the tree was the old one and the exit status 0, or the
            new one and the exit status not 0.
        next_failed: kills after which the next command, of another project, failed.
        unrepaired: kills after which the same command, run once more, did not lead to the new tree.
        unrepaired_left_overs: of those, where something was left over and no more.
        unforced: kills of which not even the option led to the new tree that installs anew.
        unforced_left_overs: of those, where something was left over and no more.
    """

    tool: str
    scenario: str
    matrix: str
    calls: int = 0
    cases: int = 0
    missed: int = 0
    half: int = 0
    absent: int = 0
    broken: int = 0
    left_overs: int = 0
    misreported: int = 0
    next_failed: int = 0
    unrepaired: int = 0
    unrepaired_left_overs: int = 0
    unforced: int = 0
    unforced_left_overs: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        """How much of it breaks a guarantee of sagepip's."""
        states = self.half + self.absent + self.broken + self.left_overs + self.misreported
        return states + self.next_failed + self.unrepaired

    def example(self, text: str) -> None:
        """Keep a few texts."""
        if len(self.examples) < EXAMPLES:
            self.examples.append(text)


@dataclass(frozen=True)
class Result:
    """What one kill or error led to; see :class:`Counts`."""

    point: Point
    hit: bool = False
    half: tuple[str, ...] = ()
    absent: bool = False
    state: State = State.NEW
    misreported: bool = False
    next_failed: bool = False
    rerun: State = State.NEW
    forced: State = State.NEW


class Slot:
    """A directory in which one command runs at a time, always under the same path.

    So all that a tool writes down of paths is the same in each run, and trees can be compared
    as they are.
    """

    def __init__(
        self, tool: Tool, scenario: Scenario, root: Path, extra: Sequence[Path], run: ProcessTable
    ) -> None:
        root.mkdir(parents=True)
        self._tool = tool
        self._scenario = scenario
        self._processes = run
        self.prefix = root / "prefix"
        self._base = root / "base"
        self._home = root / "home"
        self._env = peers_environment(self._home)
        neighbour, self._next = extra
        VirtualEnvironment.create(self.prefix)
        self.site = VirtualEnvironment(self.prefix).site
        self.watched = scenario.project if scenario.before else ""
        for wheels in ((neighbour,), scenario.before):
            if wheels:
                self._must(tool.installing(self.prefix, wheels))
        self.prefix.rename(self._base)
        self.old = self.reset()
        self.old_next = self.after(self.next_command)
        self.reset()
        self.new = self.after(self.command)
        self.new_next = self.after(self.next_command)
        self.tracer = Tracer(self.command, self.prefix, self._env, run)

    @property
    def command(self) -> list[str]:
        """The command that is killed."""
        if self._scenario.removed:
            return self._tool.uninstalling(self.prefix, self._scenario.removed)
        return self._tool.installing(self.prefix, self._scenario.command)

    @property
    def forced_command(self) -> list[str]:
        """The same, installing what counts as installed already."""
        if self._scenario.removed:
            return self.command
        return self._tool.installing(self.prefix, self._scenario.command, force=True)

    @property
    def next_command(self) -> list[str]:
        """The next command: it installs something else."""
        return self._tool.installing(self.prefix, (self._next,))

    def points(self) -> list[Point]:
        """Return the calls of the command that change something."""
        self.reset()
        return self.tracer.points()

    def kill(self, point: Point) -> Result:
        """Kill the command at a call; look; run the next command; run the command again."""
        for _ in range(TRIES):
            self.reset()
            if self.tracer.kill(point).hit:
                break
        else:
            return Result(point)
        half = half_installed(self.site, hashes=not self._scenario.before)
        absent = self._is_absent()
        next_failed = self.run(self.next_command) != 0
        state = self._judge(self.old_next, self.new_next)
        rerun = forced = state
        if rerun is not State.NEW:
            self.run(self.command)
            rerun = forced = self._judge(self.old_next, self.new_next)
        if forced is not State.NEW:
            self.run(self.forced_command)
            forced = self._judge(self.old_next, self.new_next)
        return Result(
            point,
            True,
            tuple(half),
            absent,
            state,
            next_failed=next_failed,
            rerun=rerun,
            forced=forced,
        )

    def fail(self, point: Point, error: str) -> Result:
        """Let a call of the command fail, and look once the command has ended."""
        for _ in range(TRIES):
            self.reset()
            shot = self.tracer.fail(point, error)
            if shot.hit:
                break
        else:
            return Result(point)
        half = half_installed(self.site, hashes=not self._scenario.before)
        absent = self._is_absent()
        state = self._judge(self.old, self.new)
        if state in (State.LEFT_OVERS, State.BROKEN):
            self.run(self.next_command)  # It may tidy up.
            state = self._judge(self.old_next, self.new_next)
        expected = State.OLD if shot.ended.returncode else State.NEW
        misreported = state in (State.OLD, State.NEW) and state is not expected
        return Result(point, True, tuple(half), absent, state, misreported)

    def after(self, command: Sequence[str]) -> Tree:
        """Return what is there after a command, which must succeed."""
        self._must(command)
        return read_tree(self.prefix)

    def _is_absent(self) -> bool:
        return bool(self.watched) and not versions(self.site, self.watched)

    def _judge(self, old: Tree, new: Tree) -> State:
        return judge(read_tree(self.prefix), old, new, self.site)

    def reset(self) -> Tree:
        """Lay out the tree that the command starts from."""
        shutil.rmtree(self.prefix, ignore_errors=True)
        shutil.rmtree(self._home / "tmp")
        (self._home / "tmp").mkdir()
        subprocess.run(["cp", "-a", self._base, self.prefix], check=True)
        return read_tree(self.prefix)

    def run(self, command: Sequence[str]) -> int:
        """Run a command and return its exit status."""
        ended = self._processes.run(command, env=self._env, cwd=self.prefix.parent)
        return ended.returncode

    def _must(self, command: Sequence[str]) -> None:
        ended = self._processes.run(command, env=self._env, cwd=self.prefix.parent)
        if ended.returncode:
            raise PreparationError(f"{' '.join(command)}:\n{ended.last_lines()}")


def peers_environment(home: Path) -> dict[str, str]:
    """The environment of a tool, with a home of its own; the same bytes in each run."""
    env = tool_environment(home)
    kept = {key: value for key, value in env.items() if not key.startswith(("UV_", "RUST_"))}
    return kept | {"SOURCE_DATE_EPOCH": "1600000000", "PYTHONHASHSEED": "0"}


class Matrix:
    """One tool in one scenario, in several slots at once.

    Args:
        tool: what is killed.
        scenario: while it does what.
        root: a new directory.
        extra: wheels of two more projects: one that is installed in each site, and that of the
            next command.
        workers: how many slots.
        processes: runs the commands.
    """

    def __init__(
        self,
        tool: Tool,
        scenario: Scenario,
        root: Path,
        extra: Sequence[Path],
        workers: int,
        processes: ProcessTable,
    ) -> None:
        self._names = (tool.name, scenario.name)
        self._processes = processes
        slots = [
            Slot(tool, scenario, root / str(number), extra, processes) for number in range(workers)
        ]
        self._first = slots[0]
        self._workers = workers
        self._free: SimpleQueue[Slot] = SimpleQueue()
        for slot in slots:
            self._free.put(slot)

    def points(self) -> list[Point]:
        """Return the calls that change something."""
        return self._first.points()

    def kills(self, calls: int, points: Iterable[Point]) -> Counts:
        """Kill at each of some calls."""
        jobs = [lambda slot, point=point: slot.kill(point) for point in points]
        return self._count(Counts(*self._names, "kills", calls), jobs)

    def errors(self, calls: int, cases: Iterable[tuple[Point, str]]) -> Counts:
        """Let each of some calls fail with an error."""
        jobs = [lambda slot, case=case: slot.fail(*case) for case in cases]
        return self._count(Counts(*self._names, "errors", calls), jobs)

    def _count(self, counts: Counts, jobs: Sequence[Callable[[Slot], Result]]) -> Counts:
        def work(job: Callable[[Slot], Result]) -> Result:
            slot = self._free.get()
            try:
                return job(slot)
            finally:
                self._free.put(slot)

        with self._processes.pool(self._workers) as pool:
            for result in pool.map(work, jobs):
                add(counts, result)
        return counts


def add(counts: Counts, result: Result) -> None:
    """Count a result in."""
    counts.cases += 1
    if not result.hit:
        counts.missed += 1
        counts.example(f"missed: {result.point.signature}")
        return
    counts.half += bool(result.half)
    counts.absent += result.absent
    counts.broken += result.state is State.BROKEN
    counts.left_overs += result.state is State.LEFT_OVERS
    counts.misreported += result.misreported
    counts.next_failed += result.next_failed
    counts.unrepaired += result.rerun is not State.NEW
    counts.unrepaired_left_overs += result.rerun is State.LEFT_OVERS
    counts.unforced += result.forced is not State.NEW
    counts.unforced_left_overs += result.forced is State.LEFT_OVERS
    bad = result.half or result.absent or result.misreported
    if bad or result.state in (State.BROKEN, State.LEFT_OVERS):
        first = f"; {result.half[0]}" if result.half else ""
        counts.example(f"{result.point.signature}: {result.state}{first}")
