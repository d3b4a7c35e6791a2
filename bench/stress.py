"""Many writers and readers at once on one site, then a full check: ``make stress``.

Installs, uninstalls and staged copies (some of which move their tree) of real packages run in
one new environment, all started at once, each worker beginning anew as soon as it is done. One
project always stays installed and is reinstalled in two versions, while an observer looks at it
without any lock. Other readers check every RECORD under the shared lock. At the end everything
that is there is checked without sagepip. The exit status is 0 if nothing failed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from bench import proof
from bench.environment import (
    Pin,
    PreparationError,
    VirtualEnvironment,
    console_script,
    fetch_wheels,
    tool_environment,
)
from bench.processes import Command, Finished, ProcessTable, Stopped
from bench.proof import Proof
from bench.terminal import BAD, GOOD, Table, paint
from bench.ways import NEWER, OLDER, PROJECT, SURROUNDINGS

OTHERS = tuple(
    map(
        Pin.parse,
        (
            "attrs==26.1.0",
            "six==1.17.0",
            "pluggy==1.7.0",
            "tomlkit==0.15.2",
            "pathspec==1.1.1",
            "hatchling==1.33.0",
            "wheel==0.48.0",
            "poetry_core==2.5.0",
        ),
    )
)
"""What comes and goes; each under several workers at once."""

CHECK_RECORDS = """
import csv, glob, os, sys
for record in glob.glob(sys.argv[1] + "/*.dist-info/RECORD"):
    with open(record, newline="") as stream:
        for row in csv.reader(stream):
            path = os.path.join(sys.argv[1], row[0])
            if not os.path.lexists(path):
                sys.exit(f"{record} lists {row[0]}, which is not there")
