"""Distributions that are installed in a site, found by the names of their metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from sagepip.ground.errors import ConflictError
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
    """

    metadata_path: str
    name: str
    version: str

    @property
    def directory(self) -> str:
        """The directory that holds the metadata; RECORD's paths are relative to it."""
        return os.path.dirname(self.metadata_path)

    @property
    def is_dist_info(self) -> bool:
        """Whether it has a ``.dist-info`` (and not an ``.egg-info``)."""
        return self.metadata_path.endswith(".dist-info")

    def read(self, name: str) -> str | None:
        """Return a metadata file's text, or None if there is no such file."""
        try:
            with open(os.path.join(self.metadata_path, name), "rb") as stream:
                return stream.read().decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

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
        """Whether it is what an interrupted tool left: a dist-info without METADATA and RECORD."""
        return self.is_dist_info and self.read("METADATA") is None and self.read("RECORD") is None


def find_installed(directories: Iterable[str], names: Iterable[str]) -> list[InstalledDistribution]:
    """Find every installed version of some projects; two of one are damage, but it happens.

    Args:
        directories: where metadata may lie.
        names: the projects' names in any spelling.
    """
    wanted = {canonical_name(name) for name in names}
    return [one for one in list_installed(directories) if one.name in wanted]


def list_installed(directories: Iterable[str]) -> list[InstalledDistribution]:
    """List all distributions of a site by the names of their metadata, reading none of it."""
    found: list[InstalledDistribution] = []
    for directory in directories:
        try:
            names = os.listdir(directory)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in sorted(names):
            stem, extension = os.path.splitext(entry)
            if extension not in (".dist-info", ".egg-info") or entry.startswith("~"):
                continue
            name, _, version = stem.partition("-")
            if extension == ".egg-info":
                version = re.sub(r"-py\d.*$", "", version)
            found.append(
                InstalledDistribution(os.path.join(directory, entry), canonical_name(name), version)
            )
    return found
