"""What a race counts for each way, and how that is told."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.observer import Kind
from bench.terminal import BAD, BOLD, FAINT, GOOD, Table, paint

ENOUGH = 3
"""Reinstalls and builds below which a way's counts prove nothing."""

EXAMPLES = 3
"""How many examples are kept of each kind."""

COLUMNS = (
    ("way", -30),
    ("reinstalls", 10),
    ("builds", 6),
    ("failed", 6),
    ("looks", 6),
    ("torn", 6),
    ("absent", 6),
    ("missing", 7),
    ("damaged", 7),
    ("bare", 5),
    ("unloadable", 10),
)


@dataclass
class Outcome:
    """What was counted for one way.

    Attributes:
        way: which.
        ours: whether it is sagepip's, so that nothing may go wrong.
        seconds: how long it ran.
        reinstalls: the reinstalls that were done.
        failed_reinstalls: those that ended with an error.
        builds: the builds that were done.
        failed_builds: those that ended with an error or gave a wrong wheel.
        looks: how often the observer looked.
        loads: how often a fresh interpreter loaded the entry points.
        moved: what looked wrong, but not surely so at one instant, and is not counted.
        torn: the torn observations by kind.
        left: what was wrong when all had ended.
        examples: some of each kind in full.
    """

    way: str
    ours: bool
    seconds: float = 0.0
    reinstalls: int = 0
    failed_reinstalls: int = 0
    builds: int = 0
    failed_builds: int = 0
    looks: int = 0
    loads: int = 0
    moved: int = 0
    torn: dict[str, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def violations(self) -> int:
        """Everything that must not happen."""
        torn = sum(self.torn.values())
        return torn + self.failed_builds + self.failed_reinstalls + len(self.left)

    @property
    def enough(self) -> bool:
        """Whether enough was done for the counts to mean anything."""
        return min(self.reinstalls, self.builds) >= ENOUGH

    @property
    def proves_something(self) -> bool:
        """Whether enough was done, and somebody looked."""
        return self.enough and self.looks >= ENOUGH * self.reinstalls and self.loads > 0

    def example(self, kind: str, text: str) -> None:
        """Keep the text if there are few of its kind."""
        told = self.examples.setdefault(kind, [])
        if len(told) < EXAMPLES:
            told.append(text)


class RaceReport:
    """Prints the race while it runs.

    Args:
        titles: the name of each way in the table.
        seconds: how long each way runs.
    """

    def __init__(self, titles: Mapping[str, str], seconds: float) -> None:
        self._titles = titles
        self._seconds = seconds
        self._table = Table(COLUMNS)

    def introduction(self) -> None:
        """Say what is about to happen, and print the table's header."""
        print(
            f"setuptools_scm is reinstalled in a loop, {len(self._titles)} ways,"
            f" {self._seconds:g} s each, while tiny projects are built without isolation\n"
            "and an observer looks at the tree without any lock.\n"
        )
        self._table.header()

    def row(self, outcome: Outcome) -> None:
        """Print the counts of one way."""
        counts = [outcome.torn.get(kind.value, 0) for kind in Kind]
        numbers = [outcome.failed_builds, sum(counts), *counts]
        cells = [str(number) for number in numbers]
        styles = [GOOD if number == 0 else BAD for number in numbers]
        self._table.row(
            [
                self._titles[outcome.way],
                *(str(outcome.reinstalls), str(outcome.builds), cells[0]),
                *(str(outcome.looks), *cells[1:]),
            ],
            [BOLD if outcome.ours else None, None, None, styles[0], None, *styles[1:]],
        )

    def conclusion(self, outcomes: Sequence[Outcome], wrong: Sequence[str]) -> None:
        """Print an example of each thing that went wrong, and the verdict."""
        for outcome in outcomes:
            if outcome.examples:
                print(f"\n{paint(self._titles[outcome.way], BOLD)}, for example:")
            for kind, texts in outcome.examples.items():
                count = outcome.torn.get(kind)
                print(f"  {kind}{f' ({count} times)' if count else ''}")
                print(paint(textwrap.indent(texts[0], "    "), FAINT))
        print()
        print(
            "torn: seen at one instant; absent: not installed at all; missing: listed in RECORD,\n"
            "not there; damaged: not whole; bare: metadata without METADATA or RECORD;\n"
            "unloadable: an entry point that a fresh interpreter could not load.\n"
        )
        for text in wrong:
            print(paint(f"FAILED: {text}", BAD))
        if not wrong:
            seen = {
                "Today's ways were seen to fail": not all(each.ours for each in outcomes),
                "sagepip never failed": any(each.ours for each in outcomes),
            }
            print(paint("; ".join(text for text, tried in seen.items() if tried) + ".", GOOD))
