"""The lock of a site.

``SITE/.sagepip/lock`` is a whole-file ``flock(2)``, open to ``flock(1)``. ``gate`` stands before
it: a contender first queues there in the kernel, in order of arrival, and drops it once it holds
``lock``; so exactly one sagepip process contends for ``lock`` at any time, and readers cannot
starve a writer.
"""

from __future__ import annotations

import os
import time

from sagepip.ground import console, timing
from sagepip.ground.errors import LockError
from sagepip.ground.filesystem import (
    Identity,
    identity_of,
    remove_directory_if_empty,
    remove_file,
)
from sagepip.ground.light_contextlib import ExitStack, contextmanager
from sagepip.transaction.flock import lock_error, still_names, unlock
from sagepip.transaction.holder import Holder, clear_holder, write_holder
from sagepip.transaction.inherited_lock import find_inherited, refuse_exclusive
from sagepip.transaction.lock_files import DENIED, STATE_DIRECTORY, LockFiles
from sagepip.transaction.patience import Patience

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STATE_DIRECTORY", "SiteLock", "locked_level", "outermost_level"]


class SiteLock:
    """The exclusive lock of one site.

    Args:
        site: the resolved site directory; it is made if it is missing.

    Attributes:
        directory: ``SITE/.sagepip``.
        waited_seconds: how long the last :meth:`hold` waited.
        held_seconds: how long the last :meth:`hold` held the lock.
        found: what the lock's file was when :meth:`hold` got it; None if it had to wait, or if an
            ancestor holds that.
    """

    def __init__(self, site: str) -> None:
        self.site = site
        self.directory = os.path.join(site, STATE_DIRECTORY)
        self.waited_seconds = 0.0
        self.held_seconds = 0.0
        self.found: Identity | None = None
        self._files = LockFiles.of_site(site)

    def holder(self) -> Holder | None:
        """Return who holds the lock exclusively, as far as it is known; no lock is taken."""
        return self._files.holder()

    def check_obtainable(self) -> None:
        """Refuse at once a change for which the lock could never be had in the end.

        Raises:
            LockError: this command runs under the shared lock, which excludes it.
        """
        refuse_exclusive(self._files, find_inherited(self._files))

    @contextmanager
    def hold(self, timeout: float | None = None, since: float | None = None) -> Iterator[None]:
        """Hold the lock for the body of a ``with`` statement.

        A command under ``sage-pip-lock`` holds the next level of the lock instead, which keeps
        out the other commands that run under it.

        Args:
            timeout: seconds to wait at most, or None to wait for ever.
            since: when they began, on the monotonic clock; None for now.

        Raises:
            LockTimeout: others held it for the whole time.
            LockError: it cannot be taken here (no flock, no permission), or not by a command
                that runs under the shared lock.
        """
        patience = Patience(self._files, timeout, since)
        started = time.monotonic()
        with ExitStack() as held:
            try:
                held.enter_context(self._taken(patience))
            except OSError as error:
                raise lock_error(self._files.lock, error) from error
            acquired = time.monotonic()
            self.waited_seconds = acquired - started
            with timing.holding(self.site) as holding:
                try:
                    yield
                finally:
                    holding.ends()
                    held.close()
                    self.held_seconds = time.monotonic() - acquired

    def discard(self) -> None:
        """Remove the lock's files from a tree that must keep nothing of sagepip's (a DESTDIR).

        Only while the lock is held: whoever has the old file open finds, once it gets the lock,
        that the name leads elsewhere, and begins again. Not if it is held by an ancestor.
        """
        if find_inherited(self._files).depth:
            return
        remove_file(self._files.gate)
        remove_file(self._files.lock)
        remove_directory_if_empty(self.directory)

    @contextmanager
    def _taken(self, patience: Patience) -> Iterator[None]:
        """Hold the level that is this process's to take, and all behind it.

        Those behind are free, unless somebody's ancestor was killed and left it at work there.
        """
        with ExitStack() as held:
            while True:
                inherited = find_inherited(self._files)
                refuse_exclusive(self._files, inherited)
                patience.inside = bool(inherited.depth)
                if not inherited.depth:
                    descriptor = outermost_level(self._files, patience, shared=False)
                    held.callback(_release, self._files.lock, descriptor)
                    self.found = identity_of(os.fstat(descriptor))
                    write_holder(descriptor)
                    patience.inside = True
                for path in self._files.levels[max(1, inherited.depth) :]:
                    held.callback(os.close, locked_level(path, patience, shared=False))
                # An ancestor may have been killed while we waited.
                if find_inherited(self._files).depth >= inherited.depth:
                    break
                held.close()
            if patience.was_needed or inherited.depth:
                self.found = None
            yield


def _release(path: str, descriptor: int) -> None:
    clear_holder(descriptor)
    try:
        unlock(descriptor)
        os.close(descriptor)
    except OSError as error:
        # The kernel frees it when the process ends; what was done under it stands.
        console.warn(f"cannot release the lock {path}: {error.strerror}")


def outermost_level(files: LockFiles, patience: Patience, *, shared: bool) -> int:
    """Queue at the gate of a lock, if it has one, and take the lock; return what holds it.

    Args:
        files: the lock's; made if they are missing.
        patience: how long to wait.
        shared: beside others who share it.

    Returns:
        The descriptor, not inheritable.

    Raises:
        LockTimeout: it was not to be had in time.
        LockError: this user cannot make it.
        OSError: it cannot be opened or locked.
    """
    while True:
        gate = -1
        try:
            _make(files, shared=shared)
            gate = _pass_gate(files, patience, shared=shared)
            descriptor = files.open_lock(writing=not shared)
        except FileNotFoundError:
            if gate >= 0:
                os.close(gate)
            continue  # the directory was discarded meanwhile
        try:
            patience.wait(descriptor, shared=shared)
            if still_names(files.lock, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            if gate >= 0:
                os.close(gate)
        os.close(descriptor)


def _make(files: LockFiles, *, shared: bool) -> None:
    try:
        files.make()
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno not in DENIED or not shared:
            raise
        # Who may only read a site can share its lock, if there is one.
        if not os.path.exists(files.lock):
            raise LockError(
                f"{files.name} has no lock yet, and this user cannot make one: {error.strerror}",
                advice="ask its owner to run a sagepip command on it once",
            ) from error


def _pass_gate(files: LockFiles, patience: Patience, *, shared: bool) -> int:
    """Queue at the gate; return a descriptor that holds it exclusively, or -1 without a gate.

    A reader who may not open the gate shares the lock without queueing there: it is safe, and
    fair to all but writers who wait.
    """
    if not files.gate:
        return -1
    while True:
        try:
            descriptor = files.open_gate()
        except OSError as error:
            if shared and error.errno in DENIED:
                return -1
            raise
        try:
            patience.wait(descriptor)
            if still_names(files.gate, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def locked_level(path: str, patience: Patience, *, shared: bool) -> int:
    """Lock an inner level of a lock; return the descriptor that holds it.

    Args:
        path: the directory.
        patience: how long to wait.
        shared: beside others who share it.

    Raises:
        LockTimeout: it was not to be had in time.
        OSError: it cannot be opened or locked.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        patience.wait(descriptor, shared=shared)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
