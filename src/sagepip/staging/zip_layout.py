"""Whether a zip file says one thing only, whoever reads it (APPNOTE.TXT, sections 4.3 and 4.4).

Readers go by the central directory, by the local headers, or by both; an archive in which these
disagree, or that holds bytes which neither knows, shows different contents to different readers.
So does one with several ends. Entries that overlap unpack to far more than the file holds.
"""

from __future__ import annotations

import os
import struct

from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_typing import BinaryIO
from sagepip.staging.zip_library import zipfile

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")
# What is behind the time in it.
_SIZES = struct.Struct("<3L2H")
_SIZES_AT = _LOCAL.size - _SIZES.size
_BEGIN = b"PK\x03\x04"
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_FULL = 0xFFFFFFFF
_ZIP64_EXTRA, _UNICODE_PATH_EXTRA = 0x0001, 0x7075
_USUAL_EXTRA = 32
_DESCRIPTOR_LENGTHS = (12, 16, 20, 24)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class _Directory:
    """Where the central directory lies, and how many entries it is said to have."""

    start: int
    entries: int


def check_layout(path: str, stream: BinaryIO, entries: Sequence[zipfile.ZipInfo]) -> dict[int, int]:
    """Refuse a zip file that different readers could read differently.

    Args:
        path: of it, for messages.
        stream: it, opened.
        entries: as ``zipfile`` has found them.

    Returns:
        Where the data of each entry begin, by where its local header does.

    Raises:
        TargetError: see above; also where an entry is encrypted or compressed in a way that is
            not in use for wheels: bzip2 and LZMA are unpacked by ``zipfile`` without a bound.
    """
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
            raise _refused_method(path, entry)
    directory = _find_directory(path, stream)
    if directory.entries != len(entries):
        raise _refusal(path, f"states {directory.entries} entries and has {len(entries)}")
    position = 0
    data: dict[int, int] = {}
    before: zipfile.ZipInfo | None = None
    descriptor = stream.fileno()
    for entry in sorted(entries, key=lambda one: one.header_offset):
        start = entry.header_offset
        if start != position or (before is not None and before.flag_bits & _DESCRIPTOR):
            _check_gap(path, before, position, start)
        begin = _behind_plain_header(descriptor, entry)
        if not begin:
            begin = _check_local_header(path, descriptor, entry)
        data[start] = begin
        position = begin + entry.compress_size
        before = entry
    _check_gap(path, before, position, directory.start)
    return data


def _refusal(path: str, problem: str) -> TargetError:
    return TargetError(f"{path}: the zip file {problem}", advice="do not install this wheel")


def _refused_method(path: str, entry: zipfile.ZipInfo) -> TargetError:
    if entry.flag_bits & _ENCRYPTED:
        return TargetError(
            f"{path}: {entry.filename!r} is encrypted", advice="wheels never are; build it again"
        )
    return TargetError(
        f"{path}: {entry.filename!r} is compressed by method {entry.compress_type}; wheels "
        "are stored or deflated",
        advice="build it again with the usual tools",
    )


def _find_directory(path: str, stream: BinaryIO) -> _Directory:
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - 0xFFFF - _LOCATOR.size)
    stream.seek(start)
    tail = stream.read()
    ends = []
    place = tail.find(b"PK\x05\x06")
    while place >= 0:
        if len(tail) - place >= _END.size:
            fields = _END.unpack_from(tail, place)
            if place + _END.size + fields[7] == len(tail):
                ends.append(place)
        place = tail.find(b"PK\x05\x06", place + 1)
    if len(ends) != 1:
        raise _refusal(path, "has two ends" if ends else "has bytes behind its end")
    *_, entries, length, offset, _ = _END.unpack_from(tail, ends[0])
    end = start + ends[0]
    located = ends[0] - _LOCATOR.size
    if located >= 0 and tail[located : located + 4] == b"PK\x06\x07":
        place = _LOCATOR.unpack_from(tail, located)[2]
        stream.seek(place)
        record = stream.read(_END64.size)
        if len(record) < _END64.size or record[:4] != b"PK\x06\x06":
            raise _refusal(path, "has a zip64 locator that leads nowhere")
        fields = _END64.unpack(record)
        if place + 12 + fields[1] != end - _LOCATOR.size:
            raise _refusal(path, "has a zip64 end that is not at its place")
        *_, entries, length, offset = fields
        end = place
    if offset + length != end:
        raise _refusal(path, "has bytes in front of it, or before its end")
    return _Directory(offset, entries)


