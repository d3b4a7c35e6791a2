"""The lock of a site.

``SITE/.sagepip/lock`` is a whole-file ``flock(2)``, taken exclusively through
:class:`filelock.FileLock`, and open to ``flock(1)``. ``gate`` stands before it: a contender first
queues there in the kernel, in order of arrival, and drops it once it holds ``lock``; so exactly
one sagepip process polls ``lock`` at any time, and readers cannot starve a writer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sagepip.ground import console
from sagepip.ground.errors import LockTimeout
from sagepip.ground.filesystem import make_directories, remove_directory_if_empty, remove_file
from sagepip.transaction.flock import (
    BaseFileLock,
    Timeout,
    exclusive_file_lock,
    lock_error,
    still_names,
    try_exclusive,
    wait_exclusive_bounded,
)
from sagepip.transaction.holder import Holder

STATE_DIRECTORY = ".sagepip"
_LOCK = "lock"
_GATE = "gate"
_REMINDER_SECONDS = 60.0


class SiteLock:
    """The exclusive lock of one site.

    Args:
        site: the resolved site directory; it is made if it is missing.

    Attributes:
        directory: ``SITE/.sagepip``.
        waited_seconds: how long the last :meth:`hold` waited.
        held_seconds: how long the last :meth:`hold` held the lock.
    """

    def __init__(self, site: str) -> None:
        self.site = site
        self.directory = os.path.join(site, STATE_DIRECTORY)
        self.waited_seconds = 0.0
        self.held_seconds = 0.0
        self._path = os.path.join(self.directory, _LOCK)
        self._gate_path = os.path.join(self.directory, _GATE)
        self._descriptor = -1

    def holder(self) -> Holder | None:
        """Return who holds the lock exclusively, as far as it is known; no lock is taken."""
        try:
            with open(self._path, "rb") as stream:
                return Holder.parse(stream.read(4096))
        except OSError:
            return None

    @contextmanager
    def hold(self, timeout: float | None = None) -> Iterator[None]:
        """Hold the lock for the body of a ``with`` statement.

        Args:
            timeout: seconds to wait at most, or None to wait for ever.

        Raises:
            LockTimeout: others held it for the whole time.
            LockError: it cannot be taken here (no flock, no permission).
        """
        started = time.monotonic()
        try:
            lock = self._acquire(timeout, started)
        except OSError as error:
            raise lock_error(self._path, error) from error
        acquired = time.monotonic()
        self.waited_seconds = acquired - started
        try:
            _write_holder(self._descriptor)
            yield
        finally:
            _clear_holder(self._descriptor)
            try:
                lock.release()
            except OSError as error:
                # The kernel frees it when the process ends; what was done under it stands.
                console.warn(f"cannot release the lock {self._path}: {error.strerror}")
            self._descriptor = -1
            self.held_seconds = time.monotonic() - acquired

    def discard(self) -> None:
        """Remove the lock's files from a tree that must keep nothing of sagepip's (a DESTDIR).

        Only while the lock is held: whoever has the old file open finds, once it gets the lock,
        that the name leads elsewhere, and begins again.
        """
        remove_file(self._gate_path)
        remove_file(self._path)
        remove_directory_if_empty(self.directory)

    def _acquire(self, timeout: float | None, started: float) -> BaseFileLock:
        while True:
            try:
                make_directories(self.directory)
                gate = self._pass_gate(timeout, started)
            except FileNotFoundError:
                continue  # the directory was discarded meanwhile
            try:
                lock = exclusive_file_lock(self._path, self._remember)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    self._say_waiting()
                    try:
                        lock.acquire(
                            -1
                            if timeout is None
                            else max(0.0, started + timeout - time.monotonic())
                        )
                    except Timeout:
                        raise self._timed_out(timeout) from None
            except FileNotFoundError:
                continue
            finally:
                os.close(gate)
            if still_names(self._path, self._descriptor):
                return lock
            lock.release()

    def _remember(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def _pass_gate(self, timeout: float | None, started: float) -> int:
        """Return a descriptor that holds the gate exclusively."""
        while True:
            descriptor = os.open(self._gate_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                if not try_exclusive(descriptor):
                    self._say_waiting()
                    deadline = None if timeout is None else started + timeout
                    if not wait_exclusive_bounded(
                        descriptor, deadline, _REMINDER_SECONDS, self._say_waiting
                    ):
                        raise self._timed_out(timeout)
                if still_names(self._gate_path, descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _say_waiting(self) -> None:
        holder = self.holder()
        who = f"held by {holder}" if holder else "held by another process"
        console.note(f"waiting for the lock of {self.site}, {who}")

    def _timed_out(self, timeout: float | None) -> LockTimeout:
        holder = self.holder()
        return LockTimeout(
            f"the lock {self._path} was not free within {timeout or 0:g} s"
            + (f"; held by {holder}" if holder else ""),
            advice="wait for it or end that process; --lock-timeout or SAGEPIP_LOCK_TIMEOUT "
            "sets the limit",
        )


def _write_holder(descriptor: int) -> None:
    line = Holder.current().line()
    try:
        os.pwrite(descriptor, line, 0)
        os.ftruncate(descriptor, len(line))
    except OSError:
        return  # a full disk must not stop a commit for the sake of a message


def _clear_holder(descriptor: int) -> None:
    try:
        os.ftruncate(descriptor, 0)
    except OSError:
        return  # a stale line misleads a message at most
