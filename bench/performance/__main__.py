"""Times sagepip beside its peers and the least work there is to do: ``make bench``.

Each row is one kind of work with one package, done by several tools in turn, round after round;
each run begins with an environment of its own and is checked afterwards, untimed. The exit status
is 1 if a run did not do what it should have, whoever was faster; targets do not change it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import Any

from bench.environment import PreparationError, VirtualEnvironment, fetch_wheels
from bench.performance import report, site_rows, source_rows, staged_rows, wheel_rows
from bench.performance.figures import Run
from bench.performance.peers import install_peers
from bench.performance.report import Printer, Told
from bench.performance.stage import Bench, Row, Stage, Way
from bench.performance.stopwatch import RunFailed, Stopwatch
from bench.processes import ProcessTable
from bench.terminal import BAD, paint

ROUNDS = 5
QUICK_ROUNDS = 2


def all_rows(bench: Bench) -> list[Row]:
    """Give everything that can be measured."""
    parts = (wheel_rows, site_rows, staged_rows, source_rows)
    return [row for part in parts for row in part.rows(bench)]


class Runner:
    """Runs rows.

    Args:
        bench: what all runs share.

    Attributes:
        failures: what did not do what it should have.
    """

    def __init__(self, bench: Bench) -> None:
        self.failures: list[str] = []
        self._bench = bench
        self._numbers = count(1)

    def run(self, row: Row, rounds: int) -> list[Run]:
        """Run all ways of a row in turn, each round beginning with another."""
        found: list[Run] = []
        given_up: set[str] = set()
        for number in range(rounds):
            first = number % len(row.ways)
            for way in [*row.ways[first:], *row.ways[:first]]:
                if way.key in given_up:
                    continue
                try:
                    found.append(self._run_once(way, number))
                except RunFailed as error:
                    self.failures.append(f"{row.title}, {way.key}: {error}")
                    given_up.add(way.key)
        return [one for one in found if one.way not in given_up]

    def _run_once(self, way: Way, number: int) -> Run:
        stage = Stage.set_up(self._bench, self._bench.root / f"run-{next(self._numbers)}")
        try:
            return Run(way.key, number, way.run(stage))
        finally:
            stage.remove()


def set_up(root: Path, processes: ProcessTable) -> Bench:
    """Install the tools, and fetch what is worked with.

    Args:
        root: a private directory on the file system that is measured.
        processes: runs commands.
    """
    wheels = fetch_wheels(wheel_rows.PINS)
    template = VirtualEnvironment.create(root / "template")
    peers = install_peers(root / "tools")
    scratch = root / "stopwatch"
    scratch.mkdir()
    return Bench(root, processes, Stopwatch(processes, scratch), peers, wheels, template)


def chosen(rows: Sequence[Row], options: argparse.Namespace) -> list[Row]:
    """Give the rows that were asked for."""
    if options.only:
        return [
            row
            for row in rows
            if any(fnmatch(row.title, one) or one in row.title for one in options.only)
        ]
    return [row for row in rows if row.quick] if options.quick else list(rows)


def measure(options: argparse.Namespace, root: Path, processes: ProcessTable) -> int:
    """Measure as the command line says; give the exit status."""
    bench = set_up(root, processes)
    try:
        return compare(options, bench)
    finally:
        # Before its directory is removed: whatever it runs is ended with it.
        processes.stop()
        bench.stopwatch.close()


def compare(options: argparse.Namespace, bench: Bench) -> int:
    """Run the rows, print the table and write the files; give the exit status."""
    rows = chosen(all_rows(bench), options)
    if options.list:
        for row in rows:
            print(row.title)
        return 0
    if not rows:
        raise PreparationError("no row has such a name; see --list")
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    document: dict[str, Any] = {
        "header": report.header(bench.root, bench.peers.versions),
        "rounds": rounds,
        "rows": [],
        "interrupted": False,
    }
    report.print_header(document["header"])
    runner, printer = Runner(bench), Printer()
    told: list[Told] = []
    try:
        for row in rows:
            told.append(report.tell(row, runner.run(row, rounds)))
            printer.row(told[-1])
    except KeyboardInterrupt:
        document["interrupted"] = True
        print("\ninterrupted")
    print(f"\n{report.EXPLANATION}")
    targets = [target for one in told for target in one.targets]
    met, away = (sum(one[key] for one in targets) for key in ("met", "out_of_reach"))
    print(f"{met} of {len(targets)} targets met; {away} are out of reach.")
    for failure in runner.failures:
        print(paint(f"FAILED: {failure}", BAD))
    document |= {"rows": [asdict(one) for one in told], "failures": runner.failures}
    if options.json:
        report.write_json(options.json, document)
    if options.markdown:
        options.markdown.write_text(report.markdown(document), encoding="utf-8")
    return 130 if document["interrupted"] else 1 if runner.failures else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="bench.performance", description="see the module")
    parser.add_argument("--quick", action="store_true", help="a few rows, below 3 minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"default {ROUNDS}")
    parser.add_argument("--only", nargs="+", metavar="PATTERN", help="rows with such titles")
    parser.add_argument("--dir", type=Path, help="work on this directory's file system")
    parser.add_argument("--list", action="store_true", help="print the titles of the rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds: at least 1")
    try:
        with (
            ProcessTable() as processes,
            tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as name,
        ):
            return measure(options, Path(name).resolve(), processes)
    except PreparationError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