def _check_gap(path: str, before: zipfile.ZipInfo | None, position: int, following: int) -> None:
    """Entries lie one behind the other; a data descriptor may follow the data."""
    gap = following - position
    if before is not None and before.flag_bits & _DESCRIPTOR:
        gap = 0 if gap in _DESCRIPTOR_LENGTHS else gap or 1
    if gap < 0:
        name = before.filename if before is not None else ""
        raise _refusal(path, f"has entries that overlap: {name!r} and what follows")
    if gap:
        raise _refusal(path, f"has hidden bytes that belong to no entry, at {position}")


def _behind_plain_header(descriptor: int, entry: zipfile.ZipInfo) -> int:
    """Return where the data begin, if the local header says the same with nothing besides.

    That is so of nearly all; it is told by one comparison. 0 where a closer look is needed.
    """
    text = entry.orig_filename
    is_stored = entry.compress_type == zipfile.ZIP_STORED
    if (
        entry.extra
        or entry.flag_bits & _DESCRIPTOR
        or not text.isascii()
        or (is_stored and entry.compress_size != entry.file_size)
    ):
        return 0
    name = text.encode()
    wanted = _SIZES.pack(entry.CRC, entry.compress_size, entry.file_size, len(name), 0) + name
    length = _LOCAL.size + len(name)
    header = os.pread(descriptor, length, entry.header_offset)
    same = header[:4] == _BEGIN and header[_SIZES_AT:] == wanted
    # Encrypted, or followed by a descriptor; the method.
    if not same or header[6] & (_ENCRYPTED | _DESCRIPTOR) or header[8] != entry.compress_type:
        return 0
    return 0 if header[9] else entry.header_offset + length


def _check_local_header(path: str, descriptor: int, entry: zipfile.ZipInfo) -> int:
    """Compare a local header with the central directory; return where the data begin."""
    start = entry.header_offset
    name_as_text = entry.orig_filename
    # ASCII is the same in both, and cp437 slow.
    is_utf8 = entry.flag_bits & _UTF8 or name_as_text.isascii()
    stated = name_as_text.encode("utf-8" if is_utf8 else "cp437")
    header = os.pread(descriptor, _LOCAL.size + len(stated) + _USUAL_EXTRA, start)
    if len(header) < _LOCAL.size or header[:4] != _BEGIN:
        raise zipfile.BadZipFile(f"there is no entry where {entry.filename!r} should be")
    fields = _LOCAL.unpack_from(header)
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields
    end = _LOCAL.size + name_length + extra_length
    if len(header) < end:
        header += os.pread(descriptor, end - len(header), start + len(header))
    name = header[_LOCAL.size : _LOCAL.size + name_length]
    extra = header[_LOCAL.size + name_length : end]
    numbers = _extra_field(extra, _ZIP64_EXTRA)
    if _FULL in (size, packed) and numbers is not None and len(numbers) >= 16:
        size, packed = struct.unpack_from("<QQ", numbers)
    same = name == stated and method == entry.compress_type
    same = same and not (flags ^ entry.flag_bits) & (_ENCRYPTED | _DESCRIPTOR)
    if not flags & _DESCRIPTOR:
        same = same and (crc, packed, size) == (entry.CRC, entry.compress_size, entry.file_size)
    if not same:
        raise _refusal(path, f"has two headers of {entry.filename!r} that disagree")
    if method == zipfile.ZIP_STORED and entry.compress_size != entry.file_size:
        raise _refusal(path, f"states two sizes of {entry.filename!r}")
    for one in (extra, entry.extra) if extra or entry.extra else ():
        other = _extra_field(one, _UNICODE_PATH_EXTRA)
        if other is not None and other[5:] != stated:
            raise _refusal(path, f"gives {entry.filename!r} another name in an extra field")
    begin: int = start + end
    return begin


def _extra_field(extra: bytes, wanted: int) -> bytes | None:
    """Return one of the fields of an extra field."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == wanted:
            return extra[place + 4 : place + 4 + length]
        place += 4 + length
    return None
