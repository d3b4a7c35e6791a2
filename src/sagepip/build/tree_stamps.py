"""Tell whether a tree in the cache is as it was made: sizes and times of all that is in it.

Bytecode is left out: Python itself writes it, whole, and checks it against its source.
"""

from __future__ import annotations

import json
import os
from typing import Any

MANIFEST = "sagepip-manifest.json"
_BYTECODE = "__pycache__"


def seal(root: str, about: dict[str, Any]) -> None:
    """Write down what a tree consists of, in a file in it; nothing may be added afterwards.

    Args:
        root: the tree.
        about: what else to write down.

    Raises:
        OSError: it cannot be read or written.
    """
    manifest = os.path.join(root, MANIFEST)
    # Made first: a file that comes changes the time of the directory.
    with open(manifest, "w", encoding="utf-8") as stream:
        files: dict[str, tuple[int, int]] = {}
        directories: dict[str, int] = {}
        _stamp(root, "", files, directories)
        json.dump({**about, "files": files, "directories": directories}, stream)


def read_manifest(root: str) -> dict[str, Any] | None:
    """Return what :func:`seal` wrote; None if it is missing or damaged."""
    try:
        with open(os.path.join(root, MANIFEST), encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def mark_used(root: str) -> None:
    """Note that a tree was used just now."""
    try:
        os.utime(os.path.join(root, MANIFEST))
    except OSError:
        return  # its age is a matter of tidiness only


def last_used(root: str) -> float:
    """Return when a tree was last used, in seconds since the epoch; 0 if it is not known."""
    try:
        return os.stat(os.path.join(root, MANIFEST)).st_mtime
    except OSError:
        return 0.0


def break_seal(root: str) -> None:
    """Have a tree that is still in use by others not be taken by anybody else."""
    from sagepip.ground.filesystem import remove_file

    remove_file(os.path.join(root, MANIFEST))


def find_change(root: str) -> str:
    """Return the path of something in a tree that is not as it was made, or an empty string.

    Args:
        root: the tree; names in the answer are relative to it.
    """
    manifest = read_manifest(root)
    if manifest is None:
        return MANIFEST
    try:
        files, directories = manifest["files"], manifest["directories"]
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
                if not known and entry not in (_BYTECODE, MANIFEST):
                    return inner
    except FileNotFoundError as error:
        return os.path.relpath(error.filename, root)
    except (KeyError, TypeError, ValueError, AttributeError):
        return MANIFEST
    return ""


def _stamp(
    root: str, relative: str, files: dict[str, tuple[int, int]], directories: dict[str, int]
) -> None:
    path = f"{root}/{relative}" if relative else root
    directories[relative] = os.lstat(path).st_mtime_ns
    with os.scandir(path) as entries:
        for entry in entries:
            name = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name != _BYTECODE:
                    _stamp(root, name, files, directories)
            elif name != MANIFEST:
                found = entry.stat(follow_symlinks=False)
                files[name] = (found.st_size, found.st_mtime_ns)
