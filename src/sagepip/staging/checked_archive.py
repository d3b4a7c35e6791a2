"""A wheel that has passed every check that needs no target, and its members, verified when read.

Each member's hash is compared with RECORD while it is read. Nothing is unpacked beyond the size
that the central directory of the zip file and RECORD agree on.
"""

from __future__ import annotations

import stat

from sagepip.ground import console
from sagepip.ground.errors import TargetError
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_typing import BinaryIO, cast
from sagepip.staging import gate
from sagepip.staging.members import Member
from sagepip.staging.record_gate import bad_record, check_record, read_record
from sagepip.staging.wheel import UNREADABLE, WheelMetadata, read_text, read_wheel_metadata
from sagepip.staging.zip_layout import check_layout
from sagepip.staging.zip_library import zipfile
from sagepip.transaction.record import RecordRow

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

# The permissions to run a file, as an archive says them.
_EXECUTABLE = 0o111 << 16
_INSTALLATION_METADATA = frozenset({"INSTALLER", "REQUESTED", "direct_url.json"})


def check_wheel(wheel: str) -> WheelMetadata:
    """Read all of a wheel and apply every check that needs no target interpreter.

    Args:
        wheel: the path of the wheel.

    Returns:
        What it says of itself.

    Raises:
        TargetError: the wheel is damaged or hostile.
    """
    metadata = read_wheel_metadata(wheel)
    try:
        with archive_errors(wheel), metadata.archive.opened() as file:
            for member in CheckedArchive(file, metadata).members():
                member.read_through()
    except OSError as error:
        raise TargetError(
            f"cannot read the wheel {wheel}: {error.strerror}", advice="check the path"
        ) from error
    return metadata


@contextmanager
def archive_errors(wheel: str) -> Iterator[None]:
    """Turn what reading a zip file raises into one line about the wheel."""
    try:
        yield
    except UNREADABLE as error:
        raise TargetError(
            f"{wheel}: {error}", advice="the file is damaged; fetch or build it again"
        ) from error


