"""Copy and compare what is in files that are open."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

SMALL = 1 << 16
"""Up to this size a file is read and written at once: there are no blocks to speak of to share."""
_CHUNK = 1 << 30
_BUFFER = 1 << 20
_COMPARED = 1 << 15
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
# The kernel, the file system, or the two file systems together have no such call.
_NO_RANGE = frozenset(
    {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY}
)


def copy_bytes(read: BinaryIO, target: str) -> None:
    """Copy what is in an open file to a name that is absent; the copy is for its owner alone.

    Args:
        read: the file, at its beginning; nothing has been read of it.
        target: the name.
    """
    write = os.open(target, _MAKE, 0o600)
    try:
        copy_content(read.fileno(), write, os.fstat(read.fileno()).st_size)
    finally:
        os.close(write)


def copy_content(read: int, write: int, size: int) -> None:
    """Copy what is in an open file to another, which is new.

    Args:
        read: the file, of which nothing has been read.
        write: the other one.
        size: of the file, as its status tells; all that is there by now is copied.
    """
    if size <= SMALL:
        data = os.read(read, size + 1)
        if len(data) != size or (size and os.write(write, data) != size):
            copy_again(read, write)
        return
    _copy_all(read, write)


def copy_again(read: int, write: int) -> None:
    """Copy what grows or shrinks, or did not fit on the disk, which the next call will say."""
    os.lseek(read, 0, os.SEEK_SET)
    os.lseek(write, 0, os.SEEK_SET)
    os.ftruncate(write, 0)
    _copy_all(read, write)


def _copy_all(read: int, write: int) -> None:
    # Shares the blocks where the file system can, and stays in the kernel where it cannot.
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(read, write, _CHUNK):
                pass
        except OSError as error:
            if error.errno not in _NO_RANGE:
                raise
    # What is left: all of it without that call, nothing after it.
    os.lseek(read, os.lseek(write, 0, os.SEEK_CUR), os.SEEK_SET)
    while data := os.read(read, _BUFFER):
        view = memoryview(data)
        while view:
            view = view[os.write(write, view) :]


def is_same_content(first: int, second: int, size: int) -> bool:
    """Whether two open files begin with the same bytes; how far they were read stays as it is.

    Args:
        first: the one.
        second: the other.
        size: how many bytes.
    """
    done = 0
    while done < size:
        part = os.pread(first, _COMPARED, done)
        if not part or part != os.pread(second, _COMPARED, done):
            return False
        done += len(part)
    return done == size
