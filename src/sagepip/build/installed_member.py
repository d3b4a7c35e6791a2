"""A distribution that is installed, as a part of build environments: a copy of its files."""

from __future__ import annotations

import base64
import hashlib
import os
import stat

from sagepip.build.cache import key_of
from sagepip.build.installed_files import FileState, InstalledFile, Layout
from sagepip.build.installed_requirements import InstalledProject
from sagepip.build.members import ChangedMember, describe
from sagepip.build.tree_stamps import seal
from sagepip.build.unpacked_wheels import PLACEHOLDER
from sagepip.ground import console
from sagepip.ground.errors import BuildError
from sagepip.ground.file_content import copy_bytes
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.target_python import TargetPython
from sagepip.staging.scripts import shebang, split_script
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.record import RecordRow, format_record

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO


@dataclass(frozen=True)
class InstalledMember:
    """An installed distribution as it was at one moment.

    Attributes:
        project: what its metadata says.
        files: its files but for the list of them.
        list_target: the path of that list in an environment.
        scripts: the directory of scripts in an environment.
        key: of what was seen of it: its list of files, the sizes, times and modes of all.
    """

    project: InstalledProject
    files: tuple[InstalledFile, ...]
    list_target: str
    scripts: str
    key: str

    @property
    def name(self) -> str:
        """The project's canonical name."""
        return self.project.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.project.version

    @property
    def sha256(self) -> None:
        """None: it is made of no wheel."""
        return None

    @classmethod
    def look(cls, project: InstalledProject, layout: Layout) -> InstalledMember:
        """Look at an installed distribution, while nobody changes its site.

        Args:
            project: what its metadata says.
            layout: of the site that it is installed in.

        Raises:
            BuildError: its files are not known, or may not be looked at.
            ChangedMember: it goes while it is looked at, by one who takes no lock.
            ConflictError: the list of its files cannot be understood.
        """
        one = project.distribution
        if not os.path.lexists(one.metadata_path):
            raise ChangedMember(one.metadata_path)
        _check_listed(one)
        if one.is_editable:
            console.detail(f"{one.label} is an editable installation: its source is used as it is")
        own = os.path.join(one.metadata_path, one.list_name)
        try:
            files = layout.files(one)
        except FileNotFoundError as error:
            raise ChangedMember(error.filename) from error
        list_target = next((file.target for file in files if file.source == own), "")
        if not list_target:
            raise _cannot_copy(one, f"{own} lies elsewhere, through a link")
        kept = sorted((file for file in files if file.source != own), key=lambda one: one.target)
        states = [
            [file.target, file.state.size, file.state.modified, stat.S_IMODE(file.state.mode)]
            for file in kept
        ]
        listed = hashlib.sha256((one.read(one.list_name) or "").encode("utf-8", "replace"))
        key = key_of([project.name, project.version, listed.hexdigest(), states])
        return cls(project, tuple(kept), list_target, layout.scripts, key)

    def unpack(self, tree: str, python: TargetPython) -> None:
        """Copy the distribution, and write down what its tree consists of.

        No lock is needed: each file is compared with what was seen of it.

        Args:
            tree: the directory to make.
            python: the interpreter that it is for.

        Raises:
            ChangedMember: a file is not any more what it was.
            BuildError: a file may not be read.
            OSError: the tree cannot be written.
        """
        rows = []
        for file in self.files:
            target = os.path.join(tree, file.target)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with self._opened(file) as stream:
                _check_same(file, stream)
                row = self._copy(file, stream, target, python)
                _check_same(file, stream)
            os.chmod(target, 0o755 if file.state.mode & 0o111 else 0o644)
            rows.append(row._replace(path=self._listed_path(file.target)))
        self._write_list(tree, rows)
        metadata = self.project.distribution.metadata_path
        seal(tree, {**describe([self]), "installed": metadata})

    def _opened(self, file: InstalledFile) -> BinaryIO:
        try:
            # What was a file may be a pipe by now.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            return open(os.open(file.source, flags), "rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ChangedMember(file.source) from error
        except PermissionError as error:
            raise BuildError(
                f"cannot read {file.source} of {self.project.distribution.label}: {error.strerror}",
                advice="who builds must be able to read what is installed",
            ) from error

    def _copy(
        self, file: InstalledFile, stream: BinaryIO, target: str, python: TargetPython
    ) -> RecordRow:
        """Copy a file, a script made for environments; return its row in the list of files."""
        is_script = os.path.dirname(file.target) == self.scripts
        if is_script and os.pread(stream.fileno(), 2, 0) == b"#!":
            data = stream.read()
            script = split_script(data)
            if script is not None and _is_interpreter(script[0], python):
                data = shebang(PLACEHOLDER) + script[1]
            with open(target, "xb") as out:
                out.write(data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
            return RecordRow(file.row.path, "sha256=" + digest.rstrip("="), len(data))
        copy_bytes(stream, target)
        return file.row

    def _listed_path(self, target: str) -> str:
        return os.path.relpath(target, os.path.dirname(os.path.dirname(self.list_target)))

    def _write_list(self, tree: str, rows: Sequence[RecordRow]) -> None:
        path = os.path.join(tree, self.list_target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        own = RecordRow(self._listed_path(self.list_target))
        if self.project.distribution.is_dist_info:
            data = format_record([*rows, own])
        else:
            metadata = os.path.dirname(own.path)
            relative = sorted(os.path.relpath(row.path, metadata) for row in rows)
            data = "".join(f"{one}\n" for one in relative).encode("utf-8", "surrogateescape")
        with open(path, "xb") as stream:
            stream.write(data)


def _check_same(file: InstalledFile, stream: BinaryIO) -> None:
    if FileState.of(os.fstat(stream.fileno())) != file.state:
        raise ChangedMember(file.source)


def _check_listed(one: InstalledDistribution) -> None:
    """Refuse a distribution whose files nobody has written down."""
    if one.is_link:
        raise _cannot_copy(one, f"{one.metadata_path} is a link to a source tree")
    if not one.lists_files:
        raise _cannot_copy(
            one, f"{one.metadata_path} has no {one.list_name}, so its files are not known"
        )


def _cannot_copy(one: InstalledDistribution, why: str) -> BuildError:
    return BuildError(
        f"{one.label} cannot be copied for a build: {why}",
        advice=f"install {one.name} from a wheel, or build with another --build-isolation",
    )


def _is_interpreter(path: str, python: TargetPython) -> bool:
    """Whether a script runs with the target's interpreter, by whatever name."""
    try:
        return os.path.samefile(path, python.executable)
    except (OSError, ValueError):
        return False
