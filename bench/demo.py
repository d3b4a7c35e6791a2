"""Builds and installs well-known packages, eight at once, and proves the result: ``make demo``.

The packages' source archives and the wheels of their build requirements are downloaded once.
Then everything is offline: one ``sage-pip-install .`` for each package, started as ``make -j8``
would, all into one new environment. What they leave is then checked without sagepip.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import proof
from bench.environment import (
    PreparationError,
    VirtualEnvironment,
    console_script,
    copy_into,
    fetch_sdists,
    fetch_wheels,
    tool_environment,
)
from bench.packages import BUILD_REQUIREMENTS, SOURCES, Source
from bench.processes import Command, Finished, ProcessTable
from bench.proof import Proof
from bench.terminal import BAD, BOLD, FAINT, GOOD, Table, paint

AT_ONCE = 8
"""How many installs run at the same time."""

COLUMNS = (
    ("package", -20),
    ("version", -9),
    ("build backend", -20),
    ("build", 7),
    ("lock wait", 10),
    ("lock held", 10),
    ("files", 5),
)


@dataclass(frozen=True)
class Installed:
    """What one ``sage-pip-install`` told of itself."""

    build_seconds: float
    waited: float
    held: float
    files: int

    @classmethod
    def read(cls, report: Path) -> Installed:
        """Read it from the file that ``--report`` made."""
        told = json.loads(report.read_text())
        (entry,) = told["install"]
        return cls(
            entry["sagepip"]["build_seconds"],
            told["sagepip"]["lock_waited_seconds"],
            told["sagepip"]["lock_held_seconds"],
            entry["sagepip"]["files"],
        )


class Demo:
    """The demo in one directory, which the caller makes and removes."""

    def __init__(self, scratch: Path, processes: ProcessTable) -> None:
        self._scratch = scratch
        self._processes = processes
        self._env = tool_environment(scratch / "home")
        if trace := os.environ.get("SAGEPIP_TRACE"):
            self._env["SAGEPIP_TRACE"] = trace
        self._venv = VirtualEnvironment.create(scratch / "venv")
        self._before = proof.files_below(self._venv.root)
        self._wheelhouse = scratch / "wheelhouse"
        self._sources: dict[Source, Path] = {}

    def prepare(self) -> None:
        """Download what the cache lacks, and lay out the wheelhouse and the sources."""
        copy_into(self._wheelhouse, fetch_wheels(BUILD_REQUIREMENTS).values())
        archives = fetch_sdists(source.pin for source in SOURCES)
        for source in SOURCES:
            place = self._scratch / "src" / source.pin.name
            with tarfile.open(archives[source.pin]) as archive:
                archive.extractall(place, filter="data")
            (self._sources[source],) = place.iterdir()

    def install_all(self) -> list[str]:
        """Install all packages, eight at once, print the table, and give what failed."""
        print(f"sage-pip-install . for {len(SOURCES)} packages, {AT_ONCE} at once, offline:\n")
        table = Table(COLUMNS)
        table.header()
        failures = []
        told: list[Installed] = []
        start = time.monotonic()
        with self._processes.pool(AT_ONCE) as pool:
            jobs = {pool.submit(self._install, source): source for source in SOURCES}
            for job in as_completed(jobs):
                pin = jobs[job].pin
                done, report = job.result()
                cells = [pin.name, pin.version, jobs[job].backend]
                if done.returncode != 0:
                    table.row([*cells, "FAILED", "", "", ""], [BAD] * len(COLUMNS))
                    failures.append(f"{pin}: exit status {done.returncode}\n{done.output}")
                    continue
                told.append(one := Installed.read(report))
                table.row([*cells, *_numbers(one)])
        seconds = time.monotonic() - start
        built = sum(one.build_seconds for one in told)
        held = max((one.held for one in told), default=0.0)
        print(
            f"\n{len(told)} packages in {seconds:.1f} s; {built:.1f} s of builds in all;"
            f" the lock was never held longer than {held * 1000:.1f} ms.\n"
        )
        return failures

    def _install(self, source: Source) -> tuple[Finished, Path]:
        report = self._scratch / f"{source.pin.name}.json"
        command: Command = [
            *(console_script("sage-pip-install"), "--no-index", "--find-links", self._wheelhouse),
            *("--python", self._venv.python, "--no-deps", "--report", report, "."),
        ]
        cwd = self._sources[source]
        return self._processes.run(command, env=self._env, cwd=cwd, timeout=600), report

    def proofs(self) -> Iterator[Proof]:
        """Check the result; what looks at the files comes before what runs them."""
        site = self._venv.site
        expected = [(source.pin.name, source.pin.version) for source in SOURCES]
        yield proof.prove_installed(site, expected)
        yield proof.prove_records(site)
        yield proof.prove_nothing_stray(self._venv.root, site, self._before)
        yield proof.prove_nothing_left(site)
        yield proof.prove_no_temporary_files(Path(self._env["TMPDIR"]))
        yield self._prove_runs("pip check finds nothing", {"pip": self._venv.pip("check")})
        importing: Command = [self._venv.python, "-I", "-B", "-c"]
        yield self._prove_runs(
            "each package is imported, C extensions too",
            {
                module: [*importing, f"import {module}"]
                for source in SOURCES
                for module in source.modules
            },
        )
        yield self._prove_runs(
            "each console script runs (--help)",
            {name: [self._venv.scripts / name, "--help"] for name in proof.console_scripts(site)},
        )

    def _prove_runs(self, claim: str, commands: dict[str, Command]) -> Proof:
        env = self._env | {"PYTHONDONTWRITEBYTECODE": "1"}
        result = Proof(claim, len(commands))

        def run(command: Command) -> Finished:
            return self._processes.run(command, env=env, cwd=self._scratch)

        with self._processes.pool(os.cpu_count() or 1) as pool:
            for name, done in zip(commands, pool.map(run, commands.values()), strict=True):
                if done.returncode != 0:
                    result.problems.append(f"{name}: {done.last_lines()}")
        return result


def _numbers(one: Installed) -> list[str]:
    return [
        f"{one.build_seconds:.1f} s",
        f"{one.waited * 1000:.1f} ms",
        f"{one.held * 1000:.1f} ms",
        str(one.files),
    ]


def report_proofs(proofs: Iterable[Proof]) -> list[str]:
    """Print each proof when it is done, and give what contradicts them."""
    print(paint("Checked without sagepip:", BOLD))
    failures = []
    for one in proofs:
        mark = paint("ok    ", GOOD) if one.holds else paint("FAILED", BAD)
        print(f"  {mark}  {one.claim} {paint(f'({one.count})', FAINT)}", flush=True)
        if not one.holds:
            problems = one.problems or ["there was nothing to check"]
            failures += [f"{one.claim}: {problem}" for problem in problems]
    return failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status is 0 only if everything went well."""
    parser = argparse.ArgumentParser(prog="bench.demo", description="see the module")
    parser.parse_args(arguments)
    try:
        with _scratch() as scratch, ProcessTable() as processes:
            demo = Demo(scratch, processes)
            demo.prepare()
            failures = demo.install_all()
            failures += report_proofs(demo.proofs())
    except PreparationError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print()
    for failure in failures:
        print(paint(f"FAILED: {failure}", BAD))
    if not failures:
        print(paint(f"All {len(SOURCES)} packages are whole.", GOOD))
    return 1 if failures else 0


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sagepip-demo-") as name:
        yield Path(name).resolve()


if __name__ == "__main__":
    raise SystemExit(main())
