"""Tell whether a tree in the cache is as it was made: sizes and times of all that is in it.

Bytecode is left out: Python itself writes it, whole, and checks it against its source.
"""

from __future__ import annotations

import os

from sagepip.build.cache import guarded, unguarded
from sagepip.build.cache_notes import NOTE, disk_size, note_size, own_file_size, own_size
from sagepip.ground.light_json import dumps, loads

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Three lines: the digest of the others, what the caller wants written down, the stamps.
MANIFEST = "sagepip-manifest"
OWN_FILES = frozenset({MANIFEST, NOTE})
"""The names of what lies at the top of a tree beside its contents."""

BYTECODE = "__pycache__"
"""The name of the directories that are left out."""

Stamp = list[int]
"""The size and the time of a file."""


class ChangedTree(Exception):
    """A tree is not as it was sealed; its path, and that in it of something which has changed."""


def seal(root: str, about: dict[str, Any], linked: Mapping[str, Stamp] | None = None) -> None:
    """Write down what a tree consists of, in a file in it; nothing may be added afterwards.

    Args:
        root: the tree.
        about: what else to write down.
        linked: the stamps of files that have names elsewhere, too, where these are known: what
            such a file has become meanwhile is then seen as a change.

    Raises:
        OSError: it cannot be read or written.
    """
    # Made first: a file that comes changes the time of the directory. Not empty: it is measured.
    for name in OWN_FILES:
        with open(os.path.join(root, name), "xb") as stream:
            stream.write(b"\n")
    with open(os.path.join(root, MANIFEST), "wb") as stream:
        files: dict[str, Stamp] = dict(linked or {})
        directories: dict[str, int] = {}
        size = _stamp(root, "", files, directories)
        stamps = {"files": files, "directories": directories}
        text = f"{dumps(about)}\n{dumps(stamps)}\n".encode()
        stream.write(guarded(text))
    own = [os.lstat(os.path.join(root, name)) for name in OWN_FILES]
    note_size(root, size + sum(map(own_file_size, own)))


def read_about(root: str) -> dict[str, Any]:
    """Return what was given to :func:`seal`, unchecked; empty if it cannot be read."""
    try:
        with open(os.path.join(root, MANIFEST), "rb") as stream:
            stream.readline()
            found = loads(stream.readline())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def file_stamps(root: str) -> dict[str, Stamp]:
    """Return the stamps of the files of a tree as they were when it was sealed.

    None if the tree does not tell any more: then it has changed (:func:`find_change`).
    """
    stamps = _read_stamps(root)
    if stamps is None:
        return {}
    found: dict[str, Stamp] = stamps["files"]
    return found


def stamp_of(path: str) -> Stamp:
    """Return the stamp of a file."""
    found = os.lstat(path)
    return [found.st_size, found.st_mtime_ns]


def break_seal(root: str) -> None:
    """Have a tree that is still in use by others not be taken by anybody else."""
    from sagepip.ground.filesystem import remove_file

    remove_file(os.path.join(root, MANIFEST))


def find_change(root: str) -> str:
    """Return the path of something in a tree that is not as it was made, or an empty string.

    Args:
        root: the tree; names in the answer are relative to it.
    """
    stamps = _read_stamps(root)
    if stamps is None:
        return MANIFEST
    files, directories = stamps["files"], stamps["directories"]
    try:
        for name, (size, modified) in files.items():
            found = os.lstat(f"{root}/{name}")
            if found.st_mtime_ns != modified or found.st_size != size:
                return str(name)
        for name, modified in directories.items():
            path = f"{root}/{name}" if name else root
            if os.lstat(path).st_mtime_ns == modified:
                continue
            # Something came or went; if it is gone again, or bytecode, all is well.
            for entry in os.listdir(path):
                inner = f"{name}/{entry}" if name else entry
                known = inner in files or inner in directories
                if not known and entry != BYTECODE and inner not in OWN_FILES:
                    return inner
    except OSError as error:
        # Missing, replaced by something else, or not to be looked at any more.
        return os.path.relpath(error.filename, root)
    return ""


def _read_stamps(root: str) -> dict[str, Any] | None:
    """Return the stamps of a tree; None if they are missing or not as they were written."""
    try:
        with open(os.path.join(root, MANIFEST), "rb") as stream:
            text = unguarded(stream.read())
    except (OSError, ValueError):
        return None
    stamps: dict[str, Any] = loads(text.splitlines()[1])
    return stamps


def _stamp(root: str, relative: str, files: dict[str, Stamp], directories: dict[str, int]) -> int:
    """Note the sizes and times below a directory; return what it takes on disk, alone.

    Files that are noted are not asked for theirs, and take nothing.
    """
    path = f"{root}/{relative}" if relative else root
    own = os.lstat(path)
    directories[relative] = own.st_mtime_ns
    total = disk_size(own)
    with os.scandir(path) as entries:
        for entry in entries:
            name = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name == BYTECODE:
                    total += own_size(entry.path)
                else:
                    total += _stamp(root, name, files, directories)
            elif name not in files and name not in OWN_FILES:
                found = entry.stat(follow_symlinks=False)
                files[name] = [found.st_size, found.st_mtime_ns]
                total += own_file_size(found)
    return total
