"""Distributions that are installed in a site, found by the names of their metadata."""

from __future__ import annotations

import os

from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import open_regular
from sagepip.ground.headers import Headers
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_functools import cached_property
from sagepip.ground.project_names import canonical_name
from sagepip.ground.site_names import Entry
from sagepip.transaction.metadata_names import (
    MetadataNames,
    candidates,
    in_order,
    scan_metadata,
)
from sagepip.transaction.record import BadRecord, RecordRow, parse_installed_files, parse_record

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


@dataclass(frozen=True)
class InstalledDistribution:
    """One distribution, as its metadata directory or file says.

    Attributes:
        metadata_path: the absolute path of its ``.dist-info``, ``.egg-info`` or ``.egg-link``.
        name: the canonical name, from the name of that directory or file.
        version: the version, likewise; may be empty for an egg-info, and is for an egg-link.
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
        """Whether it has a ``.dist-info``, and nothing older."""
        return self.metadata_path.endswith(".dist-info")

    def is_at(self, directory: str) -> bool:
        """Whether it has a ``.dist-info`` in a directory, which is resolved."""
        return self.is_dist_info and os.path.dirname(self.metadata_path) == directory

    @property
    def is_link(self) -> bool:
        """Whether it is a development installation of old: its files lie in a source tree."""
        return self.metadata_path.endswith(".egg-link")

    @cached_property
    def is_editable(self) -> bool:
        """Whether its modules lie in a source tree and its metadata here (PEP 660, PEP 610)."""
        text = self.read("direct_url.json") or ""
        if "editable" not in text and "\\" not in text:
            return False  # what nearly all say, if they have it
        import json

        try:
            origin = json.loads(text)
            return bool(origin["dir_info"]["editable"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return False

    @property
    def list_name(self) -> str:
        """The name of its list of files in the metadata directory."""
        return "RECORD" if self.is_dist_info else "installed-files.txt"

    @property
    def headers_name(self) -> str:
        """The name of its core metadata in the metadata directory."""
        return "METADATA" if self.is_dist_info else "PKG-INFO"

    @property
    def lists_files(self) -> bool:
        """Whether it has a list of its files."""
        return os.path.isfile(os.path.join(self.metadata_path, self.list_name))

    @cached_property
    def linked_directory(self) -> str:
        """The resolved source tree of an ``.egg-link``; an empty string for all else."""
        return _linked_directory(self.metadata_path) if self.is_link else ""

    @cached_property
    def _directory_to_read(self) -> str:
        if not self.is_link:
            return self.metadata_path
        try:
            names = sorted(os.listdir(self.linked_directory)) if self.linked_directory else []
        except OSError:
            return ""
        for one in names:
            stem, extension = os.path.splitext(one)
            if extension == ".egg-info" and canonical_name(stem) == self.name:
                return os.path.join(self.linked_directory, one)
        return ""

    @cached_property
    def stated_version(self) -> str:
        """The version, from the core metadata where the name of the metadata does not tell it."""
        if self.version or self.is_dist_info:
            return self.version
        return Headers(self.read("PKG-INFO") or "").get("Version") or ""

    @property
    def label(self) -> str:
        """The name and the version, for messages."""
        return f"{self.name} {self.stated_version}".rstrip()

    def read(self, name: str) -> str | None:
        """Return a metadata file's text, or None if there is no such file."""
        if not self._directory_to_read:
            return None
        try:
            with open_regular(os.path.join(self._directory_to_read, name)) as stream:
                return stream.read().decode("utf-8", "replace")
        except OSError:
            return None  # absent, or nonsense that somebody left in its place

    @cached_property
    def record(self) -> list[RecordRow] | None:
        """The rows of its RECORD or, without hashes, of its installed-files.txt; None without.

        Raises:
            ConflictError: the list cannot be understood.
        """
        text = None if self.is_link else self.read(self.list_name)
        if text is None:
            return None
        try:
            if self.is_dist_info:
                return parse_record(text)
            return parse_installed_files(text, os.path.basename(self.metadata_path))
        except BadRecord as error:
            raise ConflictError(
                f"cannot tell which files belong to {self.name} {self.version}: "
                f"{os.path.join(self.metadata_path, self.list_name)}: {error}",
                advice=f"remove it by hand, or put its {self.list_name} right",
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
    return select_installed(scan_metadata(directories), {canonical_name(name) for name in names})


def list_installed(directories: Iterable[str]) -> list[InstalledDistribution]:
    """List all distributions of a site by the names of their metadata, reading none of it."""
    return [
        installed_at(directory, resolved, entry)
        for directory, resolved, entries in scan_metadata(directories)
        for entry in in_order(entries)
    ]


def select_installed(
    scanned: Iterable[MetadataNames], names: Collection[str]
) -> list[InstalledDistribution]:
    """Return the distributions of some projects, of what a site was seen to hold.

    Args:
        scanned: see :func:`scan_metadata`.
        names: the canonical names of the projects.
    """
    if not names:
        return []
    found = [
        installed_at(directory, resolved, entry)
        for directory, resolved, entries in scanned
        for entry in in_order(candidates(entries, names))
    ]
    return [one for one in found if one.name in names]


def installed_at(directory: str, resolved: str, entry: Entry) -> InstalledDistribution:
    """Return the distribution that metadata in a directory is of.

    Args:
        directory: as the scheme spells it.
        resolved: its resolved path.
        entry: the name and the inode of the metadata.
    """
    path = os.path.join(resolved, entry[0])
    name, version = _name_and_version(path)
    return InstalledDistribution(path, name, version, directory, entry[1])


def _linked_directory(path: str) -> str:
    """Return the resolved directory that an ``.egg-link`` names, or an empty string."""
    try:
        with open_regular(path) as stream:
            named = os.fsdecode(stream.readline()).strip()
    except OSError:
        return ""
    if not named or "\0" in named:
        return ""
    return os.path.realpath(os.path.join(os.path.dirname(path), named))


def _name_and_version(metadata_path: str) -> tuple[str, str]:
    """Read the name of a metadata directory, and METADATA only where the name can be misread."""
    stem, extension = os.path.splitext(os.path.basename(metadata_path))
    if extension == ".egg-link":
        return canonical_name(stem), ""
    if extension == ".egg-info":
        import re

        stem = re.sub(r"-py\d[^-]*(-.*)?$", "", stem)
    name, _, version = stem.partition("-")
    if "-" in version:
        # Old tools did not escape dashes: foo-bar-2.dist-info is of foo-bar, not of foo.
        try:
            with open_regular(os.path.join(metadata_path, "METADATA")) as stream:
                headers = Headers(stream.read().decode("utf-8", "replace"))
            return canonical_name(headers.get("Name") or ""), headers.get("Version") or ""
        except OSError:
            name, _, version = stem.rpartition("-")
    return canonical_name(name), version
