"""Kill sagepip at system calls, look at the frozen tree, let the next command recover.

``python -m tests.crash.matrix`` runs the whole matrix (``make crash``); the tests run a sample.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.crash.strace import (
    Point,
    clean_environment,
    fail_at,
    has_strace,
    kill_at,
    list_points,
    sagepip_command,
)
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

# What a disk, a permission or a mount can make of a call.
ERRORS = ("ENOSPC", "EACCES", "EIO", "EXDEV")
Case = TypeVar("Case")
Snapshot = dict[str, tuple[int, bytes | str | None]]
_SITE = Path("lib") / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


@dataclass(frozen=True)
class Scenario:
    """What is installed before, and what is being installed when the process is killed.

    Attributes:
        name: for reports.
        before: wheels to install first.
        command: wheels that the command which is killed installs.
        project: the project whose versions are watched (G2); empty if it goes.
        removed: projects that the command uninstalls, instead of installing.
    """

    name: str
    before: tuple[Path, ...]
    command: tuple[Path, ...] = ()
    project: str = ""
    removed: tuple[str, ...] = ()

    def arguments(self, prefix: Path) -> list[str]:
        """Return the arguments of the command that is killed."""
        if self.removed:
            return ["uninstall", "--yes", "--prefix", str(prefix), *self.removed]
        return install_arguments(prefix, self.command)


def install_arguments(prefix: Path, wheels: Sequence[Path]) -> list[str]:
    """Return the arguments that install wheels into a prefix."""
    options = ["--no-index", "--no-deps", "--force-reinstall", "--prefix", str(prefix)]
    return ["install", *options, *map(str, wheels)]


@dataclass
class Outcome:
    """What a matrix found.

    Attributes:
        points: how many kills or errors were tried.
        old: after how many of them the next command led back.
        new: after how many it led forward.
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


def make_scenarios(wheels: Path) -> list[Scenario]:
    """Make the wheels of the scenarios."""
    first = make_wheel(
        wheels,
        "alpha",
        "1",
        {
            "alpha/__init__.py": "VALUE = 1\n",
            "alpha/gone.py": "OLD = True\n",
            "alpha/sub/__init__.py": "",
            "alpha/sub/data.bin": bytes(range(256)) * 40,
            "alpha_single.py": "VALUE = 1\n",
            "alpha_old.py": "",
            "alpha.pth": "import sys\n",
            "{data}/data/share/alpha/one.txt": "one\n",
            "{data}/scripts/alpha-tool": "#!python\nprint(1)\n",
            "{data}/headers/alpha.h": "#define ALPHA 1\n",
        },
        entry_points="[console_scripts]\nalpha = alpha:main\n",
    )
    second = make_wheel(
        wheels,
        "alpha",
        "2",
        {
            "alpha/__init__.py": "VALUE = 2\n",
            "alpha/new.py": "NEW = True\n",
            "alpha/sub/__init__.py": "# two\n",
            "alpha/sub/data.bin": bytes(range(255)) * 40,
            "alpha_single.py": "VALUE = 2\n",
            "{data}/data/share/alpha/two.txt": "two\n",
            "{data}/scripts/alpha-tool": "#!python\nprint(2)\n",
        },
        entry_points="[console_scripts]\nalpha = alpha:main\nalpha2 = alpha:main\n",
    )
    beta = make_wheel(wheels, "beta", "1", {"space/beta.py": "", "beta/__init__.py": ""})
    gamma = make_wheel(wheels, "gamma", "1", {"space/gamma.py": ""})
    return [
        Scenario("fresh install", (), (first,), "alpha"),
        Scenario("upgrade", (first,), (second,), "alpha"),
        Scenario("downgrade", (second,), (first,), "alpha"),
        Scenario("reinstall", (first,), (first,), "alpha"),
        Scenario("two distributions, shared namespace", (gamma, first), (second, beta), "alpha"),
        Scenario("uninstall", (gamma, beta, first), removed=("alpha", "beta")),
    ]


