"""Take packages away: their distributions in one transaction, then what else they brought."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sagepip.ground import console
from sagepip.ground.destination import find_destination
from sagepip.ground.errors import UsageError
from sagepip.ground.filesystem import (
    is_real_directory,
    remove_directory_if_empty,
    remove_file,
    remove_tree,
)
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import find_target_python
from sagepip.operations.spkg_tree import Record, SpkgTree
from sagepip.operations.uninstall import UninstallRequest, uninstall


def remove_packages(tree: SpkgTree, names: Iterable[str]) -> list[Record]:
    """Uninstall packages.

    Args:
        tree: where.
        names: which.

    Returns:
        The records of those that were installed, and are not any more.

    Raises:
        UsageError: one is not installed; nothing was changed.
        SagepipError: see :func:`sagepip.operations.uninstall.uninstall`.
    """
    records = tree.find_records()
    names = list(dict.fromkeys(names))
    if missing := [one for one in names if one not in records]:
        raise UsageError(
            f"not installed in {tree.prefix}: {', '.join(missing)}", advice="see sagepip spkg list"
        )
    removed = [records[one] for one in names]
    staying = {one for name, r in records.items() if name not in names for one in r.files}
    distributions = [one for record in removed for one in distribution_names(record.files)]
    if distributions:
        destination = find_destination(find_target_python(tree.python, {}))
        uninstall(UninstallRequest(tuple(distributions), destination))
        _forget_wheels(tree, distributions)
    for record in removed:
        remove_files(tree.prefix, set(record.files) - staying)
        remove_tree(os.path.join(tree.scripts, record.name))
        remove_file(record.path)
    return removed


def remove_superseded(tree: SpkgTree, old: Record, files: Iterable[str]) -> None:
    """Remove what only the old version of a package had; the new one is published.

    Args:
        tree: where.
        old: the old version's record.
        files: the new version's files.
    """
    others = {one for name, r in tree.find_records().items() if name != old.name for one in r.files}
    gone = set(distribution_names(old.files)) - set(distribution_names(files))
    if gone:
        destination = find_destination(find_target_python(tree.python, {}))
        uninstall(UninstallRequest(tuple(sorted(gone)), destination))
        _forget_wheels(tree, gone)
    remove_files(tree.prefix, set(old.files) - set(files) - others)


def distribution_names(files: Iterable[str]) -> list[str]:
    """Return the normalised names of the distributions whose metadata is among files."""
    found = []
    for path in files:
        directory, name = os.path.split(path)
        above = os.path.basename(directory)
        if name == "METADATA" and above.endswith(".dist-info"):
            found.append(canonical_name(above.partition("-")[0]))
    return found


def remove_files(prefix: str, files: Iterable[str]) -> None:
    """Remove files of a prefix, and the directories that are empty then.

    Args:
        prefix: absolute and resolved.
        files: relative to it.
    """
    directories = set()
    for one in files:
        path = os.path.normpath(os.path.join(prefix, one))
        # A record is a file that anybody may have edited; nothing outside the prefix goes.
        if not path.startswith(prefix + os.sep):
            console.warn(f"{one} is left alone: it does not lie in {prefix}")
            continue
        # A record lists no directories; sage-spkg takes a blank in a name for the next file.
        if os.path.lexists(path) and not is_real_directory(path):
            remove_file(path)
        directories.add(os.path.dirname(path))
    for directory in sorted(directories, key=len, reverse=True):
        while directory.startswith(prefix + os.sep):
            if not os.path.isdir(directory):
                directory = os.path.dirname(directory)
                continue
            if not remove_directory_if_empty(directory):
                break
            directory = os.path.dirname(directory)


def _forget_wheels(tree: SpkgTree, names: Iterable[str]) -> None:
    """Take the wheels of removed distributions out of the wheelhouse."""
    wanted = set(names)
    for name in os.listdir(tree.wheels):
        if name.endswith(".whl") and canonical_name(name.partition("-")[0]) in wanted:
            remove_file(os.path.join(tree.wheels, name))
