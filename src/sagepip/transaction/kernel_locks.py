"""What the kernel says of the flocks on a file; nothing is locked to find out."""

from __future__ import annotations

import os

from sagepip.ground.light_dataclass import dataclass

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

_KERNEL_LOCKS = "/proc/locks"
_PROCESSES = "/proc"


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
        with open(_KERNEL_LOCKS, "rb") as stream:
            # Not as ASCII, for which Python would import a module.
            lines = stream.read().decode("utf-8", "replace").splitlines()
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


def tells_descriptors() -> bool:
    """Whether the system tells what locks a process holds through its descriptors (Linux)."""
    return os.path.isdir(f"{_PROCESSES}/self/fdinfo")


def lock_through(process: int | str, descriptor: int, found: os.stat_result) -> str:
    """Return the flock that a process holds on a file through one of its descriptors.

    A descriptor that was inherited is the same open file: what the parent locked, the child holds.

    Args:
        process: its number, or ``self``.
        descriptor: the number of the descriptor.
        found: the ``stat`` of the file.

    Returns:
        ``x`` (exclusive), ``s`` (shared), or an empty string: none, or it is not for us to see.
    """
    try:
        if not os.path.samestat(os.stat(f"{_PROCESSES}/{process}/fd/{descriptor}"), found):
            return ""
        with open(f"{_PROCESSES}/{process}/fdinfo/{descriptor}", encoding="utf-8") as stream:
            for line in stream:
                fields = line.split()
                if fields[:1] == ["lock:"] and fields[2:3] == ["FLOCK"]:
                    return "s" if fields[4] == "READ" else "x"
    except (OSError, ValueError):
        return ""
    return ""


def processes_that_hold(path: str) -> tuple[int, ...]:
    """Return the processes that hold a flock on a file by now, those who inherited it among them.

    ``/proc/locks`` names the process that took it, which may have gone since.

    Args:
        path: the file.
    """
    try:
        found = os.stat(path)
        processes = [int(name) for name in os.listdir(_PROCESSES) if name.isdecimal()]
    except OSError:
        return ()
    return tuple(
        process
        for process in sorted(processes)
        if any(lock_through(process, one, found) for one in descriptors_of(process))
    )


def descriptors_of(process: int | str) -> list[int]:
    """Return the numbers of the open descriptors of a process, as far as they can be seen."""
    try:
        return [int(name) for name in os.listdir(f"{_PROCESSES}/{process}/fd")]
    except OSError:
        return []


def ancestors() -> Iterator[int]:
    """Yield the processes that this one descends from, its parent first."""
    process = os.getppid()
    while process > 0:
        yield process
        try:
            with open(f"{_PROCESSES}/{process}/stat", encoding="utf-8", errors="replace") as stream:
                # The name of the program, in parentheses, may hold anything.
                process = int(stream.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return


def is_alive(pid: int) -> bool:
    """Whether a process of that number is on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
