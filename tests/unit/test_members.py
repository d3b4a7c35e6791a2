"""Members of a wheel that are read in parts, and its file that is opened again."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from sagepip.staging.archive_file import ArchiveFile
from sagepip.staging.hashing import hash_of
from sagepip.staging.members import Member
from sagepip.staging.zip_layout import check_layout

CONTENTS = {
    "mixed": os.urandom(1_500_000) + bytes(1_500_000),
    "zeros": bytes(5_000_000),  # a hundredth of a part inflates to more than a part
    "small": b"x = 1\n",
    "empty": b"",
}


def make_zip(directory: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip file with one member."""
    path = directory / "one.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("member", content)
    return path


def read(path: Path, *, size: int = 0, checksum: int = 0, expected: str = "") -> bytes:
    """Read the member, the central directory being wrong by so much."""
    refused: list[str] = []
    with zipfile.ZipFile(path) as archive, open(path, "rb") as stream:
        (entry,) = archive.infolist()
        (start,) = check_layout(str(path), stream, [entry]).values()
        entry.file_size += size
        entry.CRC ^= checksum
        made = Member(archive, entry, stream.fileno(), start, expected, False, refused.append)
        content = b"".join(made.parts())
        assert made.content in (None, content)
        assert made.stream.read() == content
        made.close()
        made.read_through()
        assert bool(refused) == bool(expected and expected != hash_of(content, expected))
    return content


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", CONTENTS)
def test_all_of_it_is_read(tmp_path: Path, name: str, method: int) -> None:
    """However large it is, and however much it shrank; its hash is compared."""
    content = CONTENTS[name]
    path = make_zip(tmp_path, content, method)
    assert read(path, expected=hash_of(content, "sha512=")) == content
    assert read(path, expected=hash_of(content + b"!")) == content


@pytest.mark.parametrize("name", ["mixed", "zeros", "small"])
@pytest.mark.parametrize(("size", "checksum"), [(1, 0), (-1, 0), (1_000_000, 0), (0, 1)], ids=str)
def test_what_is_not_as_stated_is_refused(
    tmp_path: Path, name: str, size: int, checksum: int
) -> None:
    """One byte too many, or too few, or another checksum."""
    path = make_zip(tmp_path, CONTENTS[name])
    with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32" if checksum else "stated"):
        read(path, size=size, checksum=checksum)


def test_no_more_is_inflated_than_is_stated(tmp_path: Path) -> None:
    """A member that says that it is small, and is not, is given up at once."""
    path = make_zip(tmp_path, bytes(200_000_000))
    taken = 0
    with zipfile.ZipFile(path) as archive, open(path, "rb") as stream:
        (entry,) = archive.infolist()
        (start,) = check_layout(str(path), stream, [entry]).values()
        entry.file_size = 3_000_000
        made = Member(archive, entry, stream.fileno(), start, "", False, print)
        with pytest.raises(zipfile.BadZipFile):
            for part in made.parts():
                taken += len(part)
    assert taken <= 3_000_000


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    """What was known of it before must not be taken for the new one's."""
    path = make_zip(tmp_path, b"old")
    file = ArchiveFile(str(path))
    with file.opened() as archive:
        assert archive.read("member") == b"old"
        first = archive
    assert file.is_same()
    with file.opened() as archive:
        assert archive is first
        assert archive.read("member") == b"old"
    newer = tmp_path / "newer"
    newer.mkdir()
    make_zip(newer, b"new content").replace(path)
    assert not file.is_same()
    with file.opened() as archive:
        assert archive.read("member") == b"new content"
    path.unlink()
    assert not file.is_same()
