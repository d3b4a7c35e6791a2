"""Source archives: whatever their bytes are, nothing comes to lie, or leads, elsewhere."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile

from sagepip.build.archive import sdist_identity, unpack_sdist
from sagepip.build.archive_members import Member, Unacceptable, check_members
from tests.fuzz.target import Target, may_refuse, place

_BLOCK = 512
_CHECKSUM = slice(148, 156)
_KINDS = {"f": "file", "d": "directory", "s": "symlink", "h": "hardlink", "x": "device"}


def _unpack(name: str, data: bytes) -> None:
    home = place() / "source"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "beside").touch()
    path, into = home / name, home / "into"
    path.write_bytes(data)
    with may_refuse():
        sdist_identity(str(path))
    with may_refuse():
        top = unpack_sdist(str(path), str(into))
        _check_tree(str(into), top)
    assert sorted(os.listdir(home)) == sorted(["beside", name, "into"])
    # A failure in the middle may leave a part of it, but nothing that leads elsewhere.
    for one in os.listdir(into):
        _check_tree(str(into), os.path.join(into, one))


def _check_tree(into: str, top: str) -> None:
    """Check that all is one directory, whose links lead nowhere else."""
    assert os.path.dirname(top) == into
    home = os.path.realpath(top)
    for directory, directories, files in os.walk(top):
        for one in (*directories, *files):
            path = os.path.realpath(os.path.join(directory, one))
            assert path == home or path.startswith(home + os.sep), path
            assert not os.lstat(os.path.join(directory, one)).st_mode & 0o7000


def _tar(data: bytes) -> None:
    """Put checksums right, so that the fuzzer comes behind them."""
    blocks = bytearray(data[: len(data) - len(data) % _BLOCK])
    for start in range(0, len(blocks), _BLOCK):
        block = blocks[start : start + _BLOCK]
        if any(block) and block[257:262] == b"ustar":
            block[_CHECKSUM] = b" " * 8
            block[_CHECKSUM] = f"{sum(block):06o}\0 ".encode()
            blocks[start : start + _BLOCK] = block
    _unpack("demo-1.0.tar", bytes(blocks))


def _zip(data: bytes) -> None:
    _unpack("demo-1.0.zip", data)


def _members(data: bytes) -> None:
    """Read lines as members: a letter for the kind, a name, a tabulator and a link."""
    members = []
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        if line[:1] in _KINDS:
            name, _, link = line[1:].partition("\t")
            members.append(Member(name, _KINDS[line[0]], link))
    with may_refuse(Unacceptable):
        top = check_members(members)
        home = place() / "members"
        shutil.rmtree(home, ignore_errors=True)
        _extract(members, str(home))
        _check_tree(str(home), str(home / top))


def _extract(members: list[Member], home: str) -> None:
    """Make them on disk, trusting that they were checked; what the disk refuses is left out."""
    for member in members:
        path = os.path.join(home, *member.parts)
        try:
            os.makedirs(
                path if member.kind == "directory" else os.path.dirname(path), exist_ok=True
            )
            if member.kind == "file":
                with open(path, "ab"):
                    pass
            elif member.kind == "symlink":
                os.symlink(member.link, path)
            elif member.kind == "hardlink":
                os.link(os.path.join(home, member.link), path, follow_symlinks=False)
        except OSError:
            continue


def _a_tar(*members: tuple[str, bytes, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            if kind == tarfile.REGTYPE:
                info.size = len(content)
            else:
                info.linkname = content
            archive.addfile(info, io.BytesIO(content.encode()))
    # Without the padding of a tape's record: the fuzzer has 8 KiB.
    return stream.getvalue().rstrip(b"\0") + bytes(3 * _BLOCK)


def _a_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("demo-1.0/PKG-INFO", "Name: demo\nVersion: 1.0\n")
        link = zipfile.ZipInfo("demo-1.0/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "PKG-INFO")
        archive.writestr("demo-1.0/dir/", "")
    return stream.getvalue()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


TARGETS = {
    "tar": Target(
        _tar,
        (
            _padded(
                _a_tar(
                    ("demo-1.0", tarfile.DIRTYPE, ""),
                    ("demo-1.0/PKG-INFO", tarfile.REGTYPE, "Name: demo\nVersion: 1.0\n"),
                    ("demo-1.0/link", tarfile.SYMTYPE, "PKG-INFO"),
                    ("demo-1.0/hard", tarfile.LNKTYPE, "demo-1.0/PKG-INFO"),
                )
            ),
            _padded(_a_tar(("demo-1.0/" + "n" * 120, tarfile.REGTYPE, "x"))),
        ),
    ),
    "zip": Target(_zip, (_a_zip(),)),
    "members": Target(
        _members,
        (
            b"da\nda/b\nfa/b/c\nsa/l\tb/c\nha/h\ta/b/c\nsa/b/up\t..\n",
            b"fa/x\nsa/a\tb\nsa/b\t./../a/x\nsa/c\ta/../..\nfa/c/y\nxa/d\n",
        ),
    ),
}
