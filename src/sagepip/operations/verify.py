"""Verify: compare what is installed with what its metadata says."""

from __future__ import annotations

import os

from sagepip.ground.destination import Destination
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_functools import partial
from sagepip.ground.project_names import canonical_name
from sagepip.operations.duplicates import find_duplicates
from sagepip.operations.findings import Finding, Kind
from sagepip.operations.module_lookup import search_path
from sagepip.operations.record_check import Surroundings, check_distribution, is_systems
from sagepip.operations.status import site_status
from sagepip.operations.steady import steady
from sagepip.operations.unlisted import Ownership, extra_files, nobodys, stray_scripts
from sagepip.transaction.installed import (
    InstalledDistribution,
    find_installed,
    list_installed,
)
from sagepip.transaction.site_view import module_directories, visible_directories


@dataclass(frozen=True)
class VerifyRequest:
    """One call of ``verify``.

    Attributes:
        destination: what to check.
        names: the projects to check, spelt in any way; none for all.
    """

    destination: Destination
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class VerifyReport:
    """What one call of ``verify`` found.

    Attributes:
        site: the resolved site directory.
        checked: the distributions that were compared with their list of files: name and version.
        unchecked: those that list no files by design (legacy ``.egg-info`` and ``.egg-link``), or
            that the system's package manager brought: name and version.
        findings: what is damaged.
        nobodys: top-level modules and packages that no distribution lists; no damage.
    """

    site: str
    checked: tuple[tuple[str, str], ...]
    unchecked: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    nobodys: tuple[str, ...]


def verify(request: VerifyRequest) -> VerifyReport:
    """Check distributions; nothing is changed, and no lock is taken.

    Args:
        request: what to check.

    Returns:
        What was found. A site that does not exist is empty, and intact.
    """
    destination = request.destination
    site = destination.site
    around = _surroundings(destination)
    is_checked = partial(_is_checked, destination)
    installed = list_installed(destination.metadata_directories)
    given = {canonical_name(name) for name in request.names}
    wanted = given or {one.name for one in installed}
    findings = _interruption(site)
    for name in sorted(wanted):
        findings += steady(site, partial(_look_at, destination, name, bool(given), around))
    found = [one for one in installed if one.name in wanted]
    nobody: tuple[str, ...] = ()
    if not given:
        findings += steady(site, lambda: _look_for_extra(destination, None, around))
        nobody = tuple(nobodys(module_directories(destination), _known(destination)))
    elif found:
        findings += steady(site, lambda: _look_for_extra(destination, wanted, around))
    return VerifyReport(
        site,
        tuple((one.name, one.stated_version) for one in found if is_checked(one)),
        tuple((one.name, one.stated_version) for one in found if not is_checked(one)),
        tuple(findings),
        nobody,
    )


def _surroundings(destination: Destination) -> Surroundings:
    return Surroundings(
        tuple(root.resolved for root in destination.live_roots),
        tuple(search_path(visible_directories(destination))),
        is_target=destination.scheme.data == destination.scheme.purelib,
    )


def _interruption(site: str) -> list[Finding]:
    journal = site_status(site).journal
    if journal is None or journal.state == "under way":
        return []
    detail = f"{journal.what}; run sagepip recover" if journal.state == "hot" else journal.what
    return [Finding("", "", Kind.INTERRUPTED, detail=detail)]


def _is_checked(destination: Destination, one: InstalledDistribution) -> bool:
    managed = destination.python.externally_managed is not None
    return (one.is_dist_info or one.lists_files) and not is_systems(one, externally_managed=managed)


def _look_at(
    destination: Destination, name: str, asked: bool, around: Surroundings
) -> list[Finding]:
    group = find_installed(destination.metadata_directories, (name,))
    if not group:
        return [Finding(name, "", Kind.NOT_INSTALLED)] if asked else []
    findings: list[Finding] = []
    for one in group:
        if _is_checked(destination, one):
            findings += check_distribution(one, around)
    for several in find_duplicates(group):
        listed = ", ".join(one.metadata_path for one in several)
        findings.append(Finding(name, several[0].version, Kind.DUPLICATE, detail=listed))
    return findings


def _known(destination: Destination) -> Ownership:
    return Ownership.of(
        list_installed(destination.metadata_directories),
        lambda one: not _is_checked(destination, one),
    )


def _look_for_extra(
    destination: Destination, wanted: set[str] | None, around: Surroundings
) -> list[Finding]:
    known = _known(destination)
    found = list(extra_files(module_directories(destination), known))
    if wanted is not None:
        return [one for one in found if one.name in wanted]
    scripts = os.path.realpath(destination.live(destination.scheme.scripts))
    if not around.is_target and not destination.root:
        interpreter = destination.python.executable
        found += stray_scripts(scripts, known, interpreter, around.search)
    return found
