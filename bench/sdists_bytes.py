"""Whether two builds and two installations of one source archive give the same bytes."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Collection
from pathlib import Path

from bench.proof import files_below

TIMES, MODES, ORDER, PACKING = "times", "modes", "order of members", "compression"
"""What may differ of a wheel beside its members."""

OWN_DIRECTORY = ".sagepip"
"""Where sagepip's lock lies in a site."""

Tree = dict[str, tuple[int, str]]
"""The mode and the digest of each file, by its path."""


def unlike(one: Path, other: Path) -> set[str]:
    """Name what differs between two wheels; it is empty only if the files are the same.

    Returns:
        The members that differ or are in one of them alone, and what differs of the archives.
    """
    if one.name == other.name and one.read_bytes() == other.read_bytes():
        return set()
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        infos, others = (
            {info.filename: info for info in each.infolist()} for each in (first, second)
        )
        shared = infos.keys() & others.keys()
        found = infos.keys() ^ others.keys()
        found |= {name for name in shared if first.read(name) != second.read(name)}
        if any(infos[name].date_time != others[name].date_time for name in shared):
            found.add(TIMES)
        if any(infos[name].external_attr != others[name].external_attr for name in shared):
            found.add(MODES)
        if [*infos] != [*others]:
            found.add(ORDER)
    return found or {PACKING}


def tree_of(root: Path, before: Collection[str]) -> Tree:
    """Describe all files below a directory but those that were there before, and the lock."""
    found = {}
    for path in sorted(files_below(root) - set(before)):
        if OWN_DIRECTORY not in Path(path).parts:
            with open(path, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[os.path.relpath(path, root)] = (os.stat(path).st_mode, digest)
    return found


def unlike_trees(one: Tree, other: Tree, wheels: Collection[str]) -> list[str]:
    """Name the installed files that differ, but for those that follow from what was installed.

    Args:
        one: an installation.
        other: another one of the same project to the same place.
        wheels: what differs between the wheels that they were made from (:func:`unlike`).
    """
    # Where a scheme puts a member its name tells only in part; the file's own name stays.
    names = {Path(member).name for member in wheels} | ({"RECORD"} if wheels else set())
    differing = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    return sorted(name for name in differing if _origin(name) not in names)


def _origin(installed: str) -> str:
    """Give the name of the file that an installed one was made of, bytecode of its source."""
    name = Path(installed).name
    return name.partition(".")[0] + ".py" if name.endswith(".pyc") else name
