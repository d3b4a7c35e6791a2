"""Waiting for a lock: how long, and what is said meanwhile."""

from __future__ import annotations

import time

from sagepip.ground import console, timing
from sagepip.ground.errors import LockTimeout
from sagepip.transaction.flock import try_lock, wait_bounded
from sagepip.transaction.lock_files import LockFiles

_REMINDER_SECONDS = 60.0


class Patience:
    """How long one attempt to take a lock may last.

    Args:
        files: the lock's.
        timeout: seconds, or None for ever.
        since: when they began, on the monotonic clock; None for now.

    Attributes:
        inside: whether what is waited for is an inner level of the lock: the outer one is held,
            by us or by an ancestor of ours.
        was_needed: whether anything was not free at once.
    """

    def __init__(self, files: LockFiles, timeout: float | None, since: float | None = None) -> None:
        self._started = time.monotonic() if since is None else since
        self._files = files
        self._timeout = timeout
        self.inside = False
        self.was_needed = False

    @property
    def left(self) -> float:
        """The seconds left; -1 for ever."""
        if self._timeout is None:
            return -1
        return max(0.0, self._started + self._timeout - time.monotonic())

    def wait(self, descriptor: int, *, shared: bool = False) -> None:
        """Lock an open file, queueing in the kernel.

        Args:
            descriptor: the open file; stays the caller's.
            shared: beside others who share it.

        Raises:
            LockTimeout: it was not to be had in time.
        """
        if try_lock(descriptor, shared=shared):
            return
        self.was_needed = True
        if self.left == 0:
            raise self.timed_out()
        self.say()
        deadline = None if self._timeout is None else self._started + self._timeout
        if not wait_bounded(descriptor, deadline, _REMINDER_SECONDS, self.say, shared=shared):
            raise self.timed_out()

    def say(self) -> None:
        """Say what is waited for, and who holds it; nothing if there is no time to wait."""
        if self.left != 0:
            since, who = time.monotonic(), self._who()
            timing.waiting(self._files.name, who, since)
            console.note(f"waiting for the lock of {self._files.name}, {who}")

    def timed_out(self) -> LockTimeout:
        """Return the error of a wait that took too long."""
        return LockTimeout(
            f"the lock {self._files.lock} was not free within {self._timeout or 0:g} s; "
            + self._who(),
            advice="wait for it or end that process; --lock-timeout or SAGEPIP_LOCK_TIMEOUT "
            "sets the limit",
        )

    def _who(self) -> str:
        if self.inside:
            return "held by another command under sage-pip-lock"
        from sagepip.transaction.lock_view import look_at

        view = look_at(self._files)
        return str(view) if view.held else "held by another process"
