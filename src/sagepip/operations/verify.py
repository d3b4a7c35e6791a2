"""Verify: compare what is installed with what its metadata says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from sagepip.ground.destination import Destination
from sagepip.ground.headers import Headers
from sagepip.operations.findings import Finding, Kind
from sagepip.operations.module_lookup import search_path
from sagepip.operations.record_check import Surroundings, check_distribution
from sagepip.operations.site_view import visible_directories
from sagepip.operations.status import site_status
from sagepip.operations.steady import steady
from sagepip.operations.unlisted import Ownership, extra_files, nobodys, stray_scripts
from sagepip.transaction.installed import (
    InstalledDistribution,
    canonical_name,
    find_installed,
    list_installed,
)


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
        checked: the distributions that were compared with their RECORD: name and version.
        unchecked: those that list no files by design (legacy ``.egg-info``): name and version.
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
    site, directories = destination.site, destination.metadata_directories
    around = _surroundings(destination)
    installed = list_installed(directories)
    given = {canonical_name(name) for name in request.names}
    wanted = given or {one.name for one in installed}
    findings = _interruption(site)
    for name in sorted(wanted):
        findings += steady(site, partial(_look_at, name, bool(given), directories, around))
    found = [one for one in installed if one.name in wanted]
    nobody: tuple[str, ...] = ()
    if not given:
        findings += steady(site, lambda: _look_for_extra(destination, None, around))
        nobody = tuple(nobodys(directories, Ownership.of(installed)))
    elif found:
        findings += steady(site, lambda: _look_for_extra(destination, wanted, around))
    return VerifyReport(
        site,
        tuple((one.name, one.version) for one in found if one.is_dist_info),
        tuple((one.name, one.version) for one in found if not one.is_dist_info),
        tuple(findings),
        nobody,
    )


def duplicates(distributions: Iterable[InstalledDistribution]) -> list[list[InstalledDistribution]]:
    """Return the groups of distributions that are installed more than once.

    A ``.dist-info`` beside an ``.egg-info`` of the same version is one installation, as some
    distributors make it.

    Args:
        distributions: those of a site.
    """
    by_name: dict[str, list[InstalledDistribution]] = {}
    for one in distributions:
        by_name.setdefault(one.name, []).append(one)
    found = []
    for group in by_name.values():
        modern = [one for one in group if one.is_dist_info]
        versions = {_version(one) for one in group} - {""}
        if len(modern) > 1 or (len(group) > 1 and len(versions) > 1):
            found.append(group)
    return found


def _version(one: InstalledDistribution) -> str:
    if one.version or one.is_dist_info:
        return one.version
    try:
        return Headers(one.read("PKG-INFO") or "").get("Version") or ""
    except OSError:
        return ""


def _surroundings(destination: Destination) -> Surroundings:
    return Surroundings(
        tuple(destination.live_roots),
        tuple(search_path(visible_directories(destination))),
        is_target=destination.scheme.data == destination.scheme.purelib,
    )


def _interruption(site: str) -> list[Finding]:
    journal = site_status(site).journal
    if journal is None or journal.state == "under way":
        return []
    detail = f"{journal.what}; run sagepip recover" if journal.state == "hot" else journal.what
    return [Finding("", "", Kind.INTERRUPTED, detail=detail)]


def _look_at(
    name: str, asked: bool, directories: Iterable[str], around: Surroundings
) -> list[Finding]:
    group = find_installed(directories, (name,))
    if not group:
        return [Finding(name, "", Kind.NOT_INSTALLED)] if asked else []
    findings: list[Finding] = []
    for one in group:
        if one.is_dist_info:
            findings += check_distribution(one, around)
    for several in duplicates(group):
        listed = ", ".join(one.metadata_path for one in several)
        findings.append(Finding(name, several[0].version, Kind.DUPLICATE, detail=listed))
    return findings


def _look_for_extra(
    destination: Destination, wanted: set[str] | None, around: Surroundings
) -> list[Finding]:
    directories = destination.metadata_directories
    known = Ownership.of(list_installed(directories))
    found = list(extra_files(directories, known))
    if wanted is not None:
        return [one for one in found if one.name in wanted]
    scripts = destination.live(destination.scheme.scripts)
    if not around.is_target and not destination.root:
        interpreter = destination.python.executable
        found += stray_scripts(scripts, known, interpreter, around.search)
    return found
