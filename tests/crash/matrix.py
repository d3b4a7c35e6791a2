"""Hit sagepip at system calls, look at the frozen tree, let the next command recover.

``python -m tests.crash.matrix`` runs all of it (``make crash``); the tests run a sample.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.crash.places import (
    Snapshot,
    Tree,
    leftovers_in,
    make_two_sites_python,
    metadata_in,
    other_file_system,
    without_state,
)
from tests.crash.scenarios import (
    Place,
    Scenario,
    install_arguments,
    make_all_scenarios,
    make_scenarios,
    make_staged_tree,
    write_record,
)
from tests.crash.strace import (
    Command,
    Point,
    clean_environment,
    fail_at,
    has_strace,
    kill_at,
    list_points,
    run,
    sagepip_command,
    terminate_at,
)
from tests.guarantees import snapshot
from tests.wheels import make_wheel

__all__ = ["ERRORS", "MATRICES", "Matrix", "Outcome", "Scenario", "make_scenarios"]
# What a disk, a permission or a mount can make of a call.
ERRORS = ("ENOSPC", "EACCES", "EIO", "EXDEV")
MATRICES = ("kills", "signals", "errors", "recoveries")
Case = TypeVar("Case")


@dataclass
class Outcome:
    """What a matrix found.

    Attributes:
        points: how many hits were tried.
        old: after how many of them the end was the old state.
        new: after how many it was the new one.
        violations: what should not have been.
    """

    points: int = 0
    old: int = 0
    new: int = 0
    violations: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Count another outcome in."""
        self.points += other.points
        self.old += other.old
        self.new += other.new
        self.violations += other.violations

    def __str__(self) -> str:
        """Return it as a line of a table."""
        return (
            f"{self.points:5} points: {self.old:5} old, {self.new:5} new, "
            f"{len(self.violations):3} violations"
        )


