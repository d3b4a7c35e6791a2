"""A lock in place of a directory's own, where directories cannot be locked (NFS).

It is a file named for the directory's identity, in a directory of this user's below TMPDIR: it
keeps out this user's other processes on this machine, whatever path they name the directory by.
"""

from __future__ import annotations

import os
import tempfile

from sagepip.ground.errors import LockError
from sagepip.ground.light_contextlib import contextmanager
from sagepip.transaction.flock import file_lock

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def stand_in_lock(directory: int, on_waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock that stands in for a directory's own for the body of a ``with`` statement.

    Args:
        directory: a descriptor of the directory.
        on_waiting: called once if another process holds it.

    Raises:
        LockError: there is no place for it.
        OSError: it cannot be locked either.
    """
    found = os.fstat(directory)
    with file_lock(os.path.join(_place(), f"{found.st_dev}-{found.st_ino}"), on_waiting):
        yield


def _place() -> str:
    place = os.path.join(tempfile.gettempdir(), f"sagepip-locks-{os.geteuid()}")
    try:
        os.mkdir(place, 0o700)
    except FileExistsError:
        found = os.lstat(place)
        if found.st_uid != os.geteuid() or os.path.islink(place) or found.st_mode & 0o022:
            raise LockError(
                f"{place} is not this user's own directory", advice="remove it, or set TMPDIR"
            ) from None
    return place