class Matrix:
    """The kills, errors and kills of recovery of one scenario.

    Args:
        scenario: what happens.
        work: a private directory.
        wheels: where the tiny wheel of the next command goes.
    """

    def __init__(self, scenario: Scenario, work: Path, wheels: Path) -> None:
        self.scenario = scenario
        self._work = work
        self._watched = scenario.project if scenario.before else ""
        self._environment = clean_environment() | {"TMPDIR": str(work)}
        self._next = make_wheel(wheels, "next_one", "1", {"next_one.py": ""})
        self._base = work / "base"
        self._base.mkdir(parents=True)
        if scenario.before:
            self._run(sagepip_command(*install_arguments(self._base, scenario.before)))
        self._old = self._after_next(self._copy(self._base, "old"))
        new = self._copy(self._base, "new")
        self._run(self._command(new))
        self._new = self._after_next(new)
        assert self._old != self._new or scenario.name == "reinstall"

    def points(self) -> list[Point]:
        """Return every system call at which the command can be killed, or can fail."""
        target = self._copy(self._base, "points")
        log = self._work / "strace.log"
        return list_points(self._command(target), self._environment, log, target)

    def kills(self, points: Sequence[Point], workers: int) -> Outcome:
        """Kill at each point; the next command must lead to the old or the new tree."""
        return self._each(list(enumerate(points)), self._kill, workers)

    def errors(self, points: Sequence[Point], errors: Sequence[str], workers: int) -> Outcome:
        """Let each point fail with each error; the command must roll back or go through."""
        cases = [(point, error) for point in points for error in errors]
        return self._each(list(enumerate(cases)), self._fail, workers)

    def recoveries(self, points: Sequence[Point], workers: int, *, every: int = 1) -> Outcome:
        """Kill at each point, then kill the recovery at each (or every n-th) of its own points."""
        outcome = Outcome()
        for point in points:
            target = self._hot("recovery-points", point)
            dead = [path.name for path in target.glob(f"{_SITE}/.sagepip/txn/*")]
            if not (target / _SITE / ".sagepip" / "journal").exists() or not dead:
                continue  # nothing to recover
            log = self._work / "recovery.log"
            found = list_points(self._next_command(target), self._environment, log, target)
            last = max(i for i, one in enumerate(found) if dead[0] in one.text)
            cases = [(point, one) for one in found[: last + 1 : every]]
            outcome.add(self._each(list(enumerate(cases)), self._kill_recovery, workers))
        return outcome

    def _hot(self, name: str, point: Point) -> Path:
        """Return a prefix in which the command was killed; it cannot be copied: inodes count."""
        target = self._copy(self._base, name)
        kill_at(point, self._command(target), self._environment)
        return target

    def _each(
        self,
        cases: Sequence[tuple[int, Case]],
        try_one: Callable[[int, Case], tuple[str, list[str]]],
        workers: int,
    ) -> Outcome:
        outcome = Outcome()
        with ThreadPoolExecutor(workers) as pool:
            for state, violations in pool.map(lambda case: try_one(*case), cases):
                one = Outcome(1, int(state == "old"), int(state == "new"), violations)
                outcome.add(one)
        return outcome

    def _kill(self, number: int, point: Point) -> tuple[str, list[str]]:
        target = self._copy(self._base, f"kill-{number}")
        label = f"{self.scenario.name}: {point.name} #{point.ordinal} ({point.text})"
        code = kill_at(point, self._command(target), self._environment)
        violations = [] if code else [f"{label}: was not killed"]
        return self._judge(target, label, violations)

    def _fail(self, number: int, case: tuple[Point, str]) -> tuple[str, list[str]]:
        point, error = case
        target = self._copy(self._base, f"fail-{number}")
        label = f"{self.scenario.name}: {error} at {point.name} #{point.ordinal} ({point.text})"
        done = fail_at(point, error, self._command(target), self._environment)
        text = done.stderr.decode()
        violations = []
        if done.returncode not in (0, 1) or "Traceback" in text or "internal error" in text:
            violations.append(f"{label}: exit status {done.returncode}: {text[-300:]}")
        if (target / _SITE / ".sagepip" / "journal").exists():
            violations.append(f"{label}: a journal stayed")
        expected = "old" if done.returncode else "new"
        state, found = self._judge(target, label, violations)
        if state in ("old", "new") and state != expected and self._old != self._new:
            found.append(f"{label}: exit status {done.returncode}, but the {state} tree")
        return state, found

    def _kill_recovery(self, number: int, case: tuple[Point, Point]) -> tuple[str, list[str]]:
        first, second = case
        target = self._hot(f"again-{number}", first)
        label = f"{self.scenario.name}: {first.name} #{first.ordinal}, then {second.name} "
        label += f"#{second.ordinal} ({second.text})"
        code = kill_at(second, self._next_command(target), self._environment)
        violations = [] if code else [f"{label}: was not killed"]
        return self._judge(target, label, violations)

    def _judge(self, target: Path, label: str, violations: list[str]) -> tuple[str, list[str]]:
        """Check the frozen tree, let the next command run, and compare what is there then."""
        # While an old version is visible its files are being exchanged for the new ones': they
        # must all be there, but only a fresh install's must have their hashes (G1).
        torn = violations_of_g1(target / _SITE, hashes=not self.scenario.before)
        violations += [f"{label}: {one}" for one in torn]
        if self._watched and not versions(target / _SITE, self._watched):
            violations.append(f"{label}: {self._watched} is absent")
        committed = self._is_committed(target)
        end = self._after_next(target)
        shutil.rmtree(target.parent)
        if end == self._new:
            return "new", violations
        if end == self._old:
            if committed:
                violations.append(f"{label}: went back though it had been committed")
            return "old", violations
        differing = {
            key
            for key in end.keys() | self._old.keys()
            if end.get(key) != self._old.get(key) and end.get(key) != self._new.get(key)
        }
        violations.append(f"{label}: neither old nor new: {sorted(differing)[:6]}")
        return "neither", violations

    def _is_committed(self, target: Path) -> bool:
        """Whether metadata of the new state has come, or metadata of the old one has gone."""
        old, new = _metadata(self._old), _metadata(self._new)
        now = {path.name for path in (target / _SITE).glob("*.dist-info")}
        return bool((new - old) & now or (old - new) - now)

    def _copy(self, origin: Path, name: str) -> Path:
        target = self._work / name / "prefix"
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()
        # Not shutil: the links between a live file and a staged one are what is being tested.
        subprocess.run(["cp", "-a", origin, target], check=True)
        return target

    def _after_next(self, prefix: Path) -> Snapshot:
        """Run the next command on a prefix and return what is there then."""
        self._run(self._next_command(prefix))
        name = str(prefix).encode()
        return {
            key: (mode, content.replace(name, b"PREFIX") if isinstance(content, bytes) else content)
            for key, (mode, content) in snapshot(prefix).items()
        } | _bytecode(prefix)

    def _command(self, prefix: Path) -> list[str]:
        return sagepip_command(*self.scenario.arguments(prefix))

    def _next_command(self, prefix: Path) -> list[str]:
        return sagepip_command(*install_arguments(prefix, (self._next,)))

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(command, env=self._environment, capture_output=True, check=False)
        if done.returncode:
            raise AssertionError(f"{command}: {done.stderr.decode()}")


