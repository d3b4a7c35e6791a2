"""Unpacking sdists: good ones as they are, hostile ones not at all."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from sagepip.build import archive as archives
from sagepip.build.archive import unpack_sdist
from sagepip.build.archive_members import Member, Unacceptable, check_members
from sagepip.ground.errors import TargetError
from tests.corpus.raw_zip import BZIP2, Entry, write_zip

FILE, DIRECTORY = tarfile.REGTYPE, tarfile.DIRTYPE
SYMLINK, HARDLINK = tarfile.SYMTYPE, tarfile.LNKTYPE
Members = Sequence[tuple[str, bytes, str]]

GOOD: Members = [
    ("pkg-1.0", DIRECTORY, ""),
    ("pkg-1.0/pyproject.toml", FILE, "text"),
    ("pkg-1.0/src/pkg.py", FILE, "x = 1"),
    ("pkg-1.0/link.py", SYMLINK, "src/pkg.py"),
    ("pkg-1.0/deep/er/up.py", SYMLINK, "../../src/../pyproject.toml"),
    ("pkg-1.0/hard.py", HARDLINK, "pkg-1.0/src/pkg.py"),
]
LONG = "d" * 60

HOSTILE: dict[str, Members] = {
    "climbs": [("pkg/../../out", FILE, "x"), ("pkg/a", FILE, "")],
    "absolute": [("/out", FILE, "x")],
    "two tops": [("a/x", FILE, ""), ("b/x", FILE, "")],
    "no directory": [("setup.py", FILE, "")],
    "empty": [],
    "device": [("pkg/null", tarfile.CHRTYPE, "")],
    "fifo": [("pkg/fifo", tarfile.FIFOTYPE, "")],
    "link out": [("pkg/l", SYMLINK, "../../out")],
    "link to the top's parent": [("pkg/l", SYMLINK, "..")],
    "absolute link": [("pkg/l", SYMLINK, "/etc")],
    "link to nothing": [("pkg/l", SYMLINK, "")],
    "through a link": [("pkg/l", SYMLINK, "."), ("pkg/l/f", FILE, "x")],
    "before a link": [("pkg/l/f", FILE, "x"), ("pkg/l", SYMLINK, ".")],
    "over a link": [("pkg/l", SYMLINK, "f"), ("pkg/l", FILE, "x")],
    "link over": [("pkg/l", FILE, "x"), ("pkg/l", SYMLINK, "f")],
    "link in other case": [("pkg/l", SYMLINK, "d"), ("pkg/L/f", FILE, "x")],
    "link in another Unicode form": [
        ("pkg/\u00e9", SYMLINK, "d"),
        ("pkg/e\u0301/f", FILE, "x"),
    ],
    "links that add up": [
        ("pkg/a/b/c", DIRECTORY, ""),
        ("pkg/s", SYMLINK, "a/b/c"),
        ("pkg/a/b/c/up", SYMLINK, "../../.."),
        ("pkg/out", SYMLINK, "s/up/../.."),
    ],
    "circle": [("pkg/a", SYMLINK, "b"), ("pkg/b", SYMLINK, "a")],
    "below a file": [("pkg/a", FILE, ""), ("pkg/a/b", FILE, "")],
    "hard link out": [("pkg/h", HARDLINK, "../out")],
    "hard link to a link": [("pkg/s", SYMLINK, "f"), ("pkg/h", HARDLINK, "pkg/s")],
    "hard link to nothing": [("pkg/h", HARDLINK, "pkg/absent")],
    "file and directory": [("pkg/a", DIRECTORY, ""), ("pkg/a", FILE, "")],
    "overlong name": [("pkg/" + "n" * 300, FILE, "")],
    # What fooled extraction filters: a path that is too long to be asked about.
    "overlong link": [
        ("pkg/" + "/".join([LONG] * 3), DIRECTORY, ""),
        ("pkg/" + "/".join([LONG] * 3) + "/s", SYMLINK, "/".join([".."] * 3)),
        ("pkg/l", SYMLINK, ("/".join([LONG] * 3) + "/s/") * 20 + "../.."),
    ],
}


def _tar(path: Path, members: Members) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mode = 0o755 if kind == DIRECTORY else 0o644
            data = b""
            if kind in (SYMLINK, HARDLINK):
                info.linkname = content
            elif kind == FILE:
                data = content.encode()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def _zip(path: Path, members: Members) -> str:
    modes = {FILE: stat.S_IFREG | 0o644, SYMLINK: stat.S_IFLNK | 0o777}
    modes |= {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.FIFOTYPE: stat.S_IFIFO}
    with zipfile.ZipFile(path, "w") as archive:
        for name, kind, content in members:
            info = zipfile.ZipInfo(name + "/" if kind == DIRECTORY else name)
            info.external_attr = modes.get(kind, stat.S_IFDIR | 0o755) << 16
            archive.writestr(info, content)
    return str(path)


@pytest.mark.parametrize("suffix", ["tar.gz", "zip"])
def test_good_archives_are_unpacked(tmp_path: Path, suffix: str) -> None:
    """Files, directories and links inside the tree come out as they are in the archive."""
    make, members = _tar, GOOD
    if suffix == "zip":
        make, members = _zip, [one for one in GOOD if one[1] != HARDLINK]
    path = make(tmp_path / f"pkg-1.0.{suffix}", members)
    source = unpack_sdist(path, str(tmp_path / "new" / "into"))
    assert source == str(tmp_path / "new" / "into" / "pkg-1.0")
    assert Path(source, "src", "pkg.py").read_text() == "x = 1"
    assert Path(source, "link.py").read_text() == "x = 1"
    assert os.readlink(Path(source, "link.py")) == "src/pkg.py"
    assert Path(source, "deep", "er", "up.py").read_text() == "text"


def test_executable_files_of_a_zip_stay_executable(tmp_path: Path) -> None:
    """A ``configure`` script in a zip can be run afterwards."""
    path = tmp_path / "pkg-1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("pkg-1.0/configure")
        info.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(info, "#!/bin/sh\n")
    source = unpack_sdist(str(path), str(tmp_path / "into"))
    assert os.access(Path(source, "configure"), os.X_OK)


@pytest.mark.parametrize("suffix", ["tar.gz", "zip"])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused_whole(tmp_path: Path, case: str, suffix: str) -> None:
    """Nothing at all is written when one member is not acceptable."""
    members = HOSTILE[case]
    if suffix == "zip" and any(kind == HARDLINK for _, kind, _ in members):
        pytest.skip("zip files have no hard links")
    good: Members = [] if case in ("empty", "two tops", "no directory") else GOOD
    members = [*members, *((n.replace("pkg-1.0", "pkg"), k, c) for n, k, c in good[:3])]
    make = _zip if suffix == "zip" else _tar
    doubles = suffix == "zip" and case in ("over a link", "link over")
    with pytest.warns(UserWarning, match="Duplicate") if doubles else nullcontext():
        path = make(tmp_path / f"pkg.{suffix}", members)
    into = tmp_path / "into"
    with pytest.raises(TargetError) as caught:
        unpack_sdist(path, str(into))
    assert path in caught.value.problem
    assert "\n" not in str(caught.value)
    assert caught.value.advice
    assert not into.exists() or list(into.iterdir()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("pkg/s", "symlink", "a/b"), ("pkg/o", "symlink", "s/../..")], None),
        ([("pkg/s", "symlink", "a"), ("pkg/o", "symlink", "s/../..")], "leads out of it"),
        ([("pkg/l", "symlink", "."), ("pkg/l/f", "file", "")], "lies below 'pkg/l', a symlink"),
        ([("pkg/a", "symlink", "b"), ("pkg/b", "symlink", "a")], "in circles"),
        ([("pkg/l", "symlink", "f"), ("pkg/l", "file", "")], "is there twice"),
        ([("pkg/h", "hardlink", "pkg/../../x")], "climbs"),
        ([("pkg/f", "file", ""), ("pkg/h", "hardlink", "pkg/f")], None),
    ],
)
def test_links_are_followed_in_memory(
    members: list[tuple[str, str, str]], reason: str | None
) -> None:
    """What a link means is worked out from the archive alone, before anything is on disk."""
    checked = [Member(*one) for one in members]
    if reason is None:
        assert check_members(checked) == "pkg"
        return
    with pytest.raises(Unacceptable, match=reason):
        check_members(checked)


def test_two_spellings_of_a_plain_name_are_no_attack(tmp_path: Path) -> None:
    """README beside readme is in order: only links may not have a double."""
    path = _tar(tmp_path / "p.tar.gz", [("pkg/README", FILE, "A"), ("pkg/readme", FILE, "b")])
    source = unpack_sdist(path, str(tmp_path / "into"))
    assert os.path.exists(os.path.join(source, "README"))


def test_damaged_files_are_told(tmp_path: Path) -> None:
    """Truncated, altered and foreign files give one line with the path."""
    incompressible = os.urandom(200_000).hex()
    members = [*GOOD, ("pkg-1.0/big", FILE, incompressible)]
    tar = Path(_tar(tmp_path / "whole.tar.gz", members)).read_bytes()
    archive = Path(_zip(tmp_path / "whole.zip", [one for one in members if one[1] != HARDLINK]))
    flipped = bytearray(archive.read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    cases = {
        "cut.tar.gz": tar[: len(tar) // 2],
        "junk.tar.gz": b"junk",
        "nothing.tar.gz": b"",
        "junk.zip": b"PK junk",
        "flipped.zip": bytes(flipped),
        "junk.tar.xz": b"\xfd7zXZ\x00junk",
        "junk.unknown": b"junk",
    }
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(TargetError) as caught:
            unpack_sdist(str(path), str(tmp_path / "into" / name))
        assert str(path) in caught.value.problem
        assert not list((tmp_path / "into").glob(f"{name}/*/pyproject.toml")) or "cut" in name


def test_not_a_file_is_told_before_it_is_opened(tmp_path: Path) -> None:
    """Rule 15: a FIFO, a directory or nothing named like an sdist does not hang or crash."""
    os.mkfifo(tmp_path / "fifo.tar.gz")
    (tmp_path / "directory.tar.gz").mkdir()
    for name in ("fifo", "directory", "absent"):
        with pytest.raises(TargetError, match=name):
            unpack_sdist(str(tmp_path / f"{name}.tar.gz"), str(tmp_path / "into"))


def test_existing_directory_is_not_unpacked_into(tmp_path: Path) -> None:
    """What is there already could be a link that leads elsewhere."""
    path = _tar(tmp_path / "p.tar.gz", GOOD)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "into").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "into" / "pkg-1.0")
    with pytest.raises(TargetError, match="exists already"):
        unpack_sdist(path, str(tmp_path / "into"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_tar_without_extraction_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11.0 to 3.11.3 unpacks the same tree, with the same modes and owners."""
    archive = tmp_path / "pkg-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, kind, text in GOOD:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid = kind, 0o6777, 12345, 12345
            info.uname = info.gname = "nobody"
            info.linkname = text if kind in (SYMLINK, HARDLINK) else ""
            data = text.encode() if kind == FILE else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    trees = []
    for place in ("with", "without"):
        (tmp_path / place).mkdir()
        unpack_sdist(str(archive), str(tmp_path / place))
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        trees.append(
            {
                str(path.relative_to(tmp_path / place)): (
                    stat.S_ISLNK(path.lstat().st_mode) or path.lstat().st_mode,
                    path.lstat().st_uid,
                    path.read_bytes() if path.is_file() else b"",
                )
                for path in (tmp_path / place).rglob("*")
            }
        )
    assert trees[0] == trees[1]
    assert all(uid == os.getuid() for _, uid, _ in trees[1].values())


