"""Zip files that lie, break off or explode."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.corpus.cases import MODULE, Case, Wheel, altered, entry_with
from tests.corpus.raw_zip import (
    BZIP2,
    DESCRIPTOR,
    ENCRYPTED,
    LZMA,
    STORED,
    UNKNOWN,
    Entry,
    write_zip,
)

CONFUSION = "CVE-2025-54368 (uv); PyPI's rules against zip confusion (2025-08-07)"
OVERLAP = "CVE-2024-0450 (CPython): overlapping entries"
END = "CVE-2025-8291 (CPython): zip64 end of central directory"
METHODS = "uv #18927: stored and deflated alone are in use"
APPNOTE = "APPNOTE.TXT"
EVIL = Entry("evil.py", b"import os\n")
_LONG = {"bad.py": "x = 1\n" * 500}


def _cut(part: float) -> Callable[[list[Entry]], bytes]:
    def archive(entries: list[Entry]) -> bytes:
        whole = write_zip(entries)
        return whole[: int(len(whole) * part)]

    return archive


def _zeroed(start: int, end: int) -> Callable[[list[Entry]], bytes]:
    def archive(entries: list[Entry]) -> bytes:
        whole = bytearray(write_zip(entries))
        whole[start:end] = b"\0" * (end - start)
        return bytes(whole)

    return archive


def _content(data: bytes) -> Callable[[list[Entry]], bytes]:
    return lambda _: data


def _with(**values: object) -> Callable[[list[Entry]], bytes]:
    return lambda entries: write_zip(entries, **values)  # type: ignore[arg-type]


def _twice(entries: list[Entry]) -> bytes:
    return write_zip([*entries[:-1], EVIL, entries[-1]]) + write_zip(entries)


def _in_comment(entries: list[Entry]) -> bytes:
    """Hide a whole second archive in the comment of the first."""
    return write_zip([*entries, EVIL], comment=write_zip(entries))


def _many(number: int) -> Wheel:
    return Wheel({f"pkg/d{n % 99}/m{n}.txt": "x" for n in range(number)})


_UNICODE_PATH = struct.pack("<HHBL", 0x7075, 5 + 7, 1, zlib.crc32(b"bad.py")) + b"evil.py"
_BOMB = b"\0" * (8 << 20)


def _remade(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


_REFUSED = (
    Case("empty file", APPNOTE, Wheel(archive=_content(b"")), "damaged|no zip file"),
    Case("text", APPNOTE, Wheel(archive=_content(b"not a zip file")), "damaged"),
    Case("a signature and no more", APPNOTE, Wheel(archive=_content(b"PK\3\4")), "damaged"),
    Case("an empty zip file", APPNOTE, Wheel(archive=_with(), entries=lambda _: []), "dist-info"),
    Case("cut in the middle", APPNOTE, Wheel(_LONG, archive=_cut(0.5)), "damaged"),
    Case("cut before the last byte", APPNOTE, Wheel(_LONG, archive=_cut(0.995)), "damaged"),
    Case(
        "content overwritten with zeros", APPNOTE, Wheel(_LONG, archive=_zeroed(40, 50)), "damage"
    ),
    Case("local header overwritten", APPNOTE, Wheel(_LONG, archive=_zeroed(0, 4)), "damaged"),
    Case("wrong checksum", APPNOTE, Wheel(entries=entry_with(crc=1)), "damaged"),
    Case("encrypted", APPNOTE, Wheel(entries=entry_with(flags=ENCRYPTED)), "encrypted"),
    Case(
        "unknown compression method", METHODS, Wheel(entries=entry_with(method=UNKNOWN)), "compress"
    ),
    Case("bzip2", METHODS, Wheel(entries=entry_with(method=BZIP2)), "compress", choice=True),
    Case("LZMA", METHODS, Wheel(entries=entry_with(method=LZMA)), "compress", choice=True),
    Case(
        "bzip2 bomb of 8 MiB, stated as 10 bytes",
        METHODS,
        Wheel(entries=entry_with(method=BZIP2, data=b"\0" * (8 << 20), size=10)),
        "compress",
    ),
    Case(
        "method that is no deflate",
        APPNOTE,
        Wheel(entries=entry_with(body=b"\xff" * 40)),
        "damaged",
    ),
    Case(
        "bomb: 8 MiB stated as 6 bytes",
        "CWE-409",
        Wheel(entries=entry_with(body=Entry("x", _BOMB).packed)),
        "damaged",
    ),
    Case(
        "bomb: 8 MiB where RECORD says 6 bytes",
        "CWE-409",
        Wheel(entries=entry_with(data=_BOMB)),
        "bad.py has 8388608 bytes, RECORD says 6",
    ),
    Case(
        "bomb: a petabyte is stated",
        "CWE-409",
        Wheel(entries=entry_with(size=1 << 50, zip64=True)),
        "bad.py has 1125899906842624 bytes, RECORD says 6",
    ),
    Case(
        "bomb: RECORD of 40 MiB of blanks",
        "CWE-409",
        Wheel(record=lambda _: " " * (40 << 20)),
        "RECORD is unreasonably large|RECORD",
    ),
    Case(
        "bomb: METADATA of 40 MiB",
        "CWE-409",
        Wheel(metadata="Metadata-Version: 2.1\nName: bad\nVersion: 1\n\n" + " " * (40 << 20)),
        "METADATA is unreasonably large",
        choice=True,
    ),
    Case(
        "bomb: entry_points.txt of 40 MiB",
        "CWE-409",
        Wheel(entry_points="[x]\n" + "#" * (40 << 20)),
        "entry_points.txt is unreasonably large",
        choice=True,
    ),
    Case(
        "bomb: 20 entries share 1 MiB",
        OVERLAP,
        Wheel(
            {**MODULE, "z": b"\0" * (1 << 20), **{f"z{n}": b"\0" * (1 << 20) for n in range(19)}},
            entries=lambda found: [
                replace(one, at="z") if one.name[:1] == "z" and one.name != "z" else one
                for one in found
            ],
        ),
        "overlap|headers",
    ),
    Case(
        "bomb: an entry within another",
        OVERLAP,
        Wheel(
            {"big.bin": write_zip([Entry("evil.py", b"1")]), **MODULE},
            entries=lambda found: [
                replace(one, method=STORED) if one.name == "big.bin" else one for one in found
            ],
            archive=lambda found: _inner(found),
        ),
        "overlap|headers|hidden",
    ),
    Case(
        "another name in the local header",
        CONFUSION,
        Wheel(entries=entry_with(local_name="evil.py")),
        "headers",
    ),
    Case(
        "another method in the local header",
        CONFUSION,
        Wheel(entries=entry_with(local_method=STORED)),
        "headers",
    ),
    Case(
        "another size in the local header",
        CONFUSION,
        Wheel(entries=entry_with(local_size=3)),
        "headers",
    ),
    Case(
        "another checksum in the local header",
        CONFUSION,
        Wheel(entries=entry_with(local_crc=3)),
        "headers",
    ),
    Case(
        "another name in an extra field",
        "Info-ZIP Unicode Path (0x7075); CVE-2025-54368",
        Wheel(entries=entry_with(extra=_UNICODE_PATH)),
        "another name",
    ),
    Case(
        "an entry that the central directory hides",
        CONFUSION,
        Wheel(entries=lambda found: [replace(EVIL, in_directory=False), *found]),
        "hidden|bytes in front",
    ),
    Case(
        "bytes between entries",
        CONFUSION,
        Wheel(entries=altered(lambda one: replace(one, gap=b"?" * 30), "bad-1.dist-info/WHEEL")),
        "hidden",
        choice=True,
    ),
    Case(
        "bytes in front",
        CONFUSION,
        Wheel(archive=_with(before=b"#!/bin/sh\n")),
        "in front",
        choice=True,
    ),
    Case("bytes behind", CONFUSION, Wheel(archive=_with(after=b"trailing")), "behind", choice=True),
    Case("two archives, one behind the other", CONFUSION, Wheel(archive=_twice), "in front"),
    Case("an archive in the comment", CONFUSION, Wheel(archive=_in_comment), "two ends"),
    Case(
        "bytes before the end record",
        CONFUSION,
        Wheel(archive=_with(before_end=b"?" * 9)),
        "damaged|in front",
    ),
    Case("a false number of entries", CONFUSION, Wheel(archive=_with(counted=2)), "entries"),
    Case(
        "zip64 locator that leads elsewhere", END, Wheel(archive=_with(zip64_end=-7)), "zip|damaged"
    ),
    Case(
        "the same member twice",
        CONFUSION,
        Wheel(entries=lambda found: [*found, found[0]]),
        "twice",
    ),
    Case(
        "two members of one name, with other content",
        CONFUSION,
        Wheel(entries=lambda found: [*found, replace(found[0], data=b"evil")]),
        "twice",
    ),
    Case(
        "a directory named like a wheel",
        "a FIFO or a directory named x.whl",
        Wheel(),
        "not a regular file|not .* wheel",
        make=lambda path: _remade(path, Path.mkdir),
    ),
    Case(
        "a pipe named like a wheel",
        "a FIFO or a directory named x.whl",
        Wheel(),
        "not a regular file",
        make=lambda path: _remade(path, os.mkfifo),
    ),
    Case(
        "a link that leads nowhere",
        "a path that cannot be read",
        Wheel(),
        "cannot read|not there|No such file",
        make=lambda path: _remade(path, lambda one: one.symlink_to("nowhere")),
    ),
)

_INSTALLED = (
    Case("stored", APPNOTE, Wheel(entries=entry_with(method=STORED))),
    Case("a comment", "APPNOTE.TXT 4.3.16", Wheel(archive=_with(comment=b"made by a tool"))),
    Case("zip64 sizes", "APPNOTE.TXT 4.5.3", Wheel(entries=entry_with(zip64=True))),
    Case("zip64 end record", "APPNOTE.TXT 4.3.14", Wheel(archive=_with(zip64_end=0))),
    Case("sizes behind the data", "APPNOTE.TXT 4.3.9", Wheel(entries=entry_with(flags=DESCRIPTOR))),
    Case("an extra field", "APPNOTE.TXT 4.5", Wheel(entries=entry_with(extra=b"UT\5\0\1abcd"))),
    Case("a date of zeros", APPNOTE, Wheel(entries=entry_with(date=(0, 0)))),
    Case("mode 0", "zips made on Windows", Wheel(entries=entry_with(mode=0))),
    Case("mode 000 of a file", APPNOTE, Wheel(entries=entry_with(mode=0o100000))),
    Case("RECORD first", "the order is a recommendation", Wheel(entries=lambda one: one[::-1])),
    Case("empty files", APPNOTE, Wheel({"pkg/__init__.py": "", "pkg/py.typed": ""})),
    Case("1,000 files", "size", _many(1_000)),
    Case("20,000 files", "size", _many(20_000), slow=True),
)


def _inner(entries: list[Entry]) -> bytes:
    """Point an entry of the central directory at a local header within a stored file."""
    whole = bytearray(write_zip([*entries, replace(EVIL, data=b"1", at="bad.py")]))
    start = whole.index(b"PK\3\4", whole.index(b"big.bin"))
    place = whole.rindex(b"PK\1\2")
    whole[place + 42 : place + 46] = struct.pack("<L", start)
    return bytes(whole)


CASES = _REFUSED + _INSTALLED
