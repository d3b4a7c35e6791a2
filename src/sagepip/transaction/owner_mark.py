"""Locks that are not a site's: on the owner of a transaction, and on directories."""

from __future__ import annotations

import os
import time

from sagepip.ground import console, timing
from sagepip.ground.light_contextlib import ExitStack, contextmanager
from sagepip.transaction.flock import (
    cannot_be_locked,
    lock_error,
    still_names,
    try_exclusive,
    try_lock,
    wait_exclusive,
)
from sagepip.transaction.holder import Holder

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class OwnerMark:
    """A locked file that tells whether the process which owns a transaction is still there.

    The lock is freed by the kernel when the process ends, however it ends; a process number
    could have been given to another process meanwhile.

    Args:
        path: the path of the file; its directory exists.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = -1

    def take(self) -> bool:
        """Make the file and lock it; return whether it is ours and still bears its name.

        Raises:
            FileNotFoundError: the directory has gone (a sweep took it for an orphan).
        """
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if try_exclusive(self._descriptor) and still_names(self.path, self._descriptor):
            os.write(self._descriptor, Holder.current().line())
            return True
        self.drop()
        return False

    def take_over(self) -> bool:
        """Lock the file of a transaction whose owner has gone; return whether it had.

        Raises:
            FileNotFoundError: there is no such file.
        """
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        if try_exclusive(self._descriptor):
            return True
        self.drop()
        return False

    def drop(self) -> None:
        """Let go of the file."""
        # In this order: a signal in between must not have it closed twice.
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def directory_lock(path: str, purpose: str) -> Iterator[None]:
    """Hold an exclusive lock on a directory itself, leaving no file in it.

    For directories that are not sites: a source tree being built, a wheelhouse being written.
    Where directories cannot be locked another lock stands in, which keeps out less
    (:mod:`sagepip.transaction.stand_in_lock`).

    Args:
        path: the directory.
        purpose: what is going on, in the words of the message to those who wait.

    Raises:
        LockError: the directory cannot be locked.
    """
    try:
        descriptor = os.open(path, _DIRECTORY)
    except OSError as error:
        raise lock_error(path, error) from error
    with ExitStack() as held:
        held.callback(os.close, descriptor)

        def say() -> None:
            timing.waiting(path, f"another process is {purpose}", time.monotonic())
            console.note(f"waiting for {path}: another process is {purpose}")

        try:
            if not try_exclusive(descriptor):
                with timing.phase("wait-build", path):
                    say()
                    wait_exclusive(descriptor)
        except OSError as error:
            if not cannot_be_locked(error):
                raise lock_error(path, error) from error
            from sagepip.transaction.stand_in_lock import stand_in_lock

            try:
                held.enter_context(stand_in_lock(descriptor, say))
            except OSError as problem:
                raise lock_error(path, problem) from problem
        yield


def share_directory(path: str) -> int:
    """Lock a directory for use beside others who use it, without waiting.

    Args:
        path: the directory.

    Returns:
        The descriptor that holds the lock, the caller's to close; -1 if the directory has gone or
        is being removed.

    Raises:
        OSError: it cannot be locked at all.
    """
    return _try_directory(path, shared=True)


def seize_directory(path: str) -> int:
    """Lock a directory that nobody uses, without waiting.

    Args:
        path: the directory.

    Returns:
        The descriptor that holds the lock, the caller's to close; -1 if the directory has gone or
        is in use.

    Raises:
        OSError: it cannot be locked at all.
    """
    return _try_directory(path, shared=False)


def await_directory(path: str) -> int:
    """Lock a directory exclusively, waiting for as long as it takes.

    Args:
        path: the directory.

    Returns:
        The descriptor that holds the lock, the caller's to close; -1 if the directory has gone
        meanwhile.

    Raises:
        OSError: it cannot be locked at all.
    """
    try:
        descriptor = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return -1
    try:
        wait_exclusive(descriptor)
        if still_names(path, descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1


def _try_directory(path: str, *, shared: bool) -> int:
    try:
        descriptor = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return -1
    try:
        if try_lock(descriptor, shared=shared) and still_names(path, descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1
