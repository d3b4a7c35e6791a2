"""The table, the header above it, the JSON, and the same as markdown."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bench
from bench.performance.figures import FLOOR, LIMIT, OURS, PIP, UV, Run, judge, middle, ratio
from bench.performance.stage import Row
from bench.terminal import BAD, BOLD, FAINT, GOOD, Table, paint

SLOW_MICROSECONDS = 150
_PROBED_FILES = 2000

COLUMNS = (
    ("work", -24),
    ("ms CPU", 8),
    ("ms", 8),
    ("/ pip", 6),
    ("/ uv", 6),
    ("/ floor", 7),
    ("wall/pip", 8),
    ("wall/uv", 8),
    ("MB", 4),
    ("targets", -40),
)

EXPLANATION = """\
ms CPU, ms: medians of sagepip's processor time (all its processes) and time by the clock. / pip,
/ uv, / floor: processor time as part of theirs, the median over the rounds of the ratio within a
round; wall/pip, wall/uv: by the clock. MB: the peak of the largest of sagepip's processes.
floor: the least work a program could do. least work: the same in an interpreter that imports
installer (of builds: build, too, and that calls both hooks; of copies: nothing, and that keeps what
cp -Rp keeps), and hashes what it leaves where it is; a target that it does not meet is out of
reach."""


@dataclass(frozen=True)
class Told:
    """What is told of one row.

    Attributes:
        group: the kind of work.
        name: the package.
        medians: of each way and measure, in milliseconds and MB.
        ratios: of sagepip to each other way, in each measure.
        targets: each with its limit, its value and whether it is met.
    """

    group: str
    name: str
    medians: dict[str, dict[str, float]]
    ratios: dict[str, dict[str, float]]
    targets: list[dict[str, Any]]


def tell(row: Row, runs: Sequence[Run]) -> Told:
    """Work out what is told of a row."""
    keys = [way.key for way in row.ways]
    medians = {
        key: {
            measure: round(value, 3)
            for measure in ("cpu", "wall", "peak", "held")
            if (value := middle(runs, key, measure)) is not None
        }
        for key in keys
    }
    ratios = {
        key: {
            measure: round(value, 4)
            for measure in ("cpu", "wall", "peak", "held")
            if (value := ratio(runs, OURS, key, measure)) is not None
        }
        for key in keys
        if key != OURS
    }
    targets = [
        {
            **asdict(one.target),
            "value": one.value and round(one.value, 4),
            "met": one.met,
            "least": one.limit and round(one.limit, 4),
            "out_of_reach": one.out_of_reach,
        }
        for one in judge(runs, row.targets)
    ]
    return Told(row.group, row.name, medians, ratios, targets)


def header(directory: Path, versions: dict[str, str]) -> dict[str, Any]:
    """Tell what the figures depend on.

    Args:
        directory: on the file system that is measured.
        versions: of the tools.
    """
    microseconds = probe(directory)
    return {
        "versions": versions,
        "commit": _commit(),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "processors": len(os.sched_getaffinity(0)),
        "load": [round(one, 2) for one in os.getloadavg()],
        "file_system": _file_system(directory),
        "microseconds_a_file": round(microseconds),
        "slow_file_system": microseconds > SLOW_MICROSECONDS,
    }


def probe(directory: Path) -> float:
    """Give the microseconds in which a small file is made, after as many were deleted."""
    place = directory / "probe"
    for _ in range(2):
        place.mkdir()
        start = time.perf_counter()
        for number in range(_PROBED_FILES):
            (place / str(number)).write_bytes(b"x" * 1000)
        seconds = time.perf_counter() - start
        for path in place.iterdir():
            path.unlink()
        place.rmdir()
    return seconds / _PROBED_FILES * 1e6


def _file_system(directory: Path) -> str:
    done = subprocess.run(
        ["stat", "-f", "-c", "%T", str(directory)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def _commit() -> str:
    root = Path(bench.__path__[0]).parent
    done = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def print_header(told: dict[str, Any]) -> None:
    """Print what the figures depend on."""
    print(", ".join(f"{name} {version}" for name, version in told["versions"].items()))
    print(
        f"{told['machine']}, {told['processors']} processors, load {told['load']}, commit "
        f"{told['commit']}; {told['file_system']}: {told['microseconds_a_file']} µs a small file"
    )
    if told["slow_file_system"]:
        print(paint("SLOW FILE SYSTEM: times by the clock are its own; see --dir", BAD))
    print(flush=True)


class Printer:
    """Prints each row as soon as it is known."""

    def __init__(self) -> None:
        self._table = Table(COLUMNS)
        self._group = ""

    def row(self, told: Told) -> None:
        """Print a row, under the name of its group."""
        if not self._group:
            self._table.header()
        if told.group != self._group:
            self._group = told.group
            print(paint(told.group, BOLD))
        targets = [target_text(one) for one in told.targets]
        all_met = all(one["met"] for one in told.targets)
        style = None if not targets else GOOD if all_met else BAD
        cells = [f"  {told.name}", *cells_of(told), "; ".join(targets)]
        self._table.row(cells, [*[None] * (len(cells) - 1), style])
        others = [key for key in told.ratios if key not in (PIP, UV, FLOOR, LIMIT)]
        if others:
            words = (f"{key}: CPU {_two(told.ratios[key].get('cpu'))}" for key in others)
            print(paint(f"      of others: {', '.join(words)}", FAINT), flush=True)


def cells_of(told: Told) -> list[str]:
    """Give the figures of a row, without its name and targets."""
    own = told.medians.get(OURS, {})

    def of(key: str, measure: str) -> str:
        return _two(told.ratios.get(key, {}).get(measure))

    return [
        _one(own.get("cpu")),
        _one(own.get("wall")),
        of(PIP, "cpu"),
        of(UV, "cpu"),
        of(FLOOR, "cpu"),
        of(PIP, "wall"),
        of(UV, "wall"),
        f"{own['peak']:.0f}" if "peak" in own else "",
    ]


def target_text(one: dict[str, Any]) -> str:
    """Say what a target is and what became of it."""
    unit = {"peak": "MB", "cpu": "ms CPU", "wall": "ms", "held": "ms held"}[one["measure"]]
    subject = f"{one['measure']}/{one['to']}" if one["to"] else unit
    value = "not measured" if one["value"] is None else f"{one['value']:.2f}"
    if one["met"]:
        return f"{subject} {value} ≤ {one['limit']:g}"
    least = "" if one["least"] is None else f" (least work {one['least']:.2f})"
    return f"{subject} {value} NOT ≤ {one['limit']:g}{least}"


def markdown(document: dict[str, Any]) -> str:
    """Give the tables of a run as they stand in the documentation.

    Args:
        document: what the JSON holds.
    """
    told = document["header"]
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    lines = [
        f"Commit {told['commit']}; {told['machine']}, {told['processors']} processors, load "
        f"{told['load'][0]} at the beginning; {told['file_system']}, "
        f"{told['microseconds_a_file']} µs to make a small file; {document['rounds']} rounds; "
        f"{versions}.",
    ]
    rows = [Told(**row) for row in document["rows"]]
    for group in dict.fromkeys(one.group for one in rows):
        lines += ["", *_markdown_table(group, [one for one in rows if one.group == group])]
    return "\n".join(lines) + "\n"


_BESIDE = (("/ pip", "cpu", PIP), ("/ uv", "cpu", UV), ("/ floor", "cpu", FLOOR))


def _markdown_table(group: str, rows: Sequence[Told]) -> list[str]:
    """Give the table of a group: a column only where it says something."""
    columns = {
        group: [one.name for one in rows],
        "ms": [_cell(one, "cpu", None) for one in rows],
        **{
            title: [_cell(one, measure, to) for one in rows]
            for title, measure, to in (*_BESIDE, ("wall / pip", "wall", PIP))
        },
        "MB": [_cell(one, "peak", None) for one in rows],
        "": [_others(one) for one in rows],
    }
    said = {title: cells for title, cells in columns.items() if any(cells)}
    lines = [f"| {' | '.join(said)} |", f"|---|{'---:|' * (len(said) - 1)}"]
    return lines + [f"| {' | '.join(cells)} |" for cells in zip(*said.values(), strict=True)]


def _cell(told: Told, measure: str, to: str | None) -> str:
    """Give a value; where it misses a target, that in brackets, with the least work if known."""
    known = told.medians.get(OURS, {}) if to is None else told.ratios.get(to, {})
    value = known.get(measure)
    if value is None:
        return ""
    text = f"{value:.0f}" if to is None else f"{value:.2f}"
    for one in told.targets:
        if (one["measure"], one["to"]) == (measure, to) and not one["met"]:
            least = "" if one["least"] is None else f"; {one['least']:.2f}"
            text += f" ({one['limit']:g}{least})"
    return text


def _others(told: Told) -> str:
    """Say what became of the targets that no column shows."""
    shown = {(measure, to) for _, measure, to in _BESIDE} | {("wall", PIP), ("peak", None)}
    return "; ".join(
        target_text(one) for one in told.targets if (one["measure"], one["to"]) not in shown
    )


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write the JSON."""
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _one(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
