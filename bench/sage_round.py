"""One round of building in a Sage tree, and what it left."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench.environment import PreparationError, console_script
from bench.processes import ProcessTable
from bench.sage_newer import edition_of
from bench.sage_tree import SageTree
from sagepip.operations.spkg_recipe import Recipe


class Kind(StrEnum):
    """What is done in a round."""

    NEW = "from nothing"
    UPGRADE = "upgraded, in make's order"
    AT_ONCE = "rebuilt, all at once"


@dataclass
class Round:
    """What one round came to.

    Attributes:
        tree: which tree.
        kind: what was done.
        packages: how many were to be built.
        seconds: how long it took.
        failures: the packages without a record of the new version, and why.
        retried: packages whose requirements were not all to be had: Sage's scripts make a second
            attempt without them, sagepip goes on with a warning.
        lock_messages: how many commands said that they wait for a lock.
        seen: what the watch saw (:mod:`bench.sage_watch`).
        problems: what was wrong when all had ended.
    """

    tree: str
    kind: Kind
    packages: int
    seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)
    retried: list[str] = field(default_factory=list)
    lock_messages: int = 0
    seen: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def run_round(name: str, tree: SageTree, kind: Kind, jobs: int, processes: ProcessTable) -> Round:
    """Build all packages of a tree, watched, and look at the result."""
    if kind is not Kind.NEW:
        tree.go_on_to_next_edition()
    targets = list(tree.packages)
    if kind is Kind.AT_ONCE:
        targets = [f"{one}-{tree.tree_of(one)}-no-deps" for one in targets]
    result = Round(name, kind, len(targets))
    # Lock files of Sage, of sagepip, and the directories that it locks.
    locks = (tree.venv / "var/lock", tree.site / ".sagepip", tree.site)
    watch = processes.start(
        [
            *(sys.executable, "-m", "bench.sage_watch", "--site", tree.site),
            *(word for one in locks for word in ("--locks", one)),
        ],
        env=os.environ,
        cwd=Path(__file__).parent.parent,
        with_stdin=True,
        merge_streams=False,
    )
    started = time.monotonic()
    made = tree.make(processes, targets, jobs)
    result.seconds = round(time.monotonic() - started, 1)
    (tree.root / "logs" / f"make-{kind.name.lower()}.log").write_text(made.output)
    told = processes.finish(watch)
    if told.returncode != 0:
        raise PreparationError(f"the watch failed:\n{told.last_lines(20)}")
    result.seen = json.loads(told.output)
    for recipe in tree.packages.values():
        _judge(tree, recipe, result)
    if made.returncode != 0 and not result.failures:
        result.problems.append(f"make ended with {made.returncode}: {made.last_lines(3)}")
    result.problems += problems_of(tree)
    return result


def _judge(tree: SageTree, recipe: Recipe, result: Round) -> None:
    log = tree.log(recipe)
    text = log.read_text(errors="replace") if log.exists() else ""
    if not tree.record(recipe).exists():
        why = deciding_line(text) if text else "not built: something that it needs failed"
        result.failures[recipe.name] = why.replace(str(tree.root), "SAGE_ROOT")
    if "Retrying" in text or "cannot be had" in text:
        result.retried.append(recipe.name)
    result.lock_messages += len(re.findall(r"Waiting for \w+ lock|waiting for the lock", text))


_DECIDING = re.compile(
    r"ERROR\b|error\b|Error\b|sage[\w-]*: (error|cannot)"
    r"|[\w.]*(Error|Exception|Unavailable):|.*No module named|.*fatal error:"
)
# The first two follow what the compiler said.
_SAYS_NOTHING = re.compile(
    r"error: command |Error: build_wheel of |Error: installing with |Error (building|installing)\b"
)


def deciding_line(log: str) -> str:
    """Return the line of a package's log that tells best why it failed.

    It is the last line that looks like an error before the first of Sage's boxes, which only say
    which step failed.
    """
    lines = [re.sub(r"^\[[\w-]+\] ", "", line).strip() for line in log.splitlines()]
    lines = [line for line in lines if line]
    before = []
    for line in lines:
        if line.startswith("*" * 20):
            break
        before.append(line)
    telling = [one for one in before if _DECIDING.match(one) and not _SAYS_NOTHING.match(one)]
    return (telling or before or lines or ["the log is empty"])[-1]


def problems_of(tree: SageTree) -> list[str]:
    """Return what is wrong with a tree: distributions, their requirements, imports, records."""
    checks: Mapping[str, Sequence[str | Path]] = {
        "sagepip verify": [console_script("sagepip"), "verify", "--python", tree.python],
        "pip check": [sys.executable, "-m", "pip", "--python", tree.python, "check"],
        "imports": [tree.python, "-I", "-c", _IMPORT_ALL],
    }
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SAGE", "PYTHON", "PIP_"))}
    found = []
    for name, command in checks.items():
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            lines = (done.stdout + done.stderr).strip().splitlines()
            found += [f"{name}: {line.replace(str(tree.root), 'SAGE_ROOT')}" for line in lines]
    if stale := stale_files(tree):
        found.append(f"{len(stale)} files of an earlier edition, such as {stale[0]}")
    return found + record_problems(tree)


def stale_files(tree: SageTree) -> list[str]:
    """Return the Python files that are of an earlier edition than what was to be built."""
    files = sorted(tree.site.rglob("*.py"))
    return [str(one.relative_to(tree.site)) for one in files if 0 < edition_of(one) < tree.edition]


def record_problems(tree: SageTree) -> list[str]:
    """Return what is wrong with the installation records of a tree."""
    found = []
    for recipe in tree.packages.values():
        prefix = tree.prefix_of(recipe)
        records = sorted(tree.record(recipe).parent.glob(f"{recipe.name}-*"))
        if len(records) != 1:
            found.append(f"{recipe.name}: {len(records)} installation records")
        for one in records:
            try:
                files = json.loads(one.read_text())["files"]
            except (ValueError, KeyError, TypeError):
                found.append(f"{one.name}: the installation record cannot be read")
                continue
            if missing := [file for file in files if not os.path.lexists(prefix / file)]:
                found.append(f"{one.name}: {len(missing)} recorded files missing: {missing[0]}")
    return found


_IMPORT_ALL = """
import importlib, importlib.metadata as m, sys
try:
    import setuptools  # which wants to be there before distutils
except ImportError:
    pass
bad = []
for one in m.distributions():
    for top in sorted({f.parts[0] for f in one.files or ()
                       if len(f.parts) == 2 and f.name == "__init__.py"}):
        try:
            importlib.import_module(top)
        except BaseException as error:
            bad.append(f"{one.name}: {top}: {error!r}")
sys.exit("\\n".join(bad) or None)
"""
