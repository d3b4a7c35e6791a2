"""The lock that this process runs under: taken by an ancestor, for the command that we are part of.

Nothing is believed that the kernel does not confirm. A level of a lock is inherited if a
descriptor that was left to us holds it; or if a descriptor of an ancestor holds it that
:data:`HELD` names. (Python closes descriptors when it starts a process; the variable stays.)
"""

from __future__ import annotations

import os

from sagepip.ground.errors import LockError
from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.flock import try_lock
from sagepip.transaction.kernel_locks import (
    ancestors,
    descriptors_of,
    kernel_locks,
    lock_through,
    tells_descriptors,
)
from sagepip.transaction.lock_files import LockFiles

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HELD = "SAGEPIP_LOCK_HELD"
"""The levels that ancestors hold for us: ``MODE:DEVICE:INODE:DESCRIPTOR``, separated by blanks."""


@dataclass(frozen=True)
class Inherited:
    """What this process has from its ancestors of one lock.

    Attributes:
        depth: how many levels they hold.
        shared: whether the innermost of these is shared.
    """

    depth: int = 0
    shared: bool = False


@dataclass(frozen=True)
class _Announced:
    mode: str
    device: int
    inode: int
    descriptor: int


def announcement(descriptor: int, *, shared: bool) -> str:
    """Return what :data:`HELD` says of a level that this process holds.

    Args:
        descriptor: the open file that is locked.
        shared: how.
    """
    found = os.fstat(descriptor)
    return f"{'s' if shared else 'x'}:{found.st_dev}:{found.st_ino}:{descriptor}"


def environ_under(environ: Mapping[str, str], announcements: Iterable[str]) -> dict[str, str]:
    """Return the environment of a command that runs under a lock.

    Args:
        environ: our own.
        announcements: see :func:`announcement`.
    """
    held = " ".join([environ.get(HELD, ""), *announcements]).strip()
    return {**environ, HELD: held} if held else dict(environ)


def find_inherited(files: LockFiles) -> Inherited:
    """Find out whether this process runs under a lock.

    Args:
        files: the lock's; they may not exist.
    """
    announced = list(_read(os.environ.get(HELD, "")))
    depth, mode = 0, ""
    for path in files.levels:
        try:
            found = os.stat(path)
        except OSError:
            break
        named = [
            one for one in announced if (one.device, one.inode) == (found.st_dev, found.st_ino)
        ]
        held = _inherited_mode(path, found, named)
        if not held:
            break
        depth, mode = depth + 1, held
    return Inherited(depth, mode == "s")


def refuse_exclusive(files: LockFiles, inherited: Inherited) -> None:
    """Refuse an exclusive lock that could never be had.

    Args:
        files: the lock's.
        inherited: what of it is held by ancestors.

    Raises:
        LockError: they share it, or there is no level left.
    """
    if inherited.depth and inherited.shared:
        raise LockError(
            f"cannot change {files.name}: this command runs under its shared lock, which "
            "excludes every change",
            advice="use sage-pip-lock -x instead of -s around it",
        )
    if inherited.depth == len(files.levels):
        raise LockError(
            f"cannot lock {files.name}: this command runs under that lock"
            + (f", {inherited.depth} times over" if inherited.depth > 1 else ""),
            advice="do not nest sage-pip-lock" + " so deeply" * (inherited.depth > 1),
        )


def _read(text: str) -> Iterable[_Announced]:
    for word in text.split():
        try:
            mode, *numbers = word.split(":")
            yield _Announced(mode, *map(int, numbers))
        except (ValueError, TypeError):
            continue


def _inherited_mode(path: str, found: os.stat_result, announced: list[_Announced]) -> str:
    """Return how ancestors hold one level: ``x``, ``s``, or an empty string for not at all."""
    if not tells_descriptors():
        return _tried_mode(path, found, announced)
    for descriptor in descriptors_of("self"):
        # Whatever this process itself opens is closed on exec: only what was left to it is not.
        if _was_left_to_us(descriptor) and (mode := lock_through("self", descriptor, found)):
            return mode
    if not announced:
        return ""
    family = list(ancestors())
    for one in announced:
        for process in family:
            if mode := lock_through(process, one.descriptor, found):
                return mode
    # An ancestor of another user: its descriptors are not for us to see, its locks are.
    hidden = {process for process in family if not descriptors_of(process)}
    kernel = kernel_locks(path) if hidden else None
    if kernel is not None and hidden.intersection(kernel.holders):
        return "s" if kernel.shared else "x"
    return ""


def _was_left_to_us(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


def _tried_mode(path: str, found: os.stat_result, announced: list[_Announced]) -> str:
    """Find out without ``/proc``: others cannot lock the file, and we can through a descriptor.

    Only descriptors that were left to us can be tried, so an ancestor's own do not count.
    """
    try:
        fresh = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        if try_lock(fresh, shared=False):
            return ""
        for one in announced:
            if not _was_left_to_us(one.descriptor):
                continue
            if not os.path.samestat(os.fstat(one.descriptor), found):
                continue
            # What is held in that mode already is had at once, and changes nothing.
            shared = one.mode == "s"
            if try_lock(fresh, shared=True) == shared and try_lock(one.descriptor, shared=shared):
                return one.mode
    except OSError:
        return ""
    finally:
        os.close(fresh)
    return ""