_FILES = [("pkg-1/PKG-INFO", b"Name: pkg\n"), ("pkg-1/pyproject.toml", b"")]


def _pax(name: str, data: bytes = b"1", **headers: str) -> bytes:
    """Return a tar file with one more member that has fields of its own."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for one, content in [*_FILES, (name, data)]:
            info = tarfile.TarInfo(one)
            info.size = len(content)
            info.pax_headers = {k.replace("__", "."): v for k, v in headers.items()}
            info.pax_headers = info.pax_headers if one == name else {}
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _header(name: str, kind: bytes) -> bytes:
    """Return a tar header that says that two megabytes follow."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, 2 << 20
    return info.tobuf(tarfile.GNU_FORMAT)


def _more(*entries: Entry) -> bytes:
    """Return a zip file with more entries."""
    return write_zip([*(Entry(name, data) for name, data in _FILES), *entries])


_SPARSE = {"GNU__sparse__major": "1", "GNU__sparse__minor": "0", "GNU__sparse__name": "pkg-1/big"}
_SPARSE["GNU__sparse__realsize"] = str(1 << 40)
_DEEP = "pkg-1/" + "d/" * 3000 + "x"
ODD: dict[str, tuple[str, bytes, str]] = {
    "a time that is none": ("tar.gz", _pax("pkg-1/a", mtime="nan"), "cannot be unpacked"),
    "a time beyond all": ("tar.gz", _pax("pkg-1/a", mtime="1e300"), "cannot be unpacked"),
    "a negative size": ("tar.gz", _pax("pkg-1/a", size="-5"), "corrupt"),
    "another path": ("tar.gz", _pax("pkg-1/a", path="../../x"), "climbs out"),
    "another path with NUL": ("tar.gz", _pax("pkg-1/a", path="pkg-1/a\0b"), "impossible name"),
    "a sparse terabyte": (
        "tar.gz",
        _pax("pkg-1/a", b"0\n" + b"\0" * 510, **_SPARSE),
        "sparse file",
    ),
    "3,000 directories deep": ("tar.gz", _pax(_DEEP), "cannot be unpacked"),
    "a name of two megabytes": (
        "tar.gz",
        gzip.compress(_header("././@LongLink", tarfile.GNUTYPE_LONGNAME) + b"x" * (2 << 20)),
        "unreasonably large header",
    ),
    "fields of two megabytes": (
        "tar.gz",
        gzip.compress(_header("pkg-1/x", tarfile.XHDTYPE) + b"x" * (2 << 20)),
        "unreasonably large header",
    ),
    "encrypted": ("zip", _more(Entry("pkg-1/x", b"1", flags=1)), "encrypted"),
    "unknown method": ("zip", _more(Entry("pkg-1/x", b"1", method=99)), "method 99"),
    "bzip2, without a bound": ("zip", _more(Entry("pkg-1/x", b"1", method=BZIP2)), "method 12"),
    "NUL in a name": ("zip", _more(Entry("pkg-1/x\0/../..", b"1")), "impossible name"),
    "backslashes": ("zip", _more(Entry("pkg-1\\..\\x", b"1")), "several top-level"),
    "a bomb": ("zip", _more(Entry("pkg-1/x", b"1" * (1 << 20), size=5)), "damaged"),
    "another local name": ("zip", _more(Entry("pkg-1/x", b"1", local_name="../x")), "damaged"),
    "no name": ("zip", _more(Entry("", b"1")), "no name for a file"),
    "no archive": ("tar.zst", b"\x28\xb5\x2f\xfd\0", "not an archive"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_archives_are_told_in_one_line(tmp_path: Path, case: str) -> None:
    """What the archive libraries stumble on, or would unpack without a bound, is refused."""
    suffix, data, message = ODD[case]
    path = tmp_path / f"pkg-1.{suffix}"
    path.write_bytes(data)
    with pytest.raises(TargetError, match=message) as caught:
        unpack_sdist(str(path), str(tmp_path / "into"))
    assert str(path) in caught.value.problem
    assert "\n" not in str(caught.value)
    assert caught.value.advice
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["into", path.name])


def test_modes_and_owners_of_an_archive_do_not_count(tmp_path: Path) -> None:
    """No setuid bit comes out, and directories and files that nobody may read can be read."""
    path = tmp_path / "pkg-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, mode in (
            ("pkg-1", DIRECTORY, 0),
            ("pkg-1/a", FILE, 0o6777),
            ("pkg-1/b", FILE, 0),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, mode
            archive.addfile(info)
    source = Path(unpack_sdist(str(path), str(tmp_path / "into")))
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (source, *source.iterdir())}
    assert all(mode & 0o7000 == 0 and mode & 0o400 for mode in modes.values()), modes


@pytest.mark.parametrize("error", [struct.error("x"), OverflowError("x"), EOFError("x")])
def test_whatever_the_libraries_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """An error that nobody foresaw is one line about the archive, too."""
    path = _tar(tmp_path / "pkg-1.0.tar.gz", GOOD)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(archives, "_unpack_tar", fail)
    with pytest.raises(TargetError, match="the source archive"):
        unpack_sdist(path, str(tmp_path / "into"))


@pytest.mark.parametrize("suffix", ["tar.gz", "zip"])
def test_an_archive_that_cannot_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """What says that it is larger than the space that is free is not unpacked at all."""
    make = _zip if suffix == "zip" else _tar
    path = make(tmp_path / f"pkg-1.0.{suffix}", [("pkg-1.0/x", FILE, "x" * 5000)])
    room = os.statvfs_result((4096, 4096, 300, 1, 1, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    with pytest.raises(TargetError, match=r"needs 4\.9 KiB when unpacked; .* has 4\.0 KiB free"):
        unpack_sdist(path, str(tmp_path / "into"))
    assert list((tmp_path / "into").iterdir()) == []
