"""Hashing in the form of RECORD, at once or while something is read."""

from __future__ import annotations

from binascii import b2a_base64

from sagepip.ground.light_typing import BinaryIO
from sagepip.ground.sha256 import sha256_digest

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_USUAL = "sha256"


class Hasher:
    """A hash that grows, in the form of RECORD.

    Args:
        expected: a hash whose algorithm is used; empty for sha256.
    """

    __slots__ = ("_algorithm", "_hash", "update")

    def __init__(self, expected: str = "") -> None:
        import hashlib

        self._algorithm = expected.partition("=")[0] or _USUAL
        self._hash = hashlib.new(self._algorithm)
        self.update = self._hash.update

    def digest(self) -> str:
        """Return the hash in the form of RECORD."""
        return _formatted(self._algorithm, self._hash.digest())


def hash_of(content: bytes, expected: str = "") -> str:
    """Return the hash of a content in the form of RECORD.

    Args:
        content: of a file.
        expected: a hash whose algorithm is used; empty for sha256.
    """
    if not expected or expected[:7] == "sha256=":
        text = b2a_base64(sha256_digest(content), newline=False).translate(_URL_SAFE, b"=")
        return "sha256=" + text.decode()
    import hashlib

    algorithm = expected.partition("=")[0]
    return _formatted(algorithm, hashlib.new(algorithm, content).digest())


def _formatted(algorithm: str, value: bytes) -> str:
    text = b2a_base64(value, newline=False).translate(_URL_SAFE, b"=")
    return f"{algorithm}={text.decode()}"


class HashingStream:
    """Hashes what is read through it, with the algorithm of an expected hash.

    Args:
        stream: what is read.
        expected: a hash in the form of RECORD; empty for sha256.
    """

    def __init__(self, stream: BinaryIO, expected: str = "") -> None:
        self._stream = stream
        self._hasher = Hasher(expected)
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Read as a file does."""
        data = self._stream.read(size)
        self._hasher.update(data)
        self.size += len(data)
        return data

    def readline(self, limit: int = -1) -> bytes:
        """Read a line as a file does."""
        data = self._stream.readline(limit)
        self._hasher.update(data)
        self.size += len(data)
        return data

    def digest(self) -> str:
        """Return the hash in the form of RECORD."""
        return self._hasher.digest()
