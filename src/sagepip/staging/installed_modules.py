"""What an installed version has of a wheel already, byte for byte, and may stay where it is.

A wheel that is installed over a version of the same content has little to write. A member need not
be inflated if the live file has the hash that RECORD states of it, and the size and checksum that
the archive states: what it would be replaced by is then known.

A package directory changes in one step (G2 of the guarantees): so a top-level directory keeps all
but the one file, or the one directory below which everything is that differs.
"""

from __future__ import annotations

import os
import stat
import zlib
from zipfile import ZipInfo

from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import Identity, identity_of
from sagepip.ground.light_dataclass import NamedTuple
from sagepip.staging.bytecode import Compilation
from sagepip.staging.checked_archive import CheckedArchive
from sagepip.staging.hashing import Hasher, hash_of
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.kept_files import KeptFiles
from sagepip.transaction.record import RecordRow
from sagepip.transaction.steps import DirectoryStamp
from sagepip.transaction.territory import Territory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PART = 1 << 20


class Kept(NamedTuple):
    """What stays of an installed version.

    Attributes:
        members: the rows of the wheel's members that need not be unpacked, by their names.
        bytecode: the final path of the bytecode of each of its modules, by that of the module.
        files: all of it, as the planner wants to know it.
    """

    members: dict[str, RecordRow]
    bytecode: dict[str, str]
    files: KeptFiles


_Intact = tuple[RecordRow, str, Identity, str, Identity]
"""A member that is installed already: what RECORD will say of it, its live path, and what that is;
the live path of its bytecode, empty if it has none, and what that is."""
_NOTHING: Identity = (0, 0, 0)


def find_kept(
    archive: CheckedArchive,
    installed: InstalledDistribution,
    root: str,
    territory: Territory,
    *,
    compilation: Compilation | None,
    umask: int,
) -> Kept | None:
    """Find out what an installed version has of a wheel.

    Args:
        archive: the wheel.
        installed: a version of the same project, with a RECORD.
        root: what the final paths in the wheel's root begin with; ``installed`` lies in the live
            directory of it.
        territory: what may be touched.
        compilation: how modules are compiled; None if they are not.
        umask: what is taken from the permissions of new files.

    Returns:
        What may stay; None if nothing may.
    """
    if compilation is not None and not compilation.remembers:
        return None  # to compile all of it, only to compare that, is no less than to install it
    metadata = DirectoryStamp.of(installed.metadata_path)
    try:
        rows = installed.record
    except ConflictError:
        rows = None  # the planner says so
    if metadata is None or not rows:
        return None
    if compilation is None and any(row.path.endswith(".pyc") for row in rows):
        return None  # it goes
    look = _Look(archive, installed, root, territory, compilation, umask)
    known = {path: digest for path, digest, _ in rows}
    members: dict[str, RecordRow] = {}
    bytecode: dict[str, str] = {}
    files: dict[str, Identity] = {}
    for group in _by_top(archive.root_files()).values():
        same = [one for one in group if known.get(one[1][0]) == one[1][1]]
        intact: dict[str, _Intact] = {}
        for entry, row in _outside(same, group):
            found = look.at(entry, row)
            if found is not None:
                intact[row[0]] = found
        same = [one for one in same if one[1][0] in intact]
        for _, (name, *_) in _outside(same, group):
            row, live, what, beside, made = intact[name]
            members[name], files[live] = row, what
            if beside and compilation is not None:
                files[beside] = made
                bytecode[root + name] = compilation.bytecode_of(root + name)
    if not members:
        return None
    return Kept(members, bytecode, KeptFiles(installed, metadata, files))


_Members = list[tuple[ZipInfo, RecordRow]]


def _by_top(members: Iterable[tuple[ZipInfo, RecordRow]]) -> dict[str, _Members]:
    """Return members, with their rows, by the first part of their names."""
    found: dict[str, _Members] = {}
    for one in members:
        top = one[1][0].partition("/")[0]
        if top in found:
            found[top].append(one)
        else:
            found[top] = [one]
    return found


