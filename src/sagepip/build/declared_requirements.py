"""Requirements that a project states for its build, or that its backend asks for."""

from __future__ import annotations

from sagepip.ground.errors import BuildError
from sagepip.ground.requirements import (
    BadRequirement,
    parse_requirement,
    plain_spelling,
    shortened,
)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.requirements import Requirement


def spelled_requirements(texts: Iterable[str], project: str) -> list[str]:
    """Return requirements that were read from a project in one spelling and a fixed order.

    Args:
        texts: as in ``build-system.requires``.
        project: whose, for the message.

    Raises:
        BuildError: one is not valid.
    """
    return sorted({plain_spelling(one) or str(_valid(one, project)) for one in texts})


def valid_requirements(texts: Iterable[str], project: str) -> list[Requirement]:
    """Return requirements that were read from a project, in a fixed order.

    Args:
        texts: as in ``build-system.requires``.
        project: whose, for the message.

    Raises:
        BuildError: one is not valid.
    """
    found = {}
    for text in texts:
        requirement = _valid(text, project)
        found[str(requirement)] = requirement
    return [found[text] for text in sorted(found)]


def _valid(text: str, project: str) -> Requirement:
    try:
        return parse_requirement(text)
    except BadRequirement as error:
        raise BuildError(
            f"{project} has a build requirement that is none: {shortened(repr(text))}",
            advice="correct build-system.requires in its pyproject.toml",
        ) from error
