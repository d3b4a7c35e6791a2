"""Put sagepip into a Sage tree, in place of its raw calls of pip, and take it out again."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping, Sequence

from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import make_directories, publish_file, remove_file, remove_tree
from sagepip.operations.adopt_edits import ARCHIVE
from sagepip.operations.adopt_plan import Change, Content, check_tree, plan_adoption, read_content
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
    }
    new = AdoptionState(os.path.join(root, DIRECTORY), files)
    contents: dict[str, Content | None] = {one.path: one.wanted for one in needed}
    try:
        _keep_originals(new, changes)
        _exchange(root, contents, {one.path: one.current for one in needed}, new)
    except OSError as error:
        if not old.files:
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
    changed = [path for path, one in current.items() if not _is_ours(one, state.files[path])]
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
        _exchange(root, {path: wanted[path] for path in order}, current, None)
    except OSError as error:
        raise _unwritable(root, error) from error
    remove_tree(state.directory)
    return [path for path in order if current[path] != wanted[path]]


def _is_ours(current: Content | None, known: Adopted) -> bool:
    """Whether a file is what was made of it, or still, or again, the original."""
    if current is None:
        return known.original is None
    return current.sha256 in (known.adopted, known.original)


def _keep_originals(state: AdoptionState, changes: Sequence[Change]) -> None:
    make_directories(state.directory)
    _write(state.directory, os.path.join(state.directory, ".gitignore"), Content(b"*\n", 0o644))
    for one in changes:
        if one.original is not None:
            path = state.original_path(one.path)
            make_directories(os.path.dirname(path))
            _write(os.path.dirname(path), path, Content(one.original.data, 0o644))


def _exchange(
    root: str,
    contents: Mapping[str, Content | None],
    before: Mapping[str, Content | None],
    state: AdoptionState | None,
) -> None:
    """Write all new files beside the old ones, then rename; put back what was on an error."""
    parts: dict[str, str] = {}
    done: list[str] = []
    try:
        for path, content in contents.items():
            if content is not None:
                parts[path] = _write_part(os.path.dirname(os.path.join(root, path)), content)
        if state is not None:
            # First: a kill below leaves what --apply brings to its end, and --undo takes back.
            text = Content(state.as_json().encode(), 0o644)
            _write(state.directory, os.path.join(state.directory, "state.json"), text)
        for path in contents:
            done.append(path)
            if path in parts:
                publish_file(parts.pop(path), os.path.join(root, path))
            else:
                remove_file(os.path.join(root, path))
    except OSError:
        for path in done:
            content = before[path]
            if content is None:
                remove_file(os.path.join(root, path))
            elif read_content(root, path) != content:
                place = os.path.join(root, path)
                _write(os.path.dirname(place), place, content)
        raise
    finally:
        for part in parts.values():
            remove_file(part)


def _write(directory: str, path: str, content: Content) -> None:
    publish_file(_write_part(directory, content), path)


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
    if change.path == ARCHIVE:
        size = len(change.wanted.data) / 1e6
        verb = "replaced" if change.current else "added"
        return f"Binary file {change.path} would be {verb} ({size:.1f} MB)\n"
    old = change.current.data.decode("utf-8", "replace") if change.current else ""
    new = change.wanted.data.decode("utf-8", "replace")
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        f"a/{change.path}" if change.current else "/dev/null",
        f"b/{change.path}",
    )
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines
    )
