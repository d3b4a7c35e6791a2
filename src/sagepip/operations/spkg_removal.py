"""Take packages away: their distributions in one transaction, then what else they brought."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from sagepip.ground import console
from sagepip.ground.destination import find_destination
from sagepip.ground.errors import UsageError
from sagepip.ground.filesystem import (
    is_real_directory,
    make_directories,
    remove_directory_if_empty,
    remove_file,
    remove_tree,
)
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import find_target_python
from sagepip.operations.spkg_change import Change, changing
from sagepip.operations.spkg_tree import Record, SpkgTree
from sagepip.operations.uninstall import UninstallRequest, uninstall


def remove_packages(tree: SpkgTree, names: Iterable[str]) -> list[Record]:
    """Uninstall packages, also what is there of packages whose change was broken off.

    Args:
        tree: where.
        names: which; what is said of those that are not installed is a warning.

    Returns:
        The records of those that were installed, and are not any more.

    Raises:
        UsageError: the prefix has no packages.
        SagepipError: nothing was changed (see :func:`sagepip.operations.uninstall.uninstall`).
    """
    if not os.path.isdir(tree.records):
        raise UsageError(
            f"no packages are installed in {tree.prefix}", advice="is it the right one?"
        )
    make_directories(tree.unfinished)
    with ExitStack() as held:
        found: dict[Change, Record] = {}
        for name in sorted(set(names)):  # in one order, so that nobody waits in a circle
            change = held.enter_context(changing(tree, name))
            if change.earlier is None:
                console.warn(f"Skipping {name} as it is not installed in {tree.prefix}.")
            else:
                found[change] = change.earlier
        _remove(tree, found)
        return list(found.values())


def _remove(tree: SpkgTree, found: Mapping[Change, Record]) -> None:
    removed = list(found.values())
    going = {one.name for one in removed}
    staying = {
        one for name, r in tree.find_records().items() if name not in going for one in r.files
    }
    whole = {path for one in removed for path in one.files if _is_there(tree, path)}
    distributions = [one for record in removed for one in distribution_names(record.files)]
    try:
        for change, record in found.items():
            change.begin(record.version, ())
        if distributions:
            destination = find_destination(find_target_python(tree.python, {}))
            uninstall(UninstallRequest(tuple(distributions), destination))
    except BaseException:
        if all(_is_there(tree, path) for path in whole):
            for change in found:
                change.take_back()
        raise
    _forget_wheels(tree, distributions)
    for change, record in found.items():
        remove_files(tree.prefix, set(record.files) - staying)
        remove_tree(os.path.join(tree.scripts, record.name))
        change.finish()


def _is_there(tree: SpkgTree, path: str) -> bool:
    return os.path.lexists(os.path.join(tree.prefix, path))


def remove_superseded(
    tree: SpkgTree, name: str, before: Iterable[str], files: Iterable[str]
) -> None:
    """Remove what only an older version of a package had; the new one is published.

    Args:
        tree: where.
        name: the package.
        before: what may be there of older versions.
        files: the new version's files.
    """
    before, files = set(before), set(files)
    others = {one for other, r in tree.find_records().items() if other != name for one in r.files}
    gone = set(distribution_names(before)) - set(distribution_names(files))
    if gone:
        destination = find_destination(find_target_python(tree.python, {}))
        uninstall(UninstallRequest(tuple(sorted(gone)), destination))
        _forget_wheels(tree, gone)
    remove_files(tree.prefix, before - files - others)


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
