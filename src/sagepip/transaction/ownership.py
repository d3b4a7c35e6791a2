"""Who owns a path: the replaced distributions, another one, or nobody."""

from __future__ import annotations

import filecmp
import os
import re
import stat
import time
from collections.abc import Collection, Iterable

from sagepip.ground import console
from sagepip.ground.errors import ConflictError
from sagepip.transaction.installed import InstalledDistribution, list_installed
from sagepip.transaction.marked_scripts import marked_scripts
from sagepip.transaction.record import recorded_path
from sagepip.transaction.steps import DirectoryStamp
from sagepip.transaction.territory import OutOfBounds, Territory

CACHE_DIRECTORY = "__pycache__"
_CLOCK_TICK_SECONDS = 0.02
# module.cpython-311.opt-1.pyc → module; pytest appends its version, dots included.
_BYTECODE_NAME = re.compile(r"(?P<module>.+?)\.[a-z]+-?\d[^/]*\.pyc")


def owned_files(distribution: InstalledDistribution, territory: Territory) -> set[str]:
    """Return the live paths that a distribution lists and that it may be relieved of.

    A list is not to be trusted: what the territory does not let be touched is left out. So is
    what lies elsewhere than with modules, scripts and headers and is not, by its size, what the
    row says: anything below the prefix could be claimed otherwise. A development installation of
    old lists nothing; its scripts are marked.

    Args:
        distribution: an installed one.
        territory: what may be touched.

    Raises:
        ConflictError: it has no list of files.
    """
    label = distribution.label
    if distribution.is_link:
        source = distribution.linked_directory or "nowhere"
        console.detail(f"{label} is a development installation of {source}")
        marked = marked_scripts(territory.scripts_root, distribution.name)
        located = [_locate(path, distribution, territory) for path in marked]
        return {live for live in located if live is not None}
    record = distribution.record
    if record is None:
        own = os.path.basename(distribution.metadata_path)
        raise ConflictError(
            f"cannot tell which files belong to {label}: "
            f"{distribution.metadata_path} has no {distribution.list_name}",
            advice=f"an installation with --overwrite '{own}' replaces it and leaves its files, of "
            "which those in the way must be given too; or remove it and its files by hand",
        )
    found: set[str] = set()
    for row in record:
        live = _locate(recorded_path(row, distribution.directory), distribution, territory)
        if live is None:
            continue
        if territory.is_data(live) and not (row.digest and _has_size(live, row.size)):
            if os.path.lexists(live):
                console.detail(f"{live} stays: that it is {label}'s cannot be told")
            continue
        found.add(live)
    return found


def _locate(path: str, distribution: InstalledDistribution, territory: Territory) -> str | None:
    try:
        return territory.locate(path, os.path.basename(distribution.metadata_path))
    except OutOfBounds:
        return None


def _has_size(path: str, size: int | None) -> bool:
    try:
        return os.lstat(path).st_size == size
    except OSError:
        return False


def bytecode_source(path: str) -> str | None:
    """Return the path of the module that a file in ``__pycache__`` was compiled from, or None."""
    parent, name = os.path.split(path)
    if os.path.basename(parent) != CACHE_DIRECTORY:
        return None
    match = _BYTECODE_NAME.fullmatch(name)
    return os.path.join(os.path.dirname(parent), match["module"] + ".py") if match else None


def walk_owned(
    directory: str, owned: Collection[str], *, settle: bool = True
) -> list[DirectoryStamp] | None:
    """Find out whether everything in a directory is owned, bytecode of owned modules included.

    Bytecode of modules that are not there at all belongs to nobody and does not count. An empty
    directory is somebody's: no RECORD lists directories.

    Args:
        directory: a real directory.
        owned: resolved paths.
        settle: wait until a change after the look would show in the stamps.

    Returns:
        Stamps, taken before the look, of the directories that must not change for the answer to
        stay true; None if something in it is not owned.
    """
    while True:
        stamps = _walk(directory, owned, {os.path.dirname(path) for path in owned})
        if stamps is None:
            return None
        newest = max(stamp.modified for stamp in stamps)
        age = time.time() - newest / 1e9
        if not settle or not 0 <= age < _CLOCK_TICK_SECONDS:
            return stamps
        # A change within the clock tick of the last one would not show in the time.
        time.sleep(_CLOCK_TICK_SECONDS)


def _walk(
    directory: str, owned: Collection[str], parents: Collection[str]
) -> list[DirectoryStamp] | None:
    stamp = DirectoryStamp.of(directory)
    if stamp is None:
        return None
    stamps = [stamp]
    empty = True
    with os.scandir(directory) as entries:
        for entry in entries:
            empty = False
            if not entry.is_dir(follow_symlinks=False):
                if entry.path not in owned:
                    return None
            elif entry.name == CACHE_DIRECTORY:
                if not holds_only_bytecode_of(entry.path, owned):
                    return None
            else:
                below = _walk(entry.path, owned, parents)
                if below is None:
                    return None
                stamps += below
    return None if empty and directory not in parents else stamps


def holds_only_bytecode_of(cache: str, owned: Collection[str]) -> bool:
    """Whether all that is in a ``__pycache__`` is owned, or bytecode of what is owned or gone."""
    for name in os.listdir(cache):
        path = os.path.join(cache, name)
        source = bytecode_source(path)
        if path not in owned and (
            source is None or (source not in owned and os.path.lexists(source))
        ):
            return False
    return True


def same_content(first: str, second: str) -> bool:
    """Whether two paths are the same link, or regular files of the same content."""
    one, other = os.lstat(first), os.lstat(second)
    if stat.S_ISLNK(one.st_mode) and stat.S_ISLNK(other.st_mode):
        return os.readlink(first) == os.readlink(second)
    if not (stat.S_ISREG(one.st_mode) and stat.S_ISREG(other.st_mode)):
        return False
    return one.st_size == other.st_size and filecmp.cmp(first, second, shallow=False)


def find_owner(path: str, directories: Iterable[str]) -> str | None:
    """Return the name and version of the distribution that lists a path, or None.

    Reads the lists of the whole site: for the message of a conflict only.
    """
    for distribution in list_installed(directories):
        try:
            rows = distribution.record or []
        except ConflictError:
            continue
        for row in rows:
            if row.path.endswith(os.path.basename(path)) and (
                os.path.realpath(os.path.dirname(recorded_path(row, distribution.directory)))
                == os.path.dirname(path)
            ):
                return f"{distribution.name} {distribution.version}"
    return None