class CheckedArchive:
    """A wheel that has passed the gate.

    Args:
        file: the wheel, opened.
        metadata: what it says of itself.
        accept_bad_record: warn where RECORD and content disagree, and go by the content.

    Attributes:
        scripts: what its entry points become.
        data_directory: the name of its ``.data`` directory, as it is spelt in it.

    Raises:
        TargetError: it does not pass (:mod:`sagepip.staging.gate`).
    """

    def __init__(
        self, file: zipfile.ZipFile, metadata: WheelMetadata, accept_bad_record: bool = False
    ) -> None:
        self.file = file
        self.metadata = metadata
        self._accept_bad_record = accept_bad_record
        wheel, entries = metadata.path, file.infolist()
        names = [entry.orig_filename for entry in entries]
        self.data_directory = gate.check_members(wheel, names, metadata)
        self._data_starts = check_layout(wheel, cast(BinaryIO, file.fp), entries)
        gate.check_wheel_version(wheel, metadata.wheel_headers)
        gate.check_dist_info(wheel, metadata)
        gate.check_metadata(wheel, metadata.headers, metadata.file_name, metadata.file_version)
        self.scripts = self._read_scripts(names)
        self._rows = self._read_rows(entries)

    def _read_scripts(self, names: list[str]) -> list[gate.EntryPoint]:
        member = f"{self.metadata.dist_info}/entry_points.txt"
        if member not in names:
            return []
        text = read_text(self.metadata.path, self.file, member)
        return gate.check_scripts(self.metadata.path, text)

    def _read_rows(self, entries: list[zipfile.ZipInfo]) -> dict[str, RecordRow]:
        wheel, dist_info = self.metadata.path, self.metadata.dist_info
        sizes = {one.filename: one.file_size for one in entries if one.filename[-1:] != "/"}
        try:
            rows = read_record(wheel, read_text(wheel, self.file, f"{dist_info}/RECORD"))
            return check_record(wheel, rows, sizes, dist_info)
        except TargetError as error:
            if not self._accept_bad_record:
                raise
            _warn_of_bad_record(error)
            return {}

    def understood(self) -> str:
        """Return a WHEEL with nothing in it but what the gate has understood."""
        root_is_purelib = "true" if self.metadata.root_is_purelib else "false"
        return f"Wheel-Version: 1.0\nRoot-Is-Purelib: {root_is_purelib}\n"

    def sizes(self, kept: Collection[str] = ()) -> dict[str, int]:
        """Return how many bytes there are for each part of the scheme; its root is empty.

        zipfile unpacks no more of a member than the central directory says, which is asked here.

        Args:
            kept: the names of members that are installed already.
        """
        found: dict[str, int] = {}
        for entry in self.file.infolist():
            if entry.filename in kept:
                continue
            parts = entry.filename.split("/", 2)
            key = parts[1] if len(parts) > 2 and parts[0] == self.data_directory else ""
            found[key] = found.get(key, 0) + entry.file_size
        return found

    def modules(self, kept: Collection[str] = ()) -> Iterator[tuple[str, int]]:
        """Yield the hash of each module as RECORD has it, and its size.

        Args:
            kept: the names of members that are installed already.
        """
        for entry in self.file.infolist():
            row = self._rows.get(entry.filename)
            if row is not None and entry.filename.endswith(".py") and entry.filename not in kept:
                yield row.digest, entry.file_size

    def root_files(self) -> Iterator[tuple[zipfile.ZipInfo, RecordRow]]:
        """Yield the files of its root besides metadata and bytecode, and their rows."""
        apart = (f"{self.metadata.dist_info}/", f"{self.data_directory}/")
        for entry in self.file.infolist():
            name = entry.filename
            row = self._rows.get(name)
            if row is None or name[-1] == "/" or name.startswith(apart):
                continue
            if "__pycache__" not in name or "__pycache__" not in name.split("/")[:-1]:
                yield entry, row

    @staticmethod
    def is_executable(entry: zipfile.ZipInfo) -> bool:
        """Whether a member is marked so."""
        mode = entry.external_attr >> 16
        return bool(mode & 0o111 and stat.S_ISREG(mode))

    def members(self, stays: Callable[[str], bool] | None = None) -> Iterator[Member]:
        """Yield what is to be installed, each to be read before the next.

        What is not, is compared with RECORD nevertheless: bytecode, which would be run unread;
        what installers write themselves; scripts in place of which entry points stand.

        Args:
            stays: whether the member of a name is installed already, and not to be yielded; asked
                of all that are in RECORD, in the order of the members.
        """
        dist_info = self.metadata.dist_info
        left_out = {f"{dist_info}/{name}" for name in _INSTALLATION_METADATA}
        left_out |= {f"{self.data_directory}/scripts/{one.name}" for one in self.scripts}
        record = f"{dist_info}/RECORD"
        file, rows, starts, refuse = self.file, self._rows, self._data_starts, self.refuse
        descriptor = cast(BinaryIO, file.fp).fileno()
        for entry in file.infolist():
            name = entry.filename
            if name[-1] == "/" or name == record:
                continue
            row = rows.get(name)
            if row is not None and stays is not None and stays(name):
                continue
            start, digest = starts[entry.header_offset], row[1] if row is not None else ""
            executable = self.is_executable(entry) if entry.external_attr & _EXECUTABLE else False
            member = Member(file, entry, descriptor, start, digest, executable, refuse)
            if name in left_out or (
                "__pycache__" in name and "__pycache__" in name.split("/")[:-1]
            ):
                member.read_through()
            else:
                yield member
            member.close()

    def refuse(self, problem: str) -> None:
        """Raise that RECORD is not right, or warn of it."""
        error = bad_record(self.metadata.path, problem)
        if not self._accept_bad_record:
            raise error
        _warn_of_bad_record(error)


def _warn_of_bad_record(error: TargetError) -> None:
    console.warn(f"{error.problem}; installed as it is, as --accept-bad-record says")
