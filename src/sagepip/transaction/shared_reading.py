"""Look at sites while no command changes them, under their shared locks."""

from __future__ import annotations

import os
import time

from sagepip.ground.errors import LockError, SagepipError
from sagepip.ground.light_contextlib import ExitStack
from sagepip.ground.timing import phase
from sagepip.transaction.command_lock import CommandLock
from sagepip.transaction.journal import journal_path
from sagepip.transaction.lock_files import LockFiles
from sagepip.transaction.outer_lock import outer_lock_to_take
from sagepip.transaction.recovery import tidy

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    Found = TypeVar("Found")


def read_undisturbed(
    sites: Iterable[str], timeout: float | None, look: Callable[[], Found]
) -> Found:
    """Return what a look at sites finds while no command changes any of them.

    Their locks are shared with other readers; nobody is kept waiting but writers, and they for the
    time of the look. An interrupted change is brought to its end first. A site without a lock has
    never been changed by a command that would take it; it is looked at again if one comes.

    Args:
        sites: the resolved site directories.
        timeout: seconds to wait for all the locks, or None for ever.
        look: looks; may be called more than once.

    Raises:
        LockTimeout: a lock was held by others for the whole time.
        LockError: a lock cannot be taken, or an interrupted change cannot be resolved by this user.
        RecoveryError: an interrupted change cannot be resolved.
        SagepipError: as ``look`` does.
    """
    started = time.monotonic()
    everything = [LockFiles.of_site(site) for site in _in_order(sites)]
    named = outer_lock_to_take(shared=True)
    outer = [named] if named is not None and os.path.lexists(named.lock) else []
    while True:
        locked = [files for files in everything if os.path.lexists(files.lock)]
        with ExitStack() as held:
            with phase("wait"):
                for files in (*outer, *locked):
                    lock = CommandLock(files, shared=True)
                    held.enter_context(lock.hold(timeout, started, inheritable=False))
            # Under the lock a journal can only be of one who was interrupted.
            interrupted = [
                one.name for one in everything if os.path.lexists(journal_path(one.name))
            ]
            if not interrupted:
                try:
                    found = look()
                except SagepipError:
                    if not _has_come(everything, locked):
                        raise
                else:
                    if not _has_come(everything, locked):
                        return found
        for site in interrupted:
            _resolve(site, timeout, started)


def _has_come(everything: Sequence[LockFiles], locked: Sequence[LockFiles]) -> bool:
    """Whether a site has got a lock since it was looked for."""
    return any(files not in locked and os.path.lexists(files.lock) for files in everything)


def _resolve(site: str, timeout: float | None, started: float) -> None:
    left = None if timeout is None else max(0.0, started + timeout - time.monotonic())
    try:
        tidy(site, left)
    except LockError as error:
        raise LockError(
            f"{site} has an interrupted change, which must be resolved before it is copied from: "
            f"{error.problem}",
            advice=error.advice,
        ) from error


def _in_order(sites: Iterable[str]) -> list[str]:
    """Return sites in the order in which all take their locks, each once."""
    found: dict[tuple[int, int], str] = {}
    for site in sites:
        if os.path.isdir(site):
            status = os.stat(site)
            found.setdefault((status.st_dev, status.st_ino), site)
    return [found[key] for key in sorted(found)]
