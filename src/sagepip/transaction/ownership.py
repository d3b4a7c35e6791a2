"""Who owns a path: the replaced distributions, another one, or nobody."""

from __future__ import annotations

import filecmp
import os
import re
import stat
from collections.abc import Iterable

from sagepip.ground.errors import ConflictError
from sagepip.transaction.installed import InstalledDistribution, list_installed
from sagepip.transaction.record import recorded_path

CACHE_DIRECTORY = "__pycache__"
# module.cpython-311.opt-1.pyc → module
_BYTECODE_NAME = re.compile(r"(?P<module>.+?)\.[^.]+(\.opt-[^.]+)?\.pyc")


def owned_files(distribution: InstalledDistribution, roots: Iterable[str]) -> set[str]:
    """Return the live paths that a distribution's RECORD lists and that it may be relieved of.

    RECORD is not to be trusted: what lies outside the roots, or is reached through a directory
    that is a link to elsewhere, is left out.

    Args:
        distribution: one with a ``.dist-info``.
        roots: the resolved live roots.

    Raises:
        ConflictError: it has no RECORD.
    """
    record = distribution.record
    if record is None:
        raise ConflictError(
            f"cannot tell which files belong to {distribution.name} {distribution.version}: "
            f"{distribution.metadata_path} has no RECORD",
            advice="it was installed by another tool; remove it with that tool, or by hand",
        )
    prefixes = tuple(root.rstrip(os.sep) + os.sep for root in roots)
    parents: dict[str, str] = {}
    found: set[str] = set()
    for row in record:
        path = recorded_path(row, distribution.directory)
        parent, name = os.path.split(path)
        if parent not in parents:
            parents[parent] = os.path.realpath(parent)
        live = os.path.join(parents[parent], name)
        if live.startswith(prefixes):
            found.add(live)
    return found


def bytecode_source(path: str) -> str | None:
    """Return the path of the module that a file in ``__pycache__`` was compiled from, or None."""
    parent, name = os.path.split(path)
    if os.path.basename(parent) != CACHE_DIRECTORY:
        return None
    match = _BYTECODE_NAME.fullmatch(name)
    return os.path.join(os.path.dirname(parent), match["module"] + ".py") if match else None


def is_wholly_owned(directory: str, owned: set[str]) -> list[str] | None:
    """Find out whether everything in a directory, ``__pycache__`` aside, is owned.

    Args:
        directory: a real directory.
        owned: resolved paths.

    Returns:
        The directories walked, itself first, if so; None if something in it is not owned.
    """
    walked = [directory]
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name == CACHE_DIRECTORY:
                    continue
                below = is_wholly_owned(entry.path, owned)
                if below is None:
                    return None
                walked += below
            elif entry.path not in owned:
                return None
    return walked


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

    Reads the RECORDs of the whole site: for the message of a conflict only.
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
