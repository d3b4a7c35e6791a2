"""Builds real source archives offline, by sagepip and by pip: ``make sdists``.

The archives of ``bench/sdists_list.py`` and the wheels they need are downloaded once. Then each is
built by ``sage-pip-install`` into a new environment, twice, and by ``pip wheel``, all from one
wheelhouse and without a network. The wheels are compared, what was installed is checked and
imported, and the wheelhouse and the archive must be as they were.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.environment import PreparationError, copy_into, fetch_sdists, fetch_wheels
from bench.processes import ProcessTable
from bench.sdists_attempt import Attempt, Workshop
from bench.sdists_list import SDISTS, WHEELS, Sdist, chosen
from bench.terminal import BAD, FAINT, GOOD, Table, paint

COLUMNS = (
    ("package", -24),
    ("version", -13),
    ("backend", -17),
    ("first", 8),
    ("again", 8),
    ("pip", 8),
    ("wheel", -11),
    ("bytes", -8),
    ("import", -6),
)


def try_all(sdists: Sequence[Sdist], scratch: Path, keep: bool) -> list[Attempt]:
    """Download what the cache lacks, try each source archive, and print a row for each."""
    archives = fetch_sdists(sdist.pin for sdist in sdists)
    wheelhouse = copy_into(scratch / "wheelhouse", fetch_wheels(WHEELS).values())
    with ProcessTable() as processes:
        workshop = Workshop(scratch, wheelhouse, processes, keep=keep)
        how = " ".join(workshop.without_network)
        print(
            f"{len(sdists)} source archives, {len(WHEELS)} wheels to build and import with; "
            + (
                f"no network ({how})"
                if how
                else paint("offline by options and dead proxies only", BAD)
            )
            + ":\n"
        )
        table = Table(COLUMNS)
        table.header()
        attempts = []
        for sdist in sdists:
            attempts.append(attempt := workshop.attempt(sdist, archives[sdist.pin]))
            row(table, attempt)
        return attempts


def row(table: Table, attempt: Attempt) -> None:
    """Print what came of one."""
    sdist = attempt.sdist
    style = BAD if attempt.failed else None if attempt.counts else FAINT
    table.row(
        [
            *(sdist.pin.name, sdist.pin.version, sdist.backend),
            *map(_seconds, (attempt.cold, attempt.again, attempt.pip)),
            *(
                attempt.likeness,
                attempt.repeated,
                {True: "ok", False: "FAILED", None: ""}[attempt.imported],
            ),
        ],
        [style] * len(COLUMNS),
    )


def _seconds(value: float | None) -> str:
    return "no" if value is None else f"{value:.1f} s"


def summarize(attempts: Sequence[Attempt]) -> int:
    """Print what has to be known beside the table, and give the exit status."""
    counted = [one for one in attempts if one.counts]
    print()
    for one in attempts:
        for note in one.notes:
            print(paint(f"{one.sdist.pin}: {note}", FAINT))
        if one.comparison and one.comparison.explained:
            names = ", ".join(one.comparison.explained)
            why = "by paths of the build, or between two of pip's, too"
            print(paint(f"{one.sdist.pin}: {names}: differ only {why}", FAINT))
        if one.unlike:
            print(paint(f"{one.sdist.pin}: two differ in {', '.join(sorted(one.unlike))}", FAINT))
        if one.beyond_pip:
            also = "" if one.counts else ", and neither does sagepip: not counted"
            print(f"{one.sdist.pin}: pip does not build it{also}:\n{one.beyond_pip}")
    failures = [f"{one.sdist.pin}: {text}" for one in counted for text in one.problems]
    for failure in failures:
        print(paint(f"FAILED: {failure}", BAD))
    good = sum(not one.failed for one in counted)
    same = sum(one.likeness in ("same", "alike") for one in counted)
    bytes_again = sum(one.repeated in ("same", "in place") for one in counted)
    backends = len({one.sdist.backend for one in counted if not one.failed})
    print(
        f"\n{good} of {len(counted)} built, installed, verified and imported, by {backends} "
        f"backends; {same} gave the wheel that pip gave, {bytes_again} the same bytes twice; "
        f"{_totals(counted)}."
    )
    if left := len(attempts) - len(counted):
        print(f"{left} of the list are built by neither.")
    if not counted or failures:
        return 1
    print(paint("Nothing failed.", GOOD))
    return 0


def _totals(attempts: Sequence[Attempt]) -> str:
    """Say how long all took, of those that were timed in all three ways."""
    timed = [
        (one.cold, one.again, one.pip)
        for one in attempts
        if one.cold is not None and one.again is not None and one.pip is not None
    ]
    cold, again, pip = (sum(column) for column in zip(*timed, strict=True)) if timed else (0, 0, 0)
    return (
        f"{cold:.0f} s the first time, {again:.0f} s again, {pip:.0f} s by pip"
        f" ({len(timed)} of them)"
    )


def as_markdown(attempts: Sequence[Attempt]) -> str:
    """Give the table for the documentation: times as parts of pip's, nothing of this machine."""
    lines = [
        "| project | backend | special | first | again | wheel | bytes |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in attempts:
        times = [
            f"{seconds / one.pip:.2f}" if seconds and one.pip else "-"
            for seconds in (one.cold, one.again)
        ]
        cells = [
            *(str(one.sdist.pin).replace("==", " "), one.sdist.backend, one.sdist.special),
            *(*times, "FAILED" if one.failed else one.likeness, one.repeated),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the projects that are named, or all; the exit status is 0 if nothing failed."""
    parser = argparse.ArgumentParser(prog="bench.sdists", description="see the module")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these projects")
    parser.add_argument("--list", action="store_true", help="print the list and do nothing")
    parser.add_argument("--keep", action="store_true", help="leave everything, and say where")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table there, too")
    given = parser.parse_args(arguments)
    try:
        sdists = chosen(given.names) or SDISTS
    except ValueError as error:
        parser.error(str(error))
    if given.list:
        for sdist in sdists:
            print(f"{sdist.pin!s:34}  {sdist.backend:18}  {sdist.special}")
        return 0
    try:
        with _scratch(given.keep) as scratch:
            attempts = try_all(sdists, scratch, given.keep)
            if given.markdown:
                given.markdown.write_text(as_markdown(attempts))
            return summarize(attempts)
    except PreparationError as error:
        print(f"sdists: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


@contextmanager
def _scratch(keep: bool) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="sagepip-sdists-")).resolve()
    try:
        yield path
    finally:
        if keep:
            print(f"everything is kept in {path}", file=sys.stderr)
        else:
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
