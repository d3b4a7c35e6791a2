"""Run a program with its output in a file, and end it with all its children when interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from types import FrameType

_FOLLOW_SECONDS = 0.1
_GRACE_SECONDS = 3.0
_GRACE_STEP_SECONDS = 0.05
_TAIL_BYTES = 1 << 16


def run_to_log(
    command: Sequence[str],
    *,
    log_path: str,
    environ: Mapping[str, str],
    cwd: str,
    follow: bool = False,
    pass_fds: Sequence[int] = (),
) -> int:
    """Run a program to its end, its output appended to a file.

    The output goes to a file and not through a pipe: a background process that the program leaves
    behind could hold a pipe open for ever. The program is the leader of a process group, which is
    ended as a whole if anything (an interrupt, SIGTERM, an exception) stops the wait for it.

    Args:
        command: the program's path and arguments.
        log_path: the file that stdout and stderr are appended to; it is made if missing.
        environ: the whole environment.
        cwd: the working directory.
        follow: copy the output to stderr while it is written.
        pass_fds: descriptors that the program inherits.

    Returns:
        The exit status, negative for a signal.

    Raises:
        OSError: the program cannot be started.
    """
    import subprocess

    with open(log_path, "ab") as log, _termination_raises(), _followed(log_path, follow):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environ),
            pass_fds=tuple(pass_fds),
            process_group=0,
        )
        try:
            return process.wait()
        except BaseException:
            _end_group(process)
            raise


def tail(path: str, *, lines: int, start: int = 0) -> str:
    """Return the last lines of a log, decoded with replacement.

    Args:
        path: the log.
        lines: how many at most.
        start: the offset before which nothing is taken.
    """
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(start, size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, where nobody has taken them, for the body.

    Their default action would end us at once and leave the process group to itself.
    """
    import signal
    import threading

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process group: SIGTERM, a little patience, SIGKILL."""
    import signal
    import time

    try:
        deadline = time.monotonic() + _GRACE_SECONDS
        alive = _signal_group(process.pid, signal.SIGTERM)
        while alive and time.monotonic() < deadline:
            process.poll()  # reaps the leader: a zombie keeps its group in existence
            time.sleep(_GRACE_STEP_SECONDS)
            alive = _signal_group(process.pid, 0)
    finally:
        # Also when a second interrupt breaks off the patience.
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group of nothing but zombies.
        return False
    return True


@contextmanager
def _followed(log_path: str, follow: bool) -> Iterator[None]:
    """Copy what is appended to a log to stderr during the body."""
    if not follow:
        yield
        return
    import codecs
    import threading

    finished = threading.Event()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def copy() -> None:
        try:
            with open(log_path, "rb") as stream:
                stream.seek(0, os.SEEK_END)
                started.set()
                last_round = False
                while not last_round:
                    last_round = finished.wait(_FOLLOW_SECONDS)
                    while chunk := stream.read(1 << 16):
                        sys.stderr.write(decoder.decode(chunk))
                    sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            return  # a stderr that is closed must not end the build
        finally:
            started.set()

    started = threading.Event()
    follower = threading.Thread(target=copy, name="sagepip-log-follower", daemon=True)
    follower.start()
    started.wait()
    try:
        yield
    finally:
        finished.set()
        follower.join()
