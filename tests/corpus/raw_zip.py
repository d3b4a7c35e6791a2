"""Zip files written byte by byte, so that they can lie (their specification: APPNOTE.TXT)."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

STORED, DEFLATED, BZIP2, LZMA, UNKNOWN = 0, 8, 12, 14, 99
ENCRYPTED, DESCRIPTOR, UTF8 = 0x1, 0x8, 0x800
_DATE = (0, (40 << 9) | (1 << 5) | 1)  # 2020-01-01


@dataclass(frozen=True)
class Entry:
    """One entry of a zip file; what is None is as it should be.

    Attributes:
        name: of the central directory.
        data: the content.
        method: of compression.
        mode: the Unix mode.
        body: the bytes that stand for the content.
        crc: the checksum stated.
        size: the size stated.
        packed_size: the compressed size stated.
        flags: general purpose flags.
        extra: the extra field of the central directory.
        date: DOS time and date.
        local_name: the name in the local header.
        local_method: the method there.
        local_size: the size there.
        local_crc: the checksum there.
        local_extra: the extra field there.
        in_directory: whether the central directory knows it.
        at: the name of the entry whose local header it points to, instead of having its own.
        gap: bytes between the entry before and this one.
        zip64: state the sizes in extra fields of zip64.
    """

    name: str
    data: bytes
    method: int = DEFLATED
    mode: int = 0o100644
    body: bytes | None = None
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    flags: int | None = None
    extra: bytes = b""
    date: tuple[int, int] = _DATE
    local_name: str | None = None
    local_method: int | None = None
    local_size: int | None = None
    local_crc: int | None = None
    local_extra: bytes = b""
    in_directory: bool = True
    at: str = ""
    gap: bytes = b""
    zip64: bool = False

    @property
    def encoded(self) -> bytes:
        """The name as it is written."""
        return self.name.encode("utf-8", "surrogateescape")

    @property
    def all_flags(self) -> int:
        """The flags, with that of UTF-8 where it is needed."""
        if self.flags is not None:
            return self.flags
        return 0 if self.encoded.isascii() else UTF8

    @property
    def packed(self) -> bytes:
        """The compressed content."""
        if self.body is not None:
            return self.body
        if self.method == DEFLATED:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            return packer.compress(self.data) + packer.flush()
        if self.method == BZIP2:
            return bz2.compress(self.data)
        if self.method == LZMA:
            filters = [{"id": lzma.FILTER_LZMA1}]
            properties = lzma._encode_filter_properties(filters[0])  # type: ignore[attr-defined]
            raw = lzma.compress(self.data, lzma.FORMAT_RAW, filters=filters)
            return struct.pack("<BBH", 9, 4, len(properties)) + bytes(properties) + raw
        return self.data

    @property
    def checksum(self) -> int:
        """The checksum stated."""
        return zlib.crc32(self.data) if self.crc is None else self.crc


def write_zip(
    entries: Iterable[Entry],
    *,
    before: bytes = b"",
    after: bytes = b"",
    comment: bytes = b"",
    counted: int | None = None,
    before_end: bytes = b"",
    zip64_end: int | None = None,
) -> bytes:
    """Return a zip file.

    Args:
        entries: in order.
        before: bytes in front of it, which its offsets do not count.
        after: bytes behind it.
        comment: its comment.
        counted: the number of entries it states, if that is false.
        before_end: bytes between the central directory and its end record.
        zip64_end: write a zip64 end record, and add this to the place its locator gives.
    """
    body, directory = bytearray(), bytearray()
    places: dict[str, int] = {}
    number = 0
    for entry in entries:
        packed = entry.packed
        body += entry.gap
        if not entry.at:
            places[entry.name] = len(body)
            body += _local_header(entry, packed) + packed
            if entry.all_flags & DESCRIPTOR:
                body += b"PK\x07\x08" + struct.pack(
                    "<LLL", entry.checksum, len(packed), len(entry.data)
                )
        if entry.in_directory:
            number += 1
            directory += _central_header(entry, packed, places[entry.at or entry.name])
    end = bytearray(before_end)
    number = number if counted is None else counted
    if zip64_end is not None:
        place = len(body) + len(directory) + len(end)
        end += b"PK\x06\x06" + struct.pack(
            "<QHHLLQQQQ", 44, 45, 45, 0, 0, number, number, len(directory), len(body)
        )
        end += b"PK\x06\x07" + struct.pack("<LQL", 0, place + zip64_end, 1)
    short = [min(one, 0xFFFF) for one in (number, number)]
    sizes = (len(directory), len(body)) if zip64_end is None else (0xFFFFFFFF, 0xFFFFFFFF)
    end += b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, *short, *sizes, len(comment)) + comment
    return before + bytes(body + directory + end) + after


def _local_header(entry: Entry, packed: bytes) -> bytes:
    name = entry.encoded if entry.local_name is None else entry.local_name.encode()
    flags = entry.all_flags
    method = entry.method if entry.local_method is None else entry.local_method
    crc = entry.checksum if entry.local_crc is None else entry.local_crc
    packed_size = len(packed) if entry.packed_size is None else entry.packed_size
    stated = len(entry.data) if entry.size is None else entry.size
    size = stated if entry.local_size is None else entry.local_size
    extra = entry.local_extra
    if flags & DESCRIPTOR:
        crc = packed_size = size = 0
    if entry.zip64:
        extra += struct.pack("<HHQQ", 1, 16, size, packed_size)
        packed_size = size = 0xFFFFFFFF
    return (
        b"PK\x03\x04"
        + struct.pack("<HHH", 20, flags, method)
        + struct.pack("<HHLLLHH", *entry.date, crc, packed_size, size, len(name), len(extra))
        + name
        + extra
    )


def _central_header(entry: Entry, packed: bytes, offset: int) -> bytes:
    size = len(entry.data) if entry.size is None else entry.size
    packed_size = len(packed) if entry.packed_size is None else entry.packed_size
    extra = entry.extra
    if entry.zip64 or size > 0xFFFFFFFF:
        extra += struct.pack("<HHQQ", 1, 16, size, packed_size)
        packed_size = size = 0xFFFFFFFF
    return (
        b"PK\x01\x02"
        + struct.pack("<BBHHH", 20, 3, 20, entry.all_flags, entry.method)
        + struct.pack("<HHLLL", *entry.date, entry.checksum, packed_size, size)
        + struct.pack("<HHHHHLL", len(entry.encoded), len(extra), 0, 0, 0, entry.mode << 16, offset)
        + entry.encoded
        + extra
    )
