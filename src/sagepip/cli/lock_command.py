"""``sagepip lock`` and ``sage-pip-lock``."""

from __future__ import annotations

import os
import resource

from sagepip.cli import messages
from sagepip.cli.commands import Invocation
from sagepip.cli.environment import lock_timeout
from sagepip.cli.lock_options import LOCK
from sagepip.cli.settings import Settings
from sagepip.cli.site_command import find_site, read_command_line
from sagepip.ground import timing
from sagepip.ground.errors import UsageError
from sagepip.ground.light_dataclass import replace
from sagepip.ground.signals import signal
from sagepip.operations.option_words import read_words

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sagepip.transaction.lock_files import LockFiles

_WHERE = ("python", "prefix", "root", "target")


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status. Where a signal ended the command that was run this does not return.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    own, command, has_dashes = _split(invocation.words)
    line = read_command_line(replace(invocation, words=tuple(own)), LOCK)
    if line is None:
        return 0
    settings = line.settings
    operand = line.words[0] if line.words else None
    if sum(map(settings.flag, ("shared", "exclusive", "unlock"))) > 1:
        raise UsageError("-s, -x and -u exclude each other", advice="give one of them")
    if any(map(settings.text, _WHERE)) and operand is not None:
        raise UsageError(
            f"two locks are named: {operand} and an option", advice="put -- before COMMAND"
        )
    timeout = lock_timeout(settings, invocation.environ)
    if operand is not None and operand.isdecimal():
        return _lock_descriptor(operand, command, settings, timeout)
    if settings.flag("unlock"):
        raise UsageError(
            "-u needs the number of a descriptor", advice="whoever holds a lock frees it"
        )
    if not command:
        raise UsageError("no command to run", advice="give LOCK -- COMMAND; see --help")

    from sagepip.operations.locked_run import LockedRun, run_locked

    locks = _locks(operand, settings, invocation.environ, makes_file=not has_dashes)
    request = LockedRun(
        locks, tuple(command), settings.flag("shared"), settings.flag("close"), timeout
    )
    ended = run_locked(request, invocation.environ)
    if ended.problem:
        messages.print_problem(f"cannot run {ended.problem}", debug=False)
    if ended.signum:
        _die_by(ended.signum)
    return ended.status


def _split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str], bool]:
    """Split the command line into our own words and the command's.

    The command begins behind ``--``, or with the second operand: its options are its own.

    Returns:
        Our words, the command's, and whether there was a ``--`` between them.
    """
    operands = 0
    for word in read_words(words, LOCK.table.takes_value):
        if word.literal:
            return words[: word.position - 1], words[word.position :], True
        if not word.name:
            operands += 1
            if operands == 2:
                return words[: word.position], words[word.position :], False
    own = [word for word in words if word != "--"]
    return own, (), False


def _locks(
    operand: str | None, settings: Settings, environ: Mapping[str, str], *, makes_file: bool
) -> Callable[[], Sequence[LockFiles]]:
    from sagepip.operations.locked_run import locks_of_prefix
    from sagepip.transaction.lock_files import LockFiles

    if operand is None:
        found = [LockFiles.of_site(find_site(settings, environ).site)]
        return lambda: found
    exists = os.path.exists(operand)
    is_file = not os.path.isdir(operand) if exists else makes_file and not operand.endswith(os.sep)
    if is_file:
        named = [LockFiles.of_file(operand)]
        return lambda: named
    return lambda: locks_of_prefix(operand)


def _lock_descriptor(
    operand: str, command: Sequence[str], settings: Settings, timeout: float | None
) -> int:
    """Lock or unlock an inherited descriptor, as flock(1) does: the caller has the lock then."""
    if command:
        raise UsageError(
            f"{operand} is a descriptor: no command can be run with it",
            advice=f"./{operand} is a file of that name",
        )
    descriptor = int(operand)
    try:
        # One that we have opened ourselves, for a log or a trace, is not inherited further.
        is_inherited = os.get_inheritable(descriptor)
    except (OSError, OverflowError):
        is_inherited = False
    if not is_inherited:
        raise UsageError(
            f"descriptor {operand} is not open", advice=f"open it first: exec {operand}<>FILE"
        ) from None

    from sagepip.transaction.command_lock import lock_descriptor, unlock_descriptor

    if settings.flag("unlock"):
        unlock_descriptor(descriptor)
    else:
        lock_descriptor(descriptor, timeout, shared=settings.flag("shared"))
    return 0


def _die_by(signum: int) -> None:
    """End as the command did, so that a shell or make sees it, but leave no core file of ours."""
    timing.finish(-signum)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if signum not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})
    os.kill(os.getpid(), signum)
