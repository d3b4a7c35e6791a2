"""Run a command in our place: it has our standard streams, our signals are its, so is its end."""

from __future__ import annotations

import errno
import os

from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.signals import signal

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PASSED_ON = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
# Python ignores these two from its start on; the command is not to.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_BY_THE_KERNEL = 0x80  # SI_KERNEL


@dataclass(frozen=True)
class CommandEnd:
    """How a command ended.

    Attributes:
        status: its exit status; 128 and the signal's number if a signal ended it; 126 or 127 if
            it could not be run, as in a shell.
        signum: the signal that ended it, or 0.
        problem: why it could not be run; else empty.
    """

    status: int
    signum: int = 0
    problem: str = ""


def run_command(command: Sequence[str], environ: Mapping[str, str]) -> CommandEnd:
    """Run a command to its end, and pass on to it the signals that are sent to us.

    Args:
        command: the program, looked up in PATH, and its arguments.
        environ: its environment.
    """
    # A signal that is ignored, as under nohup, stays so for both.
    passed_on = {one for one in _PASSED_ON if signal.getsignal(one) is not signal.SIG_IGN}
    awaited = {*passed_on, signal.SIGCHLD}
    # One that is ignored by default might not be kept while it is blocked.
    previous = signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
    # From before the start on: no signal may end us and leave the command behind.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    try:
        try:
            process = _start(command, environ, mask)
        except OSError as error:
            found = error.errno not in (errno.ENOENT, errno.ENOTDIR)
            return CommandEnd(126 if found else 127, problem=f"{command[0]}: {error.strerror}")
        return _wait(process, awaited)
    finally:
        signal.signal(signal.SIGCHLD, previous or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _start(command: Sequence[str], environ: Mapping[str, str], mask: Iterable[int]) -> int:
    """Start a process that has all descriptors that were left to us (make's jobserver)."""
    try:
        return os.posix_spawnp(
            command[0], list(command), environ, setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON
        )
    except OSError as error:
        path = _found(command[0]) if error.errno == errno.ENOEXEC else ""
        if not path:
            raise
    # A script without a first line: for the shell, as execvp(3) does it.
    shell = ["/bin/sh", path, *command[1:]]
    return os.posix_spawn(shell[0], shell, environ, setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON)


def _found(name: str) -> str:
    """Return the path of a program, or an empty string; shutil, which knows it, takes a while."""
    if os.sep in name:
        return name
    paths = (os.path.join(directory, name) for directory in os.get_exec_path())
    return next((one for one in paths if os.path.isfile(one) and os.access(one, os.X_OK)), "")


def _wait(process: int, awaited: set[signal.Signals]) -> CommandEnd:
    while True:
        signum, from_terminal = _next_signal(awaited)
        if signum != signal.SIGCHLD:
            # What is typed at a terminal goes to all processes in the foreground, the command
            # among them: it must not have it twice.
            if not from_terminal:
                os.kill(process, signum)
            continue
        reaped, status = os.waitpid(process, os.WNOHANG)
        if reaped != process:
            continue
        code = os.waitstatus_to_exitcode(status)
        return CommandEnd(code) if code >= 0 else CommandEnd(128 - code, signum=-code)


def _next_signal(awaited: set[signal.Signals]) -> tuple[int, bool]:
    """Return the next signal, and whether it comes from the terminal."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(awaited)
        return info.si_signo, info.si_code == _BY_THE_KERNEL
    signum = signal.sigwait(awaited)
    return signum, signum in (signal.SIGINT, signal.SIGQUIT) and _is_in_foreground()


def _is_in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