def _outside(same: _Members, group: _Members) -> Iterable[tuple[ZipInfo, RecordRow]]:
    """Return of what is the same what lies beside the one place that holds all that is not.

    Args:
        same: members of a top-level directory, in order.
        group: all members of it.
    """
    if len(same) == len(group):
        return same
    names = {row[0] for _, row in same}
    changed = [row[0] for _, row in group if row[0] not in names]
    if len(changed) < 2:
        return same
    place = os.path.commonpath(changed) + "/"
    return [one for one in same if not one[1][0].startswith(place)]


class _Look:
    """Compares live files with members of a wheel."""

    def __init__(
        self,
        archive: CheckedArchive,
        installed: InstalledDistribution,
        root: str,
        territory: Territory,
        compilation: Compilation | None,
        umask: int,
    ) -> None:
        self._own = os.path.basename(installed.metadata_path)
        self._home = os.path.normpath(installed.directory)
        self._root = root
        self._territory = territory
        self._compilation = compilation
        self._mode = 0o666 & ~umask
        self._executable_mode = 0o777 & ~umask | 0o111
        self._archive = archive
        self._user = os.geteuid()
        self._prefixes: dict[str, str | None] = {}

    def at(self, entry: ZipInfo, row: RecordRow) -> _Intact | None:
        """Return what is installed of a member; None if it is not all as it would be made."""
        path, digest, stated = row
        parent, _, name = path.rpartition("/")
        prefix = self._prefixes.get(parent, "")
        if prefix == "":
            prefix = self._prefixes[parent] = self._locate(parent)
        if prefix is None or name[0] == ".":
            return None  # it may be a name of sagepip's own
        live, size = prefix + name, entry.file_size
        executable = entry.external_attr and self._archive.is_executable(entry)
        found = self._read(live, size, self._executable_mode if executable else self._mode)
        if found is None:
            return None
        status, content = found
        if content is None:
            same = self._is_large_same(live, status, entry, digest)
        else:
            same = zlib.crc32(content) == entry.CRC and hash_of(content, digest) == digest
        if not same:
            return None
        if stated is None:
            row = RecordRow(path, digest, size)
        # They are regular files.
        what = (status.st_ino, status.st_mtime_ns, size)
        compilation = self._compilation
        if compilation is None or not name.endswith(".py"):
            return row, live, what, "", _NOTHING
        if content is None:
            return None  # nobody writes modules of that size
        beside = compilation.bytecode_of(live)
        made = compilation.would_make(content, status, self._root + path, digest)
        if made is None:  # It does not compile.
            return None if os.path.lexists(beside) else (row, live, what, "", _NOTHING)
        bytecode, mode = made
        there = self._read(beside, len(bytecode), mode, len(bytecode))
        if there is None or there[1] != bytecode:
            return None
        status = there[0]
        return row, live, what, beside, (status.st_ino, status.st_mtime_ns, status.st_size)

    def _locate(self, parent: str) -> str | None:
        """Return what the live paths of a directory's members begin with, if all may be touched."""
        directory = f"{self._home.rstrip(os.sep)}/{parent}" if parent else self._home
        prefix = self._territory.plain_prefix(directory, self._own)
        if prefix:
            return prefix
        located = list(self._territory.locate_all(directory, ["any"], self._own))
        return located[0][1].removesuffix("any") if located else None

    def _read(
        self, path: str, size: int, mode: int, at_once: int = _PART
    ) -> tuple[os.stat_result, bytes | None] | None:
        """Return the status and, unless it is large, the content of a file that may stay.

        A file with another name somewhere is not left: what is changed there changes here.
        """
        try:
            descriptor = os.open(path, _READ)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if (
                status.st_mode != stat.S_IFREG | mode
                or status.st_size != size
                or status.st_uid != self._user
                or status.st_nlink != 1
            ):
                return None
            if size > at_once:
                return status, None
            content = os.read(descriptor, size + 1)
            return (status, content) if len(content) == size else None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _is_large_same(
        self, path: str, status: os.stat_result, entry: ZipInfo, digest: str
    ) -> bool:
        hasher, checksum, size = Hasher(digest), 0, 0
        try:
            descriptor = os.open(path, _READ)
        except OSError:
            return False
        try:
            if identity_of(os.fstat(descriptor)) != identity_of(status):
                return False
            while part := os.read(descriptor, _PART):
                hasher.update(part)
                checksum = zlib.crc32(part, checksum)
                size += len(part)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return (size, checksum) == (entry.file_size, entry.CRC) and hasher.digest() == digest
