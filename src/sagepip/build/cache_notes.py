"""What is noted of an entry of the cache, to be had without looking at all of it: size and use.

The note is advice on what to remove first, nothing else depends on it. It lies in the entry: its
time is that of the last use, its text the size.
"""

from __future__ import annotations

import os
import stat

NOTE = "sagepip-note"
# Written in place, over a text of the same length.
_DIGITS = 15


def disk_size(found: os.stat_result) -> int:
    """Return what a file takes on disk.

    Args:
        found: its ``lstat``.
    """
    allocated = found.st_blocks * 512
    # Some file systems (ZFS) allocate later.
    return max(allocated, found.st_size) if stat.S_ISREG(found.st_mode) else allocated


def own_size(root: str) -> int:
    """Return what a tree takes on disk, without files that have names elsewhere too.

    Args:
        root: the tree; what disappears meanwhile does not count.
    """
    try:
        total = disk_size(os.lstat(root))
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += own_size(entry.path)
                else:
                    total += own_file_size(entry.stat(follow_symlinks=False))
    except OSError:
        return 0
    return total


def own_file_size(found: os.stat_result) -> int:
    """Return what a file takes on disk, nothing if it has another name too.

    Args:
        found: its ``lstat``.
    """
    return disk_size(found) if found.st_nlink == 1 else 0


def note_size(root: str, size: int | None = None) -> None:
    """Note the size of a tree, measured if it is not given, and that it was used just now."""
    text = f"{own_size(root) if size is None else size:0{_DIGITS}d}\n"
    try:
        with open(os.path.join(root, NOTE), "r+b") as stream:
            stream.write(text.encode())
    except OSError:
        return


def noted_size(root: str) -> int | None:
    """Return the size that was noted; None if none was."""
    try:
        with open(os.path.join(root, NOTE), "rb") as stream:
            text = stream.read(_DIGITS + 2)
    except OSError:
        return None
    return int(text) if len(text) == _DIGITS + 1 and text[:-1].isdigit() else None


def mark_used(root: str) -> None:
    """Note that a tree was used just now."""
    try:
        os.utime(os.path.join(root, NOTE))
    except OSError:
        return  # its age is a matter of tidiness only


def last_used(root: str) -> float:
    """Return when a tree was last used, in seconds since the epoch; 0 if it is not known."""
    try:
        return os.stat(os.path.join(root, NOTE)).st_mtime
    except OSError:
        return 0.0
