"""What a command used: time by the clock, time of the processors, and memory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.environment import PreparationError
from bench.processes import Command, ProcessTable


class RunFailed(Exception):
    """A run did not do what it should have; the reason is its text."""


@dataclass(frozen=True)
class Cost:
    """What one run used.

    Attributes:
        cpu: seconds of the processors, of all processes together.
        wall: seconds by the clock.
        peak: KiB of memory of the largest of its processes; 0 if that is not known.
        held: seconds for which the lock was held, where that was asked for.
    """

    cpu: float
    wall: float
    peak: int
    held: float | None = None


class Stopwatch:
    """Runs commands by a small process, which knows what they used.

    Args:
        processes: starts that process, and ends it with whatever it runs.
        scratch: an existing directory for what the commands say.
    """

    def __init__(self, processes: ProcessTable, scratch: Path) -> None:
        self._log = scratch / "output"
        script = Path(__file__).with_name("stopwatch_child.py")
        self._child = processes.start(
            [sys.executable, "-I", "-S", script],
            env={"PATH": os.defpath},
            cwd=scratch,
            with_stdin=True,
            merge_streams=True,
        )

    def time(self, commands: Sequence[Command], env: Mapping[str, str], cwd: Path) -> Cost:
        """Run commands, all at once, and wait for all that they start.

        Args:
            commands: programs with their arguments.
            env: their variables; programs are looked for on its PATH.
            cwd: the directory they run in.

        Raises:
            RunFailed: one of them failed.
        """
        job = {
            "commands": [[str(word) for word in command] for command in commands],
            "env": dict(env),
            "cwd": str(cwd),
            "log": str(self._log),
        }
        if self._child.stdin is None or self._child.stdout is None:
            raise PreparationError("the stopwatch has no streams")
        self._child.stdin.write(json.dumps(job) + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        try:
            told = json.loads(answer)
        except ValueError:
            rest = answer + self._child.stdout.read()
            raise PreparationError(f"the stopwatch stopped: {rest[-500:]}") from None
        if told["status"]:
            said = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            last = "; ".join(line for line in said[-4:] if line.strip())
            raise RunFailed(f"{Path(job_name(commands)).name}: status {told['status']}: {last}")
        return Cost(told["cpu"], told["wall"], told["peak"])

    def close(self) -> None:
        """End the small process."""
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        self._child.wait()


def job_name(commands: Sequence[Command]) -> str:
    """Give the program that commands run, for messages."""
    return str(commands[0][0])
