"""File locks: the only module that imports fcntl and filelock."""

from __future__ import annotations

import errno
import fcntl
import os
import time

from sagepip.ground.errors import LockError
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.signals import signal

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NO_FLOCK = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})


@contextmanager
def file_lock(path: str, on_waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file that is no site's for the body of a ``with`` statement.

    The file is made if missing and never unlinked. Who waits polls, and the library takes longer
    to import than a small wheel to install: this is for what is rare.

    Args:
        path: the lock file.
        on_waiting: called once if another process holds it.

    Raises:
        OSError: it cannot be made or locked.
    """
    import filelock

    lock = filelock.FileLock(
        path, thread_local=False, fallback_to_soft=False, preserve_lock_file=True
    )
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        on_waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def cannot_be_locked(error: OSError) -> bool:
    """Whether an error says that this kind of file cannot be locked where it lies.

    NFS makes a lock of its own of flock(2), for which a file must be open for writing; no
    directory can be, and the answer is EBADF.
    """
    return error.errno in _NO_FLOCK or error.errno == errno.EBADF


def try_exclusive(descriptor: int) -> bool:
    """Lock an open file exclusively if that needs no waiting; return whether it did."""
    return try_lock(descriptor, shared=False)


def try_lock(descriptor: int, *, shared: bool) -> bool:
    """Lock an open file if that needs no waiting; return whether it did."""
    try:
        fcntl.flock(descriptor, _operation(shared) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Free the lock of an open file, for everybody who has inherited it."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def wait_exclusive(descriptor: int) -> None:
    """Lock an open file exclusively, queueing in the kernel for as long as it takes."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def wait_bounded(
    descriptor: int,
    deadline: float | None,
    reminder: float,
    remind: Callable[[], None],
    *,
    shared: bool = False,
) -> bool:
    """Lock an open file, queueing in the kernel, up to a deadline.

    The kernel's queue is fair but knows no time limit, so a thread waits in it.

    Args:
        descriptor: the open file; stays the caller's.
        deadline: on the monotonic clock, in seconds; None for none.
        reminder: seconds between calls of ``remind``.
        remind: called while the waiting goes on.
        shared: beside others who share it.

    Returns:
        Whether the lock was got; False once the deadline has passed.
    """
    # The duplicate shares the lock, and is the thread's to close if the lock comes too late.
    waiter = _Waiter(os.dup(descriptor), _operation(shared))
    waiter.thread.start()
    try:
        while True:
            left = reminder if deadline is None else min(reminder, deadline - time.monotonic())
            if waiter.done.wait(max(0.0, left)):
                break
            if deadline is not None and time.monotonic() >= deadline:
                waiter.abandon()
                return False
            remind()
    except BaseException:
        waiter.abandon()
        raise
    waiter.thread.join()  # a thread that lingers could be handed the signals meant for the caller
    if waiter.error is not None:
        raise waiter.error
    return True


def still_names(path: str, descriptor: int) -> bool:
    """Whether a path still names the file that a descriptor has open."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def lock_error(path: str, error: OSError) -> LockError:
    """Turn what the system said about a lock file into what the user can do about it."""
    if error.errno in _NO_FLOCK:
        return LockError(
            f"the file system of {path} has no flock ({error.strerror})",
            advice="install to a local file system, or mount this one with lock support",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        owner = _other_owner(path)
        return LockError(
            f"cannot lock {path}: {error.strerror}",
            advice=f"it belongs to {owner}, who must give others the right to read and write it"
            if owner
            else "is the target writable for this user? install as its owner, or elsewhere",
        )
    return LockError(f"cannot lock {path}: {error.strerror}", advice="check the target directory")


def _operation(shared: bool) -> int:
    return fcntl.LOCK_SH if shared else fcntl.LOCK_EX


def _other_owner(path: str) -> str:
    """Name the user who owns a file, if that is somebody else."""
    try:
        owner = os.stat(path).st_uid
    except OSError:
        return ""
    if owner == os.geteuid():
        return ""
    return f"user {owner}"


class _Waiter:
    """Takes a blocking flock in the background, and gives it back if nobody wants it any more."""

    def __init__(self, descriptor: int, operation: int) -> None:
        import threading  # few have to wait

        self.thread = threading.Thread(target=self._wait, daemon=True, name="sagepip-lock-waiter")
        self.done = threading.Event()
        self.error: OSError | None = None
        self._descriptor = descriptor
        self._operation = operation
        self._handover = threading.Lock()
        self._abandoned = False

    def _wait(self) -> None:
        # A signal that came here would be lost: to the main thread, and to its sigwait.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            fcntl.flock(self._descriptor, self._operation)
        except OSError as error:
            self.error = error
        with self._handover:
            if self._abandoned and self.error is None:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self.done.set()

    def abandon(self) -> None:
        """Say that the lock is not wanted any more, whenever it comes."""
        with self._handover:
            self._abandoned = True
