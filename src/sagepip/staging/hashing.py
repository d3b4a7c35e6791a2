"""Hashing in the form of RECORD, while something is read."""

from __future__ import annotations

import base64
import hashlib
from typing import BinaryIO


def hash_of(content: bytes, expected: str = "") -> str:
    """Return the hash of a content in the form of RECORD.

    Args:
        content: of a file.
        expected: a hash whose algorithm is used; empty for sha256.
    """
    algorithm = expected.partition("=")[0] or "sha256"
    value = hashlib.new(algorithm, content).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(value).decode().rstrip('=')}"


class HashingStream:
    """Hashes what is read through it, with the algorithm of an expected hash.

    Args:
        stream: what is read.
        expected: a hash in the form of RECORD; empty for sha256.
    """

    def __init__(self, stream: BinaryIO, expected: str = "") -> None:
        self._stream = stream
        self._algorithm = expected.partition("=")[0] or "sha256"
        self._hash = hashlib.new(self._algorithm)
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Read as a file does."""
        data = self._stream.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def readline(self, limit: int = -1) -> bytes:
        """Read a line as a file does."""
        data = self._stream.readline(limit)
        self._hash.update(data)
        self.size += len(data)
        return data

    def digest(self) -> str:
        """Return the hash in the form of RECORD."""
        value = base64.urlsafe_b64encode(self._hash.digest()).decode().rstrip("=")
        return f"{self._algorithm}={value}"
