"""Unpack source distributions, which may have been made to write elsewhere."""

from __future__ import annotations

import os
import stat

from sagepip.build.archive_members import Member, Unacceptable, check_members
from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import make_directories
from sagepip.ground.free_space import check_space
from sagepip.ground.headers import Headers
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.project_names import canonical_name

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    import tarfile
    import zipfile
    from collections.abc import Iterator
    from typing import Self


_METADATA_BYTES = 16 << 20
# A name, a link's target, and what else is said of one member.
_HEADER_BYTES = 1 << 20


def unpack_sdist(path: str, into: str) -> str:
    """Unpack an sdist; nothing is written before all of its members were found acceptable.

    Args:
        path: a ``.zip`` or a tar file of any compression.
        into: the directory to unpack into; made if missing.

    Returns:
        The path of the source directory, the one top-level directory of the archive.

    Raises:
        TargetError: it cannot be read or used: not a file, corrupt, not exactly one top-level
            directory, a member that leaves it, a link that leaves it, a device.
    """
    import zipfile

    _check_regular_file(path)
    make_directories(into)
    with _readable(path):
        # By the name first: a plain tar file with a zip file in it looks like a zip file.
        is_tar = ".tar" in os.path.basename(path) or path.endswith(".tgz")
        if not is_tar and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as zip_archive:
                return _unpack_zip(path, zip_archive, into)
        with _open_tar(path) as tar_archive:
            return _unpack_tar(path, tar_archive, into)


def sdist_identity(path: str) -> tuple[str, str]:
    """Return name and version of an sdist, as its PKG-INFO says; its members are acceptable.

    Args:
        path: a tar file.

    Raises:
        TargetError: it cannot be read or used, holds no PKG-INFO, or one of another project or
            version than the file name.
    """
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename
    from packaging.version import InvalidVersion, Version

    _check_regular_file(path)
    with _readable(path), _open_tar(path) as archive:
        members = archive.getmembers()
        wanted = f"{check_members([_tar_member(info) for info in members])}/PKG-INFO"
        found = next((info for info in members if info.name == wanted), None)
        stream = archive.extractfile(found) if found is not None else None
        if found is None or stream is None:
            raise Unacceptable(f"it holds no {wanted}")
        if found.size > _METADATA_BYTES:
            raise Unacceptable(f"its {wanted} is unreasonably large ({found.size} bytes)")
        headers = Headers(stream.read().decode("utf-8"))
        name, version = headers.get("Name") or "", headers.get("Version") or ""
        try:
            stated = canonical_name(name), Version(version)
            same = stated == parse_sdist_filename(os.path.basename(path))
        except (InvalidSdistFilename, InvalidVersion):
            same = False
        if not same:
            raise Unacceptable(f"its PKG-INFO says {name} {version}")
    return name, version


def _check_regular_file(path: str) -> None:
    # Opening a FIFO would wait for a writer for ever.
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise TargetError(
            f"cannot read the source archive {path}: {error.strerror}", advice="check the path"
        ) from error
    if not stat.S_ISREG(mode):
        raise TargetError(
            f"not a source archive but a {_kind(mode)}: {path}",
            advice="give a .tar.gz or .zip file",
        )


