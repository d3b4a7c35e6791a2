"""The members of a wheel, verified while they are read.

``zipfile`` takes longer to open a member than to inflate most of them, and reads the larger ones
with more copies than needed; so members are read here, to the same rules: no byte more than the
central directory states, and its checksum.
"""

from __future__ import annotations

import io
import os
import zlib

from sagepip.ground.light_typing import BinaryIO, cast
from sagepip.staging.hashing import Hasher, hash_of
from sagepip.staging.zip_library import zipfile

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Larger ones are read in parts.
_AT_ONCE = 1 << 20
_PACKED_PART = 1 << 17
_PART = 1 << 20
# How hard it was deflated, that a descriptor follows, that the name is UTF-8.
_PLAIN_FLAGS = 0x2 | 0x4 | 0x8 | 0x800


class Member:
    """A member of a wheel.

    Args:
        archive: the wheel, opened.
        entry: the member.
        descriptor: of the wheel.
        start: where its data begin in it.
        expected: its hash as RECORD says; empty if it says nothing.
        is_executable: whether it is marked so.
        refuse: told that the member is not what RECORD says; may raise.

    Attributes:
        name: of it.
        content: all of it, where it is small.
    """

    __slots__ = (
        "_archive",
        "_descriptor",
        "_entry",
        "_is_plain",
        "_refuse",
        "_start",
        "_stream",
        "content",
        "expected",
        "is_executable",
        "name",
    )

    def __init__(
        self,
        archive: zipfile.ZipFile,
        entry: zipfile.ZipInfo,
        descriptor: int,
        start: int,
        expected: str,
        is_executable: bool,
        refuse: Callable[[str], None],
    ) -> None:
        self.name = entry.filename
        self.expected = expected
        self.is_executable = is_executable
        self._archive = archive
        self._entry = entry
        self._descriptor = descriptor
        self._start = start
        self._refuse = refuse
        self._stream: BinaryIO | None = None
        is_small = entry.file_size <= _AT_ONCE and entry.compress_size <= _AT_ONCE
        # What the other flags mean is left to zipfile, which refuses some of it.
        self._is_plain = not entry.flag_bits & ~_PLAIN_FLAGS
        self.content = self._read_at_once() if is_small and self._is_plain else None

    @property
    def stream(self) -> BinaryIO:
        """Its content as a file, read from the beginning."""
        if self._stream is None:
            if self.content is not None:
                self._stream = io.BytesIO(self.content)
            else:
                self._stream = cast(BinaryIO, self._archive.open(self._entry))
        return self._stream

    def close(self) -> None:
        """Let go of what was opened to read it."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def parts(self) -> Iterator[bytes]:
        """Yield its content in parts; verified only once all were taken."""
        if not self._is_plain:
            yield from iter(lambda: self.stream.read(_PACKED_PART), b"")
            return
        entry = self._entry
        left, checksum = entry.file_size, 0
        for part in (
            self._packed() if entry.compress_type == zipfile.ZIP_STORED else self._inflated()
        ):
            left -= len(part)
            if left < 0:
                break
            checksum = zlib.crc32(part, checksum)
            yield part
        if left:
            raise _wrong_size(entry)
        if checksum != entry.CRC:
            raise _wrong_checksum(entry)

    def read_through(self) -> None:
        """Read all of it, only to compare it."""
        if self.content is not None:
            self.verify(hash_of(self.content, self.expected))
            return
        hasher = Hasher(self.expected)
        for part in self.parts():
            hasher.update(part)
        self.verify(hasher.digest())

    def verify(self, digest: str) -> None:
        """Compare the hash of what was read with RECORD, whose size has been compared before."""
        if self.expected and digest != self.expected:
            self._refuse(
                f"{self.name} is not what RECORD says (hash {digest}, expected {self.expected})"
            )

    def _packed(self) -> Iterator[bytes]:
        descriptor, position = self._descriptor, self._start
        end = position + self._entry.compress_size
        while position < end:
            packed = os.pread(descriptor, min(_PACKED_PART, end - position), position)
            if not packed:
                raise EOFError(f"the file ends in {self.name!r}")
            position += len(packed)
            yield packed

    def _inflated(self) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        for packed in self._packed():
            while packed:
                yield inflate.decompress(packed, _PART)
                packed = inflate.unconsumed_tail
        # All of it may be read, and yet not all be written.
        while part := inflate.decompress(b"", _PART):
            yield part

    def _read_at_once(self) -> bytes:
        entry = self._entry
        packed = os.pread(self._descriptor, entry.compress_size, self._start)
        if len(packed) < entry.compress_size:
            raise EOFError(f"the file ends in {entry.filename!r}")
        if entry.compress_type == zipfile.ZIP_STORED:
            content = packed
        else:
            inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            content = inflate.decompress(packed, entry.file_size + 1)
        if len(content) != entry.file_size:
            raise _wrong_size(entry)
        if zlib.crc32(content) != entry.CRC:
            raise _wrong_checksum(entry)
        return content


def _wrong_size(entry: zipfile.ZipInfo) -> zipfile.BadZipFile:
    problem = f"{entry.filename!r} does not have the stated {entry.file_size} bytes"
    return zipfile.BadZipFile(problem)


def _wrong_checksum(entry: zipfile.ZipInfo) -> zipfile.BadZipFile:
    return zipfile.BadZipFile(f"Bad CRC-32 for file {entry.filename!r}")