class Matrix:
    """The kills, signals, errors and kills of recovery of one scenario.

    Args:
        scenario: what happens.
        work: a private directory.
        wheels: where the tiny wheel of the next command goes.
        elsewhere: a private directory on another file system, for scripts.
    """

    def __init__(
        self, scenario: Scenario, work: Path, wheels: Path, elsewhere: Path | None = None
    ) -> None:
        self.scenario = scenario
        self._work = work
        self._watched = scenario.project if scenario.before else ""
        self._next = make_wheel(wheels, "next_one", "1", {"next_one.py": ""})
        work.mkdir(parents=True)
        self._python = sys.executable
        if scenario.place is Place.TWO_SITES:
            self._python = make_two_sites_python(work / "python")
        scripts = None
        if scenario.place is Place.SCRIPTS_ELSEWHERE:
            assert elsewhere is not None
            scripts = elsewhere / work.name / "base"
        self._base = Tree(work / "base", scripts).make()
        if scenario.before:
            arguments = install_arguments(self._base.prefix, scenario.before)
            self._run(self._sagepip(self._base, arguments))
        if scenario.staged is not None:
            self._next_tree = make_staged_tree(work / "next-tree", self._next)
            shutil.copytree(scenario.staged, self._base.staged, symlinks=True)
        if scenario.staged_before is not None:
            before = ["copy", str(scenario.staged_before), str(self._base.prefix)]
            self._run(self._sagepip(self._base, before))
            if scenario.withdrawn:
                write_record(self._base.prefix, scenario.staged_before)
        old, new = self._base.copy("old"), self._base.copy("new")
        self._run(self._command(new))
        assert new.torn(hashes=True) == []
        assert len(new.versions(scenario.project)) == bool(scenario.project)
        # As the command leaves it, and as the next one does.
        self._old_now, self._new_now = without_state(old.snapshot()), without_state(new.snapshot())
        self._old, self._new = self._after_next(old), self._after_next(new)
        assert self._old != self._new or set(scenario.command) <= set(scenario.before)

    def points(self) -> list[Point]:
        """Return every system call at which the command can be killed, or can fail."""
        target = self._base.copy("points")
        return list_points(self._command(target), self._work / "strace.log", target.home)

    def kills(self, points: Sequence[Point], workers: int) -> Outcome:
        """Kill at each point; the next command must lead to the old or the new tree."""
        return self._each(list(enumerate(points)), self._kill, workers)

    def signals(self, points: Sequence[Point], workers: int) -> Outcome:
        """Send SIGTERM at each point; the command itself must leave the old or the new tree.

        Args:
            points: all points of the command, in order.
            workers: how many to try at once.
        """
        first = next(i for i, point in enumerate(points) if _writes_journal(point))
        cases = [(point, i >= first) for i, point in enumerate(points)]
        return self._each(list(enumerate(cases)), self._terminate, workers)

    def errors(self, points: Sequence[Point], errors: Sequence[str], workers: int) -> Outcome:
        """Let each point fail with each error; the command must roll back or go through."""
        cases = [(point, error) for point in points for error in errors]
        return self._each(list(enumerate(cases)), self._fail, workers)

    def recoveries(self, points: Sequence[Point], workers: int, *, every: int = 1) -> Outcome:
        """Kill at each point, then kill the recovery at each (or every n-th) of its own points."""
        outcome = Outcome()
        for point in points:
            target = self._hot("recovery-points", point)
            hot = [state for state in target.states if (state / "journal").is_file()]
            dead = [path.name for state in hot for path in state.glob("txn/*")]
            if not dead:
                continue  # nothing to recover
            log = self._work / "recovery.log"
            found = list_points(self._next_command(target), log, target.home)
            last = max(i for i, one in enumerate(found) if dead[0] in one.text)
            cases = [(point, one) for one in found[: last + 1 : every]]
            outcome.add(self._each(list(enumerate(cases)), self._kill_recovery, workers))
        return outcome

    def _hot(self, name: str, point: Point) -> Tree:
        """Return a tree in which the command was killed; it cannot be copied: inodes count."""
        target = self._base.copy(name)
        kill_at(point, self._command(target))
        return target

    def _each(
        self,
        cases: Sequence[tuple[int, Case]],
        try_one: Callable[[int, Case], Outcome],
        workers: int,
    ) -> Outcome:
        outcome = Outcome()
        with ThreadPoolExecutor(workers) as pool:
            for one in pool.map(lambda case: try_one(*case), cases):
                outcome.add(one)
        return outcome

    def _kill(self, number: int, point: Point) -> Outcome:
        target = self._base.copy(f"kill-{number}")
        code = kill_at(point, self._command(target))
        found = [] if code == -signal.SIGKILL else ["was not killed"]
        return self._judge(target, str(point), found)

    def _kill_recovery(self, number: int, case: tuple[Point, Point]) -> Outcome:
        first, second = case
        target = self._hot(f"again-{number}", first)
        code = kill_at(second, self._next_command(target))
        found = [] if code == -signal.SIGKILL else ["was not killed"]
        return self._judge(target, f"{first}, then {second}", found)

    def _fail(self, number: int, case: tuple[Point, str]) -> Outcome:
        point, error = case
        target = self._base.copy(f"fail-{number}")
        done = fail_at(point, error, self._command(target))
        text = done.stderr.decode()
        found = []
        if done.returncode not in (0, 1) or "Traceback" in text or "internal error" in text:
            found.append(f"exit status {done.returncode}: {text[-300:]}")
        if any(os.path.lexists(state / "journal") for state in target.states):
            found.append("a journal stayed")
        now = without_state(target.snapshot())
        if now != (self._old_now if done.returncode else self._new_now):
            found.append(f"exit status {done.returncode}, but {self._name_of(now)}")
        staged = self.scenario.staged
        if staged and done.returncode and snapshot(target.staged) != snapshot(staged):
            found.append("the staged tree is not as it was")
        return self._judge(target, f"{error} at {point}", found)

    def _terminate(self, number: int, case: tuple[Point, bool]) -> Outcome:
        point, committing = case
        target = self._base.copy(f"end-{number}")
        done = terminate_at(point, self._command(target))
        found = []
        # It dies by the signal whatever the state is: what waits for it must stop, too.
        text = done.stderr.decode()
        if done.returncode != -signal.SIGTERM or "Traceback" in text:
            found.append(f"exit status {done.returncode}: {text[-300:]}")
        tree = target.snapshot()
        if leftovers := [*leftovers_in(tree), *(one.name for one in target.temporary.iterdir())]:
            found.append(f"left over: {leftovers[:6]}")
        now = without_state(tree)
        if now != (self._new_now if committing else self._old_now):
            what = "it was committing" if committing else "it had not begun to commit"
            found.append(f"{what}, but {self._name_of(now)}")
        return self._judge(target, f"SIGTERM at {point}", found)

    def _judge(self, target: Tree, label: str, found: list[str]) -> Outcome:
        """Check the frozen tree, let the next command run, and compare what is there then."""
        # While an old version is visible its files are being exchanged for the new ones': they
        # must all be there, but only a fresh install's must have their hashes (G1).
        found += target.torn(hashes=not self.scenario.before)
        if self._watched and not target.versions(self._watched):
            found.append(f"{self._watched} is absent")
        committed = self._is_committed(target)
        state = "neither"
        try:
            end = self._after_next(target)
        except AssertionError as error:
            found.append(f"the next command failed: {error}")
        else:
            state = "new" if end == self._new else "old" if end == self._old else "neither"
            if state == "neither":
                found.append(f"neither old nor new: {self._differing(end)[:6]}")
        if state == "old" and committed:
            found.append("went back though it had been committed")
        target.remove()
        violations = [f"{self.scenario.name}: {label}: {one}" for one in found]
        return Outcome(1, int(state == "old"), int(state == "new"), violations)

    def _differing(self, end: Snapshot) -> list[str]:
        return sorted(
            key
            for key in end.keys() | self._old.keys()
            if end.get(key) != self._old.get(key) and end.get(key) != self._new.get(key)
        )

    def _name_of(self, now: Snapshot) -> str:
        """Say what state a tree is in, before any next command."""
        known = {"the new tree": self._new_now, "the old tree": self._old_now}
        return next((name for name, one in known.items() if now == one), "neither tree")

    def _is_committed(self, target: Tree) -> bool:
        """Whether metadata of the new state has come, or metadata of the old one has gone."""
        old, new = metadata_in(self._old), metadata_in(self._new)
        now = target.metadata()
        return bool((new - old) & now or (old - new) - now)

    def _after_next(self, target: Tree) -> Snapshot:
        """Run the next command and return what is there then."""
        self._run(self._next_command(target))
        tree = target.snapshot()
        # Which locks there are depends on what sites the prefix had at the time.
        return without_state(tree) | {key: tree[key] for key in leftovers_in(tree)}

    def _command(self, target: Tree) -> Command:
        return self._sagepip(target, self.scenario.arguments(target.prefix))

    def _next_command(self, target: Tree) -> Command:
        if self.scenario.staged is not None:
            return self._sagepip(target, ["copy", str(self._next_tree), str(target.prefix)])
        return self._sagepip(target, install_arguments(target.prefix, (self._next,)))

    def _sagepip(self, target: Tree, arguments: Sequence[str]) -> Command:
        return Command(
            sagepip_command(*arguments, python=self._python),
            clean_environment()
            # A cache of its own: what others remember meanwhile would change which calls are made.
            | {"TMPDIR": str(target.temporary), "SAGEPIP_CACHE_DIR": str(self._work / "cache")},
            "" if self.scenario.exchange else "renameat2",
        )

    def _run(self, command: Command) -> None:
        done = run(command)
        if done.returncode:
            raise AssertionError(f"{command.arguments}: {done.stderr.decode()}")


