"""Installs real wheels of every shape by sagepip and by pip, and compares: ``make wheels``.

The wheels of ``bench/wheels_list.py`` are downloaded once. Then, some at a time, they are installed
without a network into two environments at the same path. The trees must be equal, pip must list,
check and show both alike, and it must remove all that sagepip installed. The exit status is 0 if
so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.environment import Pin, PreparationError, fetch_wheels
from bench.terminal import BAD, FAINT, GOOD, Table, paint
from bench.wheels_list import WHEELS, Wheel, chosen
from bench.wheels_trial import Result, Trial, batches

COLUMNS = (("wheel", -40), ("files", 6), ("result", -10), ("there for", -1))
SHOWN = 12
"""Differences of a wheel that are printed."""


def try_all(wheels: Sequence[Wheel]) -> list[Result]:
    """Download what the cache lacks, try all wheels, and print a row for each."""
    found: dict[Pin, Path] = fetch_wheels(wheel.pin for wheel in wheels)
    paths = {wheel: found[wheel.pin] for wheel in wheels}
    table = Table(COLUMNS)
    table.header()
    results = []
    with tempfile.TemporaryDirectory(prefix="sagepip-wheels-") as scratch:
        for number, batch in enumerate(batches(wheels, paths)):
            home = Path(scratch).resolve() / str(number)
            for result in Trial({wheel: paths[wheel] for wheel in batch}, home).run():
                results.append(result)
                row(table, result)
    return results


def row(table: Table, result: Result) -> None:
    """Print what came of one."""
    text = "DIFFERS" if result.differences else "known" if result.known else "equal"
    style = BAD if result.differences else FAINT if result.known else None
    table.row(
        [str(result.wheel.pin), str(result.files), text, result.wheel.special],
        [style] * len(COLUMNS),
    )


def summarize(results: Sequence[Result]) -> int:
    """Print the differences and the totals, and give the exit status."""
    print()
    for result in results:
        for text in result.known:
            print(paint(f"{result.wheel.pin}: known: {text}", FAINT))
        for text in result.differences[:SHOWN]:
            print(paint(f"{result.wheel.pin}: {text}", BAD))
        if more := len(result.differences) - SHOWN:
            print(paint(f"{result.wheel.pin}: and {more} more", BAD)) if more > 0 else None
    different = sum(bool(one.differences) for one in results)
    known = sum(bool(one.known) and not one.differences for one in results)
    print(
        f"{len(results)} wheels, {sum(one.files for one in results)} files besides bytecode: "
        f"{len(results) - different - known} equal, {known} with known differences alone, "
        f"{different} with others."
    )
    if different or not results:
        return 1
    print(paint("No unexplained difference.", GOOD))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the wheels of the projects that are named, or all."""
    parser = argparse.ArgumentParser(prog="bench.wheels", description="see the module")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these projects")
    parser.add_argument("--list", action="store_true", help="print the list and do nothing")
    given = parser.parse_args(arguments)
    try:
        wheels = chosen(given.names) or WHEELS
    except ValueError as error:
        parser.error(str(error))
    if given.list:
        for wheel in wheels:
            print(f"{wheel.pin!s:40}  {wheel.special}")
        return 0
    begun = time.monotonic()
    try:
        status = summarize(try_all(wheels))
    except PreparationError as error:
        print(f"wheels: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"It took {time.monotonic() - begun:.0f} s.")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
