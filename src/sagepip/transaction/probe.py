"""Look at a site's lock and transactions: nothing is made, nothing is waited for.

What the kernel tells in ``/proc/locks`` is preferred to trying a lock, which others could notice.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass

from sagepip.transaction.flock import try_exclusive
from sagepip.transaction.holder import Holder
from sagepip.transaction.lock import STATE_DIRECTORY, SiteLock
from sagepip.transaction.recovery import OWNER, TRANSACTIONS

_KERNEL_LOCKS = "/proc/locks"
# Somebody who makes a transaction's directory needs a moment until it is marked.
_MAKING_SECONDS = 5.0


@dataclass(frozen=True)
class KernelLocks:
    """What the kernel says of the flocks on one file.

    Attributes:
        holders: the processes that took one; none if it is free, or not visible from here.
        waiters: the processes that wait for one.
        shared: whether what is held is a shared lock.
    """

    holders: tuple[int, ...] = ()
    waiters: tuple[int, ...] = ()
    shared: bool = False


@dataclass(frozen=True)
class LockView:
    """The lock of a site as it was a moment ago.

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


@dataclass(frozen=True)
class TransactionView:
    """A transaction's directory as it was a moment ago.

    Attributes:
        name: its identifier.
        directory: ``SITE/.sagepip/txn/ID``.
        is_live: whether the process that owns it is still there.
        owner: that process, as it wrote itself down; None if it did not get that far.
    """

    name: str
    directory: str
    is_live: bool
    owner: Holder | None


def look_at_lock(site: str) -> LockView:
    """Find out who holds the lock of a site.

    Args:
        site: the resolved site directory; it may not exist.
    """
    directory = os.path.join(site, STATE_DIRECTORY)
    path, gate = os.path.join(directory, "lock"), os.path.join(directory, "gate")
    kernel = kernel_locks(path)
    waiting = kernel_locks(gate)
    held = True if kernel and kernel.holders else _is_locked(path)
    if not held:
        return LockView(held)
    pids = kernel.holders if kernel else ()
    line = SiteLock(site).holder()
    if line is not None and not (line.pid in pids if pids else _may_live(line)):
        line = None  # a holder that was killed left its line; now somebody else is inside
    waiters = None
    if kernel is not None and waiting is not None and pids:
        # Who holds the gate waits for the lock, unless it is the holder on its way in.
        queue = {*waiting.holders, *waiting.waiters, *kernel.waiters}
        waiters = len(queue.difference(pids))
    return LockView(True, bool(kernel and kernel.shared), line, pids, waiters)


def list_transactions(site: str) -> list[TransactionView]:
    """List the transactions of a site, those in progress and those whose owners have gone.

    Args:
        site: the resolved site directory; it may not exist.
    """
    parent = os.path.join(site, STATE_DIRECTORY, TRANSACTIONS)
    try:
        names = sorted(os.listdir(parent))
    except OSError:
        return []
    found = []
    for name in names:
        directory = os.path.join(parent, name)
        try:
            age = time.time() - os.stat(directory).st_mtime
        except OSError:
            continue  # it has just ended
        owner_file = os.path.join(directory, OWNER)
        owner = _read_holder(owner_file)
        kernel = kernel_locks(owner_file)
        is_new = owner is None and 0 <= age < _MAKING_SECONDS
        is_live = is_new or bool(kernel and kernel.holders) or bool(_is_locked(owner_file))
        # Its end takes the mark away first: what has gone meanwhile is no orphan.
        if os.path.isdir(directory) and (owner is None or os.path.lexists(owner_file)):
            found.append(TransactionView(name, directory, is_live, owner))
    return found


def kernel_locks(path: str) -> KernelLocks | None:
    """Return what the kernel says of the flocks on a file.

    Args:
        path: the file; it may not exist.

    Returns:
        The locks; None where the system does not tell. That nothing is held may also mean that
        the holder cannot be seen from here (another container, btrfs).
    """
    try:
        found = os.stat(path)
        with open(_KERNEL_LOCKS, encoding="ascii", errors="replace") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None if os.path.exists(path) or not os.path.exists(_KERNEL_LOCKS) else KernelLocks()
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    holders: list[int] = []
    waiters: list[int] = []
    shared = False
    for line in lines:
        fields = line.split()
        waits = len(fields) > 1 and fields[1] == "->"
        fields = fields[2:] if waits else fields[1:]
        if len(fields) < 5 or fields[0] != "FLOCK" or fields[4] != device:
            continue
        (waiters if waits else holders).append(int(fields[3]))
        shared = shared or (not waits and fields[2] == "READ")
    return KernelLocks(tuple(holders), tuple(waiters), shared)


def is_alive(pid: int) -> bool:
    """Whether a process of that number is on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _may_live(line: Holder) -> bool:
    return line.host != socket.gethostname() or is_alive(line.pid)


def _is_locked(path: str) -> bool | None:
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


def _read_holder(path: str) -> Holder | None:
    try:
        with open(path, "rb") as stream:
            return Holder.parse(stream.read(4096))
    except OSError:
        return None
