"""The lock file of other programs, which a build may name with ``SAGEPIP_LOCK_FILE``.

Scripts that know nothing of ``SITE/.sagepip/lock`` often share a lock of their own (Sage's pip
lock, that of a package manager). The file that is named is taken in addition, before the locks of
sites and for as long as they are held: it can only exclude more.
"""

from __future__ import annotations

import os

from sagepip.ground.errors import LockError
from sagepip.ground.light_contextlib import contextmanager
from sagepip.transaction.inherited_lock import find_inherited, refuse_exclusive
from sagepip.transaction.lock_files import LockFiles

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "SAGEPIP_LOCK_FILE"


def outer_lock_to_take(*, shared: bool) -> LockFiles | None:
    """Return the lock that is taken before those of sites; None if none is named, or is needed.

    An ancestor that holds it holds it for us.

    Args:
        shared: whether it is for readers.

    Raises:
        LockError: an ancestor shares it, which excludes every change; or its path is relative, so
            that it would be another file elsewhere.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    if not os.path.isabs(path):
        raise LockError(f"{VARIABLE} is a relative path: {path}", advice="give an absolute one")
    files = LockFiles.of_file(path)
    if files.gate:
        return None  # a site's own lock is taken anyway
    inherited = find_inherited(files)
    if inherited.shared and not shared:
        refuse_exclusive(files, inherited)
    return None if inherited.depth else files


@contextmanager
def outer_lock(timeout: float | None, since: float) -> Iterator[None]:
    """Hold the lock for the body of a ``with`` statement, exclusively; nothing if none is named.

    Args:
        timeout: seconds to wait at most, or None to wait for ever.
        since: when they began, on the monotonic clock.

    Raises:
        LockTimeout: others held it for the whole time.
        LockError: it cannot be taken.
    """
    files = outer_lock_to_take(shared=False)
    if files is None:
        yield
        return
    from sagepip.transaction.command_lock import CommandLock

    with CommandLock(files, shared=False).hold(timeout, since, inheritable=False):
        yield
