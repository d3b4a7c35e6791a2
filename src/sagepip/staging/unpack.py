"""Unpack wheels, through ``installer``.

A wheel is read once: each member's hash is compared with RECORD while the member is written to
the staging area. A member that is not what RECORD says stops the installation before anything
live was touched, because nothing live is touched here.
"""

from __future__ import annotations

import errno
import os

from sagepip.ground import console
from sagepip.ground.destination import Destination
from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import remove_file
from sagepip.ground.free_space import NoSpace
from sagepip.ground.light_contextlib import closing, contextmanager, nullcontext
from sagepip.ground.light_typing import BinaryIO, cast
from sagepip.staging import gate
from sagepip.staging.bytecode import Compilation, cache_path
from sagepip.staging.bytecode_memory import BytecodeMemory
from sagepip.staging.checked_archive import CheckedArchive, archive_errors
from sagepip.staging.hashing import HashingStream
from sagepip.staging.installer_library import (
    InstallerError,
    InvalidRecordEntry,
    RecordEntry,
    SchemeKey,
    Script,
    WheelContentElement,
    WheelDestination,
    WheelSource,
    install,
)
from sagepip.staging.members import Member
from sagepip.staging.new_files import write_new
from sagepip.staging.placement import (
    AreaPlacement,
    EnvironmentPlacement,
    FinalPaths,
    Placed,
    Placement,
)
from sagepip.staging.room import check_room
from sagepip.staging.scripts import shebang, with_shebang
from sagepip.staging.wheel import WheelMetadata, read_wheel_metadata, reread
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.ownership import same_content
from sagepip.transaction.record import RecordRow, format_record, new_row
from sagepip.transaction.staging_area import StagedDistribution, StagingArea

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from sagepip.staging.installed_modules import Kept

_CHUNK = 1 << 18
# What installer is told of each file: the rows are written here, not by what it collects.
_NOTED = RecordEntry("", None, None)


def stage_wheel(
    metadata: WheelMetadata,
    destination: Destination,
    area: StagingArea,
    *,
    additional_metadata: dict[str, bytes],
    compile_bytecode: bool,
    ignore_requires_python: bool = False,
    accept_bad_record: bool = False,
    memory: BytecodeMemory | None = None,
    installed: InstalledDistribution | None = None,
) -> StagedDistribution:
    """Unpack a wheel into a staging area, complete with scripts, bytecode and RECORD.

    Args:
        metadata: what the wheel says of itself.
        destination: where it is going to be installed.
        area: where its files wait.
        additional_metadata: what the installer adds to the dist-info: INSTALLER and the like.
        compile_bytecode: whether to compile its modules.
        ignore_requires_python: accept it for a Python that it does not want, and warn.
        accept_bad_record: warn where its RECORD and its content disagree, and install its content.
        memory: the bytecode that is remembered of its project.
        installed: the version that it will replace; what that has of it already stays.

    Raises:
        TargetError: the wheel is damaged, hostile, or not for the target interpreter.
    """
    wheel, metadata = metadata.path, reread(metadata)
    compilation = Compilation(destination.python, memory) if compile_bytecode else None
    writer = _Writer(wheel, metadata, destination, compilation)

    def keep(archive: CheckedArchive) -> Kept | None:
        from sagepip.staging.installed_modules import find_kept

        root = writer.root_directory
        if installed is None or not installed.is_at(os.path.realpath(destination.live(root))):
            return None  # also where it moves from purelib to platlib, or back
        found = find_kept(
            archive,
            installed,
            writer.root_prefix,
            area.territory,
            compilation=compilation,
            umask=writer.umask,
        )
        if found is None or not area.reserve(found.files.files.keys(), wheel):
            return None
        writer.live_files.update(found.files.files)
        return found

    kept = _unpack(
        wheel,
        metadata,
        writer,
        AreaPlacement(area, wheel, metadata.dist_info, destination, writer.live_files),
        additional_metadata,
        ignore_requires_python,
        accept_bad_record,
        keep,
    )
    root = writer.root_directory
    return StagedDistribution(
        name=metadata.name,
        version=metadata.version,
        metadata_path=os.path.join(os.path.realpath(destination.live(root)), metadata.dist_info),
        files=frozenset(writer.live_files),
        kept=kept.files if kept is not None else None,
    )


