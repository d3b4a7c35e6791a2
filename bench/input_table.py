"""Hostile and odd wheels given to sagepip, pip, uv and installer: ``make input-table``.

Each wheel goes into a new virtual environment that holds another distribution and files of users,
in a directory with other files. The table goes to ``docs/input.md``, below the mark in it. The exit
status is 0 if sagepip refused or installed each of them as it must.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.corpus.all_cases import CASES, GROUPS
from tests.corpus.cases import Case

from bench.environment import PreparationError
from bench.input_trials import Outcome, Trial, Trials, prepare
from bench.peers_tools import Tool
from bench.processes import ProcessTable

DOCUMENT = Path(__file__).parent.parent / "docs" / "input.md"
MARK = "<!-- Below: written by `make input-table`. -->"
TOOLS = ("sagepip", "pip", "uv", "installer")
Results = Mapping[tuple[str, str], Trial]

KINDS = {
    "must be refused": "must be refused",
    "choice": "refused by sagepip's choice",
    "valid": "must be installed",
}


def kind_of(case: Case) -> str:
    """Tell which kind of case it is."""
    if not case.refused:
        return "valid"
    return "choice" if case.choice else "must be refused"


def is_good(case: Case, outcome: Outcome) -> bool:
    """Whether an outcome is what the case wants."""
    return outcome is (Outcome.REFUSED if case.refused else Outcome.INSTALLED)


def is_allowed(case: Case, outcome: Outcome) -> bool:
    """Whether an outcome is in order for a tool that need not share sagepip's choices."""
    return is_good(case, outcome) or (case.choice and outcome is Outcome.INSTALLED)


def counts(results: Results, tools: Sequence[Tool]) -> list[str]:
    """Return the table of counts, in Markdown."""
    lines = [
        "| | outcome | " + " | ".join(f"{one.name} {one.version}" for one in tools) + " |",
        "|---|---|" + "---:|" * len(tools),
    ]
    for kind, title in KINDS.items():
        names = [name for name, case in CASES.items() if kind_of(case) == kind]
        by_tool = [
            Counter(
                results[tool.name, name].outcome for name in names if (tool.name, name) in results
            )
            for tool in tools
        ]
        first = f"{title} ({max((sum(one.values()) for one in by_tool), default=0)})"
        for outcome in Outcome:
            if any(one[outcome] for one in by_tool):
                cells = " | ".join(str(one[outcome] or "") for one in by_tool)
                lines.append(f"| {first} | {outcome.value} | {cells} |")
                first = ""
    return lines


def cases(results: Results, tools: Sequence[Tool]) -> list[str]:
    """Return the tables of cases, in Markdown."""
    lines: list[str] = []
    for group, members in GROUPS.items():
        names = [f"{group}: {one.name}" for one in members]
        if not any((tools[0].name, name) in results for name in names):
            continue
        lines += ["", f"### {group[0].upper() + group[1:]}", ""]
        lines.append("| case | from | " + " | ".join(one.name for one in tools) + " |")
        lines.append("|---|---|" + "---|" * len(tools))
        for name, case in zip(names, members, strict=True):
            if (tools[0].name, name) not in results:
                continue
            cells = []
            for tool in tools:
                outcome = results[tool.name, name].outcome
                cells.append(outcome.value if is_allowed(case, outcome) else f"**{outcome.value}**")
            note = {"must be refused": "", "choice": " (choice)", "valid": " (valid)"}
            words = [_escaped(case.name) + note[kind_of(case)], _escaped(case.source), *cells]
            lines.append("| " + " | ".join(words) + " |")
    return lines


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


def document(results: Results, tools: Sequence[Tool]) -> str:
    """Return what stands below the mark."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    versions = ", ".join(f"{one.name} {one.version}" for one in tools)
    return "\n".join(
        [
            MARK,
            "",
            "## Counts",
            "",
            f"{versions}; {python}, {platform.system()}.",
            "",
            *counts(results, tools),
            "",
            "## Cases",
            *cases(results, tools),
            "",
        ]
    )


def try_all(
    tools: Sequence[Tool], names: Iterable[str], root: Path, processes: ProcessTable, workers: int
) -> dict[tuple[str, str], Trial]:
    """Give every wheel to every tool."""
    trials = Trials(root, processes)
    jobs = [(tool, name) for name in names for tool in tools]
    found: dict[tuple[str, str], Trial] = {}
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(trials.run, tool, name, CASES[name]) for tool, name in jobs]
        for number, ((tool, name), one) in enumerate(zip(jobs, running, strict=True), 1):
            trial = found[tool.name, name] = one.result()
            if not is_allowed(CASES[name], trial.outcome) or number % 200 == 0:
                print(f"{number}/{len(jobs)} {tool.name}: {name}: {trial.outcome} {trial.detail}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Give the corpus to the tools and write the table."""
    parser = argparse.ArgumentParser(prog="bench.input_table", description="see the module")
    parser.add_argument("--tool", action="append", choices=TOOLS, help="only this one; repeatable")
    parser.add_argument("--case", action="append", help="only cases with this in their name")
    parser.add_argument("--workers", type=int, default=2, help="so many at once (2)")
    parser.add_argument("--json", type=Path, help="write all outcomes there as well")
    parser.add_argument("--print", action="store_true", help="print the table, write no file")
    options = parser.parse_args(arguments)
    names = [
        name for name in CASES if not options.case or any(part in name for part in options.case)
    ]
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="sagepip-input-") as scratch,
        ProcessTable() as processes,
    ):
        root = Path(scratch).resolve()
        try:
            tools = prepare(root / "tools", processes)
        except PreparationError as error:
            print(error, file=sys.stderr)
            return 1
        tools = [tool for tool in tools if not options.tool or tool.name in options.tool]
        results = try_all(tools, names, root, processes, options.workers)
    text = document(results, tools)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in results.values()], indent=1))
    if options.print or options.tool or options.case:
        print(text)
    else:
        head = DOCUMENT.read_text(encoding="utf-8").partition(MARK)[0]
        DOCUMENT.write_text(head + text, encoding="utf-8")
    wrong = [
        one
        for one in results.values()
        if one.tool == "sagepip" and not is_good(CASES[one.case], one.outcome)
    ]
    for one in wrong:
        print(f"FAILED: sagepip: {one.case}: {one.outcome} {one.detail}")
    print(f"{len(results)} trials in {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
