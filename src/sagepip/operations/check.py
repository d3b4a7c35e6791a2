"""Check: whether what is installed has the runtime dependencies that it declares, as pip check.

What is read, and what follows from what cannot be read, is as in pip: metadata that cannot be
understood is told, and its project is not there for others.
"""

from __future__ import annotations

import os
from enum import StrEnum

from packaging.requirements import Requirement
from packaging.tags import parse_tag
from packaging.version import Version

from sagepip.ground.destination import Destination
from sagepip.ground.headers import Headers
from sagepip.ground.light_contextlib import suppress
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.ground.requirements import parse_requirement
from sagepip.operations.steady import steady
from sagepip.transaction.installed import InstalledDistribution, list_installed
from sagepip.transaction.site_view import visible_directories

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class Kind(StrEnum):
    """What may be wrong; the values are for programs."""

    UNREADABLE = "unreadable"
    MISSING = "missing"
    CONFLICT = "conflict"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        name: the project, normalised (of ``UNSUPPORTED`` as its metadata spells it, as in pip).
        version: its version.
        kind: what is wrong.
        detail: the rest of the line.
    """

    name: str
    version: str
    kind: Kind
    detail: str

    def __str__(self) -> str:
        """Return it in pip's words."""
        if self.kind is Kind.UNREADABLE:
            return f"Error parsing dependencies of {self.name}: {self.detail}"
        return f"{self.name} {self.version} {self.detail}"


@dataclass(frozen=True)
class CheckRequest:
    """One call of ``check``.

    Attributes:
        destination: the site; what its interpreter sees besides counts, too.
        python_path: directories that come before it on the interpreter's path.
    """

    destination: Destination
    python_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """What one call of ``check`` found.

    Attributes:
        site: the resolved site directory.
        checked: how many projects were looked at.
        problems: in pip's order: what is missing, then conflicts, then what is not for this
            platform; what cannot be read comes first.
    """

    site: str
    checked: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Project:
    """An installed project that can be understood."""

    version: Version
    requirements: Sequence[Requirement]


def check(request: CheckRequest) -> CheckReport:
    """Check dependencies and tags; nothing is changed, and no lock is taken.

    Args:
        request: what to check.

    Returns:
        What was found. A site that does not exist is empty, and in order.
    """
    destination = request.destination
    directories = list(dict.fromkeys([*request.python_path, *visible_directories(destination)]))
    python = destination.python
    tags = frozenset(python.tags)
    counts: list[int] = []

    def is_local(one: InstalledDistribution) -> bool:
        # As in pip: what an environment only borrows is no concern of its own.
        within = os.path.join(os.path.realpath(python.prefix), "")
        return not (destination.is_default and python.virtual) or one.metadata_path.startswith(
            within
        )

    def look() -> list[Problem]:
        installed = _visible(directories)
        counts.append(len(installed))
        local = [one for one in installed.values() if is_local(one)]
        return [*_unsupported(local, tags), *_unsatisfied(installed, python.markers)]

    found = steady(destination.site, look)
    order = list(Kind)
    return CheckReport(
        destination.site,
        counts[-1],
        tuple(sorted(found, key=lambda one: (order.index(one.kind), one.name.lower()))),
    )


def _visible(directories: Sequence[str]) -> Mapping[str, InstalledDistribution]:
    """Return what is installed, of several of one project the first, which hides the others."""
    found: dict[str, InstalledDistribution] = {}
    for one in list_installed(directories):
        if one.name:
            found.setdefault(one.name, one)
    return found


def _unsupported(
    installed: Iterable[InstalledDistribution], tags: frozenset[str]
) -> Iterator[Problem]:
    for one in installed:
        if not _is_supported(one, tags):
            name = Headers(one.read(one.headers_name) or "").get("Name") or one.name
            detail = "is not supported on this platform"
            yield Problem(name, one.stated_version, Kind.UNSUPPORTED, detail)


def _unsatisfied(
    installed: Mapping[str, InstalledDistribution], markers: Mapping[str, str]
) -> Iterator[Problem]:
    projects: dict[str, _Project] = {}
    for name, one in installed.items():
        try:
            projects[name] = _read(one, markers)
        except ValueError as error:
            (reason, *_) = str(error).splitlines() or ["it cannot be understood"]
            yield Problem(name, one.stated_version, Kind.UNREADABLE, reason)
    for name, project in projects.items():
        version = str(project.version)
        for requirement in project.requirements:
            needed = canonical_name(requirement.name)
            other = projects.get(needed)
            if other is None:
                detail = f"requires {needed}, which is not installed."
                yield Problem(name, version, Kind.MISSING, detail)
            elif not requirement.specifier.contains(other.version, prereleases=True):
                detail = f"has requirement {requirement}, but you have {needed} {other.version}."
                yield Problem(name, version, Kind.CONFLICT, detail)


def _read(one: InstalledDistribution, markers: Mapping[str, str]) -> _Project:
    """Read the version and the requirements that apply; raises ValueError where they are none."""
    headers = Headers(one.read(one.headers_name) or "")
    requirements = {parse_requirement(text) for text in headers.get_all("Requires-Dist")}
    environment = {**markers, "extra": ""}
    return _Project(
        Version(one.stated_version or headers.get("Version") or ""),
        sorted(
            (one for one in requirements if one.marker is None or one.marker.evaluate(environment)),
            key=str,
        ),
    )


def _is_supported(one: InstalledDistribution, tags: frozenset[str]) -> bool:
    text = one.read("WHEEL")
    if text is None:
        return True
    stated: set[str] = set()
    for line in Headers(text).get_all("Tag"):
        with suppress(ValueError):  # one that is none supports nothing
            stated |= {str(tag) for tag in parse_tag(line)}
    return not tags.isdisjoint(stated)