def _metadata(tree: Snapshot) -> set[str]:
    return {Path(name).name for name in tree if name.endswith(".dist-info")}


def _bytecode(prefix: Path) -> Snapshot:
    """Return the names of bytecode files: their content holds the path of the prefix."""
    return {
        str(path.relative_to(prefix)): (path.lstat().st_mode, None)
        for path in prefix.rglob("*.pyc")
    }


def main() -> int:
    """Run the matrices and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", action="append", help="only these (repeatable)")
    parser.add_argument(
        "--matrix", action="append", choices=["kills", "errors", "recoveries"], help="only these"
    )
    parser.add_argument("--workers", type=int, default=3)
    options = parser.parse_args()
    if not has_strace():
        print("make crash needs strace, allowed to trace; it is not here")  # noqa: T201
        return 2
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        wheels = Path(directory, "wheels")
        for number, scenario in enumerate(make_scenarios(wheels)):
            if options.scenario and scenario.name not in options.scenario:
                continue
            matrix = Matrix(scenario, Path(directory, str(number)), wheels)
            points = matrix.points()
            renames = [point for point in points if point.name.startswith("rename")]
            for name in options.matrix or ("kills", "errors", "recoveries"):
                if name == "kills":
                    outcome = matrix.kills(points, options.workers)
                elif name == "errors":
                    outcome = matrix.errors(points, ERRORS, options.workers)
                else:
                    outcome = matrix.recoveries(renames, options.workers)
                print(f"{scenario.name:36} {name:11} {outcome}", flush=True)  # noqa: T201
                for violation in outcome.violations[:40]:
                    print("  " + violation)  # noqa: T201
                failed = failed or bool(outcome.violations) or not outcome.points
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
