"""Distributions that are installed in a site, found by the names of their metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from sagepip.ground.errors import ConflictError
from sagepip.ground.headers import Headers
from sagepip.transaction.record import BadRecord, RecordRow, parse_record


def canonical_name(name: str) -> str:
    """Return a project name in its normalised form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class InstalledDistribution:
    """One distribution, as its metadata directory or file says.

    Attributes:
        metadata_path: the absolute path of its ``.dist-info`` or ``.egg-info``.
        name: the canonical name, from the name of that directory.
        version: the version, from the name of that directory; may be empty for an egg-info.
        directory: the directory that holds the metadata, as the scheme spells it: RECORD's paths
            are relative to it, and ``..`` of a resolved path may lead elsewhere.
        inode: of the metadata; another installation of the same version has another.
    """

    metadata_path: str
    name: str
    version: str
    directory: str
    inode: int

    @property
    def is_dist_info(self) -> bool:
        """Whether it has a ``.dist-info`` (and not an ``.egg-info``)."""
        return self.metadata_path.endswith(".dist-info")

    def read(self, name: str) -> str | None:
        """Return a metadata file's text, or None if there is no such file."""
        try:
            with open(os.path.join(self.metadata_path, name), "rb") as stream:
                return stream.read().decode("utf-8", "replace")
        except OSError:
            return None  # absent, or nonsense that somebody left in its place

    @cached_property
    def record(self) -> list[RecordRow] | None:
        """The rows of its RECORD, or None if it has none.

        Raises:
            ConflictError: it cannot be understood.
        """
        text = self.read("RECORD")
        if text is None:
            return None
        try:
            return parse_record(text)
        except BadRecord as error:
            raise ConflictError(
                f"cannot tell which files belong to {self.name} {self.version}: "
                f"{os.path.join(self.metadata_path, 'RECORD')}: {error}",
                advice="remove it by hand, or put its RECORD right",
            ) from error

    @property
    def is_remnant(self) -> bool:
        """Whether it is what an interrupted tool left: a dist-info without METADATA and RECORD.

        One that may not be looked into is none.
        """
        return (
            self.is_dist_info
            and os.access(self.metadata_path, os.R_OK | os.X_OK)
            and not os.path.isfile(os.path.join(self.metadata_path, "METADATA"))
            and not os.path.isfile(os.path.join(self.metadata_path, "RECORD"))
        )


def find_installed(directories: Iterable[str], names: Iterable[str]) -> list[InstalledDistribution]:
    """Find every installed version of some projects; two of one are damage, but it happens.

    Args:
        directories: where metadata may lie, as the scheme spells them.
        names: the projects' names in any spelling.
    """
    wanted = {canonical_name(name) for name in names}
    return [one for one in list_installed(directories) if one.name in wanted]


def list_installed(directories: Iterable[str]) -> list[InstalledDistribution]:
    """List all distributions of a site by the names of their metadata, reading none of it."""
    found: list[InstalledDistribution] = []
    seen: set[str] = set()
    for directory in directories:
        resolved = os.path.realpath(directory)
        if resolved in seen:
            continue
        seen.add(resolved)
        try:
            with os.scandir(resolved) as entries:
                names = sorted((entry.name, entry.inode()) for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry_name, inode in names:
            if entry_name.endswith((".dist-info", ".egg-info")) and entry_name[0] != "~":
                path = os.path.join(resolved, entry_name)
                name, version = _name_and_version(path)
                found.append(InstalledDistribution(path, name, version, directory, inode))
    return found


def _name_and_version(metadata_path: str) -> tuple[str, str]:
    """Read the name of a metadata directory, and METADATA only where the name can be misread."""
    stem, extension = os.path.splitext(os.path.basename(metadata_path))
    if extension == ".egg-info":
        stem = re.sub(r"-py\d[^-]*(-.*)?$", "", stem)
    name, _, version = stem.partition("-")
    if "-" in version:
        # Old tools did not escape dashes: foo-bar-2.dist-info is of foo-bar, not of foo.
        try:
            with open(os.path.join(metadata_path, "METADATA"), "rb") as stream:
                headers = Headers(stream.read().decode("utf-8", "replace"))
            return canonical_name(headers.get("Name") or ""), headers.get("Version") or ""
        except OSError:
            name, _, version = stem.rpartition("-")
    return canonical_name(name), version
