"""The files that ``sagepip adopt`` writes into a Sage tree: all of them, or none."""

from __future__ import annotations

import os

from sagepip.ground.filesystem import (
    link_or_copy,
    make_directories,
    publish_file,
    remove_file,
    remove_tree,
)
from sagepip.ground.light_contextlib import suppress
from sagepip.operations.adopt_plan import Content
from sagepip.operations.adopt_state import STATE, AdoptionState

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Fixed names: whoever comes after a kill finds what was left, and nobody else has such names.
_NEW = ".sagepip-new"
_OLD = ".sagepip-old"


def exchange(root: str, contents: Mapping[str, Content | None]) -> None:
    """Write all new files beside the old ones, then rename; rename back on an error.

    Args:
        root: the tree.
        contents: by path; None: it goes.

    Raises:
        OSError: nothing was changed.
    """
    done: list[str] = []
    try:
        for path, content in contents.items():
            full = os.path.join(root, path)
            if content is not None:
                _write_new(full, content)
            if os.path.lexists(full):
                # Another name of the old one: to put it back takes no space.
                link_or_copy(full, full + _OLD)
        for path, content in contents.items():
            full = os.path.join(root, path)
            done.append(full)
            if content is not None:
                publish_file(full + _NEW, full)
            else:
                remove_file(full)
    except BaseException:
        for full in done:
            if os.path.lexists(full + _OLD):
                publish_file(full + _OLD, full)
            else:
                remove_file(full)
        raise
    finally:
        sweep(root, contents)


def sweep(root: str, paths: Iterable[str]) -> bool:
    """Remove what a killed exchange left beside files of a tree; return whether there was any."""
    found = False
    for path in paths:
        for ending in (_NEW, _OLD):
            leftover = os.path.join(root, path) + ending
            if os.path.lexists(leftover):
                remove_file(leftover)
                found = True
    return found


def keep(state: AdoptionState, originals: Iterable[tuple[str, Content]]) -> None:
    """Keep originals, where git does not see them.

    Args:
        state: says where.
        originals: path and content.

    Raises:
        OSError: they cannot be written.
    """
    _make(state.directory)
    _write(os.path.join(state.directory, ".gitignore"), Content(b"*\n", 0o644))
    for path, content in originals:
        place = state.original_path(path)
        _make(os.path.dirname(place))
        _write(place, Content(content.data, 0o644))


def write_state(state: AdoptionState) -> None:
    """Write down what is done to a tree.

    Raises:
        OSError: it cannot be written; what was there before is.
    """
    _write(os.path.join(state.directory, STATE), Content(state.as_json().encode(), 0o644))


def forget(state: AdoptionState) -> None:
    """Remove all that is remembered of a tree.

    Raises:
        OSError: it stays.
    """
    # First: without it nobody looks for originals that have gone already.
    remove_file(os.path.join(state.directory, STATE))
    remove_tree(state.directory)


def _make(directory: str) -> None:
    for path in make_directories(directory):
        _give(path, os.stat(os.path.dirname(path)))


def _write(path: str, content: Content) -> None:
    try:
        _write_new(path, content)
        publish_file(path + _NEW, path)
    except OSError:
        remove_file(path + _NEW)
        raise


def _write_new(path: str, content: Content) -> None:
    """Write what a file is to be beside it; it is its owner's, though root may write it."""
    remove_file(path + _NEW)
    descriptor = os.open(path + _NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(content.data)
        _give(descriptor, os.stat(path if os.path.exists(path) else os.path.dirname(path)))
        os.fchmod(descriptor, content.mode)


def _give(made: str | int, owner: os.stat_result) -> None:
    found = os.stat(made)
    if (found.st_uid, found.st_gid) != (owner.st_uid, owner.st_gid):
        with suppress(PermissionError):
            os.chown(made, owner.st_uid, owner.st_gid)
