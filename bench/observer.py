"""Looks at one distribution of a site-packages directory, without any lock, again and again.

It counts *torn observations*: moments at which the distribution was visible but not whole, or
not there at all. A program that reads several files reads them at several moments, and what it
saw of two of them need never have been true at once. So nothing counts here that is not proven
for a single instant:

- Directories are opened once and held open, and files are looked up in what is held, so that
  a lookup never wanders through a tree that is being renamed. An open directory's inode number
  is not given to another one.
- What looks wrong is confirmed afterwards: if the metadata directory and the directories on the
  way to the file still are, under their names, the ones that were held, then they were so when
  the file was found missing, and that was a real state of the tree. Otherwise the observation
  is set aside and counted as ``moved``.
- Several versions' metadata are absent at one instant if each is absent before and after the
  others are seen absent.

The loop around it, and what needs an interpreter of the environment, is in ``observing``.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

Sizes = Mapping[str, frozenset[int]]
"""For each file of the versions that come and go, the sizes that it may have."""

LONGEST_PROOF = 0.1
"""Seconds within which nobody can have installed and removed a version: see :func:`is_absent`."""


class Kind(StrEnum):
    """What was wrong at one instant."""

    ABSENT = "absent"
    MISSING = "missing file"
    DAMAGED = "damaged file"
    BARE = "metadata without RECORD"
    UNLOADABLE = "unloadable entry point"


@dataclass(frozen=True)
class Torn:
    """One thing that was wrong, with the path that shows it."""

    kind: Kind
    detail: str


@dataclass
class Observation:
    """What one look showed: what was surely wrong, and how much changed while looking."""

    torn: list[Torn] = field(default_factory=list)
    moved: int = 0


@dataclass(frozen=True)
class Suspect:
    """Something that looks wrong and is still to be confirmed.

    Attributes:
        torn: what it is if it is confirmed.
        directory: the held directory in which it was looked up.
        row: the path in RECORD that promised the file, or None.
    """

    torn: Torn
    directory: tuple[str, ...]
    row: str | None = None


class HeldTree:
    """Directories below a root, each opened once, through the one above it."""

    def __init__(self, root: Path) -> None:
        self._held: dict[tuple[str, ...], int] = {(): os.open(root, os.O_RDONLY)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def descriptor(self, parts: tuple[str, ...]) -> int:
        """The descriptor of a directory; raises FileNotFoundError."""
        if parts not in self._held:
            above = self.descriptor(parts[:-1])
            self._held[parts] = os.open(parts[-1], os.O_RDONLY | os.O_DIRECTORY, dir_fd=above)
        return self._held[parts]

    def nearest(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The longest leading part that is held."""
        while parts not in self._held:
            parts = parts[:-1]
        return parts

    def still_there(self, parts: tuple[str, ...]) -> bool:
        """Whether the directory and all above it are those now found under their names."""
        for length in range(1, len(parts) + 1):
            here = parts[:length]
            try:
                now = os.stat(here[-1], dir_fd=self._held[here[:-1]])
            except FileNotFoundError:
                return False
            held = os.fstat(self._held[here])
            if (now.st_dev, now.st_ino) != (held.st_dev, held.st_ino):
                return False
        return True

    def read(self, directory: tuple[str, ...], name: str) -> str:
        """The text of a file in a held directory; raises FileNotFoundError."""
        descriptor = os.open(name, os.O_RDONLY, dir_fd=self.descriptor(directory))
        with open(descriptor, encoding="utf-8", errors="replace", newline="") as stream:
            return stream.read()


def metadata_names(site: Path, name: str) -> set[str]:
    """The metadata directories of a distribution that a listing of the site shows."""
    lead = name.replace("-", "_").lower() + "-"
    return {
        entry
        for entry in os.listdir(site)
        if entry.lower().startswith(lead) and entry.endswith(".dist-info")
    }


def record_paths(record: str) -> list[str]:
    """The paths that a RECORD lists."""
    return [row[0] for row in csv.reader(record.splitlines()) if row and row[0]]


def is_absent(site: Path, names: Iterable[str]) -> bool:
    """Whether at one instant none of the names was there.

    Each name is looked up twice, all of them once before any is looked up again. If none was
    ever found, then all were absent when the first round ended, unless one came and went
    between its two lookups, which the time taken rules out.
    """
    candidates = sorted(names)
    start = time.monotonic()
    for _ in range(2):
        for name in candidates:
            if (site / name).is_dir():
                return False
    return time.monotonic() - start < LONGEST_PROOF


def observe(
    site: Path,
    name: str,
    *,
    sizes: Sizes | None = None,
    known: Iterable[str] = (),
    before_confirming: Callable[[], object] = lambda: None,
) -> Observation:
    """Look once at a distribution.

    Args:
        site: the site-packages directory.
        name: the distribution's name.
        sizes: what a whole file may measure; a file not named here may have any size.
        known: metadata directories that may appear, besides those that are listed.
        before_confirming: called when all was looked at and nothing confirmed, for tests.
    """
    result = Observation()
    candidates = metadata_names(site, name) | set(known)
    visible = False
    for info in sorted(candidates):
        with HeldTree(site) as held:
            try:
                held.descriptor((info,))
            except FileNotFoundError:
                continue
            visible = True
            suspects = _examine(held, info, sizes or {})
            before_confirming()
            for suspect in suspects:
                if _confirmed(held, info, suspect):
                    result.torn.append(suspect.torn)
                else:
                    result.moved += 1
    if not visible:
        if is_absent(site, candidates | metadata_names(site, name)):
            result.torn.append(Torn(Kind.ABSENT, f"{name} is not installed"))
        else:
            result.moved += 1
    return result


def _examine(held: HeldTree, info: str, sizes: Sizes) -> list[Suspect]:
    suspects = []
    texts = {}
    for name in ("METADATA", "RECORD"):
        try:
            texts[name] = held.read((info,), name)
        except FileNotFoundError:
            suspects.append(Suspect(Torn(Kind.BARE, f"{info} has no {name}"), (info,)))
    if "METADATA" in texts and not texts["METADATA"].startswith("Metadata-Version:"):
        suspects.append(Suspect(Torn(Kind.DAMAGED, f"{info}/METADATA is not whole"), (info,)))
    if "RECORD" not in texts:
        return suspects
    rows = record_paths(texts["RECORD"])
    if f"{info}/RECORD" not in rows or not texts["RECORD"].endswith("\n"):
        suspects.append(Suspect(Torn(Kind.DAMAGED, f"{info}/RECORD is not whole"), (info,)))
        return suspects
    for row in rows:
        *above, base = row.split("/")
        directory = tuple(above)
        try:
            size = os.stat(base, dir_fd=held.descriptor(directory)).st_size
        except (FileNotFoundError, NotADirectoryError):
            torn = Torn(Kind.MISSING, f"{info} lists {row}, which is not there")
            suspects.append(Suspect(torn, held.nearest(directory), row))
            continue
        if row in sizes and size not in sizes[row]:
            torn = Torn(Kind.DAMAGED, f"{row} has {size} bytes, not {sorted(sizes[row])}")
            suspects.append(Suspect(torn, directory, row))
    return suspects


def _confirmed(held: HeldTree, info: str, suspect: Suspect) -> bool:
    if not (held.still_there(suspect.directory) and held.still_there((info,))):
        return False
    if suspect.row is None:
        return True
    # The file could be gone because RECORD was rewritten in place and no longer lists it.
    try:
        return suspect.row in record_paths(held.read((info,), "RECORD"))
    except FileNotFoundError:
        return False
