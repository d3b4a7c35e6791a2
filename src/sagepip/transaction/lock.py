"""The lock of a site.

``SITE/.sagepip/lock`` is a whole-file ``flock(2)``, taken exclusively through
:class:`filelock.FileLock`, and open to ``flock(1)``. ``gate`` stands before it: a contender first
queues there in the kernel, in order of arrival, and drops it once it holds ``lock``; so exactly
one sagepip process contends for ``lock`` at any time, and readers cannot starve a writer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sagepip.ground import console
from sagepip.ground.filesystem import remove_directory_if_empty, remove_file
from sagepip.transaction.flock import (
    BaseFileLock,
    Timeout,
    exclusive_file_lock,
    lock_error,
    still_names,
)
from sagepip.transaction.holder import Holder, clear_holder, write_holder
from sagepip.transaction.inherited_lock import find_inherited, refuse_exclusive
from sagepip.transaction.lock_files import STATE_DIRECTORY, LockFiles
from sagepip.transaction.patience import Patience

__all__ = ["STATE_DIRECTORY", "SiteLock", "locked_level", "pass_gate"]


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
        self._files = LockFiles.of_site(site)
        self._descriptor = -1

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
            try:
                yield
            finally:
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
                    held.callback(self._release, self._acquire(patience))
                    write_holder(self._descriptor)
                    patience.inside = True
                for path in self._files.levels[max(1, inherited.depth) :]:
                    held.callback(os.close, locked_level(path, patience, shared=False))
                # An ancestor may have been killed while we waited.
                if find_inherited(self._files).depth >= inherited.depth:
                    break
                held.close()
            yield

    def _release(self, lock: BaseFileLock) -> None:
        clear_holder(self._descriptor)
        self._descriptor = -1
        try:
            lock.release()
        except OSError as error:
            # The kernel frees it when the process ends; what was done under it stands.
            console.warn(f"cannot release the lock {self._files.lock}: {error.strerror}")

    def _acquire(self, patience: Patience) -> BaseFileLock:
        while True:
            try:
                self._files.make()
                gate = pass_gate(self._files, patience)
            except FileNotFoundError:
                continue  # the directory was discarded meanwhile
            try:
                lock = exclusive_file_lock(self._files.lock, self._remember)
                self._take(lock, patience)
            except FileNotFoundError:
                continue
            finally:
                os.close(gate)
            if still_names(self._files.lock, self._descriptor):
                return lock
            lock.release()

    def _take(self, lock: BaseFileLock, patience: Patience) -> None:
        """Take the lock as the first in the queue, without looking again and again."""
        while True:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                # FileLock would poll: the kernel tells when it has become free. Only one that
                # does not come through the gate can take it between the two.
                descriptor = self._files.open_lock(writing=True)
                try:
                    patience.wait(descriptor)
                finally:
                    os.close(descriptor)
            else:
                return

    def _remember(self, descriptor: int) -> None:
        self._descriptor = descriptor


def pass_gate(files: LockFiles, patience: Patience) -> int:
    """Queue at the gate of a site's lock; return a descriptor that holds it exclusively.

    Args:
        files: the lock's.
        patience: how long to wait.

    Raises:
        LockTimeout: it was not to be had in time.
        OSError: it cannot be opened or locked.
    """
    while True:
        descriptor = files.open_gate()
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
