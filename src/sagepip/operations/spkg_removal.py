"""Take packages away: what their records list, distributions as a whole, in one transaction."""

from __future__ import annotations

import os

from sagepip.ground import console
from sagepip.ground.errors import UsageError
from sagepip.ground.filesystem import make_directories, remove_file
from sagepip.ground.light_contextlib import ExitStack
from sagepip.ground.project_names import canonical_name
from sagepip.operations.spkg_change import Change, changing
from sagepip.operations.spkg_environment import ScriptsOf
from sagepip.operations.spkg_scripts import KeptScripts
from sagepip.operations.spkg_tree import Record, SpkgTree, distribution_names
from sagepip.operations.spkg_withdraw import withdraw_files

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def remove_packages(
    tree: SpkgTree, names: Iterable[str], root: str = "", *, lock_timeout: float | None = None
) -> list[Record]:
    """Uninstall packages, also what is there of packages whose change was broken off.

    Their own scripts run before and after: ``prerm`` of all of them, any of which may object, then
    ``piprm``; when the files are gone ``postrm``. Failures of these two are warnings.

    Args:
        tree: where.
        names: which; what is said of those that are not installed is a warning.
        root: SAGE_ROOT, for scripts that name none; an empty string if it is not known.
        lock_timeout: seconds to wait for the locks of the prefix, or None for ever.

    Returns:
        The records of those that were installed, and are not any more.

    Raises:
        UsageError: the prefix has no packages.
        ScriptFailed: a ``prerm`` objects; nothing was changed.
        SagepipError: nothing was changed (see :mod:`sagepip.ground.errors`).
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
        scripts = {
            change: KeptScripts(ScriptsOf(tree, one.name, one.version, root), change)
            for change, one in found.items()
        }
        for kept in scripts.values():
            kept.run_before_removal()
        _remove(tree, found, scripts, lock_timeout)
        return list(found.values())


def _remove(
    tree: SpkgTree,
    found: Mapping[Change, Record],
    scripts: Mapping[Change, KeptScripts],
    lock_timeout: float | None,
) -> None:
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
        for kept in scripts.values():
            kept.run_or_warn("piprm", "distributions may be left")
        files = {one for record in removed for one in record.files} - staying
        withdraw_files(tree.prefix, files, ", ".join(sorted(going)), lock_timeout=lock_timeout)
    except BaseException:
        if all(_is_there(tree, path) for path in whole):
            for change in found:
                change.take_back()
        raise
    _forget_wheels(tree, distributions)
    for change in found:
        scripts[change].run_or_warn("postrm", "files or settings may be left")
        scripts[change].drop()
        change.finish()


def _is_there(tree: SpkgTree, path: str) -> bool:
    return os.path.lexists(os.path.join(tree.prefix, path))


def remove_superseded(
    tree: SpkgTree,
    name: str,
    before: Iterable[str],
    files: Iterable[str],
    *,
    lock_timeout: float | None = None,
) -> None:
    """Remove what only an older version of a package had; the new one is published.

    Args:
        tree: where.
        name: the package.
        before: what may be there of older versions.
        files: the new version's files.
        lock_timeout: seconds to wait for the locks of the prefix, or None for ever.
    """
    before, files = set(before), set(files)
    others = {one for other, r in tree.find_records().items() if other != name for one in r.files}
    stays = set(distribution_names(files))
    # Of a project that goes on, publishing has replaced the metadata.
    old = {one for one in before - files - others if stays.isdisjoint(distribution_names([one]))}
    withdraw_files(tree.prefix, old, f"the older {name}", lock_timeout=lock_timeout)
    _forget_wheels(tree, set(distribution_names(before)) - stays)


def _forget_wheels(tree: SpkgTree, names: Iterable[str]) -> None:
    """Take the wheels of removed distributions out of the wheelhouse."""
    wanted = set(names)
    for name in os.listdir(tree.wheels):
        if name.endswith(".whl") and canonical_name(name.partition("-")[0]) in wanted:
            remove_file(os.path.join(tree.wheels, name))
