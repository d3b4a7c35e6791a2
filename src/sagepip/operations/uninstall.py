"""Uninstall: find distributions, and take them away in one transaction."""

from __future__ import annotations

from sagepip.ground.destination import Destination
from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.ground.timing import phase
from sagepip.operations.environment_check import check_not_externally_managed
from sagepip.operations.recover import lock_homes, tidy_destination
from sagepip.transaction.installed import InstalledDistribution, select_installed
from sagepip.transaction.locks import SiteLocks
from sagepip.transaction.observation import SiteLook, SiteObservation
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import begin_transaction
from sagepip.transaction.uninstall_planner import UninstallPlanner

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


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

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "site": self.site,
            "removed": [{"name": name, "version": version} for name, version in self.removed],
            "missing": list(self.missing),
            "lock_waited_seconds": round(self.lock_waited_seconds, 6),
            "lock_held_seconds": round(self.lock_held_seconds, 6),
        }


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
    SiteLocks(lock_homes(destination)).check_obtainable()
    tidy_destination(destination, request.lock_timeout)
    with phase("targets"):
        look = SiteLook(directories)
        found = select_installed(look.scanned, {canonical_name(name) for name in request.names})
    installed = {one.name for one in found}
    missing = tuple(name for name in request.names if canonical_name(name) not in installed)
    if not found:
        return UninstallReport((), missing, site)
    check_not_externally_managed(destination, overridden=request.break_system_packages)
    for one in found:
        _check_removable(one, thoroughly=request.confirm is not None)
    if request.confirm is not None and not request.confirm(found):
        return UninstallReport((), missing, site)
    names = sorted(installed)
    others = lock_homes(destination)[1:]
    territory = Territory.of(destination)
    with begin_transaction(site, territory, others) as transaction:
        planner = UninstallPlanner(
            transaction.area, lambda: SiteObservation(directories, names, territory, look=look)
        )
        what = "uninstall " + ", ".join(one.label for one in found)
        transaction.commit(
            planner.plan,
            planner.still_current,
            what,
            lock_timeout=request.lock_timeout,
            discard_lock=bool(destination.root),
        )
        planner.clear_trash()
        lock = transaction.lock
    return UninstallReport(
        tuple((one.name, one.stated_version) for one in planner.removed),
        missing,
        site,
        lock.waited_seconds,
        lock.held_seconds,
    )


def _check_removable(one: InstalledDistribution, *, thoroughly: bool) -> None:
    """Refuse what has no list of files: guessing would remove what belongs to others.

    Args:
        one: what is to be removed.
        thoroughly: whether the list can be understood, too, which the plan finds out otherwise.

    Raises:
        TargetError: it is a legacy installation, or its RECORD is missing.
        ConflictError: the list cannot be understood.
    """
    listed = one.record is not None if thoroughly else one.lists_files
    if listed or one.is_remnant or one.is_link:
        return
    if one.is_dist_info:
        raise TargetError(
            f"cannot uninstall {one.label}: {one.metadata_path} has no RECORD, "
            "so its files are unknown",
            advice="remove it with the tool that installed it, or by hand",
        )
    modules = (one.read("top_level.txt") or "").split()
    named = f" (its top_level.txt names {', '.join(modules)})" if modules else ""
    raise TargetError(
        f"cannot uninstall {one.label}: {one.metadata_path} is a legacy .egg-info without an "
        f"installed-files.txt, so its files are unknown{named}",
        advice="remove its files and the .egg-info by hand",
    )
