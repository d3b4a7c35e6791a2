"""Doctor: find damage of known kinds, and repair what can be repaired without a doubt."""

from __future__ import annotations

import os

from sagepip.ground.destination import Destination
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_functools import partial
from sagepip.operations.environment_check import check_not_externally_managed
from sagepip.operations.recover import RecoverReport, lock_homes, recover_site
from sagepip.operations.repair import RepairPlanner
from sagepip.operations.steady import steady
from sagepip.operations.symptoms import Diagnosis, Symptom
from sagepip.operations.symptoms_of_files import file_symptoms
from sagepip.operations.symptoms_of_metadata import metadata_symptoms
from sagepip.operations.symptoms_of_state import state_symptoms
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import begin_transaction

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class DoctorRequest:
    """One call of ``doctor``.

    Attributes:
        destination: what to look at.
        fix: repair what can be repaired.
        break_system_packages: repair though the environment is externally managed (PEP 668).
        lock_timeout: seconds to wait for the lock, or None for ever; it is taken to repair only.
    """

    destination: Destination
    fix: bool = False
    break_system_packages: bool = False
    lock_timeout: float | None = None


@dataclass(frozen=True)
class DoctorReport:
    """What one call of ``doctor`` found and did.

    Attributes:
        site: the resolved site directory.
        removed: what was repaired by removing it.
        recovery: what became of an interrupted change and of orphans; None if not asked for.
        remaining: the damage that is there now.
    """

    site: str
    removed: tuple[Diagnosis, ...]
    recovery: RecoverReport | None
    remaining: tuple[Diagnosis, ...]


def doctor(request: DoctorRequest) -> DoctorReport:
    """Look at a site, and repair it if asked to.

    Args:
        request: where, and whether to repair.

    Returns:
        What was found and done. A site that does not exist is healthy.

    Raises:
        SagepipError: the repair failed, and nothing was removed.
    """
    destination = request.destination
    site = destination.site
    remaining = diagnose(destination)
    if not request.fix or not any(one.is_fixable for one in remaining):
        return DoctorReport(site, (), None, tuple(remaining))
    check_not_externally_managed(destination, overridden=request.break_system_packages)
    recovery = recover_site(site, request.lock_timeout)
    removed: tuple[Diagnosis, ...] = ()
    if _removable(destination):
        removed = _remove(request)
    return DoctorReport(site, removed, recovery, tuple(diagnose(destination)))


def diagnose(destination: Destination) -> list[Diagnosis]:
    """Return the damage of known kinds that a site shows; nothing is changed.

    Args:
        destination: the site.
    """
    site = destination.site
    if not os.path.isdir(site):
        return []
    found = steady(site, lambda: list(state_symptoms(site)))
    found += steady(site, lambda: list(metadata_symptoms(destination)))
    found += steady(site, lambda: list(file_symptoms(destination)))
    return found


def _removable(destination: Destination) -> Sequence[Diagnosis]:
    found = [
        one
        for one in (*metadata_symptoms(destination), *file_symptoms(destination))
        if one.is_fixable
    ]
    # Stale bytecode within what goes anyway is no step of its own.
    whole = tuple(one.path + os.sep for one in found if one.symptom is not Symptom.STALE)
    return [one for one in found if not one.path.startswith(whole)]


def _remove(request: DoctorRequest) -> tuple[Diagnosis, ...]:
    destination = request.destination
    site, *others = lock_homes(destination)
    with begin_transaction(site, Territory.of(destination), others) as transaction:
        planner = RepairPlanner(transaction.area, partial(_removable, destination))
        transaction.commit(
            planner.plan,
            planner.still_current,
            "doctor --fix",
            lock_timeout=request.lock_timeout,
            discard_lock=bool(destination.root),
        )
    return planner.removed
