"""Run a command under the locks of sites, or under a lock file."""

from __future__ import annotations

import os
import time

from sagepip.ground import console, timing
from sagepip.ground.errors import LockError, RecoveryError
from sagepip.ground.light_contextlib import ExitStack
from sagepip.ground.light_dataclass import dataclass
from sagepip.operations.command_process import CommandEnd, run_command
from sagepip.transaction.command_lock import CommandLock
from sagepip.transaction.inherited_lock import environ_under
from sagepip.transaction.journal import has_state, journal_path
from sagepip.transaction.lock_files import LockFiles
from sagepip.transaction.outer_lock import outer_lock_to_take
from sagepip.transaction.prefix_sites import own_sites
from sagepip.transaction.recovery import tidy

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class LockedRun:
    """What ``sage-pip-lock`` is asked for.

    Attributes:
        locks: says which locks, asked again once they are held: a prefix may get a site while
            its lock is waited for.
        command: the program and its arguments.
        shared: beside others who share the locks.
        close: do not leave the locks to the processes that the command starts.
        timeout: seconds to wait for all of them, or None for ever.
    """

    locks: Callable[[], Sequence[LockFiles]]
    command: tuple[str, ...]
    shared: bool
    close: bool
    timeout: float | None


def locks_of_prefix(prefix: str) -> list[LockFiles]:
    """Return the locks of a prefix: its own if it has, or has had, no site; those of its sites.

    Args:
        prefix: the prefix; it may not exist.
    """
    home = os.path.realpath(prefix)
    sites = own_sites(prefix)
    own = [home] if home not in sites and (not sites or has_state(home)) else []
    return [LockFiles.of_site(site) for site in (*own, *_in_order(sites))]


def run_locked(request: LockedRun, environ: Mapping[str, str]) -> CommandEnd:
    """Run a command under locks.

    Args:
        request: the command and the locks.
        environ: our environment; the command's says, in addition, what it runs under.

    Returns:
        How the command ended.

    Raises:
        LockTimeout: others held a lock for the whole time.
        LockError: a lock cannot be taken; the command was not run.
    """
    started = time.monotonic()

    given_up: set[str] = set()
    while True:
        wanted = list(request.locks())
        for files in wanted:
            if _is_interrupted(files) and files.name not in given_up:
                _resolve(files, _left(request.timeout, started), given_up)
        # Files that are locked by name are the caller's whole wish.
        outer = outer_lock_to_take(shared=request.shared) if wanted[0].gate else None
        with ExitStack() as held:
            with timing.phase("wait"):
                announced = [
                    held.enter_context(
                        CommandLock(files, shared=request.shared).hold(
                            request.timeout, started, inheritable=not request.close
                        )
                    )
                    for files in ([outer] if outer else []) + wanted
                ]
            if list(request.locks()) != wanted:
                continue
            # Whoever was inside before us may have been killed.
            if any(_is_interrupted(files) and files.name not in given_up for files in wanted):
                continue
            environ = environ_under(environ, filter(None, announced))
            with timing.phase("command", " ".join(request.command)):
                timing.flush()  # the command may take hours
                return run_command(request.command, environ)


def _resolve(files: LockFiles, timeout: float | None, given_up: set[str]) -> None:
    """Bring an interrupted change to an end, that the command may see a whole site."""
    try:
        tidy(files.name, timeout)
    except (LockError, RecoveryError) as error:
        # A reader may have no right to; and a broken journal is looked into under the lock.
        given_up.add(files.name)
        console.warn(f"{files.name} has an interrupted change: {error}")


def _left(timeout: float | None, started: float) -> float | None:
    return None if timeout is None else max(0.0, started + timeout - time.monotonic())


def _is_interrupted(files: LockFiles) -> bool:
    return bool(files.gate) and os.path.lexists(journal_path(files.name))


def _in_order(sites: Sequence[str]) -> list[str]:
    if len(sites) < 2:
        return list(sites)

    def key(site: str) -> tuple[int, int]:
        found = os.stat(site)
        return (found.st_dev, found.st_ino)

    return sorted(sites, key=key)