def unpack_wheel(wheel: str, destination: Destination, *, compile_bytecode: bool = False) -> None:
    """Unpack a wheel straight into a directory that nobody else sees: a build environment.

    Args:
        wheel: the path of the wheel.
        destination: of the private environment.
        compile_bytecode: whether to compile its modules.

    Raises:
        TargetError: the wheel is damaged, hostile, or not for the target interpreter.
        OSError: it cannot be written, or not fit.
    """
    metadata = read_wheel_metadata(wheel)
    compilation = Compilation(destination.python) if compile_bytecode else None
    writer = _Writer(wheel, metadata, destination, compilation)
    try:
        placement = EnvironmentPlacement(wheel, destination)
        _unpack(wheel, metadata, writer, placement, {"INSTALLER": b"sagepip\n"}, False)
    except NoSpace as error:
        # Whose directory it is knows what to do about it.
        problem = f"{os.strerror(errno.ENOSPC)}: {error.problem}"
        raise OSError(errno.ENOSPC, problem) from error


def _unpack(
    wheel: str,
    metadata: WheelMetadata,
    writer: _Writer,
    placement: Placement,
    additional_metadata: dict[str, bytes],
    ignore_requires_python: bool,
    accept_bad_record: bool = False,
    keep: Callable[[CheckedArchive], Kept | None] = lambda _: None,
) -> Kept | None:
    writer.placement = placement
    compilation = writer.compilation
    with archive_errors(wheel), _installer_errors(wheel), metadata.archive.opened() as file:
        archive = CheckedArchive(file, metadata, accept_bad_record)
        try:
            gate.check_requires_python(wheel, metadata.headers, writer.destination.python)
        except TargetError as error:
            if not ignore_requires_python:
                raise
            console.warn(f"{error.problem}; it is installed all the same")
        gate.check_tags(wheel, metadata.tags, writer.destination.python)
        kept = writer.kept = keep(archive)
        members = kept.members if kept is not None else ()
        check_room(archive, writer.destination, members)
        with nullcontext() if compilation is None else closing(compilation):
            if compilation is not None:
                compilation.expect(archive.modules(members))
            for one in archive.scripts:
                writer.write_script(one.name, one.module, one.attribute, one.kind)
            stays = writer.stays if kept is not None else None
            install(_Source(archive, stays), writer, additional_metadata)
    return kept


@contextmanager
def _installer_errors(wheel: str) -> Iterator[None]:
    try:
        yield
    except (InstallerError, InvalidRecordEntry, AssertionError) as error:
        raise TargetError(f"{wheel}: {error}", advice="the wheel is malformed") from error


class _Source(WheelSource):
    """A wheel that has passed the gate, as ``installer`` wants to see it.

    Args:
        archive: the wheel, checked.
        stays: whether the member of a name is installed already; None if none is.
    """

    def __init__(self, archive: CheckedArchive, stays: Callable[[str], bool] | None) -> None:
        super().__init__(archive.metadata.file_name, archive.metadata.file_version)
        self._archive = archive
        self._stays = stays

    @property
    def dist_info_dir(self) -> str:
        """The name of its dist-info directory."""
        return self._archive.metadata.dist_info

    @property
    def data_dir(self) -> str:
        """The name of its ``.data`` directory, as it is spelt in the wheel."""
        return self._archive.data_directory

    def read_dist_info(self, filename: str) -> str:
        """Return the text that ``installer`` obeys: what the gate has understood of it."""
        assert filename == "WHEEL", filename
        return self._archive.understood()

    @property
    def dist_info_filenames(self) -> list[str]:
        """None: ``installer`` looks for entry points there, whose scripts are written."""
        return []

    def get_contents(self) -> Iterator[WheelContentElement]:
        """Yield what is to be installed, with streams that know what to expect."""
        for member in self._archive.members(self._stays):
            # Without the hash, which would be taken apart for each: the member knows it.
            yield (member.name, "", ""), cast(BinaryIO, member), member.is_executable


