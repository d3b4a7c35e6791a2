"""Whether build requirements are installed for the target interpreter (no isolation)."""

from __future__ import annotations

from sagepip.ground.target_python import TargetPython

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable


def check_installed(requirements: Iterable[str], python: TargetPython, project: str) -> None:
    """Refuse a build without isolation whose requirements are not installed.

    Args:
        requirements: as in ``build-system.requires``.
        python: the interpreter that the backend is going to run in.
        project: the path of the source, for messages.

    Raises:
        BuildError: with all that is missing or of the wrong version, dependencies included.
    """
    from sagepip.build.constraints import Constraints
    from sagepip.build.declared_requirements import valid_requirements
    from sagepip.build.installed_requirements import (
        InstalledProject,
        refuse_missing,
        satisfy,
    )
    from sagepip.transaction.site_view import SiteView

    view = SiteView(list(python.site_directories))

    def find(name: str) -> InstalledProject | None:
        found = view.find(name)
        return InstalledProject.read(found) if found else None

    wanted = valid_requirements(requirements, project)
    satisfaction = satisfy(wanted, find, python.markers, Constraints((), {}))
    refuse_missing(
        satisfaction.problems,
        project,
        python,
        "install them, or leave out --no-build-isolation",
    )
