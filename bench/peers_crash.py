"""pip and uv under the tests by which sagepip is measured: ``make crash-peers``.

Each tool is killed, and let fail, at the system calls that change something below its prefix,
and is looked at by a reader without a lock. pip and uv promise nothing of what is counted here.
The exit status is 0 if all calls were hit and sagepip broke no guarantee.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import cycle
from pathlib import Path

from tests.crash.matrix import ERRORS, Scenario, make_scenarios
from tests.crash.strace import has_strace
from tests.wheels import make_wheel

from bench.environment import PreparationError
from bench.peers_matrix import Counts, Matrix, Slot
from bench.peers_reader import Reading, read_while_changing
from bench.peers_tools import PIP, UV, Tool, prepare_tools
from bench.peers_trace import Point, sample
from bench.processes import ProcessTable
from bench.terminal import Table

SCENARIOS = ("fresh install", "upgrade", "downgrade", "uninstall")
TOOLS = ("pip", "uv", "sagepip")
MATRICES = ("kills", "errors", "reader")

_KILLS_AND_ERRORS = Table(
    [
        ("tool", -7),
        ("scenario", -13),
        ("matrix", -6),
        ("tried", 11),
        ("missed", 6),
        ("half", 4),
        ("absent", 6),
        ("neither", 7),
        ("left over", 9),
        ("status", 6),
        ("next fails", 10),
        ("rerun", 9),
        ("forced", 9),
    ]
)
_READER = Table(
    [
        ("tool", -7),
        ("changes", 7),
        ("failed", 6),
        ("looks", 7),
        ("torn", 6),
        ("absent", 6),
        ("changes seen torn", 17),
    ]
)
LEGEND = """
tried      kills or errors, of how many calls that change something below the prefix
missed     of those that hit another call than the one meant; nothing else of them is counted
half       a visible .dist-info without METADATA or RECORD, or lists a file that is not there
absent     no version visible of what is being replaced
neither    neither the old nor the new tree, also after the next command, of another project
left over  the old or the new tree is whole, and something is left over
status     the new tree though the command failed, or the old one though it did not
next fails that next command fails
rerun      the same command once more does not lead to the new tree (of these: left over only)
forced     nor does it with --force-reinstall (--reinstall)
"""


def row_of(counts: Counts) -> list[str]:
    """The cells of a row."""
    kills = counts.matrix == "kills"
    again = f"{counts.unrepaired} ({counts.unrepaired_left_overs})"
    forced = f"{counts.unforced} ({counts.unforced_left_overs})"
    return [
        counts.tool,
        counts.scenario,
        counts.matrix,
        f"{counts.cases} of {counts.calls}" if kills else str(counts.cases),
        str(counts.missed),
        str(counts.half),
        str(counts.absent),
        str(counts.broken),
        str(counts.left_overs),
        "" if kills else str(counts.misreported),
        str(counts.next_failed) if kills else "",
        again if kills else "",
        forced if kills else "",
    ]


class Comparison:
    """All that is tried, in one private directory."""

    def __init__(self, options: argparse.Namespace, root: Path, processes: ProcessTable) -> None:
        self._options = options
        self._root = root
        self._processes = processes
        tools = prepare_tools(root / "tools", processes, pip=options.pip, uv=options.uv)
        self.tools = [tool for tool in tools if tool.name in (options.tool or TOOLS)]
        wheels = root / "wheels"
        self._scenarios = {one.name: one for one in make_scenarios(wheels)}
        neighbour = make_wheel(wheels, "neighbour", "1", {"neighbour/__init__.py": ""})
        self._extra = (neighbour, make_wheel(wheels, "next_one", "1", {"next_one.py": ""}))
        self.counts: list[Counts] = []
        self.readings: dict[str, Reading] = {}

    def run(self) -> None:
        """Try everything and print it."""
        matrices = self._options.matrix or MATRICES
        if set(matrices) & {"kills", "errors"}:
            _KILLS_AND_ERRORS.header()
            for name in self._options.scenario or SCENARIOS:
                for tool in self.tools:
                    self._kill_and_fail(tool, self._scenarios[name], matrices)
            print(LEGEND)
        if "reader" in matrices:
            _READER.header()
            for tool in self.tools:
                self._read(tool)

    def _kill_and_fail(self, tool: Tool, scenario: Scenario, matrices: Sequence[str]) -> None:
        options = self._options
        root = self._root / f"{tool.name} {scenario.name}".replace(" ", "-")
        matrix = Matrix(tool, scenario, root, self._extra, options.workers, self._processes)
        points = matrix.points()
        chosen = points if options.all else sample(points, options.every)
        found = []
        if "kills" in matrices:
            found.append(matrix.kills(len(points), chosen))
            _KILLS_AND_ERRORS.row(row_of(found[-1]))
        if "errors" in matrices:
            found.append(matrix.errors(len(points), self._with_errors(chosen)))
            _KILLS_AND_ERRORS.row(row_of(found[-1]))
        if options.verbose:
            for counts in found:
                for text in counts.examples:
                    print(f"    {text}")
        self.counts += found

    def _with_errors(self, points: Sequence[Point]) -> list[tuple[Point, str]]:
        if self._options.all:
            return [(point, error) for point in points for error in ERRORS]
        return list(zip(points, cycle(ERRORS), strict=False))

    def _read(self, tool: Tool) -> None:
        upgrade = self._scenarios["upgrade"]
        slot = Slot(tool, upgrade, self._root / f"{tool.name}-reader", self._extra, self._processes)
        slot.reset()
        reading = read_while_changing(
            slot.site,
            upgrade.project,
            (*upgrade.command, *upgrade.before),
            lambda wheel: slot.run(tool.installing(slot.prefix, (wheel,))),
            self._options.seconds,
        )
        self.readings[tool.name] = reading
        _READER.row(
            [
                tool.name,
                str(reading.changes),
                str(reading.failed),
                str(reading.looks),
                str(reading.torn),
                str(reading.absent),
                str(reading.changes_seen),
            ]
        )

    @property
    def wrong(self) -> list[str]:
        """What is wrong with the result: a miss, or a guarantee that sagepip broke."""
        found = [
            f"{one.tool}, {one.scenario}, {one.matrix}: {one.missed} missed"
            for one in self.counts
            if one.missed
        ]
        found += [
            f"sagepip, {one.scenario}, {one.matrix}: {one.violations} violations"
            for one in self.counts
            if one.tool == "sagepip" and one.violations
        ]
        reading = self.readings.get("sagepip")
        if reading and (reading.torn or reading.failed):
            found.append(f"sagepip, reader: {reading.torn} torn, {reading.failed} failed")
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the tools and print what was counted."""
    parser = argparse.ArgumentParser(prog="bench.peers_crash", description="see the module")
    parser.add_argument("--tool", action="append", choices=TOOLS, help="only this one")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one")
    parser.add_argument("--matrix", action="append", choices=MATRICES, help="only this one")
    parser.add_argument(
        "--every",
        type=int,
        default=6,
        metavar="N",
        help="take all renames and each N-th of the other calls (default 6), "
        "each with one of the errors in turn",
    )
    parser.add_argument("--all", action="store_true", help="take all calls, each with all errors")
    parser.add_argument("--seconds", type=float, default=60, help="of reading, for each tool")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pip", default=PIP, help=f"its version (default {PIP})")
    parser.add_argument("--uv", default=UV, help=f"its version (default {UV})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there")
    parser.add_argument("--verbose", action="store_true", help="a few examples of each")
    options = parser.parse_args(arguments)
    if not has_strace():
        print("make crash-peers needs strace, allowed to trace; it is not here", file=sys.stderr)
        return 2
    start = time.monotonic()
    try:
        with ProcessTable() as processes, tempfile.TemporaryDirectory(prefix="peers-") as name:
            comparison = Comparison(options, Path(name).resolve(), processes)
            print(", ".join(f"{tool.name} {tool.version}" for tool in comparison.tools), flush=True)
            comparison.run()
    except PreparationError as error:
        print(f"crash-peers: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    rule = "all calls, all errors" if options.all else f"all renames, 1 of {options.every} others"
    print(f"\n{time.monotonic() - start:.0f} seconds; {rule}")
    for text in comparison.wrong:
        print(text)
    if options.json:
        told = {
            "tools": {tool.name: tool.version for tool in comparison.tools},
            "every": options.every,
            "matrices": [asdict(one) for one in comparison.counts],
            "reader": {name: asdict(one) for name, one in comparison.readings.items()},
        }
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if comparison.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
