"""One wheel of the corpus given to one installer, and what became of it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.corpus.arena import Arena, Changes, compare, differences
from tests.corpus.cases import Case

from bench.environment import (
    Pin,
    PreparationError,
    VirtualEnvironment,
    fetch_wheels,
    tool_environment,
)
from bench.peers_tools import PIP, UV, Tool, prepare_tools
from bench.processes import ProcessTable

INSTALLER = "1.1.0"
SECONDS = 90
MEMORY_KIB = 2 << 20
_LIMITED = ("/bin/sh", "-c", f'ulimit -v {MEMORY_KIB}; exec "$@"', "sh")
_TRACEBACKS = ("Traceback (most recent call last)", "panicked at", "MemoryError")


class Outcome(StrEnum):
    """What became of a wheel."""

    REFUSED = "refused"
    INSTALLED = "installed"
    OTHERWISE = "installed otherwise"
    TRACEBACK = "traceback"
    HALF = "half installed"
    FOREIGN = "changed others"
    OUTSIDE = "wrote outside"
    ENDLESS = "did not end"


@dataclass(frozen=True)
class Trial:
    """A case, a tool, and what came of it.

    Attributes:
        tool: the tool's name.
        case: the name of the case.
        outcome: what became of the wheel.
        detail: where it is not as expected.
    """

    tool: str
    case: str
    outcome: Outcome
    detail: str = ""


def prepare(directory: Path, processes: ProcessTable) -> list[Tool]:
    """Install pip, uv and installer into environments of their own; return all four tools.

    Raises:
        PreparationError: they could not be had.
    """
    tools = {tool.name: tool for tool in prepare_tools(directory / "peers", processes)}
    pin = Pin("installer", INSTALLER)
    venv = VirtualEnvironment.create(directory / "installer")
    done = processes.run(
        venv.pip("install", "--quiet", "--no-index", fetch_wheels([pin])[pin]), env={}
    )
    if done.returncode:
        raise PreparationError(f"installer could not be installed:\n{done.last_lines()}")
    command = (str(venv.python), "-I", "-m", "installer", "--prefix", "{prefix}")
    return [
        tools["sagepip"],
        tools["pip"],
        tools["uv"],
        Tool("installer", INSTALLER, command, (), ""),
    ]


class Trials:
    """Gives wheels to tools, each in a new copy of one virtual environment.

    Args:
        root: a private directory.
        processes: runs the tools.
    """

    def __init__(self, root: Path, processes: ProcessTable) -> None:
        self._root = root
        self._processes = processes
        self._venv = VirtualEnvironment.create(root / "template").root
        self._numbers = 0

    def run(self, tool: Tool, name: str, case: Case) -> Trial:
        """Give a wheel to a tool."""
        self._numbers += 1
        home = self._root / f"{tool.name}-{self._numbers}"
        around = home / "around"
        arena = Arena(around, around / "prefix", f"{sys.version_info[0]}.{sys.version_info[1]}")
        shutil.copytree(self._venv, arena.prefix, symlinks=True)
        arena.prepare()
        wheel = case.write(around / "wheels", around, arena.xy)
        before = arena.tree()
        command = self._command(tool, arena.prefix, wheel, case)
        done = self._processes.run(
            [*_LIMITED, *command],
            env=tool_environment(home / "home"),
            cwd=home,
            timeout=SECONDS,
        )
        after = arena.tree()
        changes = compare(before, after, "prefix")
        text = done.output + done.errors
        endless = f"(killed after {SECONDS} s)" in text
        crashed = any(one in text for one in _TRACEBACKS)
        wrong = [] if case.refused else differences(case, arena, after, changes)
        outcome, detail = judge(changes, done.returncode, endless, crashed, wrong)
        if outcome in (Outcome.REFUSED, Outcome.TRACEBACK):
            detail = done.last_lines(1)
        shutil.rmtree(home)
        return Trial(tool.name, name, outcome, detail)

    @staticmethod
    def _command(tool: Tool, prefix: Path, wheel: Path, case: Case) -> Sequence[str]:
        words = tool.installing(prefix, [wheel])
        return [one for one in words if not (case.dependencies and one == "--no-deps")]


def judge(
    changes: Changes,
    status: int,
    endless: bool,
    crashed: bool,
    wrong: Sequence[str],
) -> tuple[Outcome, str]:
    """Tell what became of a wheel, the worst of it, and where that shows.

    Args:
        changes: what changed around.
        status: the tool's exit status.
        endless: whether it had to be killed.
        crashed: whether it printed a traceback.
        wrong: where the installation is not as expected.
    """
    if changes.outside:
        return Outcome.OUTSIDE, ", ".join(changes.outside)
    if changes.foreign:
        return Outcome.FOREIGN, ", ".join(changes.foreign)
    if endless:
        return Outcome.ENDLESS, ""
    if status and changes.new:
        return Outcome.HALF, ", ".join(changes.new[:5])
    if status:
        return (Outcome.TRACEBACK if crashed else Outcome.REFUSED), ""
    if wrong:
        return Outcome.OTHERWISE, ", ".join(wrong[:5])
    return Outcome.INSTALLED, ""


__all__ = ["INSTALLER", "PIP", "UV", "Outcome", "Trial", "Trials", "judge", "prepare"]
