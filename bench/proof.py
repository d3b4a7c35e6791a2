"""Proves that an environment is whole, from its files alone: nothing of sagepip is used."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import canonicalize_name

OWN_FILES = frozenset({"lock", "gate"})
"""What sagepip leaves in ``.sagepip`` when nothing is running."""


@dataclass
class Proof:
    """One thing that was checked.

    Attributes:
        claim: what is proven, in words.
        count: how many cases were looked at.
        problems: those that contradict the claim.
    """

    claim: str
    count: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether there were cases and none contradicts."""
        return self.count > 0 and not self.problems


def files_below(root: Path) -> set[str]:
    """The absolute paths of all files below a directory, symbolic links as they are."""
    return {
        os.path.join(directory, name) for directory, _, names in os.walk(root) for name in names
    }


def metadata_directories(site: Path) -> list[Path]:
    """The metadata directories of all installed distributions."""
    return sorted([*site.glob("*.dist-info"), *site.glob("*.egg-info")])


def record_rows(info: Path) -> list[tuple[str, str, str]]:
    """The rows of a distribution's RECORD, if any, each with the absolute path of its file."""
    if not (info / "RECORD").is_file():
        return []
    with (info / "RECORD").open(newline="", encoding="utf-8") as stream:
        return [
            (os.path.normpath(info.parent / path), digest, size)
            for path, digest, size in csv.reader(stream)
        ]


def prove_installed(site: Path, expected: Iterable[tuple[str, str]]) -> Proof:
    """Each (name, version) is installed once, and nothing else is."""
    proof = Proof("each package is installed once, in its version")
    wanted = sorted((canonicalize_name(name), version) for name, version in expected)
    found = sorted(
        (canonicalize_name(info.name.split("-")[0]), info.stem.split("-")[1])
        for info in metadata_directories(site)
    )
    proof.count = len(found)
    if found != wanted:
        proof.problems.append(f"found {sorted(set(found) ^ set(wanted))} or a double")
    return proof


def prove_records(site: Path) -> Proof:
    """Every file that a RECORD lists is there, with the size and the hash it gives."""
    proof = Proof("every row of every RECORD matches its file")
    for info in metadata_directories(site):
        if not (info / "RECORD").is_file():
            proof.problems.append(f"{info.name} has no RECORD")
            continue
        for path, digest, size in record_rows(info):
            proof.count += 1
            try:
                content = Path(path).read_bytes()
            except OSError as error:
                proof.problems.append(f"{info.name}: {path}: {error.strerror}")
                continue
            if size and int(size) != len(content):
                proof.problems.append(f"{info.name}: {path}: {len(content)} bytes, not {size}")
            if digest and digest != _digest(digest.partition("=")[0], content):
                proof.problems.append(f"{info.name}: {path}: the hash differs")
            if not digest and not path.endswith((f"{info.name}/RECORD", ".pyc")):
                proof.problems.append(f"{info.name}: {path}: has no hash")
    return proof


def _digest(algorithm: str, content: bytes) -> str:
    raw = hashlib.new(algorithm, content).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def prove_nothing_stray(root: Path, site: Path, before: set[str]) -> Proof:
    """Every file that is new below the root is listed in exactly one RECORD, or is sagepip's."""
    proof = Proof("every new file belongs to one RECORD, and nothing is left over")
    owners: dict[str, str] = {}
    for info in metadata_directories(site):
        for path, _, _ in record_rows(info):
            if path in owners:
                proof.problems.append(f"{path} is in {owners[path]} and in {info.name}")
            owners[path] = info.name
    own = {str(site / ".sagepip" / name) for name in OWN_FILES}
    new = files_below(root) - before
    proof.count = len(new)
    proof.problems += [f"{path} belongs to nobody" for path in sorted(new - set(owners) - own)]
    return proof


def prove_nothing_left(site: Path) -> Proof:
    """``.sagepip`` holds the lock and the gate and nothing else."""
    proof = Proof(".sagepip holds only gate and lock")
    names = {path.name for path in (site / ".sagepip").glob("*")}
    proof.count = len(names)
    if names != OWN_FILES:
        proof.problems.append(f".sagepip holds {sorted(names)}")
    return proof


def prove_no_temporary_files(directory: Path) -> Proof:
    """The directory for temporary files is empty again."""
    left = [f"{path.name} is left over" for path in sorted(directory.iterdir())]
    return Proof("no temporary file is left over", 1, left)


def console_scripts(site: Path) -> list[str]:
    """The names of all console scripts that the installed distributions declare."""
    names: list[str] = []
    for path in sorted(site.glob("*.dist-info/entry_points.txt")):
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        parser.optionxform = str  # type: ignore[method-assign,assignment]
        parser.read_string(path.read_text(encoding="utf-8"))
        if parser.has_section("console_scripts"):
            names += parser.options("console_scripts")
    return names
