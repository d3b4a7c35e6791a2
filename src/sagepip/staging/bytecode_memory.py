"""Bytecode remembered by the content of its source, for the next installation of it.

A project has one file in the cache, with the code of all modules of the version that was compiled
last. What is taken from it is, byte for byte, what the compiler would make: the only difference
between the code of a source at two places is the path that is embedded in it, as one string.

    magic; the code of each module, without that string; index; end
"""

from __future__ import annotations

import binascii
import os
import struct
import zlib

from sagepip.ground import console
from sagepip.ground.filesystem import publish_file, remove_file
from sagepip.ground.light_dataclass import NamedTuple
from sagepip.ground.light_functools import cache
from sagepip.transaction.owner_mark import share_directory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    Buffer = bytes | memoryview

_MAGIC = b"sagepip bytecode 1\n"
# sha256 of the source; where its code lies, its length and checksum; where the path belongs in it
# and the type of that string.
_ENTRY = struct.Struct("<32sQIIIB")
# Where the index lies, the number of its entries, its checksum.
_END = struct.Struct("<QII")
# Short ASCII strings of marshal, interned or not; the highest bit is for references.
_SHORT_ASCII = b"zZ"
_REFERENCE = 0x80
_LONGEST = 255
# From the alphabet of base64 in RECORD to the usual one.
_STANDARD = str.maketrans("-_", "+/")


class _Entry(NamedTuple):
    """Where in the file the code of a source is."""

    offset: int
    length: int
    checksum: int
    path_at: int
    path_type: int


class BytecodeMemory:
    """The remembered code of one project's modules.

    Args:
        path: the file; it need not exist. Whoever can write it can have anything run.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._stream: BinaryIO | None = None
        self._known = self._read()
        self._used: dict[bytes, _Entry] = {}
        self._new: dict[bytes, _Entry] = {}
        self._part: BinaryIO | None = None
        self._is_failed = False

    def take(self, digest: str, embedded: str) -> Sequence[Buffer] | None:
        """Return the code of a source, as marshal writes it, in parts.

        Args:
            digest: the source's hash, as RECORD has it.
            embedded: the path that the code is to say.

        Returns:
            The code, or None if it is not known.
        """
        key, path = _key(digest), _encoded(embedded)
        entry = self._known.get(key) if key and path else None
        if entry is None or self._stream is None:
            return None
        data = _read_at(self._stream, entry.offset, entry.length)
        if data is None or zlib.crc32(data) != entry.checksum:
            return None
        self._used[key] = entry
        text = bytes((entry.path_type, len(path))) + path
        view, at = memoryview(data), entry.path_at
        return view[:at], text, view[at:]

    def knows(self, digest: str) -> bool:
        """Whether there is something of a source, which may yet turn out to be damaged."""
        return bool(self._known) and _key(digest) in self._known

    def note(self, digest: str, embedded: str, code: bytes) -> None:
        """Remember the code of a source.

        Args:
            digest: the source's hash, as RECORD has it.
            embedded: the path that was given to the compiler.
            code: as marshal writes it.
        """
        key, path = _key(digest), _encoded(embedded)
        if not key or not path or key in self._new or self._is_failed:
            return
        at = code.find(path) - 2
        is_one = at >= 0 and code[at + 1] == len(path) and code.find(path, at + 3) < 0
        if not is_one or code[at] & ~_REFERENCE not in _SHORT_ASCII:
            return  # a constant of it holds the path, too
        before, after = memoryview(code)[:at], memoryview(code)[at + 2 + len(path) :]
        try:
            if self._part is None:
                self._part = self._open_part()
            offset = self._part.tell()
            self._part.write(before)
            self._part.write(after)
        except OSError as error:
            self._give_up(error)
            return
        checksum = zlib.crc32(after, zlib.crc32(before))
        self._new[key] = _Entry(offset, len(before) + len(after), checksum, at, code[at])

    def save(self) -> bool:
        """Write what is known of the modules that were asked for, if any of it is new.

        A failure is none of the caller's: what is not remembered is compiled.

        Returns:
            Whether a file was written.
        """
        try:
            if self._part is not None and not self._is_failed:
                self._write_rest(self._part)
                return True
            if self._used:
                os.utime(self.path)  # so that it counts as used
        except OSError as error:
            self._give_up(error)
        return False

    def close(self) -> None:
        """Drop what was not saved."""
        if self._part is not None:
            self._part.close()
            remove_file(self._part.name)
            self._part = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _read(self) -> dict[bytes, _Entry]:
        try:
            self._stream = stream = open(self.path, "rb")  # noqa: SIM115
        except OSError:
            return {}
        size = os.fstat(stream.fileno()).st_size
        end = _read_at(stream, size - _END.size, _END.size) if size > _END.size else None
        if end is None or _read_at(stream, 0, len(_MAGIC)) != _MAGIC:
            return {}
        start, count, checksum = _END.unpack(end)
        if start + count * _ENTRY.size + _END.size != size:
            return {}
        index = _read_at(stream, start, count * _ENTRY.size)
        if index is None or zlib.crc32(index) != checksum:
            return {}
        return {key: _Entry(*rest) for key, *rest in _ENTRY.iter_unpack(index)}

    def _open_part(self) -> BinaryIO:
        name = f".{os.urandom(16).hex()}.part"
        stream = open(os.path.join(os.path.dirname(self.path), name), "xb")  # noqa: SIM115
        stream.write(_MAGIC)
        return stream

    def _write_rest(self, part: BinaryIO) -> None:
        entries = dict(self._new)
        for key, entry in self._used.items():
            data = _read_at(self._stream, entry.offset, entry.length) if self._stream else None
            if data is not None and key not in entries:
                entries[key] = entry._replace(offset=part.tell())
                part.write(data)
        index = b"".join(_ENTRY.pack(key, *entry) for key, entry in entries.items())
        end = _END.pack(part.tell(), len(entries), zlib.crc32(index))
        part.write(index + end)
        part.close()
        # Whoever can lock the directory exclusively knows that what is unfinished was abandoned.
        descriptor = share_directory(os.path.dirname(self.path))
        try:
            publish_file(part.name, self.path)
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _give_up(self, error: OSError) -> None:
        console.detail(f"bytecode is not remembered in {self.path}: {error.strerror}")
        self._is_failed = True


@cache
def _key(digest: str) -> bytes:
    """Return the bytes of a sha256 as RECORD has it; none for another hash."""
    algorithm, _, value = digest.partition("=")
    if algorithm != "sha256":
        return b""
    try:
        key = binascii.a2b_base64(value.translate(_STANDARD) + "=")
    except ValueError:  # binascii.Error, or not ASCII
        return b""
    return key if len(key) == 32 else b""


def _encoded(path: str) -> bytes:
    """Return a path as marshal writes it, where that is short and simple; none otherwise."""
    return path.encode() if path.isascii() and 0 < len(path) <= _LONGEST else b""


def _read_at(stream: BinaryIO, offset: int, length: int) -> bytes | None:
    try:
        data = os.pread(stream.fileno(), length, offset)
    except (OSError, OverflowError):
        return None
    return data if len(data) == length else None
