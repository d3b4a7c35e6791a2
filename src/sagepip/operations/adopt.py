"""Put sagepip into a Sage tree, in place of its raw calls of pip, and take it out again.

Whoever does either holds the lock of the tree's directory ``build``: a ``flock(2)`` of a directory
that is there anyway, the same by whatever path the tree is named. What is to come is written down
in the state before the first script changes, so that a kill leaves what the next call, of either
kind, brings to an end.
"""

from __future__ import annotations

import difflib
import os
import time

from sagepip.ground.errors import TargetError
from sagepip.ground.light_contextlib import contextmanager, suppress
from sagepip.operations.adopt_edits import ARCHIVE
from sagepip.operations.adopt_files import exchange, forget, keep, sweep, write_state
from sagepip.operations.adopt_plan import (
    Change,
    Content,
    check_tree,
    is_ours,
    known_paths,
    plan_adoption,
    read_content,
)
from sagepip.operations.adopt_state import Adopted, AdoptionState, read_state
from sagepip.transaction.command_lock import CommandLock
from sagepip.transaction.commit import signals_deferred
from sagepip.transaction.lock_files import LockFiles

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOCKED = "build"


def plan(root: str, archive: bytes, *, lock_timeout: float | None = None) -> list[Change]:
    """Return what is to be changed in a tree; empty: it has been adopted already.

    Args:
        root: the tree.
        archive: the zip application.
        lock_timeout: seconds to wait for others who change the tree, or None for ever.

    Raises:
        TargetError: the tree is not one that sagepip knows; it says where and why.
        LockTimeout, LockError: the tree's lock is not to be had.
    """
    with _locked(root, lock_timeout, shared=True):
        changes = plan_adoption(root, read_state(root), archive)
    return [one for one in changes if one.is_needed]


def diff(changes: Sequence[Change]) -> str:
    """Return the changes as a unified diff."""
    return "".join(_diff(one) for one in changes)


def apply(root: str, archive: bytes, *, lock_timeout: float | None = None) -> list[str]:
    """Make the changes, all or none, and keep the originals.

    Args:
        root: the tree.
        archive: the zip application.
        lock_timeout: seconds to wait for others who change the tree, or None for ever.

    Returns:
        The files that were changed, relative to the tree.

    Raises:
        TargetError: the tree is not one that sagepip knows, or cannot be written to; it is as it
            was.
        LockTimeout, LockError: the tree's lock is not to be had.
    """
    with _locked(root, lock_timeout), signals_deferred():
        old = read_state(root)
        changes = plan_adoption(root, old, archive)
        needed = [one for one in changes if one.is_needed]
        try:
            sweep(root, known_paths(old))
            if not needed:
                return []
            keep(old, [(one.path, one.original) for one in changes if one.original])
            # Before the rest: a kill below leaves what --apply brings to its end, --undo takes
            # back. It knows of both what a file is and what it is to be.
            write_state(_state(old, changes))
            exchange(root, {one.path: one.wanted for one in needed})
        except OSError as error:
            if not old.files:
                forget(old)
            raise _unwritable(root, error) from error
        given_up = [one for one in changes if not one.is_kept]
        if given_up:
            # They are as they were; a state that still names them harms nobody until they change.
            with suppress(OSError):
                write_state(_state(old, [one for one in changes if one.is_kept]))
        return [one.path for one in needed]


def undo(root: str, *, lock_timeout: float | None = None) -> list[str]:
    """Restore the originals, all or none.

    Args:
        root: the tree.
        lock_timeout: seconds to wait for others who change the tree, or None for ever.

    Returns:
        The files that were restored or removed, relative to the tree.

    Raises:
        TargetError: one was changed since, or cannot be restored; the tree is as it was.
        LockTimeout, LockError: the tree's lock is not to be had.
    """
    with _locked(root, lock_timeout), signals_deferred():
        state = read_state(root)
        wanted = _originals(root, state)
        # The archive goes last: until then the scripts work.
        order = sorted(wanted, key=lambda path: (wanted[path] is None, path == ARCHIVE))
        current = {path: read_content(root, path) for path in order}
        needed = [path for path in order if current[path] != wanted[path]]
        try:
            swept = sweep(root, known_paths(state))
            exchange(root, {path: wanted[path] for path in needed})
        except OSError as error:
            raise _unwritable(root, error) from error
        if not (state.files or swept or os.path.isdir(state.directory)):
            raise TargetError(f"{root} was not adopted", advice="there is nothing to undo")
        try:
            forget(state)
        except OSError as error:
            raise TargetError(
                f"{root} is as it was, but cannot remove {error.filename}: {error.strerror}",
                advice=f"remove {state.directory}",
            ) from error
        return needed


@contextmanager
def _locked(root: str, timeout: float | None, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a tree."""
    check_tree(root)
    directory = os.path.join(os.path.realpath(root), _LOCKED)
    lock = CommandLock(LockFiles(root, directory), shared=shared)
    with lock.hold(timeout, time.monotonic(), inheritable=False):
        yield


def _state(old: AdoptionState, changes: Sequence[Change]) -> AdoptionState:
    """Return what is to be remembered of changes that are about to be made."""
    files = {}
    for one in changes:
        became = one.wanted if one.is_kept else one.current
        if became is None:
            continue
        current = one.current.sha256 if one.current else None
        is_other = current not in (became.sha256, one.original.sha256 if one.original else None)
        files[one.path] = Adopted(
            one.original.sha256 if one.original else None,
            one.original.mode if one.original else 0,
            became.sha256,
            current if is_other else None,
        )
    return AdoptionState(old.directory, files)


def _originals(root: str, state: AdoptionState) -> dict[str, Content | None]:
    """Return what each file was.

    Raises:
        TargetError: one was changed since; or what was kept is not there any more.
    """
    current = {path: read_content(root, path) for path in state.files}
    changed = [path for path, one in current.items() if not is_ours(one, state.files[path])]
    if changed:
        raise TargetError(
            f"changed since sagepip wrote it: {', '.join(changed)} in {root}; nothing was restored",
            advice="move it away for --undo, and merge by hand",
        )
    return {
        path: None if one.original is None else Content(state.read_original(path), one.mode)
        for path, one in state.files.items()
    }


def _unwritable(root: str, error: OSError) -> TargetError:
    return TargetError(
        f"cannot change {root}: {error.filename or ''}: {error.strerror}; it is as it was",
        advice="may you write there, and is there space?",
    )


def _diff(change: Change) -> str:
    if change.path == ARCHIVE and change.wanted:
        size = len(change.wanted.data) / 1e6
        verb = "replaced" if change.current else "added"
        return f"Binary file {change.path} would be {verb} ({size:.1f} MB)\n"
    old = change.current.data.decode("utf-8", "replace") if change.current else ""
    new = change.wanted.data.decode("utf-8", "replace") if change.wanted else ""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        f"a/{change.path}" if change.current else "/dev/null",
        f"b/{change.path}" if change.wanted else "/dev/null",
    )
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines
    )
