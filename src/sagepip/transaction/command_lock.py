"""A lock that is held while a command runs, exclusive or shared, and that the command inherits."""

from __future__ import annotations

import os

from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.timing import holding
from sagepip.transaction.flock import lock_error, unlock
from sagepip.transaction.holder import clear_holder, write_holder
from sagepip.transaction.inherited_lock import (
    Inherited,
    announcement,
    find_inherited,
    refuse_exclusive,
)
from sagepip.transaction.lock import locked_level, outermost_level
from sagepip.transaction.lock_files import LockFiles
from sagepip.transaction.patience import Patience

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator


class CommandLock:
    """A lock that is held while a command runs.

    Args:
        files: the lock's.
        shared: beside others who share it.
    """

    def __init__(self, files: LockFiles, *, shared: bool) -> None:
        self._files = files
        self._shared = shared

    @contextmanager
    def hold(self, timeout: float | None, since: float, *, inheritable: bool) -> Iterator[str]:
        """Hold the lock for the body of a ``with`` statement.

        Under another command's lock, the next level is held: it keeps out that command's other
        children. At the end the descriptor is closed and not unlocked: a process that the command
        left behind, and that inherited the descriptor, goes on holding the lock.

        Args:
            timeout: seconds to wait at most, or None to wait for ever.
            since: when they began, on the monotonic clock.
            inheritable: leave the descriptor to the processes that are started meanwhile.

        Yields:
            What to announce to the command (:mod:`sagepip.transaction.inherited_lock`).

        Raises:
            LockTimeout: others held it for the whole time.
            LockError: it cannot be taken.
        """
        try:
            descriptor, depth = self._take(Patience(self._files, timeout, since))
        except OSError as error:
            raise lock_error(self._files.lock, error) from error
        if descriptor < 0:
            yield ""
            return
        writes = not self._shared and not depth and bool(self._files.gate)
        with holding(self._files.name, shared=self._shared) as held:
            try:
                if writes:
                    write_holder(descriptor)
                os.set_inheritable(descriptor, inheritable)
                yield announcement(descriptor, shared=self._shared)
            finally:
                held.ends()
                if writes:
                    clear_holder(descriptor)
                os.close(descriptor)

    def _take(self, patience: Patience) -> tuple[int, int]:
        """Return the descriptor that holds a level, and which; -1 if ancestors' is enough."""
        levels = self._files.levels
        while True:
            inherited = find_inherited(self._files)
            depth = inherited.depth
            if self._shared and inherited.shared and depth == len(levels):
                return -1, depth
            # Readers among themselves are never in each other's way.
            refuse_exclusive(self._files, Inherited(depth) if self._shared else inherited)
            patience.inside = depth > 0
            if depth:
                descriptor = locked_level(levels[depth], patience, shared=self._shared)
            else:
                descriptor = outermost_level(self._files, patience, shared=self._shared)
            try:
                patience.inside = True
                for path in levels[depth + 1 :]:
                    # Free, unless a command was left at work there when its lock's holder was
                    # killed. The command that we run will need it.
                    os.close(locked_level(path, patience, shared=self._shared))
                if find_inherited(self._files).depth >= depth:
                    return descriptor, depth
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


def lock_descriptor(descriptor: int, timeout: float | None, *, shared: bool) -> None:
    """Lock the file that a descriptor has open, for all who have it from the same parent.

    Args:
        descriptor: the open file, inherited.
        timeout: seconds to wait at most, or None to wait for ever.
        shared: beside others who share it.

    Raises:
        LockTimeout: others held it for the whole time.
        LockError: it cannot be locked.
    """
    files = _files_of(descriptor)
    try:
        Patience(files, timeout).wait(descriptor, shared=shared)
    except OSError as error:
        raise lock_error(files.name, error) from error


def unlock_descriptor(descriptor: int) -> None:
    """Free the lock of the file that a descriptor has open.

    Args:
        descriptor: the open file, inherited.

    Raises:
        LockError: that is not possible.
    """
    try:
        unlock(descriptor)
    except OSError as error:
        raise lock_error(_files_of(descriptor).name, error) from error


def _files_of(descriptor: int) -> LockFiles:
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        path = ""
    name = f"descriptor {descriptor}" + (f" ({path})" if path else "")
    return LockFiles(name, path or name)
