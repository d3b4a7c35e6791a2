"""Look at a site's lock: nothing is made, nothing is waited for.

What the kernel tells in ``/proc/locks`` is preferred to trying a lock, which others could notice.
"""

from __future__ import annotations

import os

from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.flock import try_exclusive
from sagepip.transaction.holder import Holder
from sagepip.transaction.kernel_locks import is_alive, kernel_locks, processes_that_hold
from sagepip.transaction.lock_files import LockFiles


@dataclass(frozen=True)
class LockView:
    """A lock as it was a moment ago.

    Attributes:
        held: whether somebody held it; None if that cannot be found out.
        shared: whether it was held by readers.
        holder: who, as the holder wrote it down; None if free or held without such a line.
        pids: the processes that hold it, as far as the kernel tells.
        waiters: how many processes waited for it; None if the system does not tell.
    """

    held: bool | None
    shared: bool = False
    holder: Holder | None = None
    pids: tuple[int, ...] = ()
    waiters: int | None = 0

    def __str__(self) -> str:
        """Return who holds it, in the words of a message."""
        if self.holder is not None:
            return f"held by {self.holder}"
        if not self.pids:
            return "held by another process"
        who = "process" if len(self.pids) == 1 else "processes"
        by = "shared by" if self.shared else "by"
        return f"held {by} {who} {', '.join(map(str, self.pids))}"


def look_at_lock(site: str) -> LockView:
    """Find out who holds the lock of a site.

    Args:
        site: the resolved site directory; it may not exist.
    """
    return look_at(LockFiles.of_site(site))


def look_at(files: LockFiles) -> LockView:
    """Find out who holds a lock.

    Args:
        files: its files; they may not exist.
    """
    kernel = kernel_locks(files.lock)
    waiting = kernel_locks(files.gate) if files.gate else None
    held = True if kernel and kernel.holders else is_locked(files.lock)
    if not held:
        return LockView(held)
    pids = kernel.holders if kernel else ()
    line = files.holder()
    if line is not None and not (line.pid in pids if pids else _may_live(line)):
        line = None  # a holder that was killed left its line; now somebody else is inside
    waiters = None
    if kernel is not None and waiting is not None and pids:
        # Who holds the gate waits for the lock, unless it is the holder on its way in.
        queue = {*waiting.holders, *waiting.waiters, *kernel.waiters}
        waiters = len(queue.difference(pids))
    shared = bool(kernel and kernel.shared)
    if not all(is_alive(pid) for pid in pids):
        # Who took it has gone; who inherited it has it still.
        pids = processes_that_hold(files.lock) or pids
    return LockView(True, shared, line, pids, waiters)


def is_locked(path: str) -> bool | None:
    """Whether a file is locked, by trying; None if it cannot be tried."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        return not try_exclusive(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _may_live(line: Holder) -> bool:
    return line.host != os.uname().nodename or is_alive(line.pid)
