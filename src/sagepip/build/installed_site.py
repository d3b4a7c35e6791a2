"""Build requirements from what is installed for the target interpreter."""

from __future__ import annotations

import os

from packaging.requirements import Requirement

from sagepip.build.constraints import Constraints
from sagepip.build.installed_files import Layout
from sagepip.build.installed_member import InstalledMember
from sagepip.build.installed_requirements import InstalledProject, refuse_missing, satisfy
from sagepip.build.options import BuildOptions
from sagepip.ground.destination import find_destination
from sagepip.ground.errors import BuildError
from sagepip.ground.light_functools import cache
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import TargetPython
from sagepip.transaction.shared_reading import read_undisturbed
from sagepip.transaction.site_view import SiteView

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import TypeVar

    Found = TypeVar("Found")
    from collections.abc import Callable, Iterable, Sequence


class InstalledSite:
    """The distributions that an interpreter sees, as a source of build requirements.

    Args:
        python: the interpreter.
        options: of the build; constraints and the time to wait for locks.
        project: what is built, for messages.
    """

    def __init__(self, python: TargetPython, options: BuildOptions, project: str) -> None:
        self._python = python
        self._timeout = options.lock_timeout
        self._project = project
        self._directories = _directories(python)
        self._constraints = Constraints(options.sources.build_constraints, python.markers)

    def undisturbed(self, action: Callable[[], Found]) -> Found:
        """Do something while no command changes what is installed.

        Args:
            action: what to do; may be done more than once.

        Raises:
            LockTimeout, LockError, RecoveryError: see
                :func:`sagepip.transaction.shared_reading.read_undisturbed`.
        """
        return read_undisturbed(map(os.path.realpath, self._directories), self._timeout, action)

    def members(
        self, requirements: Iterable[str], known: Sequence[InstalledMember]
    ) -> list[InstalledMember]:
        """Return the distributions that satisfy requirements, and what these need, by name.

        Args:
            requirements: valid ones.
            known: what was found before; it stays, whatever has become of it since.

        Raises:
            BuildError: something is missing, or cannot be copied.
            ConflictError: a list of files cannot be understood.
        """
        view = SiteView(self._directories)
        before = {one.name: one for one in known}
        projects: dict[str, InstalledProject | None] = {
            name: one.project for name, one in before.items()
        }

        def find(name: str) -> InstalledProject | None:
            name = canonical_name(name)
            if name not in projects:
                projects[name] = _only(view, name)
            return projects[name]

        wanted = map(Requirement, requirements)
        found = satisfy(wanted, find, self._python.markers, self._constraints)
        refuse_missing(
            found.problems,
            self._project,
            self._python,
            "install them, or build from a wheelhouse without --build-isolation=installed",
        )
        layout = cache(lambda directory: Layout.of(directory, self._python))

        def member(project: InstalledProject) -> InstalledMember:
            return InstalledMember.look(project, layout(project.distribution.directory))

        everything = sorted(found.projects.items())
        return [before.get(name) or member(project) for name, project in everything]


def _only(view: SiteView, name: str) -> InstalledProject | None:
    """Read the installed distribution of a project.

    Raises:
        BuildError: there are two in one directory: which of them the files are of is not known.
    """
    everything = view.find_all(name)
    if not everything:
        return None
    first = everything[0]
    parent = os.path.dirname(first.metadata_path)
    for other in everything[1:]:
        if os.path.dirname(other.metadata_path) == parent and not other.is_link:
            raise BuildError(
                f"{name} is installed twice: {first.metadata_path} and {other.metadata_path}",
                advice=f"install {name} again, which removes both",
            )
    return InstalledProject.read(first)


def _directories(python: TargetPython) -> list[str]:
    """Return the site directories that an interpreter sees, its own in the scheme's spelling.

    Paths in lists of files are relative to it: ``..`` of a resolved path may lead elsewhere.
    """
    scheme = find_destination(python).scheme
    own = {os.path.realpath(scheme.purelib): scheme.purelib}
    own.setdefault(os.path.realpath(scheme.platlib), scheme.platlib)
    # Its own may not have been there when it started.
    return [own.get(path, path) for path in dict.fromkeys((*python.site_directories, *own))]
