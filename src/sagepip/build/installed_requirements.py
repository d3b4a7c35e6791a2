"""Which installed distributions satisfy build requirements; found without pip."""

from __future__ import annotations

import importlib.metadata

from packaging.requirements import Requirement

from sagepip.build.constraints import Constraints
from sagepip.ground.errors import BuildError
from sagepip.ground.headers import Headers
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.target_python import TargetPython
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.site_view import active

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


@dataclass(frozen=True)
class InstalledProject:
    """What the metadata of an installed distribution says.

    Attributes:
        name: the project's canonical name.
        version: the version; empty if the metadata has none.
        requires: what it needs at run time, with markers.
        distribution: where it is.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    distribution: InstalledDistribution

    @classmethod
    def read(cls, one: InstalledDistribution) -> InstalledProject:
        """Read the metadata of a distribution.

        Args:
            one: the distribution.
        """
        headers = Headers(one.read(one.headers_name) or "")
        requires: Iterable[str] = headers.get_all("Requires-Dist")
        if not one.is_dist_info:
            requires = _Legacy(one).requires or ()
        version = headers.get("Version") or one.stated_version
        return cls(one.name, version, tuple(requires), one)


@dataclass
class Satisfaction:
    """What satisfies requirements.

    Attributes:
        projects: by their names.
        problems: what is missing, of a wrong version, or excluded by a constraint, and who needs
            it; each in the words of a message.
    """

    projects: dict[str, InstalledProject] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def satisfy(
    requirements: Iterable[Requirement],
    find: Callable[[str], InstalledProject | None],
    markers: Mapping[str, str],
    constraints: Constraints,
) -> Satisfaction:
    """Find what satisfies requirements, and what that needs in turn.

    A requirement of a certain file or URL is satisfied by whatever is installed, as for pip.

    Args:
        requirements: as in ``build-system.requires``.
        find: returns what is installed of a project.
        markers: the values of the environment markers.
        constraints: on the versions.
    """
    found = Satisfaction()
    waiting = [
        (one, "")
        for one in requirements
        if one.marker is None or one.marker.evaluate({**markers, "extra": ""})
    ]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, needed_by = waiting.pop(0)
        requirement.marker = None
        if (key := (str(requirement), needed_by)) in seen:
            continue
        seen.add(key)
        project = find(requirement.name)
        if problem := _problem(requirement, project, constraints):
            found.problems.append(_in_words(requirement, needed_by, problem))
        if project is None or problem:
            continue
        found.projects[project.name] = project
        extras = frozenset(requirement.extras)
        for other in active(project.requires, extras, markers):
            waiting.append((other, project.name))
    return found


def refuse_missing(
    problems: Iterable[str], project: str, python: TargetPython, advice: str
) -> None:
    """Refuse a build whose requirements are not installed.

    Args:
        problems: see :class:`Satisfaction`.
        project: what is built.
        python: the target interpreter.
        advice: what to do.

    Raises:
        BuildError: there is a problem.
    """
    if texts := list(problems):
        raise BuildError(
            f"build requirements of {project} are not installed for {python.executable}: "
            + ", ".join(texts),
            advice=advice,
        )


def _problem(
    requirement: Requirement, project: InstalledProject | None, constraints: Constraints
) -> str:
    """Return what speaks against an installed project, in the words of a message, or nothing."""
    if project is None:
        return "not installed"
    installed = f"installed: {project.version}"
    if not project.version or not requirement.specifier.contains(project.version, prereleases=True):
        return installed
    constraint = constraints.against(project.name, project.version)
    return f"{installed}, constrained to {constraint}" if constraint else ""


def _in_words(requirement: Requirement, needed_by: str, problem: str) -> str:
    wanted = requirement.name + str(requirement.specifier)
    return wanted + (f" (needed by {needed_by})" if needed_by else "") + f" ({problem})"


class _Legacy(importlib.metadata.Distribution):
    """An ``.egg-info`` as the standard library reads it: its requirements are in a file of old."""

    def __init__(self, one: InstalledDistribution) -> None:
        self._one = one

    def read_text(self, filename: str) -> str | None:
        return self._one.read(filename)

    def locate_file(self, path: str | os.PathLike[str]) -> Any:
        raise NotImplementedError
