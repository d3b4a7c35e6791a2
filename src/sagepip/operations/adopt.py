"""Put sagepip into a Sage tree, in place of its raw calls of pip, and take it out again."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping, Sequence

from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import (
    link_or_copy,
    make_directories,
    publish_file,
    remove_file,
    remove_tree,
)
from sagepip.operations.adopt_edits import ARCHIVE
from sagepip.operations.adopt_plan import (
    Change,
    Content,
    check_tree,
    is_ours,
    plan_adoption,
    read_content,
)
from sagepip.operations.adopt_state import DIRECTORY, Adopted, AdoptionState, read_state


def plan(root: str, archive: bytes) -> list[Change]:
    """Return what is to be changed in a tree; empty: it has been adopted already.

    Args:
        root: the tree.
        archive: the zip application.

    Raises:
        TargetError: the tree is not one that sagepip knows; it says where and why.
    """
    changes = plan_adoption(root, read_state(root), archive)
    return [one for one in changes if one.is_needed]


def diff(changes: Sequence[Change]) -> str:
    """Return the changes as a unified diff."""
    return "".join(_diff(one) for one in changes)


def apply(root: str, archive: bytes) -> list[str]:
    """Make the changes, all or none, and keep the originals.

    Args:
        root: the tree.
        archive: the zip application.

    Returns:
        The files that were changed, relative to the tree.

    Raises:
        TargetError: the tree is not one that sagepip knows, or cannot be written to; it is as it
            was.
    """
    old = read_state(root)
    changes = plan_adoption(root, old, archive)
    needed = [one for one in changes if one.is_needed]
    if not needed:
        return []
    files = {
        one.path: Adopted(
            one.original.sha256 if one.original else None,
            one.original.mode if one.original else 0,
            one.wanted.sha256,
        )
        for one in changes
        if one.is_kept and one.wanted
    }
    new = AdoptionState(os.path.join(root, DIRECTORY), files)
    contents: dict[str, Content | None] = {one.path: one.wanted for one in needed}
    try:
        _keep_originals(new, changes)
        # Before the rest: a kill below leaves what --apply brings to its end, --undo takes back.
        _write_state(new)
        _exchange(root, contents)
    except OSError as error:
        if old.files:
            _write_state(old)
        else:
            remove_tree(new.directory)
        raise _unwritable(root, error) from error
    return list(contents)


def undo(root: str) -> list[str]:
    """Restore the originals, all or none.

    Args:
        root: the tree.

    Returns:
        The files that were restored or removed, relative to the tree.

    Raises:
        TargetError: one was changed since, or cannot be restored; the tree is as it was.
    """
    check_tree(root)
    state = read_state(root)
    if not state.files:
        raise TargetError(f"{root} was not adopted", advice="there is nothing to undo")
    current = {path: read_content(root, path) for path in state.files}
    changed = [path for path, one in current.items() if not is_ours(one, state.files[path])]
    if changed:
        raise TargetError(
            f"changed since sagepip wrote it: {', '.join(changed)} in {root}; nothing was restored",
            advice="move it away for --undo, and merge by hand",
        )
    wanted = {
        path: None if one.original is None else Content(state.read_original(path), one.mode)
        for path, one in state.files.items()
    }
    # The archive goes last: until then the scripts work.
    order = sorted(wanted, key=lambda path: (wanted[path] is None, path == ARCHIVE))
    try:
        _exchange(root, {path: wanted[path] for path in order})
    except OSError as error:
        raise _unwritable(root, error) from error
    remove_tree(state.directory)
    return [path for path in order if current[path] != wanted[path]]


def _keep_originals(state: AdoptionState, changes: Sequence[Change]) -> None:
    make_directories(state.directory)
    _write(os.path.join(state.directory, ".gitignore"), Content(b"*\n", 0o644))
    for one in changes:
        if one.original is not None:
            path = state.original_path(one.path)
            make_directories(os.path.dirname(path))
            _write(path, Content(one.original.data, 0o644))


def _write_state(state: AdoptionState) -> None:
    path = os.path.join(state.directory, "state.json")
    _write(path, Content(state.as_json().encode(), 0o644))


def _exchange(root: str, contents: Mapping[str, Content | None]) -> None:
    """Write all new files beside the old ones, then rename; rename back on an error."""
    parts: dict[str, str] = {}
    kept: dict[str, str] = {}
    done: list[str] = []
    try:
        for path, content in contents.items():
            full = os.path.join(root, path)
            if content is not None:
                parts[path] = _write_part(os.path.dirname(full), content)
            if os.path.lexists(full):
                # Another name of the old one: to put it back takes no space.
                kept[path] = f"{full}.sagepip-old"
                remove_file(kept[path])
                link_or_copy(full, kept[path])
        for path in contents:
            done.append(path)
            if path in parts:
                publish_file(parts[path], os.path.join(root, path))
            else:
                remove_file(os.path.join(root, path))
    except OSError:
        for path in done:
            if path in kept:
                publish_file(kept[path], os.path.join(root, path))
            else:
                remove_file(os.path.join(root, path))
        raise
    finally:
        for leftover in (*parts.values(), *kept.values()):
            remove_file(leftover)


def _write(path: str, content: Content) -> None:
    part = _write_part(os.path.dirname(path), content)
    try:
        publish_file(part, path)
    except OSError:
        remove_file(part)
        raise


def _write_part(directory: str, content: Content) -> str:
    descriptor, part = tempfile.mkstemp(prefix=".sagepip-", dir=directory)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content.data)
            os.fchmod(stream.fileno(), content.mode)
    except OSError:
        remove_file(part)
        raise
    return part


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