"""
LOCK_TIMEOUT = "300"


@dataclass
class Kind:
    """One kind of operation, and how it went.

    Attributes:
        name: for the table.
        done: how many ended well.
        failed: what those said that did not.
        waited: seconds that each waited for the lock, as far as it tells.
        held: seconds that each held it.
    """

    name: str
    done: int = 0
    failed: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)


class Stress:
    """The workers on one environment.

    Args:
        scratch: a private directory.
        processes: what starts the commands.
    """

    def __init__(self, scratch: Path, processes: ProcessTable) -> None:
        self._scratch = scratch
        self._processes = processes
        self._env = tool_environment(scratch / "home")
        self.venv = VirtualEnvironment.create(scratch / "venv")
        self._wheels = fetch_wheels((NEWER, OLDER, *SURROUNDINGS, *OTHERS))
        self._end = threading.Event()
        self._errors: list[Exception] = []
        self._guard = threading.Lock()
        names = ("install", "uninstall", "staged copy", "staged copy --move", "upgrade", "read")
        self.kinds = {name: Kind(name) for name in names}
        self._staged: dict[Pin, Path] = {}
        self.observed: dict[str, int] = {}
        self.before: set[str] = set()

    def prepare(self) -> None:
        """Install what stays, and stage what will be copied."""
        self.before = proof.files_below(self.venv.root)
        stays = [self._wheels[pin] for pin in (NEWER, *SURROUNDINGS)]
        self._must(self._install(*stays))
        for pin in OTHERS:
            root = self._scratch / "staged" / pin.name
            self._must([*self._install(self._wheels[pin]), "--root", root])
            self._staged[pin] = root / self.venv.root.relative_to("/")

    def run(self, at_once: int, seconds: float) -> float:
        """Run for about so many seconds; return how many it took."""
        observer = self._start_observer()
        steps: list[Callable[[random.Random, int], None]] = [
            self._change,
            self._change,
            self._change,
            self._change,
            self._change,
            self._change,
            self._upgrade,
            self._read,
        ]
        threads = [
            threading.Thread(target=self._loop, args=(steps[i % len(steps)], i), daemon=True)
            for i in range(at_once)
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        self._end.wait(seconds)
        self._end.set()
        for thread in threads:
            thread.join(timeout=600)
        took = time.monotonic() - started
        if self._errors:
            raise self._errors[0]
        done = self._processes.finish(observer, timeout=60)
        if done.returncode:
            raise PreparationError(f"the observer failed:\n{done.last_lines()}")
        told = json.loads(done.output)
        self.observed = {"looks": told["looks"], "torn": sum(told["torn"].values())}
        return took

    def proofs(self) -> list[Proof]:
        """Check what is left, without sagepip."""
        site = self.venv.site
        return [
            proof.prove_records(site),
            proof.prove_nothing_stray(self.venv.root, site, self.before),
            proof.prove_nothing_left(site),
            proof.prove_no_temporary_files(Path(self._env["TMPDIR"])),
        ]

    def _loop(self, step: Callable[[random.Random, int], None], number: int) -> None:
        choice = random.Random(number)
        try:
            while not self._end.is_set():
                step(choice, number)
        except Stopped:
            pass
        except Exception as error:
            self._errors.append(error)
            self._end.set()

    def _change(self, choice: random.Random, number: int) -> None:
        pin = choice.choice(OTHERS)
        what = choice.choice(("install", "uninstall", "staged copy", "staged copy --move"))
        if what == "install":
            self._tell(what, self._install(self._wheels[pin]), number)
        elif what == "uninstall":
            command = [*self._command("sage-pip-uninstall"), "--yes", pin.name]
            self._tell(what, command, number, reports=False)
        else:
            staged = self._staged[pin]
            move = what.endswith("--move")
            if move:
                staged = self._scratch / f"own-{number}"
                shutil.copytree(self._staged[pin], staged, symlinks=True)
            command = [console_script("sage-staged-copy"), "--lock-timeout", LOCK_TIMEOUT]
            command += [*(["--move"] if move else []), "--json", staged, self.venv.root]
            self._tell(what, command, number)
            if move:
                shutil.rmtree(staged)

    def _upgrade(self, choice: random.Random, number: int) -> None:
        wheel = self._wheels[choice.choice((NEWER, OLDER))]
        self._tell("upgrade", self._install(wheel), number)

    def _read(self, _choice: random.Random, number: int) -> None:
        lock: list[str | Path] = [
            console_script("sage-pip-lock"),
            "-s",
            "--timeout",
            LOCK_TIMEOUT,
            self.venv.root,
        ]
        check: list[str | Path] = [sys.executable, "-I", "-S", "-c", CHECK_RECORDS, self.venv.site]
        self._tell("read", [*lock, "--", *check], number, reports=False)

    def _command(self, name: str) -> list[str | Path]:
        options: list[str | Path] = ["--lock-timeout", LOCK_TIMEOUT, "--python", self.venv.python]
        return [console_script(name), *options]

    def _install(self, *wheels: Path) -> list[str | Path]:
        options = ["--no-index", "--no-deps", "--force-reinstall"]
        return [*self._command("sage-pip-install"), *options, *wheels]

    def _must(self, command: Command) -> None:
        done = self._processes.run(command, env=self._env)
        if done.returncode:
            raise PreparationError(f"{command[0]} failed:\n{done.last_lines()}")

    def _tell(
        self, what: str, command: Sequence[str | Path], number: int, *, reports: bool = True
    ) -> None:
        """Run a command and count how it went."""
        report = self._scratch / f"report-{number}.json"
        is_copy = "--json" in command
        if reports and not is_copy:
            command = [*command, "--report", report]
        process = self._processes.start(command, env=self._env, merge_streams=False)
        done = self._processes.finish(process)
        with self._guard:
            kind = self.kinds[what]
            if done.returncode:
                kind.failed.append(f"{done.last_lines(2)} [{done.returncode}]")
                return
            kind.done += 1
            if reports:
                told = _times(done, report, is_copy=is_copy)
                kind.waited.append(told[0])
                kind.held.append(told[1])

    def _start_observer(self) -> Popen[str]:
        return self._processes.start(
            [
                *(sys.executable, "-m", "bench.observing", "--python", self.venv.python),
                *("--site", self.venv.site, "--name", PROJECT),
                *("--wheel", self._wheels[NEWER], "--wheel", self._wheels[OLDER]),
            ],
            env=self._env,
            cwd=Path(__file__).parent.parent,
            with_stdin=True,
            merge_streams=False,
        )


def _times(done: Finished, report: Path, *, is_copy: bool) -> tuple[float, float]:
    told = json.loads(done.output) if is_copy else json.loads(report.read_text())["sagepip"]
    return told["lock_waited_seconds"], told["lock_held_seconds"]


def _print_result(stress: Stress, took: float) -> list[str]:
    """Print the tables; return what is wrong."""
    wrong: list[str] = []
    columns = (("operation", -20), ("done", 6), ("failed", 6), ("a minute", 9))
    times = ("median wait", "longest wait", "median hold", "longest hold")
    table = Table([*columns, *((name, 12) for name in times)])
    table.header()
    for kind in stress.kinds.values():
        cells = [kind.name, str(kind.done), str(len(kind.failed)), f"{kind.done / took * 60:.0f}"]
        for values in (kind.waited, kind.held):
            middle = f"{statistics.median(values) * 1000:.1f} ms" if values else ""
            most = f"{max(values) * 1000:.1f} ms" if values else ""
            cells += [middle, most]
        table.row(cells)
        wrong += [f"{kind.name}: {text}" for text in kind.failed[:3]]
        if not kind.done:
            wrong.append(f"{kind.name}: none was done, so nothing is shown")
    looks, torn = stress.observed["looks"], stress.observed["torn"]
    print(f"\n{looks} looks without the lock at {PROJECT}, {torn} torn")
    if torn or not looks:
        wrong.append(f"{torn} torn looks of {looks}")
    for one in stress.proofs():
        mark, style = ("ok ", GOOD) if one.holds else ("BAD", BAD)
        print(paint(f"{mark} {one.claim} ({one.count})", style))
        wrong += one.problems[:5]
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stress and print what was counted."""
    parser = argparse.ArgumentParser(prog="bench.stress", description="see the module")
    parser.add_argument("--seconds", type=float, default=120, help="how long (default 120)")
    parser.add_argument("--at-once", type=int, default=64, help="how many workers (default 64)")
    options = parser.parse_args(arguments)
    try:
        with (
            ProcessTable() as processes,
            tempfile.TemporaryDirectory(prefix="sagepip-stress-") as scratch,
        ):
            stress = Stress(Path(scratch).resolve(), processes)
            stress.prepare()
            took = stress.run(options.at_once, options.seconds)
            print(f"{options.at_once} workers for {took:.0f} s\n")
            wrong = _print_result(stress, took)
    except PreparationError as error:
        print(f"stress: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for text in wrong:
        print(paint(f"wrong: {text}", BAD))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
