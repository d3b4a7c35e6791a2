"""The tables of ``bench.building``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from bench.building_figures import FLOOR, HOOKS, OURS, STATES, Figures, Summary
from bench.building_ways import TOOLS, Way
from bench.peers_tools import UV
from bench.terminal import BOLD, Table, paint

COLUMNS = (
    ("source", -12),
    ("way", -14),
    ("seconds", 8),
    ("minimum", 8),
    ("CPU", 6),
    ("/ sagepip", 9),
    ("CPU / s.", 8),
    ("/ floor", 7),
    ("/ hooks", 7),
)

SUMMARY_COLUMNS = (("way", -14), ("caches", -6), ("sources", 7), *COLUMNS[5:])

EXPLANATION = f"""\
seconds, CPU: medians, by the clock and of all processes together. / sagepip, / floor, / hooks: the
median over the rounds of the ratio to that way in the same round, by the clock; CPU / s.: to
sagepip, in processor time. {FLOOR}: the hook build_wheel alone, in an environment that was ready,
and unzip; {HOOKS}: all hooks of PEP 517, each in a process of its own, and unzip. Above 1 is
slower."""


def versions(uv: bool) -> dict[str, str]:
    """Give the versions of all that takes part.

    Args:
        uv: whether there is one.
    """
    found = {"python": sys.version.split()[0]}
    found |= {name: version(name) for name in TOOLS}
    return found | ({"uv": UV} if uv else {})


def machine() -> dict[str, object]:
    """Give what tells how busy this machine is, and how strong."""
    load = [round(figure, 2) for figure in os.getloadavg()]
    return {"processors": len(os.sched_getaffinity(0)), "load": load}


def introduction(ways: Iterable[Way], told: Mapping[str, str], *, compiling: bool) -> None:
    """Print what is compared with what.

    Args:
        ways: all of them.
        told: the versions.
        compiling: whether bytecode is asked for.
    """
    print(", ".join(f"{name} {one}" for name, one in told.items()))
    print(f"{machine()['processors']} processors, load {machine()['load']}")
    without = [way.key for way in ways if not way.compiles]
    print(
        f"Bytecode of what is installed: made by all but {', '.join(without)}."
        if compiling
        else "Bytecode of what is installed: made by none (--no-compile)."
    )
    caches = [way.key for way in ways if way.has_cache]
    print(f"Caches of their own: {', '.join(caches)}; the others are the same cold and warm.\n")
    for way in ways:
        print(f"  {way.key:14}  {way.what}")
    print(flush=True)


def print_figures(figures: Sequence[Figures]) -> None:
    """Print one table for each state of the caches."""
    for state in STATES:
        print(paint(f"\n{state.capitalize()} caches\n", BOLD))
        table = Table(COLUMNS)
        table.header()
        last = ""
        for one in figures:
            if one.state != state:
                continue
            table.row(cells_of(one, named=one.source != last), _styles(one.way))
            last = one.source


def print_summary(summaries: Sequence[Summary]) -> None:
    """Print the geometric means, and what the columns mean."""
    print(paint("\nGeometric means over the sources\n", BOLD))
    table = Table(SUMMARY_COLUMNS)
    table.header()
    for one in summaries:
        ratios = (one.to_ours, one.cpu_to_ours, one.to_floor, one.to_hooks)
        cells = [one.way, one.state, str(one.sources), *map(_ratio, ratios)]
        table.row(cells, [BOLD if one.way == OURS else None] * len(cells))
    print(f"\n{EXPLANATION}")
    print(f"Load now {machine()['load']}")


def cells_of(one: Figures, *, named: bool) -> list[str]:
    """Give a row of the table.

    Args:
        one: what it tells.
        named: whether it is the first of its source.
    """
    ratios = (one.to_ours, one.cpu_to_ours, one.to_floor, one.to_hooks)
    return [
        one.source if named else "",
        one.way,
        f"{one.seconds:.3f}",
        f"{one.minimum:.3f}",
        f"{one.cpu_seconds:.2f}",
        *map(_ratio, ratios),
    ]


def _styles(way: str) -> list[str | None]:
    return [None] + [BOLD if way == OURS else None] * (len(COLUMNS) - 1)


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