class _Writer(WheelDestination):
    """Writes a wheel's files to where the placement says, and its RECORD."""

    def __init__(
        self,
        wheel: str,
        metadata: WheelMetadata,
        destination: Destination,
        compilation: Compilation | None,
    ) -> None:
        self.wheel = wheel
        self.destination = destination
        self.placement = Placement()
        self.live_files: set[str] = set()
        self._metadata = metadata
        self.compilation = compilation
        self.kept: Kept | None = None
        self._rows: list[RecordRow] = []
        self._modules: list[str] = []
        self._shared_bytecode: list[str] = []
        root_key = "purelib" if metadata.root_is_purelib else "platlib"
        self.root_directory = destination.scheme.path(root_key, metadata.file_name)
        self._paths = FinalPaths(wheel, destination.scheme, metadata.file_name, root_key)
        self.root_prefix = self._paths.root_prefix
        self.umask = os.umask(0)
        os.umask(self.umask)

    def stays(self, name: str) -> bool:
        """Whether the member of a name is installed already; its row is noted."""
        row = self.kept.members.get(name) if self.kept is not None else None
        if self.kept is None or row is None:
            return False
        self._rows.append(row)
        final = self.root_prefix + name
        if final in self.kept.bytecode:
            self._modules.append(final)
        return True

    def write_script(self, name: str, module: str, attr: str, section: Any) -> RecordEntry:
        """Write the script of an entry point."""
        interpreter = self.destination.script_interpreter
        _, data = Script(name, module, attr, section).generate(interpreter, "posix")
        body = data[data.index(b"# -*- coding") :]
        return self._write("scripts", name, shebang(interpreter) + body, True)

    def write_file(
        self, scheme: SchemeKey, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        """Write one file, comparing it with its row of RECORD where it comes from the wheel."""
        name = os.fspath(path)
        if not isinstance(stream, Member):
            return self._write(scheme, name, stream.read(), is_executable)
        member: Member = stream
        if scheme == "scripts":
            if "/" not in name:
                gate.check_script_name(self.wheel, name)
            hashing = HashingStream(member.stream, member.expected)
            script = with_shebang(cast(BinaryIO, hashing), self.destination.script_interpreter)
            if script is not None:
                entry = self._write(scheme, name, _parts_of(script), True)
                member.verify(hashing.digest())
                return entry
            member.close()
            is_executable = True
        content = member.parts() if member.content is None else member.content
        return self._write(scheme, name, content, is_executable, member)

    def finalize_installation(
        self,
        scheme: SchemeKey,
        record_file_path: str,
        records: Iterable[tuple[SchemeKey, RecordEntry]],  # noqa: ARG002
    ) -> None:
        """Compile what was written, and write RECORD over all of it."""
        rows = self._rows
        if self.compilation is not None:
            found = self._compiled(self.compilation)
            rows += [RecordRow(self._paths.row(final)) for final in found]
        _, row, name = self._paths.split(scheme, record_file_path)
        rows.append(RecordRow(row + name))
        self._write(scheme, record_file_path, format_record(rows), False)

    def _compiled(self, compilation: Compilation) -> list[str]:
        """Return the final paths of all bytecode, in the order of the modules."""
        by_module = dict(self.kept.bytecode) if self.kept is not None else {}
        for job, bytecode in compilation.finish():
            # The bytecode lies beside the staged module already; its place has to be claimed.
            parent, _, name = bytecode.rpartition(os.sep)
            path = self.placement.path(parent + os.sep, name)
            if (path or self.placement.place(bytecode).path) != job.bytecode:
                raise TargetError(f"{os.path.dirname(bytecode)} is a link to another directory")
            by_module[job.embedded] = bytecode
        own = [by_module[final] for final in self._modules if final in by_module]
        return [*self._shared_bytecode, *own]

    def _write(
        self,
        key: str,
        path: str,
        content: bytes | Iterable[bytes],
        executable: bool,
        member: Member | None = None,
    ) -> RecordEntry:
        directory, row, name = self._paths.split(key, path)
        staged = self.placement.path(directory, name)
        placed = None if staged else self.placement.place(directory + name)
        staged = placed.path if placed is not None else staged
        mode = 0o777 if executable else 0o666
        expected = member.expected if member is not None else ""
        digest, size = write_new(staged, content, mode, expected)
        if member is not None and digest != expected:
            member.verify(digest)
        if executable:
            os.chmod(staged, mode & ~self.umask | 0o111)
        is_module = key in ("purelib", "platlib") and name.endswith(".py")
        if placed is not None and placed.same_as:
            self._drop_same(placed, directory + name, is_module)
        elif is_module and self.compilation is not None:
            self.compilation.add(staged, directory + name, digest)
            self._modules.append(directory + name)
        self._rows.append(new_row(RecordRow, (row + name, digest, size)))
        return _NOTED

    def _drop_same(self, placed: Placed, final: str, is_module: bool) -> None:
        """Leave a file to the wheel that brought it first, if it is the same."""
        if not same_content(placed.path, placed.same_as):
            raise TargetError(
                f"{self.wheel}: {final} is also in {placed.other}, with another content",
                advice="two wheels of one call claim the same file; leave one of them out",
            )
        remove_file(placed.path)
        tag = self.destination.python.cache_tag
        if is_module and tag and os.path.exists(cache_path(placed.same_as, tag)):
            bytecode = cache_path(final, tag)
            self.placement.place(bytecode)
            self._shared_bytecode.append(bytecode)


def _parts_of(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK), b"")