def _writes_journal(point: Point) -> bool:
    """Whether a call makes a journal, puts it into place, or removes it."""
    return any(path.endswith("/journal") for path in point.paths)


def main() -> int:
    """Run the matrices and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", action="append", help="only these (repeatable)")
    parser.add_argument("--matrix", action="append", choices=MATRICES, help="only these")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="of a recovery, every n-th call")
    parser.add_argument("--list", action="store_true", help="print the scenarios and end")
    options = parser.parse_args()
    if not has_strace():
        print("make crash needs strace, allowed to trace; it is not here")  # noqa: T201
        return 2
    total, complete = Outcome(), True
    with tempfile.TemporaryDirectory() as work, other_file_system(Path(work)) as elsewhere:
        scenarios = {one.name: one for one in make_all_scenarios(Path(work, "wheels"))}
        if options.list:
            print("\n".join(scenarios))  # noqa: T201
            return 0
        if unknown := set(options.scenario or ()) - scenarios.keys():
            parser.error(f"no such scenario: {', '.join(sorted(unknown))}; see --list")
        for number, name in enumerate(options.scenario or scenarios):
            scenario = scenarios[name]
            if scenario.place is Place.SCRIPTS_ELSEWHERE and elsewhere is None:
                print(f"{name:45} skipped: there is no second file system")  # noqa: T201
                continue
            matrix = Matrix(scenario, Path(work, str(number)), Path(work, "wheels"), elsewhere)
            points = matrix.points()
            for kind in options.matrix or MATRICES:
                started = time.monotonic()
                outcome = _run_matrix(matrix, kind, points, options.workers, options.every)
                seconds = time.monotonic() - started
                print(f"{name:45} {kind:10} {outcome} {seconds:6.0f} s", flush=True)  # noqa: T201
                for violation in outcome.violations[:40]:
                    print("  " + violation, flush=True)  # noqa: T201
                total.add(outcome)
                complete = complete and bool(outcome.points)
    print(f"{'all':56} {total}")  # noqa: T201
    return 1 if total.violations or not complete else 0


def _run_matrix(
    matrix: Matrix, kind: str, points: Sequence[Point], workers: int, every: int
) -> Outcome:
    if kind == "kills":
        return matrix.kills(points, workers)
    if kind == "signals":
        return matrix.signals(points, workers)
    if kind == "errors":
        return matrix.errors(points, ERRORS, workers)
    renames = [point for point in points if point.is_rename]
    return matrix.recoveries(renames, workers, every=every)


if __name__ == "__main__":
    sys.exit(main())
