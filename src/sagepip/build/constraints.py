"""Constraint files, for builds that are provisioned without pip."""

from __future__ import annotations

import os

from packaging.requirements import Requirement

from sagepip.build.requirements_text import constraint_lines
from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.ground.requirements import BadRequirement, parse_requirement, shortened

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True)
class Constraint:
    """A line of a constraint file.

    Attributes:
        requirement: what it says.
        origin: where it stands, ``FILE, line N``.
    """

    requirement: Requirement
    origin: str

    def admits(self, version: str) -> bool:
        """Whether it admits a version; what a URL would give cannot be told."""
        if self.requirement.url:
            return False
        return self.requirement.specifier.contains(version, prereleases=True)

    def __str__(self) -> str:
        """Return it in the words of a message."""
        return f"{self.requirement} ({self.origin})"


class Constraints:
    """What constraint files say.

    Args:
        paths: the files.
        markers: the values of the environment markers.

    Raises:
        TargetError: a file cannot be read or understood.
    """

    def __init__(self, paths: Iterable[str], markers: Mapping[str, str]) -> None:
        self._by_name: dict[str, list[Constraint]] = {}
        for one in (one for path in paths for one in _read(path)):
            marker = one.requirement.marker
            if marker is None or marker.evaluate({**markers, "extra": ""}):
                name = canonical_name(one.requirement.name)
                self._by_name.setdefault(name, []).append(one)

    def against(self, name: str, version: str) -> Constraint | None:
        """Return a constraint that does not admit a version of a project, or None.

        Args:
            name: the project's, in any spelling.
            version: the version.
        """
        constraints = self._by_name.get(canonical_name(name), [])
        return next((one for one in constraints if not one.admits(version)), None)


def _read(path: str) -> Iterator[Constraint]:
    for origin, line in constraint_lines(path, os.environ):
        if line.startswith("-"):
            continue  # how to reach an index is of no interest here
        try:
            requirement = parse_requirement(line)
        except BadRequirement as error:
            raise TargetError(
                f"{origin}: not a constraint: {shortened(line)}",
                advice="write NAME and a version specifier",
            ) from error
        yield Constraint(requirement, origin)
