"""Uninstall: find distributions, and take them away in one transaction."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sagepip.ground import console
from sagepip.ground.destination import Destination
from sagepip.ground.errors import TargetError
from sagepip.operations.environment_check import check_not_externally_managed
from sagepip.transaction.installed import InstalledDistribution, canonical_name, find_installed
from sagepip.transaction.recovery import tidy
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import begin_transaction
from sagepip.transaction.uninstall_planner import UninstallPlanner


@dataclass(frozen=True)
class UninstallRequest:
    """One call of ``uninstall``.

    Attributes:
        names: the projects to remove, spelt in any way.
        destination: where they are installed.
        break_system_packages: go on though the environment is externally managed (PEP 668).
        lock_timeout: seconds to wait for the lock, or None for ever.
        confirm: asked with what was found before anything is changed; None to go on unasked.
    """

    names: tuple[str, ...]
    destination: Destination
    break_system_packages: bool = False
    lock_timeout: float | None = None
    confirm: Callable[[list[InstalledDistribution]], bool] | None = None


@dataclass(frozen=True)
class UninstallReport:
    """What one call of ``uninstall`` did.

    Attributes:
        removed: the distributions that are gone: name and version.
        missing: the names that were not installed, as they were given.
        site: the resolved site directory.
        lock_waited_seconds: how long the call waited for the lock.
        lock_held_seconds: how long it held it.
    """

    removed: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    site: str
    lock_waited_seconds: float = 0.0
    lock_held_seconds: float = 0.0


def uninstall(request: UninstallRequest) -> UninstallReport:
    """Remove what is asked for; all of it, or nothing.

    Args:
        request: what and where.

    Returns:
        What was done. A name that is not installed is no error.

    Raises:
        SagepipError: nothing was removed (see :mod:`sagepip.ground.errors`).
    """
    destination = request.destination
    site = destination.site
    directories = destination.metadata_directories
    tidy(site, request.lock_timeout)
    found = find_installed(directories, request.names)
    installed = {one.name for one in found}
    missing = tuple(name for name in request.names if canonical_name(name) not in installed)
    if not found:
        return UninstallReport((), missing, site)
    check_not_externally_managed(destination, overridden=request.break_system_packages)
    for one in found:
        _check_removable(one)
    if request.confirm is not None and not request.confirm(found):
        return UninstallReport((), missing, site)
    names = sorted(installed)
    with begin_transaction(site, Territory(destination)) as transaction:
        planner = UninstallPlanner(transaction.area, names, directories)
        what = "uninstall " + ", ".join(f"{one.name} {one.version}" for one in found)
        transaction.commit(
            planner.plan,
            planner.still_current,
            what,
            lock_timeout=request.lock_timeout,
            discard_lock=bool(destination.root),
        )
        lock = transaction.lock
    return UninstallReport(
        tuple((one.name, one.version) for one in planner.removed),
        missing,
        site,
        lock.waited_seconds,
        lock.held_seconds,
    )


def _check_removable(one: InstalledDistribution) -> None:
    """Refuse what has no list of files: guessing would remove what belongs to others.

    Raises:
        TargetError: it is a legacy installation, or its RECORD is missing.
    """
    if one.is_dist_info:
        if one.record is None and not one.is_remnant:
            raise TargetError(
                f"cannot uninstall {one.name} {one.version}: {one.metadata_path} has no RECORD, "
                "so its files are unknown",
                advice="remove it with the tool that installed it, or by hand",
            )
        return
    kind = "a directory" if os.path.isdir(one.metadata_path) else "a file"
    console.detail(f"{one.metadata_path} is {kind}")
    raise TargetError(
        f"cannot uninstall {one.name} {one.version}: {one.metadata_path} is a legacy .egg-info, "
        "which does not list the files",
        advice="remove its files and the .egg-info by hand",
    )
