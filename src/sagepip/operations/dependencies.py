"""Runtime requirements that nothing installed satisfies."""

from __future__ import annotations

import os

from sagepip.ground.errors import TargetError
from sagepip.ground.headers import Headers
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.ground.requirements import BadRequirement, parse_requirement, shortened
from sagepip.transaction.site_view import SiteView, active_requirements

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.requirements import Requirement


@dataclass(frozen=True)
class Unsatisfied:
    """A requirement and who has it.

    Attributes:
        requirement: without its marker, which applies.
        needed_by: name and version of the distribution that requires it.
    """

    requirement: Requirement
    needed_by: str

    def __str__(self) -> str:
        """Return it in the words of a message."""
        return f"{self.needed_by} needs {self.requirement}"


def check_requirements(wheel: str, headers: Headers) -> None:
    """Refuse a wheel whose runtime requirements cannot be understood.

    Of what is installed already, such a requirement is passed over.

    Args:
        wheel: the path, for messages.
        headers: its METADATA.

    Raises:
        TargetError: one of them is none.
    """
    for text in headers.get_all("Requires-Dist"):
        try:
            parse_requirement(text)
        except BadRequirement as error:
            raise TargetError(
                f"{wheel}: bad Requires-Dist {shortened(repr(text))}: {error}",
                advice="use another version of it, or --no-deps",
            ) from error


def find_unsatisfied(
    distributions: Sequence[tuple[Headers, str, frozenset[str]]],
    site: SiteView,
    environment: Mapping[str, str],
) -> list[Unsatisfied]:
    """Find the runtime requirements that neither the site nor the distributions satisfy.

    What is installed is taken to have what it needs, but for extras that are asked of it now.

    Args:
        distributions: METADATA, name and version, and extras of what is going to be installed.
        site: what is installed.
        environment: the marker values of the target interpreter.
    """
    coming = {
        canonical_name(headers.get("Name") or ""): (headers, label)
        for headers, label, _ in distributions
    }
    queue = list(distributions)
    seen: set[str] = set()
    found: list[Unsatisfied] = []
    while queue:
        headers, label, extras = queue.pop(0)
        for requirement in active_requirements(headers, extras, environment):
            requirement.marker = None
            if str(requirement) in seen:
                continue
            seen.add(str(requirement))
            name = canonical_name(requirement.name)
            if name in coming:
                own_headers, own_label = coming[name]
                if not _contains(requirement, own_headers.get("Version") or ""):
                    found.append(Unsatisfied(requirement, label))
                elif requirement.extras:
                    queue.append((own_headers, own_label, frozenset(requirement.extras)))
            elif not site.satisfies(requirement):
                found.append(Unsatisfied(requirement, label))
            elif requirement.extras and (installed := site.headers(requirement.name)):
                queue.append((installed, requirement.name, frozenset(requirement.extras)))
    return found


def split_by_availability(
    unsatisfied: Iterable[Unsatisfied], find_links: Sequence[str]
) -> tuple[list[Requirement], list[Unsatisfied]]:
    """Split requirements into those that the wheelhouse has a version of, and the missing ones."""
    from sagepip.build.wheelhouse import candidates, parse_file_name

    available: list[Requirement] = []
    missing: list[Unsatisfied] = []
    for one in unsatisfied:
        versions = [
            parsed[1]
            for path in candidates(one.requirement.name, find_links)
            if (parsed := parse_file_name(os.path.basename(path)))
        ]
        if any(one.requirement.specifier.contains(version) for version in versions) or any(
            one.requirement.specifier.contains(version, prereleases=True) for version in versions
        ):
            available.append(one.requirement)
        else:
            missing.append(one)
    return available, missing


def _contains(requirement: Requirement, version: str) -> bool:
    from packaging.version import Version

    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except ValueError:
        return not requirement.specifier
