"""How a command ends: its exit status, its last words, and death by the signal that ended it."""

from __future__ import annotations

import _thread
import os
import sys

from sagepip.cli import messages
from sagepip.ground import timing
from sagepip.ground.errors import SagepipError
from sagepip.ground.light_contextlib import suppress
from sagepip.ground.signals import signal

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_NAMES: dict[int, str] = {signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
_ENDING = tuple(_NAMES)
_OURS = ("sagepip", "build", "filelock", "installer", "packaging", "pip", "pyproject_hooks")
_RESTARTS = "SAGEPIP_RESTARTS"
_MOST_RESTARTS = 3


class Terminated(BaseException):
    """A signal asks the process to end; raised so that everything is cleaned up on the way out.

    Args:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def run_to_the_end(action: Callable[[], int], *, debug: bool) -> int:
    """Run a command, and turn whatever comes out of it into messages and an exit status.

    Args:
        action: the command.
        debug: show the traceback of every error.

    Returns:
        The exit status. Where a signal ended the command this does not return: the process dies
        by that signal, so that a shell or make sees what happened and stops too.
    """
    restarts = os.environ.pop(_RESTARTS, "0")
    for signum in _ENDING:
        # One that is ignored, as under nohup, stays so.
        if signal.getsignal(signum) == signal.SIG_DFL:
            signal.signal(signum, _raise_terminated)
    sys.unraisablehook = _raise_again
    behind = 0
    try:
        status = action()
    except SagepipError as error:
        messages.print_error(error, debug=debug)
        status, behind = error.exit_status, _signal_behind(error)
    except (KeyboardInterrupt, Terminated) as ended:
        messages.print_problem(_words_for(behind := _signal_behind(ended)), debug=debug)
        return _die_by(behind)
    except BrokenPipeError as error:
        # Nobody reads what is said: there is nobody to tell. The change was rolled back.
        status, behind = 1, _signal_behind(error)
    except OSError as error:
        where = f": {os.fsdecode(error.filename)}" if error.filename is not None else ""
        messages.print_problem(f"{error.strerror or error}{where}", debug=debug)
        status, behind = 1, _signal_behind(error)
    except Exception as error:
        behind = _signal_behind(error)
        if isinstance(error, ImportError) and not behind:
            _restart(error, restarts)
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        messages.print_problem(f"internal error: {what}", debug=debug, bug=True)
        status = 1
    if behind:  # what was told went wrong on the way out
        messages.print_problem(_words_for(behind), debug=False)
        return _die_by(behind)
    status = _flushed(status)
    with suppress(KeyboardInterrupt, Terminated):  # too late: it is done, or has failed
        timing.finish(status)
    return status


def _raise_again(lost: sys.UnraisableHookArgs) -> None:
    """Have a signal come again whose exception was lost, as it came while an object was let go of.

    Not from here, where it would be lost as well: a thread does not run before we are done.
    """
    signum = 0 if lost.exc_value is None else _signal_behind(lost.exc_value)
    if not signum:
        sys.__unraisablehook__(lost)
        return
    if signum in _ENDING:
        signal.signal(signum, _raise_terminated)
    _thread.start_new_thread(signal.pthread_kill, (_thread.get_ident(), signum))


def _signal_behind(error: BaseException) -> int:
    """Return the signal that an error is, or on the way out of which it happened; 0 if none."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return int(signal.SIGINT)
        if isinstance(cause, Terminated):
            return cause.signum
        cause = cause.__context__
    return 0


def _words_for(signum: int) -> str:
    return f"ended by {_NAMES[signum]}" if signum in _NAMES else "interrupted"


def _restart(error: ImportError, restarts: str) -> None:
    """Begin anew where another process has replaced sagepip, or a library of it, under us.

    What was imported of the old version and what is imported of the new one may not fit together.
    Nothing is imported once a change has begun, so nothing is done twice. Returns if it is not
    that, or was tried before.
    """
    count = int(restarts) if restarts.isdecimal() else _MOST_RESTARTS
    if (error.name or "").partition(".")[0] not in _OURS or count >= _MOST_RESTARTS:
        return
    _flushed(0)
    environ = {**os.environ, _RESTARTS: str(count + 1)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)


def _raise_terminated(signum: int, _frame: FrameType | None) -> None:
    for ending in _ENDING:
        # Once is enough: a second signal must not break the cleaning up. (Not SIG_IGN, which
        # the processes that are started meanwhile would inherit.)
        if signal.getsignal(ending) is _raise_terminated:
            signal.signal(ending, lambda _signum, _frame: None)
    raise Terminated(signum)


def _die_by(signum: int) -> int:
    _flushed(0)
    timing.finish(-signum)
    signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})
    os.kill(os.getpid(), signum)
    return 128 + signum


def _flushed(status: int) -> int:
    """Write out stdout while an error can still be told; return the exit status."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        messages.silence_stdout()
    except OSError as error:
        messages.print_problem(f"cannot write to standard output: {error.strerror}", debug=False)
        messages.silence_stdout()
        return status or 1
    return status