def _kind(mode: int) -> str:
    return "directory" if stat.S_ISDIR(mode) else "special file"


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn what the archive libraries raise into one line about the archive."""
    import struct
    import tarfile
    import zipfile
    import zlib

    from sagepip.staging.wheel import UNREADABLE

    corrupt: tuple[type[Exception], ...]
    corrupt = (tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError)
    try:
        import lzma

        corrupt += (lzma.LZMAError,)
    except ImportError:
        pass
    try:
        yield
    except Unacceptable as error:
        raise TargetError(
            f"the source archive {path} is not acceptable: {error}",
            advice="it may be hostile; get it from a source you trust",
        ) from error
    except corrupt as error:
        raise TargetError(
            f"the source archive {path} is corrupt or not an archive: {error}",
            advice="get it again",
        ) from error
    except (OSError, *UNREADABLE) as error:
        # OSError: also what gzip and bz2 raise; RuntimeError: an encrypted zip, or directories too
        # deep; OverflowError: a time that is none.
        reason = getattr(error, "strerror", None) or error
        raise TargetError(
            f"the source archive {path} cannot be unpacked: {reason}",
            advice="is it whole, and is there space?",
        ) from error


def _open_tar(path: str) -> tarfile.TarFile:
    """Open a tar file; a header that says it is huge is refused before it is read to its end."""
    import tarfile

    extended = {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
    extended |= {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}

    class Bounded(tarfile.TarInfo):
        """tarfile reads all of such a member into memory, before anybody can look at it."""

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            """Return the header in a block."""
            info = super().frombuf(buf, encoding, errors)
            if info.type in extended and info.size > _HEADER_BYTES:
                raise Unacceptable(f"it has an unreasonably large header ({info.size} bytes)")
            return info

    return tarfile.open(path, tarinfo=Bounded)


def _unpack_tar(path: str, archive: tarfile.TarFile, into: str) -> str:
    import tarfile

    members = archive.getmembers()
    top = check_members([_tar_member(info) for info in members])
    _check_absent(into, top)
    check_space(
        into,
        sum(info.size for info in members if info.isreg()),
        f"the source archive {path}",
    )
    if hasattr(tarfile, "data_filter"):
        archive.extractall(into, members, filter="data")
    else:  # Python 3.11.0 to 3.11.3, which Debian 12 has
        archive.extractall(into, [_tame(info) for info in members])
    return os.path.join(into, top)


def _tame(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member with the mode and owner that the ``data`` filter would give it (PEP 706).

    Where it and its links lead has been checked already.
    """
    import copy

    tame = copy.copy(info)
    tame.uid, tame.gid, tame.uname, tame.gname = os.getuid(), os.getgid(), "", ""
    executable = 0o111 if info.mode & 0o100 or info.isdir() else 0
    tame.mode = 0o644 | executable
    return tame


def _tar_member(info: tarfile.TarInfo) -> Member:
    if info.issparse():
        raise Unacceptable(f"{info.name!r} is a sparse file, of {info.size} bytes when unpacked")
    if info.issym():
        return Member(info.name, "symlink", info.linkname)
    if info.islnk():
        return Member(info.name, "hardlink", info.linkname)
    if info.isdir():
        return Member(info.name, "directory")
    return Member(info.name, "file" if info.isreg() else "device")


def _unpack_zip(path: str, archive: zipfile.ZipFile, into: str) -> str:
    members = [_zip_member(archive, info) for info in archive.infolist()]
    top = check_members(members)
    _check_absent(into, top)
    check_space(
        into,
        sum(info.file_size for info in archive.infolist()),
        f"the source archive {path}",
    )
    if (damaged := archive.testzip()) is not None:
        raise Unacceptable(f"{damaged!r} is damaged")
    for info, member in zip(archive.infolist(), members, strict=True):
        target = os.path.join(into, *member.parts)
        if member.kind == "directory":
            make_directories(target)
            continue
        make_directories(os.path.dirname(target))
        if member.kind == "symlink":
            os.symlink(member.link, target)
            continue
        _extract_file(archive, info, target)
    return os.path.join(into, top)


def _extract_file(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: str) -> None:
    import shutil

    executable = (info.external_attr >> 16) & 0o111
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    descriptor = os.open(target, flags, 0o777 if executable else 0o666)
    with open(descriptor, "wb") as stream, archive.open(info) as content:
        shutil.copyfileobj(content, stream)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    import zipfile

    mode = info.external_attr >> 16
    if "\0" in info.orig_filename:
        raise Unacceptable(f"{info.orig_filename!r} has an impossible name")
    if not info.filename:
        raise Unacceptable("'' is no name for a file")  # zipfile looks at its last letter
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks bzip2 and LZMA without a bound.
        raise Unacceptable(f"{info.filename!r} is compressed by method {info.compress_type}")
    if info.is_dir():
        return Member(info.filename, "directory")
    if stat.S_ISLNK(mode):
        if info.file_size > os.pathconf("/", "PC_PATH_MAX"):
            raise Unacceptable(f"{info.filename!r} is a link with an overlong target")
        return Member(info.filename, "symlink", os.fsdecode(archive.read(info)))
    regular = stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return Member(info.filename, "file" if regular else "device")


def _check_absent(into: str, top: str) -> None:
    if os.path.lexists(os.path.join(into, top)):
        raise Unacceptable(f"{os.path.join(into, top)} exists already")
