"""Child processes that never outlive the program that started them."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

Command = Sequence[str | Path]
"""A program and its arguments."""


class Stopped(Exception):
    """A process was to be started after :meth:`ProcessTable.stop`."""


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it said: on both streams, or with the errors apart."""

    returncode: int
    output: str
    errors: str = ""

    def last_lines(self, count: int = 6) -> str:
        """The end of the output, where the reason for a failure usually stands."""
        text = self.output + self.errors
        lines = [line for line in text.splitlines() if line.strip()]
        return "\n".join(lines[-count:])


class ProcessTable:
    """Starts commands, each in a process group of its own, and can end them all.

    Used as a context manager: whatever still runs at the end is killed, and also when the
    interpreter exits by another way or is asked to terminate.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> Self:
        atexit.register(self.stop)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _exit_on_signal)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
        atexit.unregister(self.stop)

    def start(
        self,
        command: Command,
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        with_stdin: bool = False,
        merge_streams: bool = True,
    ) -> subprocess.Popen[str]:
        """Start a command; raises :class:`Stopped` once the table is stopped."""
        with self._lock:
            if self._stopped:
                raise Stopped
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merge_streams else subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def finish(self, process: subprocess.Popen[str], timeout: float = 300) -> Finished:
        """Close the process's input, wait for its end and return what it said."""
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill_group(process)
            output, errors = process.communicate()
            output += f"\n(killed after {timeout:.0f} s)"
        except BaseException:
            # Ctrl-C does not reach it: it has a session of its own.
            _kill_group(process)
            process.wait()
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        return Finished(process.returncode, output, errors or "")

    def run(
        self,
        command: Command,
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        timeout: float = 300,
    ) -> Finished:
        """Run a command to its end."""
        return self.finish(self.start(command, env=env, cwd=cwd), timeout)

    @contextmanager
    def pool(self, workers: int) -> Iterator[ThreadPoolExecutor]:
        """Threads to run commands in; if the caller is interrupted, the commands are ended.

        Without that, leaving the pool would wait for all that was ever submitted.
        """
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield pool
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Kill everything that still runs and start nothing more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _kill_group(process)
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)


def _kill_group(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return  # Its number may be another's by now.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
