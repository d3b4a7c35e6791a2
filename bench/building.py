"""Builds and installs the same sources by sagepip, pip, uv and build: ``make bench-building``.

Every way builds a fresh copy of a source tree in isolation, with build requirements from one
wheelhouse, and installs it into an empty virtual environment of the same interpreter. The ways run
in turn, so that a busy machine is busy for all of them; what is told are ratios within a round.
Each result is checked: it is complete, importable, and was built from just this copy. The exit
status is 0 if all runs did what they should have, whoever was faster.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from bench import building_report as report
from bench.building_figures import STATES, Figures, Run, Summary, figures_of, summary_of
from bench.building_sources import (
    BUILD_REQUIREMENTS,
    SOURCES,
    Prepared,
    RunFailed,
    Workshop,
    prepare,
    unpack_sources,
)
from bench.building_trials import Trial, private_environment
from bench.building_ways import UV_WAYS, Way, find_uv, ways
from bench.environment import PreparationError, copy_into, fetch_wheels
from bench.processes import ProcessTable
from bench.terminal import BAD, paint

COLD, WARM = STATES


class Comparison:
    """All runs, one after another.

    Args:
        sources: what is built.
        ways: how.
        workshop: where and with what.
        compiling: whether bytecode is asked for.

    Attributes:
        runs: those that did what they should have.
        failures: what the others did.
    """

    def __init__(
        self,
        sources: Sequence[Prepared],
        ways: Sequence[Way],
        workshop: Workshop,
        *,
        compiling: bool,
    ) -> None:
        self.runs: list[Run] = []
        self.failures: list[str] = []
        self._sources = sources
        self._ways = ways
        self._workshop = workshop
        self._compiling = compiling
        self._given_up: set[tuple[str, str]] = set()
        self._count = 0

    def fill_caches(self) -> None:
        """Run each way once, without counting it."""
        for source in self._sources:
            for way in self._ways:
                self._run_once(source, way, WARM, 0)
            print(f"  once: {source.name}", file=sys.stderr, flush=True)

    def run(self, rounds: int) -> None:
        """Run all ways, round after round."""
        for number in range(1, rounds + 1):
            for source in self._sources:
                self._run_all(source, number)

    def _run_all(self, source: Prepared, number: int) -> None:
        jobs = [
            (way, state)
            for way in self._ways
            for state in (STATES if way.has_cache else ("",))
            if (source.name, way.key) not in self._given_up
        ]
        first = number % len(jobs) if jobs else 0
        for way, state in [*jobs[first:], *jobs[:first]]:
            self._run_once(source, way, state, number)
        print(f"  round {number}: {source.name}", file=sys.stderr, flush=True)

    def _run_once(self, source: Prepared, way: Way, state: str, number: int) -> None:
        self._count += 1
        root = self._workshop.root / f"run-{self._count}"
        caches = self._workshop.root / "caches" / way.key
        if state == COLD:
            caches = root / "caches"
        trial = Trial.lay_out(source, root, caches, self._workshop, compiling=self._compiling)
        try:
            seconds, cpu_seconds = trial.measure(way.run)
            trial.check(compiled=self._compiling and way.compiles)
        except RunFailed as error:
            self.failures.append(f"{source.name}, {way.key}, {state or 'any'} caches: {error}")
            self._given_up.add((source.name, way.key))
        else:
            if number:
                self.runs.append(Run(source.name, way.key, state, number, seconds, cpu_seconds))
        finally:
            trial.remove()

    def figures(self) -> list[Figures]:
        """Work out what was measured, in the order of states, sources and ways."""
        found = [
            figures_of(self.runs, source.name, way.key, state)
            for state in STATES
            for source in self._sources
            for way in self._ways
        ]
        return [one for one in found if one is not None]

    def summaries(self, figures: Sequence[Figures]) -> list[Summary]:
        """Work out the geometric means of all ways."""
        found = [summary_of(figures, way.key, state) for way in self._ways for state in STATES]
        return [one for one in found if one is not None]


def choose_ways(
    wanted: Sequence[str] | None, workshop: Workshop
) -> tuple[list[Way], dict[str, str]]:
    """Give the ways that can be run, and why others are skipped.

    Args:
        wanted: the keys of those that were asked for; None for all.
        workshop: where uv is installed to.
    """
    skipped: dict[str, str] = {}
    uv = None
    if wanted is None or set(wanted) & set(UV_WAYS):
        try:
            uv = find_uv(workshop.root / "uv", workshop.processes)
        except PreparationError as error:
            names = [name for name in UV_WAYS if wanted is None or name in wanted]
            skipped = dict.fromkeys(names, str(error))
    found = [way for way in ways(uv) if wanted is None or way.key in wanted]
    return found, skipped


def prepare_sources(names: Iterable[str] | None, workshop: Workshop) -> list[Prepared]:
    """Download, unpack and prepare the sources, and lay out the wheelhouse.

    Args:
        names: of those that were asked for; None for all.
        workshop: where.
    """
    copy_into(workshop.wheelhouse, fetch_wheels(BUILD_REQUIREMENTS).values())
    chosen = [one for one in SOURCES if names is None or one.pin.name in names]
    trees = unpack_sources(chosen, workshop.root / "sources")
    env = private_environment(workshop.root / "home", workshop.root / "caches" / "preparing")
    return [prepare(source, tree, workshop, env) for source, tree in trees.items()]


def compare(options: argparse.Namespace, workshop: Workshop) -> int:
    """Compare as the command line says; give the exit status."""
    chosen, skipped = choose_ways(options.ways, workshop)
    sources = prepare_sources(options.only, workshop)
    versions = report.versions(uv=any(way.key in UV_WAYS for way in chosen))
    before = report.machine()
    report.introduction(chosen, versions, compiling=options.compile)
    for name, reason in skipped.items():
        print(f"skipped: {name} ({reason})")
    comparison = Comparison(sources, chosen, workshop, compiling=options.compile)
    interrupted = False
    try:
        comparison.fill_caches()
        comparison.run(options.rounds)
    except KeyboardInterrupt:
        interrupted = bool(comparison.runs)
        if not interrupted:
            raise
        print("\ninterrupted; what there is so far:")
    figures = comparison.figures()
    summaries = comparison.summaries(figures)
    report.print_figures(figures)
    report.print_summary(summaries)
    for failure in comparison.failures:
        print(paint(f"FAILED: {failure}", BAD))
    if options.json:
        told = {
            "versions": versions,
            "machine": {"before": before, "after": report.machine()},
            "compile": options.compile,
            "interrupted": interrupted,
            "skipped": skipped,
            "failures": comparison.failures,
            "runs": list(map(asdict, comparison.runs)),
            "figures": list(map(asdict, figures)),
            "summary": list(map(asdict, summaries)),
        }
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    if interrupted:
        return 130
    return 1 if comparison.failures or not comparison.runs else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print the tables."""
    keys = [*(way.key for way in ways(None)), *UV_WAYS]
    names = [source.pin.name for source in SOURCES]
    parser = argparse.ArgumentParser(prog="bench.building", description="see the module")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--only", nargs="+", choices=names, metavar="SOURCE", help=str(names))
    parser.add_argument("--ways", nargs="+", choices=keys, metavar="WAY", help=str(keys))
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="no bytecode")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    try:
        with ProcessTable() as processes, tempfile.TemporaryDirectory(prefix="building-") as name:
            root = Path(name).resolve()
            return compare(options, Workshop(root, root / "wheelhouse", processes))
    except PreparationError as error:
        print(f"building: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
