"""Whether a wheel is installed already, identical and intact."""

from __future__ import annotations

import os
import stat
import zlib

from sagepip.ground.errors import ConflictError, TargetError
from sagepip.ground.project_names import canonical_name
from sagepip.staging.hashing import Hasher, hash_of
from sagepip.staging.wheel import UNREADABLE, WheelMetadata, read_text
from sagepip.staging.zip_library import zipfile
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.record import BadRecord, parse_record, recorded_path

_PART = 1 << 20
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_INSTALLATION_METADATA = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")


def is_installed_intact(
    wheel: WheelMetadata, installed: InstalledDistribution, *, with_bytecode: bool
) -> bool:
    """Whether every file of a wheel is installed with the content that the wheel has.

    A wheel with a ``.data`` directory never counts as installed: what becomes of its files is
    not in its RECORD.

    Args:
        wheel: the wheel.
        installed: a distribution of the same project.
        with_bytecode: whether modules must have bytecode too.
    """
    if not canonical_name(wheel.file_name) == canonical_name(wheel.name) == installed.name:
        return False  # a wheel under a false name is for the gate to refuse
    if not installed.is_dist_info:
        return False
    if os.path.basename(installed.metadata_path) != wheel.dist_info:
        return False
    try:
        with wheel.archive.opened() as archive:
            wanted = _wheel_record(wheel, archive)
            scripts = _script_names(wheel, archive)
            checksums = {one.filename: one.CRC for one in archive.infolist()}
        record = installed.record
    except (BadRecord, ConflictError, TargetError, OSError):
        return False  # a wheel that is none is for the gate to refuse
    except UNREADABLE:
        return False
    if record is None or wanted is None:
        return False
    programs = [row for row in record if row.path.rpartition("/")[2] in scripts] if scripts else []
    if not scripts <= {row.path.rpartition("/")[2] for row in programs}:
        return False
    if not all(os.access(recorded_path(row, installed.directory), os.X_OK) for row in programs):
        return False
    rows = {row.path: row for row in record}
    if any(path not in rows or rows[path].digest != digest for path, digest in wanted.items()):
        return False
    modules = any(path.endswith(".py") for path in wanted)
    if with_bytecode and modules and not any(path.endswith(".pyc") for path in rows):
        return False
    home = os.path.normpath(installed.directory).rstrip(os.sep) + os.sep
    for row in record:
        path, digest, _ = row
        is_plain = path[0] not in "./" and path[-1] != "/" and "/." not in path and "//" not in path
        live = home + path if is_plain else recorded_path(row, installed.directory)
        if not _is_intact(live, digest, checksums.get(path) if path in wanted else None):
            return False
    return True


def _wheel_record(wheel: WheelMetadata, archive: zipfile.ZipFile) -> dict[str, str] | None:
    data = wheel.dist_info.removesuffix(".dist-info") + ".data/"
    rows = parse_record(read_text(wheel.path, archive, f"{wheel.dist_info}/RECORD"))
    if any(row.path.startswith(data) for row in rows):
        return None
    own = {f"{wheel.dist_info}/{name}" for name in _INSTALLATION_METADATA}
    return {row.path: row.digest for row in rows if row.path not in own}


def _script_names(wheel: WheelMetadata, archive: zipfile.ZipFile) -> set[str]:
    """Return the names of the scripts that a wheel's entry points become."""
    name = f"{wheel.dist_info}/entry_points.txt"
    if name not in archive.namelist():
        return set()
    from sagepip.ground.ini_text import read_sections

    try:
        sections = read_sections(read_text(wheel.path, archive, name))
    except ValueError as error:
        raise TargetError(f"{wheel.path}: bad entry_points.txt: {error}") from error
    return {*sections.get("console_scripts", ()), *sections.get("gui_scripts", ())}


def _is_intact(path: str, digest: str, checksum: int | None) -> bool:
    """Whether a file has the hash of a row, and the checksum that the wheel's member has.

    An edited wheel may still have its old RECORD: to the gate it has to go, which refuses it.
    """
    if not digest:
        return os.path.lexists(path)
    try:
        descriptor = os.open(path, _READ)
    except (OSError, ValueError):
        return False
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return False
        if found.st_size < _PART:
            content = os.read(descriptor, found.st_size + 1)
            return hash_of(content, digest) == digest and checksum in (None, zlib.crc32(content))
        hasher, so_far = Hasher(digest), 0
        while part := os.read(descriptor, _PART):
            hasher.update(part)
            so_far = zlib.crc32(part, so_far)
        return hasher.digest() == digest and checksum in (None, so_far)
    except (OSError, ValueError):
        return False
    finally:
        os.close(descriptor)
