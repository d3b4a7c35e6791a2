"""Makes newer editions of source archives and wheels: of the same name, but other content.

An upgrade to the same bytes would be none: sagepip leaves what is as it is wanted, and remembers
what it has built. So each Python file gets a comment at its end.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

DIGESTS = ("sha1", "sha256")
"""What a ``checksums.ini`` states."""


def make_newer(old: Path, new: Path, edition: int) -> None:
    """Write the newer edition of a wheel or a ``.tar.gz``."""
    data = old.read_bytes()
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_bytes((_wheel if old.suffix == ".whl" else _sdist)(data, edition))


def exchange_digests(checksums: Path, old: Path, new: Path) -> None:
    """Have a ``checksums.ini`` state the digests of another file in place of the old one's."""
    text = checksums.read_text(encoding="ascii")
    for name in DIGESTS:
        before, after = (hashlib.new(name, one.read_bytes()).hexdigest() for one in (old, new))
        text = text.replace(before, after)
    checksums.write_text(text, encoding="ascii")


def edition_of(path: Path) -> int:
    """Return the edition that a Python file is of; 0 for the first, or one that was generated."""
    found = re.search(rb"\n# edition (\d+)\n\Z", path.read_bytes())
    return int(found[1]) if found else 0


def _changed(name: str, data: bytes, edition: int) -> bytes:
    return data + f"\n# edition {edition}\n".encode() if name.endswith(".py") else data


def _sdist(data: bytes, edition: int) -> bytes:
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as old,
        tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as new,
    ):
        for member in old.getmembers():
            stream = old.extractfile(member) if member.isreg() else None
            content = _changed(member.name, stream.read(), edition) if stream else b""
            member.size = len(content)
            new.addfile(member, io.BytesIO(content) if stream else None)
    return buffer.getvalue()


def _wheel(data: bytes, edition: int) -> bytes:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        contents = {
            info.filename: _changed(info.filename, old.read(info), edition)
            for info in old.infolist()
        }
        # Others lie deeper, in what a package carries along.
        (record,) = (name for name in contents if re.fullmatch(r"[^/]+\.dist-info/RECORD", name))
        rows = csv.reader(contents[record].decode().splitlines())
        contents[record] = _record((row for row in rows if row), contents)
        for info in old.infolist():
            new.writestr(info, contents[info.filename], compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _record(rows: Iterable[list[str]], contents: dict[str, bytes]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for path, digest, size in rows:
        if digest and path in contents:
            raw = hashlib.sha256(contents[path]).digest()
            encoded = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
            writer.writerow([path, f"sha256={encoded}", len(contents[path])])
        else:
            writer.writerow([path, digest, size])
    return buffer.getvalue().encode()
