"""Kill who changes a Sage tree at a system call; then bring it to an end, and take it back.

``python -m tests.crash.adopt_crash`` kills at every file-changing call; the tests run a sample.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import sagepip
from sagepip.operations.adopt_edits import ARCHIVE, NEW_SCRIPTS
from tests.crash.strace import (
    Command,
    Point,
    clean_environment,
    kill_at,
    list_points,
    run,
    sagepip_command,
)
from tests.sage_anchors import STATE, archive, contents, make_tree

Contents = dict[str, tuple[bytes, int]]
_OWN = str(Path(STATE).parent)


class AdoptCrash:
    """A small tree, brought back to where it was for each kill.

    Args:
        work: a private directory.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._tree = work / "tree"
        self._base = work / "base"
        version = sagepip.__version__
        self._first = archive(work / "first.pyz", version)
        self._second = archive(work / "second.pyz", version)
        with self._second.open("ab") as stream:
            stream.write(b"\n")
        self._before = contents(make_tree(self._tree))

    def applier(self) -> Command:
        """Return the command that adopts the tree."""
        return self._command("--apply", "--pyz", str(self._second))

    def renewer(self) -> Command:
        """Adopt the tree with what wrote other scripts; return the command that renews all."""
        self._run(self._command("--apply", "--pyz", str(self._first)))
        older = self._tree / next(iter(NEW_SCRIPTS))
        state = self._tree / STATE
        text = state.read_text()
        known = _digest(older)
        older.write_text("#!/bin/sh\n# of an older sagepip\n")
        state.write_text(text.replace(known, _digest(older)))
        return self.applier()

    def undoer(self) -> Command:
        """Adopt the tree; return the command that takes that back."""
        self._run(self.applier())
        return self._command("--undo")

    def points(self, command: Command) -> list[Point]:
        """Keep the tree as it is now to begin from; return where the command can be killed."""
        shutil.rmtree(self._base, ignore_errors=True)
        subprocess.run(["cp", "-a", self._tree, self._base], check=True)
        found = list_points(command, self._work / "strace.log", self._tree)
        self._begin(self._base)
        self._run(self.applier())
        self._after = contents(self._tree)
        return found

    def kill(self, point: Point, command: Command) -> list[str]:
        """Kill the command at a system call; return what is wrong then, and what does not heal."""
        self._begin(self._base)
        begun = contents(self._tree)
        kill_at(point, command)
        killed = contents(self._tree)
        problems = [
            f"{path} is neither old nor new"
            for path in {*self._before, ARCHIVE, *NEW_SCRIPTS}
            if killed.get(path) not in (begun.get(path), self._before.get(path), self._goal(path))
        ]
        frozen = self._work / "frozen"
        shutil.rmtree(frozen, ignore_errors=True)
        subprocess.run(["cp", "-a", self._tree, frozen], check=True)
        self._run(self.applier())
        if _without_state(contents(self._tree)) != _without_state(self._after):
            problems.append("--apply does not bring it to its end")
        self._run(self._command("--undo"))
        if contents(self._tree) != self._before:
            problems.append("and --undo does not take that back")
        # The same kill, but taken back at once; where nothing had begun there is nothing to undo.
        self._begin(frozen)
        done = run(self._command("--undo"))
        if done.returncode and b"was not adopted" not in done.stderr:
            problems.append(f"--undo: {done.stderr.decode()}")
        if contents(self._tree) != self._before or (self._tree / _OWN).exists():
            problems.append("--undo does not take it back")
        return [f"{point}: {one}" for one in problems]

    def kills(self, points: Sequence[Point], command: Command) -> list[str]:
        """Kill the command at some system calls; return what was wrong."""
        return [problem for point in points for problem in self.kill(point, command)]

    def _goal(self, path: str) -> tuple[bytes, int] | None:
        return self._after.get(path)

    def _begin(self, base: Path) -> None:
        shutil.rmtree(self._tree)
        subprocess.run(["cp", "-a", base, self._tree], check=True)

    def _run(self, command: Command) -> None:
        done = run(command)
        assert done.returncode == 0, done.stderr.decode()

    def _command(self, *words: str) -> Command:
        return Command(sagepip_command("adopt", *words, str(self._tree)), clean_environment())


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _without_state(found: Contents) -> Contents:
    """Leave out what is remembered of earlier contents."""
    return {path: one for path, one in found.items() if path != STATE}


SCENARIOS: tuple[Callable[[AdoptCrash], Command], ...] = (
    AdoptCrash.applier,
    AdoptCrash.renewer,
    AdoptCrash.undoer,
)


def main() -> int:
    """Run all of it; print what was wrong."""
    status = 0
    for scenario in SCENARIOS:
        with tempfile.TemporaryDirectory(prefix="sagepip-crash-") as work:
            crash = AdoptCrash(Path(work))
            command = scenario(crash)
            points = crash.points(command)
            problems = crash.kills(points, command)
            summary = f"{scenario.__name__}: {len(points)} kills, {len(problems)} problems"
            sys.stdout.write("\n".join([summary, *problems, ""]))
            status |= bool(problems)
    return status


if __name__ == "__main__":
    sys.exit(main())
