"""Compares a wheel with another one of the same source, member by member."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

DIFFERS = " differs"

ELF = b"\x7fELF"

ENVIRONMENT = re.compile(rb"/[^\s\"':;]+(?=/lib/python\d+\.\d+/site-packages/)")
"""Where an environment lies; what lies in it is left."""


@dataclass
class Comparison:
    """What two wheels differ in.

    Attributes:
        differences: one line each; empty if the wheels are the same.
        explained: members that differ by nothing but the directories in which they were built, or
            that always do.
    """

    differences: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)

    def excuse(self, control: Comparison) -> None:
        """Put apart the members that differ between two wheels that should be the same, too."""
        for text in control.differences:
            if text in self.differences and text.endswith(DIFFERS):
                self.differences.remove(text)
                self.explained.append(text.removesuffix(DIFFERS))


def compare(ours: Path, theirs: Path) -> Comparison:
    """Compare names, members, their contents and whether they are executable.

    Times within the archives and the order of members do not count, nor how they are compressed.
    """
    found = Comparison()
    if ours.name != theirs.name:
        found.differences.append(f"named {ours.name}, not {theirs.name}")
    with zipfile.ZipFile(ours) as first, zipfile.ZipFile(theirs) as second:
        names, other_names = _members(first), _members(second)
        found.differences += [f"lacks {name}" for name in sorted(other_names - names)]
        found.differences += [f"has {name}, too" for name in sorted(names - other_names)]
        for name in sorted(names & other_names):
            if _executable(first, name) != _executable(second, name):
                found.differences.append(f"{name} is executable in one of them")
            content, other = first.read(name), second.read(name)
            if content == other:
                continue
            if name.endswith(".dist-info/RECORD"):
                continue  # It follows from the others, and from the order of members.
            if _without_paths(content) == _without_paths(other):
                found.explained.append(name)
            else:
                found.differences.append(name + DIFFERS)
    return found


def _members(archive: zipfile.ZipFile) -> set[str]:
    return {info.filename for info in archive.infolist() if not info.is_dir()}


def _executable(archive: zipfile.ZipFile, name: str) -> bool:
    return bool(archive.getinfo(name).external_attr >> 16 & 0o111)


def _without_paths(content: bytes) -> bytes:
    """Give a member without what names the directories of its build.

    That is, in generated sources, where the build environment was, and in compiled modules what is
    there for debuggers, and the digest that the linker makes of the whole.
    """
    objcopy = shutil.which("objcopy")
    if not content.startswith(ELF) or objcopy is None:
        return ENVIRONMENT.sub(b"", content)
    with tempfile.TemporaryDirectory(prefix="sagepip-compare-") as scratch:
        path = Path(scratch) / "module.so"
        path.write_bytes(content)
        command = [objcopy, "--strip-debug", "--remove-section=.note.gnu.build-id", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        return path.read_bytes()
