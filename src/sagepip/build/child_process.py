"""Run a program with its output in a file, and leave nothing of it running."""

from __future__ import annotations

import os

from sagepip.ground.light_contextlib import contextmanager

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType
    from typing import IO

    from sagepip.build.offspring import Program


def run_to_log(
    command: Sequence[str],
    *,
    what: str,
    log_path: str,
    environ: Mapping[str, str],
    cwd: str,
    follow: bool = False,
    time_limit: float | None = None,
    pass_fds: Sequence[int] = (),
) -> int:
    """Run a program to its end, its output appended to a file.

    The output goes to a file and not through a pipe: a background process that the program leaves
    behind could hold a pipe open for ever. The program is the leader of a session of its own: it
    has no terminal that it could ask somebody for a password on, and wait. Whatever is left of it
    in the end is ended too, and so is all of it if anything (an interrupt, SIGTERM, an exception,
    the time limit) stops the wait for it. One program at a time: with two, what is left of one
    could not be told from the other.

    Args:
        command: the program's path and arguments.
        what: the program, in the words of messages.
        log_path: the file that stdout and stderr are appended to; it is made if missing.
        environ: the whole environment.
        cwd: the working directory.
        follow: copy the output to stderr while it is written.
        time_limit: how long it may take, in seconds; None for ever.
        pass_fds: descriptors that the program inherits.

    Returns:
        The exit status, negative for a signal.

    Raises:
        OSError: the program cannot be started.
        subprocess.TimeoutExpired: it took longer than ``time_limit``.
    """
    import subprocess

    def start(log: IO[bytes]) -> Program:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environ),
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )

    return watch_to_end(start, what=what, log_path=log_path, follow=follow, time_limit=time_limit)


def watch_to_end(
    start: Callable[[IO[bytes]], Program],
    *,
    what: str,
    log_path: str,
    follow: bool,
    time_limit: float | None,
) -> int:
    """Start a program that writes to a log, and wait for its end (see :func:`run_to_log`).

    Args:
        start: starts it, given the log, as the leader of a session.
        what: the program, in the words of messages.
        log_path: the log; it is made if missing.
        follow: copy the output to stderr while it is written.
        time_limit: how long it may take, in seconds; None for ever.

    Returns:
        The exit status, negative for a signal.

    Raises:
        OSError: the program cannot be started.
        subprocess.TimeoutExpired: it took longer than ``time_limit``.
    """
    import subprocess

    from sagepip.build.log_watch import LogWatch
    from sagepip.build.offspring import Offspring, orphans_come_to_us
    from sagepip.ground import console

    with (
        open(log_path, "ab") as log,
        open(log_path, "rb") as stream,
        orphans_come_to_us(),
        _termination_raises(),
    ):
        stream.seek(0, os.SEEK_END)
        offspring = Offspring()
        try:
            with signals_wait():
                process = offspring.leader = start(log)
            watch = LogWatch(
                stream,
                log_path,
                what,
                follow=follow,
                time_limit=time_limit,
                on_limit=offspring.end,
            )
            with watch.running():
                status = process.wait()
        finally:
            was_left = offspring.end()
    if watch.expired:
        raise subprocess.TimeoutExpired(what, time_limit or 0)
    if was_left:
        console.detail(f"ended what {what} left running")
    return status


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, where nobody has taken them, for the body.

    Their default action would end us at once and leave the process group to itself.
    """
    import threading

    from sagepip.ground.signals import signal

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


@contextmanager
def signals_wait() -> Iterator[None]:
    """Have signals that we handle wait until the body has ended.

    An exception that comes out of the start of a program, or of its killing, would lose the
    program. (They are not blocked: that would be inherited.)
    """
    import threading

    from sagepip.ground.signals import signal

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handlers = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if callable(handler := signal.getsignal(number))
    }
    for number in handlers:
        signal.signal(number, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for one in arrived:
            signal.raise_signal(one)
