"""Reinstalls ``setuptools_scm`` in a loop while others build against it: ``make race``.

setuptools loads the entry points of all installed distributions at the start of every build.
While one of them is being reinstalled, a build without isolation may find its metadata without
its modules, or half of its files, and fails. That is the scenario sagepip exists for. It is
tried here by today's ways and by sagepip, each for the same time, while an observer looks at
the tree. The exit status is 0 if today's ways were seen to fail and sagepip was not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from subprocess import Popen

from bench.builds import PLAIN, RELYING, TinyBuilder
from bench.environment import PreparationError, VirtualEnvironment, tool_environment
from bench.observer import metadata_names, observe
from bench.outcome import Outcome, RaceReport
from bench.processes import Command, Finished, ProcessTable, Stopped
from bench.ways import PROJECT, WAYS, Arena, Reinstall, Way, Wheels

PATIENCE = 6
"""By how much a way may take longer than asked for, until enough happened."""

GIVEN_UP = 3
"""Failed reinstalls after which a way is given up."""


class Race:
    """One way, tried for a time: a loop of builds, a loop of reinstalls and an observer."""

    def __init__(self, way: Way, arena: Arena) -> None:
        self.outcome = Outcome(way.key, way.ours)
        self._way = way
        self._arena = arena
        self._end = threading.Event()
        self._errors: list[Exception] = []
        self._builder = TinyBuilder(arena.venv, arena.scratch, arena.env, arena.processes)
        self._projects = cycle((PLAIN,) if way.versions else (RELYING, PLAIN))

    def run(self, seconds: float) -> Outcome:
        """Run for about so many seconds; every loop ends what it has begun."""
        reinstall = self._way.prepare(self._arena)
        # Once with nobody installing: it must work, and bytecode is there from then on.
        for project in (RELYING, PLAIN):
            if reason := self._builder.build(project):
                raise PreparationError(f"a build fails with nobody installing:\n{reason}")
        observer = self._start_observer()
        loops = [
            threading.Thread(target=self._loop, args=(step,), daemon=True)
            for step in (self._build_once, lambda: self._reinstall_once(reinstall))
        ]
        start = time.monotonic()
        try:
            for loop in loops:
                loop.start()
            self._wait(start, seconds)
        except BaseException:
            self._arena.processes.stop()
            raise
        finally:
            self._end.set()
            for loop in loops:
                loop.join(timeout=300)
        self.outcome.seconds = time.monotonic() - start
        if self._errors:
            raise self._errors[0]
        self._take(self._arena.processes.finish(observer, timeout=60))
        self._look_at_what_is_left()
        return self.outcome

    def _wait(self, start: float, seconds: float) -> None:
        # On a busy machine longer, until the counts mean something, but not for ever.
        while not self._end.wait(0.1):
            passed = time.monotonic() - start
            if passed > seconds * PATIENCE or (passed > seconds and self.outcome.enough):
                return

    def _loop(self, step: Callable[[], object]) -> None:
        try:
            while not self._end.is_set():
                step()
        except Stopped:
            pass
        except Exception as error:
            self._errors.append(error)
        finally:
            self._end.set()

    def _build_once(self) -> None:
        reason = self._builder.build(next(self._projects))
        self.outcome.builds += 1
        if reason is not None:
            self.outcome.failed_builds += 1
            self.outcome.example("failed build", reason)

    def _reinstall_once(self, reinstall: Reinstall) -> None:
        done = reinstall()
        if done.returncode == 0:
            self.outcome.reinstalls += 1
            return
        self.outcome.failed_reinstalls += 1
        self.outcome.example("failed reinstall", f"{done.last_lines()}\n[{done.returncode}]")
        if self.outcome.failed_reinstalls >= GIVEN_UP:
            self._end.set()

    def _start_observer(self) -> Popen[str]:
        arena = self._arena
        command: Command = [
            *(sys.executable, "-m", "bench.observing", "--python", arena.venv.python),
            *("--site", arena.venv.site, "--name", PROJECT),
            *("--wheel", arena.wheels.newer, "--wheel", arena.wheels.older),
        ]
        return arena.processes.start(
            command,
            env=arena.env,
            cwd=Path(__file__).parent.parent,
            with_stdin=True,
            merge_streams=False,
        )

    def _take(self, observer: Finished) -> None:
        if observer.returncode != 0:
            raise PreparationError(f"the observer failed:\n{observer.last_lines(20)}")
        told = json.loads(observer.output)
        self.outcome.looks = told["looks"]
        self.outcome.loads = told["loads"]
        self.outcome.moved = told["moved"]
        self.outcome.torn = told["torn"]
        for kind, texts in told["examples"].items():
            for text in texts:
                self.outcome.example(kind, text)

    def _look_at_what_is_left(self) -> None:
        site = self._arena.venv.site
        left = [torn.detail for torn in observe(site, PROJECT).torn]
        left += [f"{name} is left over" for name in os.listdir(site) if name.startswith("~")]
        if len(metadata_names(site, PROJECT)) > 1:
            left.append(f"{PROJECT} is installed twice")
        if self._way.ours:
            temporary = os.listdir(self._arena.env["TMPDIR"])
            left += [f"the temporary {name} is left over" for name in temporary]
            own = {path.name for path in (site / ".sagepip").glob("*")}
            if own != {"lock", "gate"}:
                left.append(f".sagepip holds {sorted(own)}, not just gate and lock")
        self.outcome.left = left
        for text in left:
            self.outcome.example("left behind", text)


def try_way(way: Way, wheels: Wheels, seconds: float, processes: ProcessTable) -> Outcome:
    """Try one way in a new environment, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sagepip-race-") as name:
        scratch = Path(name).resolve()
        venv = VirtualEnvironment.create(scratch / "venv")
        env = tool_environment(scratch / "home")
        arena = Arena(venv, scratch, wheels, env, processes)
        arena.must(arena.pip_install(wheels.newer, *wheels.surroundings))
        return Race(way, arena).run(seconds)


def verdict(outcomes: Sequence[Outcome]) -> list[str]:
    """What is wrong with the result of the race as a whole; nothing if all is well."""
    wrong = []
    old = [outcome for outcome in outcomes if not outcome.ours]
    if old and not any(outcome.violations for outcome in old):
        wrong.append("today's ways never failed here, so this run proves nothing")
    for outcome in outcomes:
        if not outcome.proves_something:
            wrong.append(f"{outcome.way}: too little happened to prove anything")
        if outcome.ours and outcome.violations:
            wrong.append(f"{outcome.way}: {outcome.violations} violations, expected none")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the race and print what was counted."""
    parser = argparse.ArgumentParser(prog="bench.race", description="see the module")
    parser.add_argument("--seconds", type=float, default=25, help="for each way (default 25)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there")
    parser.add_argument(
        "--way", action="append", choices=[way.key for way in WAYS], help="only this one"
    )
    options = parser.parse_args(arguments)
    ways = [way for way in WAYS if not options.way or way.key in options.way]
    report = RaceReport({way.key: way.title for way in ways}, options.seconds)
    outcomes = []
    try:
        with ProcessTable() as processes:
            wheels = Wheels.fetch()
            report.introduction()
            for way in ways:
                outcomes.append(try_way(way, wheels, options.seconds, processes))
                report.row(outcomes[-1])
    except PreparationError as error:
        print(f"race: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    wrong = verdict(outcomes)
    report.conclusion(outcomes, wrong)
    if options.json:
        told = [asdict(outcome) | {"violations": outcome.violations} for outcome in outcomes]
        options.json.write_text(json.dumps({"ways": told, "wrong": wrong}, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
