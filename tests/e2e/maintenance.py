"""What the tests of verify, doctor, status and recover share: real commands, stopped or killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sagepip.ground.destination import Destination
from tests.crash.strace import clean_environment

Done = subprocess.CompletedProcess[str]
_START = "import os, signal, sys\nfrom sagepip.cli.main import sagepip\n"
KILL = "lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)"
STAGED = f"from sagepip.transaction import transaction\ntransaction.format_journal = {KILL}\n"
"""Killed when everything is staged and nothing is written to the journal."""
BEFORE = f"from sagepip.transaction.steps import Place\nPlace.do = {KILL}\n"
"""Killed at the first step of the commit."""
AFTER = f"from sagepip.transaction import commit\ncommit.remove_journal = {KILL}\n"
"""Killed after the last step of the commit."""
_PAUSE = "lambda *a, **k: (print('here', flush=True), sys.stdin.readline(), really(*a, **k))[2]"
PAUSED_STAGED = (
    "from sagepip.transaction import transaction\nreally = transaction.format_journal\n"
    f"transaction.format_journal = {_PAUSE}\n"
)
"""Waits for a line on stdin when everything is staged."""
PAUSED_COMMIT = (
    "from sagepip.transaction import commit\nreally = commit.remove_journal\n"
    f"commit.remove_journal = {_PAUSE}\n"
)
"""Waits for a line on stdin, the lock held and the journal there."""


def sagepip(destination: Destination, subcommand: str, *words: str | Path) -> Done:
    """Run a subcommand on a prefix to its end."""
    command = [sys.executable, "-c", _START + "sys.exit(sagepip())", subcommand]
    return subprocess.run(
        [*command, "--prefix", destination.scheme.data, *map(str, words)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=clean_environment(),
        check=False,
    )


def install_killed(destination: Destination, where: str, wheel: Path) -> None:
    """Install a wheel with a real process that is killed.

    Args:
        destination: where to.
        where: STAGED, BEFORE or AFTER.
        wheel: the wheel.
    """
    done = subprocess.run(_install(destination, where, wheel), capture_output=True, check=False)
    assert done.returncode == -9, done.stderr


def install_paused(destination: Destination, where: str, wheel: Path) -> subprocess.Popen[str]:
    """Install a wheel with a real process, and return it when it waits for a line on stdin.

    Args:
        destination: where to.
        where: PAUSED_STAGED or PAUSED_COMMIT.
        wheel: the wheel.
    """
    process = subprocess.Popen(
        _install(destination, where, wheel),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def resume(process: subprocess.Popen[str]) -> None:
    """Let a paused process go on to its end."""
    process.communicate("\n")
    assert process.returncode == 0


def _install(destination: Destination, where: str, wheel: Path) -> list[str]:
    words = ["--prefix", destination.scheme.data, "--no-deps", str(wheel)]
    return [sys.executable, "-c", _START + where + "sys.exit(sagepip())", "install", *words]
