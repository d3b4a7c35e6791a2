"""Kill sagepip at system calls, look at the frozen tree, let the next command recover.

``python -m tests.crash.matrix`` runs the whole matrix (``make crash``); the tests run a sample.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.strace import (
    Point,
    clean_environment,
    has_strace,
    kill_at,
    list_points,
    sagepip_command,
)
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

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
        points: how many kills were tried.
        old: after how many of them the next command led back.
        new: after how many it led forward.
        violations: what should not have been.
    """

    points: int = 0
    old: int = 0
    new: int = 0
    violations: list[str] = field(default_factory=list)


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
    """The kills of one scenario.

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
        self._old = self._after_next(self._copy("old"))
        new = self._copy("new")
        self._run(sagepip_command(*scenario.arguments(new)))
        self._new = self._after_next(new)
        assert self._old != self._new or scenario.name == "reinstall"

    def points(self) -> list[Point]:
        """Return every system call at which the command can be killed."""
        target = self._copy("points")
        command = sagepip_command(*self.scenario.arguments(target))
        return list_points(command, self._environment, self._work / "strace.log", target)

    def run(
        self, points: Sequence[Point], workers: int, progress: Callable[[], None] = lambda: None
    ) -> Outcome:
        """Kill at each point, in parallel."""
        outcome = Outcome()

        def one(numbered: tuple[int, Point]) -> tuple[str, list[str]]:
            number, point = numbered
            found = self._kill(number, point)
            progress()
            return found

        with ThreadPoolExecutor(workers) as pool:
            for state, violations in pool.map(one, enumerate(points)):
                outcome.points += 1
                outcome.old += state == "old"
                outcome.new += state == "new"
                outcome.violations += violations
        return outcome

    def _kill(self, number: int, point: Point) -> tuple[str, list[str]]:
        # The prefix must always have the same path: scripts and direct_url.json hold it.
        target = self._copy(f"kill-{number}")
        label = f"{self.scenario.name}: {point.name} #{point.ordinal} ({point.text})"
        command = sagepip_command(*self.scenario.arguments(target))
        code = kill_at(point, command, self._environment)
        violations = []
        if code == 0:
            violations.append(f"{label}: was not killed")
        # While an old version is visible its files are being exchanged for the new ones': they
        # must all be there, but only a fresh install's must have their hashes (G1).
        fresh = not self.scenario.before
        torn = violations_of_g1(target / _SITE, hashes=fresh)
        violations += [f"{label}: {one}" for one in torn]
        if self._watched and not versions(target / _SITE, self._watched):
            violations.append(f"{label}: {self._watched} is absent")
        end = self._after_next(target)
        shutil.rmtree(target)
        if end == self._new:
            return "new", violations
        if end == self._old:
            return "old", violations
        differing = {
            key
            for key in end.keys() | self._old.keys()
            if end.get(key) != self._old.get(key) and end.get(key) != self._new.get(key)
        }
        violations.append(f"{label}: neither old nor new: {sorted(differing)[:6]}")
        return "neither", violations

    def _copy(self, name: str) -> Path:
        target = self._work / name / "prefix"
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()
        shutil.copytree(self._base, target, symlinks=True)
        return target

    def _after_next(self, prefix: Path) -> Snapshot:
        """Run the next command on a prefix and return what is there then."""
        self._run(sagepip_command(*install_arguments(prefix, (self._next,))))
        name = str(prefix).encode()
        return {
            key: (mode, content.replace(name, b"PREFIX") if isinstance(content, bytes) else content)
            for key, (mode, content) in snapshot(prefix).items()
            if "__pycache__" not in key or "next_one" not in key
        } | _bytecode(prefix)

    def _run(self, command: Sequence[str]) -> None:
        import subprocess

        done = subprocess.run(command, env=self._environment, capture_output=True, check=False)
        if done.returncode:
            raise AssertionError(f"{command}: {done.stderr.decode()}")


def _bytecode(prefix: Path) -> Snapshot:
    """Return the names of bytecode files: their content holds the path of the prefix."""
    return {
        str(path.relative_to(prefix)): (path.lstat().st_mode, None)
        for path in prefix.rglob("*.pyc")
    }


def main() -> int:
    """Run the whole matrix and print what was found."""
    if not has_strace():
        print("make crash needs strace, allowed to trace; it is not here")  # noqa: T201
        return 2
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        wheels = Path(directory, "wheels")
        for number, scenario in enumerate(make_scenarios(wheels)):
            matrix = Matrix(scenario, Path(directory, str(number)), wheels)
            outcome = matrix.run(matrix.points(), workers=4)
            print(  # noqa: T201
                f"{scenario.name:40} {outcome.points:5} points: {outcome.old} old, "
                f"{outcome.new} new, {len(outcome.violations)} violations",
                flush=True,
            )
            for violation in outcome.violations[:20]:
                print("  " + violation)  # noqa: T201
            failed = failed or bool(outcome.violations) or not outcome.points
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
