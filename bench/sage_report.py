"""How the rounds in Sage's trees are told."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from bench.sage_round import Round
from bench.terminal import BAD, BOLD, FAINT, GOOD, Table, paint
from sagepip.operations.spkg_recipe import Recipe

COLUMNS = (
    ("round", -25),
    ("tree", -9),
    ("built", 7),
    ("failed", 6),
    ("retried", 7),
    ("time", 6),
    ("waits", 6),
    ("absent", 6),
    ("longest", 7),
    ("torn", 5),
    ("after", -12),
)

EXPLANATION = """\
built: packages with an installation record of the new version. retried: those whose requirements
were not all to be had, so that Sage's scripts needed a second attempt without isolation or without
dependencies (sagepip goes on, with a warning). waits: seconds that processes waited for locks,
summed. absent: packages that had been there and were not, for at least one instant; longest: the
longest of that, in seconds. torn: looks that showed a package half there (a file missing that its
RECORD lists, metadata without RECORD). after: problems when all had ended (RECORDs, pip
check, imports, installation records, files of an earlier edition)."""

EXAMPLES = 5


class SageReport:
    """Prints each round when it is known, and the details in the end.

    Args:
        jobs: of make.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._table = Table(COLUMNS)

    def introduction(self, packages: Iterable[Recipe]) -> None:
        """Print what is built."""
        recipes = list(packages)
        wheels = sum(one.upstream is not None and one.upstream.is_wheel for one in recipes)
        scripts = sum(one.upstream is None for one in recipes)
        print(
            f"{len(recipes)} packages of Sage's own ({wheels} from wheels, "
            f"{len(recipes) - wheels - scripts} from sources, {scripts} of scripts), built by "
            f"its sage-spkg under make -j{self._jobs}\n"
        )
        self._table.header()

    def row(self, one: Round) -> None:
        """Print one round."""
        cells = cells_of(one)
        bad = [False] * len(cells)
        bad[3], bad[7], bad[9], bad[10] = (
            *(bool(one.failures), bool(one.seen["absent"])),
            *(bool(one.seen["torn"]), bool(one.problems)),
        )
        self._table.row(cells, [BAD if each else None for each in bad])

    def conclusion(self, rounds: Sequence[Round], wrong: Sequence[str]) -> None:
        """Print the details, what the columns mean and the verdict."""
        for one in rounds:
            for line in details(one):
                print(line)
        print()
        print(paint(EXPLANATION, FAINT))
        print()
        for line in wrong:
            print(paint(line, BAD))
        if not wrong and any(one.tree == "adopted" for one in rounds):
            print(paint("In the adopted tree nothing went wrong.", GOOD))


def cells_of(one: Round) -> list[str]:
    """Return what the table tells of a round."""
    return [
        one.kind.value,
        one.tree,
        f"{one.packages - len(one.failures)}/{one.packages}",
        str(len(one.failures)),
        str(len(one.retried)),
        f"{one.seconds:.0f} s",
        f"{one.seen['waited']:.2f}",
        str(len(one.seen["absent"])),
        f"{one.seen['absent_longest']:.1f}",
        str(sum(one.seen["torn"].values())),
        "in order" if not one.problems else f"{len(one.problems)} wrong",
    ]


def details(one: Round) -> list[str]:
    """Return the lines that tell what went wrong in a round, none if nothing did."""
    lines = []
    # Many packages mostly fail for a few reasons.
    reasons = Counter(one.failures.values())
    for reason, count in reasons.most_common(EXAMPLES):
        names = [name for name, why in one.failures.items() if why == reason]
        some = ", ".join(names[:EXAMPLES]) + (f" and {count - EXAMPLES} more" * (count > EXAMPLES))
        lines.append(f"failed: {some}: {reason}")
    if rest := sum(count for _, count in reasons.most_common()[EXAMPLES:]):
        lines.append(f"failed: {rest} more for other reasons")
    if one.retried:
        lines.append(f"retried: {', '.join(one.retried)}")
    for kind, texts in one.seen["examples"].items():
        lines += [f"{kind}: {text}" for text in texts[:2]]
    lines += [f"after: {text}" for text in one.problems[:EXAMPLES]]
    if not lines:
        return []
    heading = f"\n{paint(f'{one.tree}, {one.kind.value}', BOLD)}"
    return [heading, *("  " + textwrap.shorten(line, 250) for line in lines)]


def verdict(rounds: Sequence[Round]) -> list[str]:
    """Return what is wrong with the rounds in the adopted tree; nothing if all is well."""
    wrong = []
    for one in rounds:
        if one.tree != "adopted":
            continue
        where = f"adopted, {one.kind.value}"
        if one.failures:
            wrong.append(f"{where}: {len(one.failures)} packages failed")
        if one.seen["absent"]:
            wrong.append(f"{where}: absent for a while: {', '.join(one.seen['absent'])}")
        if one.seen["torn"]:
            wrong.append(f"{where}: half there: {', '.join(one.seen['torn_names'])}")
        if one.problems:
            wrong.append(f"{where}: {len(one.problems)} problems afterwards")
    return wrong
