"""What a wheel says of itself, read without unpacking it."""

from __future__ import annotations

import os
import stat
import struct
import zlib

from sagepip.ground.errors import TargetError
from sagepip.ground.headers import Headers
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.project_names import canonical_name
from sagepip.ground.versions import is_same_version
from sagepip.staging.archive_file import ArchiveFile
from sagepip.staging.zip_library import zipfile

# What reading a zip file raises that is none, or no good one (ValueError: a name is no UTF-8).
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_METADATA_BYTES = 16 << 20
# RECORD has a row for each file, of 100 bytes or so.
_RECORD_BYTES = 32 << 20
_DIGITS = "0123456789"


@dataclass(frozen=True)
class WheelMetadata:
    """What a wheel says of itself.

    Attributes:
        path: the wheel.
        file_name: the project's name as the file name spells it.
        file_version: the version as the file name spells it.
        tags: the expanded compatibility tags of the file name.
        dist_info: the name of its dist-info directory.
        headers: its METADATA.
        wheel_headers: its WHEEL.
        archive: the file, to be opened again.
    """

    path: str
    file_name: str
    file_version: str
    tags: tuple[str, ...]
    dist_info: str
    headers: Headers
    wheel_headers: Headers
    archive: ArchiveFile = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The project's name as METADATA spells it."""
        return self.headers.get("Name") or self.file_name

    @property
    def version(self) -> str:
        """The version as METADATA spells it."""
        return self.headers.get("Version") or self.file_version

    @property
    def label(self) -> str:
        """Name and version, for messages."""
        return f"{self.name} {self.version}"

    @property
    def root_is_purelib(self) -> bool:
        """Whether its root goes to purelib (else platlib)."""
        return (self.wheel_headers.get("Root-Is-Purelib") or "").lower() == "true"

    def is_own(self, stem: str) -> bool:
        """Whether ``NAME-VERSION`` is name and version of the file name, maybe spelt otherwise."""
        name, _, version = stem.rpartition("-")
        if canonical_name(name) != canonical_name(self.file_name):
            return False
        try:
            return version == self.file_version or is_same_version(version, self.file_version)
        except ValueError:
            return False


def check_regular_file(path: str, kind: str) -> None:
    """Refuse a path that is not a readable regular file, before anything tries to read it.

    Args:
        path: any path.
        kind: what it should be, for the message.

    Raises:
        TargetError: see above.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise TargetError(
            f"cannot read the {kind} {path}: {error.strerror}", advice="check the path"
        ) from error
    if not stat.S_ISREG(mode):
        raise TargetError(
            f"{path} is not a {kind}: it is not a regular file", advice=f"give a {kind} file"
        )


def read_wheel_metadata(path: str) -> WheelMetadata:
    """Read the metadata of a wheel.

    Args:
        path: the absolute path of the ``.whl`` file.

    Raises:
        TargetError: it is no wheel, or its metadata cannot be read.
    """
    check_regular_file(path, "wheel")
    file_name, version, tags = _parse_file_name(path)
    try:
        archive = ArchiveFile(path)
        with archive.opened() as file:
            dist_info = _find_dist_info(path, file)
            metadata = read_text(path, file, f"{dist_info}/METADATA")
            wheel = read_text(path, file, f"{dist_info}/WHEEL")
    except UNREADABLE as error:
        raise TargetError(
            f"{path}: {error}", advice="the file is damaged; fetch or build it again"
        ) from error
    except OSError as error:
        raise TargetError(f"cannot read the wheel {path}: {error.strerror}") from error
    return WheelMetadata(
        path, file_name, version, tags, dist_info, Headers(metadata), Headers(wheel), archive
    )


def reread(metadata: WheelMetadata) -> WheelMetadata:
    """Return what a wheel says of itself now: the same, unless the file was replaced.

    Args:
        metadata: what it said before.

    Raises:
        TargetError: see :func:`read_wheel_metadata`.
    """
    return metadata if metadata.archive.is_same() else read_wheel_metadata(metadata.path)


def _parse_file_name(path: str) -> tuple[str, str, tuple[str, ...]]:
    """Split a wheel's file name (binary distribution format, "File name convention")."""
    name = os.path.basename(path)
    parts = name.removesuffix(".whl").split("-")
    is_wheel = name.endswith(".whl") and len(parts) in (5, 6) and all(parts)
    if not is_wheel or not _is_name(parts[0]) or not (len(parts) == 5 or parts[2][0] in _DIGITS):
        raise TargetError(
            f"{path}: {name!r} is not the file name of a wheel",
            advice="NAME-VERSION-PYTHON-ABI-PLATFORM.whl; do not rename wheels",
        )
    tags = tuple(
        f"{python}-{abi}-{platform}".lower()
        for python in parts[-3].split(".")
        for abi in parts[-2].split(".")
        for platform in parts[-1].split(".")
    )
    return parts[0], parts[1], tags


def _is_name(text: str) -> bool:
    """Whether a text is a project's name as file names spell it: letters, digits, ``_``, ``.``."""
    inner = text.replace("_", "").replace(".", "")
    return text.isascii() and inner.isalnum() and text[0].isalnum() and text[-1].isalnum()


def _find_dist_info(path: str, archive: zipfile.ZipFile) -> str:
    tops = {name.partition("/")[0] for name in archive.namelist()}
    # importlib.metadata finds metadata whatever the case of its name.
    found = sorted(name for name in tops if name.lower().endswith(".dist-info"))
    if len(found) != 1 or not found[0].endswith(".dist-info"):
        raise TargetError(
            f"{path}: it holds {len(found) or 'no'} .dist-info directories "
            f"({', '.join(found) or 'one is needed'})",
            advice="the wheel is malformed; build it again",
        )
    return found[0]


def read_text(path: str, archive: zipfile.ZipFile, member: str) -> str:
    """Read a member that is a text.

    Args:
        path: the wheel, for messages.
        archive: it, opened.
        member: the name of the member.

    Raises:
        TargetError: it is not there, too large, or not UTF-8.
    """
    try:
        info = archive.getinfo(member)
    except KeyError:
        raise TargetError(
            f"{path}: it holds no {member}", advice="the wheel is malformed; build it again"
        ) from None
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks the other methods without a bound.
        raise NotImplementedError(f"{member} is compressed by method {info.compress_type}")
    if info.file_size > (_RECORD_BYTES if member.endswith("/RECORD") else _METADATA_BYTES):
        raise TargetError(
            f"{path}: {member} is unreasonably large ({info.file_size} bytes)",
            advice="do not install this wheel",
        )
    try:
        return archive.read(info).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TargetError(
            f"{path}: {member} is not UTF-8: {error}",
            advice="the wheel is malformed; build it again",
        ) from error
