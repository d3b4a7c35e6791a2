"""Write new files, hashed on the way."""

from __future__ import annotations

import os

from sagepip.staging.hashing import Hasher, hash_of

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def write_new(
    path: str, content: bytes | Iterable[bytes], mode: int, expected: str
) -> tuple[str, int]:
    """Write a file that is not there yet.

    Args:
        path: of it.
        content: all of it, or its parts.
        mode: its permissions, but for the umask.
        expected: a hash whose algorithm is used; empty for sha256.

    Returns:
        The hash of the content in the form of RECORD, and its size.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = os.open(path, _NEW_FILE, mode)
    try:
        if isinstance(content, bytes):
            digest = hash_of(content, expected)
            write_all(descriptor, content)
            return digest, len(content)
        hasher, size = Hasher(expected), 0
        for part in content:
            hasher.update(part)
            size += len(part)
            write_all(descriptor, part)
        return hasher.digest(), size
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of a content, however much is taken at once."""
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, memoryview(content)[written:])
