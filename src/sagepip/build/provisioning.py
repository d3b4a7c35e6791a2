"""Turn the build requirements of a project into an environment that satisfies them."""

from __future__ import annotations

import os
import time

from sagepip.build.cache import Cache, interpreter_key
from sagepip.build.declared_requirements import spelled_requirements
from sagepip.build.environment import BuildEnvironment, EnvironmentUse
from sagepip.build.hashes import file_digest
from sagepip.build.members import ChangedMember, Member, MissingBuildRequirements
from sagepip.build.options import BuildOptions, Isolation
from sagepip.build.readable_requirements import read_requirement
from sagepip.build.readable_versions import admits
from sagepip.build.resolution_memory import ResolutionMemory
from sagepip.build.unpacked_wheels import WheelMember
from sagepip.ground.errors import BuildError, TargetError
from sagepip.ground.light_dataclass import replace
from sagepip.ground.project_names import canonical_name
from sagepip.ground.requirements import is_name
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sagepip.build.installed_member import InstalledMember
    from sagepip.build.resolution import ResolvedFile

_TRIES = 3


class Provisioner:
    """Provides one build with environments.

    Args:
        cache: of builds, or None.
        use: where the environments come from.
        workspace: a private directory for what is fetched and built.
        python: the target interpreter.
        options: the build's; where requirements come from.
        project: what is built, for messages.
        ancestors: the builds under way that wait for this one, outermost first.

    Attributes:
        members: what the environment holds.
        seconds: how long all provisioning took.
    """

    def __init__(
        self,
        cache: Cache | None,
        use: EnvironmentUse,
        workspace: str,
        *,
        python: TargetPython,
        options: BuildOptions,
        project: str,
        ancestors: Sequence[str] = (),
    ) -> None:
        self.members: Sequence[Member] = ()
        self.seconds = 0.0
        self._cache = cache
        self._use = use
        self._workspace = workspace
        self._python = python
        self._options = options
        self._project = project
        self._ancestors = tuple(ancestors)
        self._requirements: list[str] = []
        self._environment: BuildEnvironment | None = None
        self._built: dict[str, WheelMember] = {}
        self._copied: list[InstalledMember] = []

    def provision(self, requirements: Iterable[str]) -> BuildEnvironment:
        """Return an environment that satisfies requirements as well as those of earlier calls.

        Args:
            requirements: as in ``build-system.requires``.

        Raises:
            BuildError: one is not valid, cannot be satisfied, or must be built and cannot be.
            LockTimeout, LockError, RecoveryError: the site cannot be copied from.
            TargetError: a wheel is not acceptable, or the interpreter makes no environment.
        """
        started = time.monotonic()
        with phase("provision"):
            return self._provision(requirements, started)

    def _provision(self, requirements: Iterable[str], started: float) -> BuildEnvironment:
        # In one spelling, so that none is taken for an option.
        wanted = spelled_requirements(requirements, self._project)
        missing = (
            wanted
            if self._environment is None
            else [one for one in wanted if not self._satisfies(one)]
        )
        if self._environment is None or missing:
            self._requirements += missing
            self._environment = self._make()
        self.seconds += time.monotonic() - started
        return self._environment

    def _make(self) -> BuildEnvironment:
        if not self._requirements:
            return self._use.environment(())
        installed = self._options.isolation is Isolation.INSTALLED
        for attempt in range(1, _TRIES + 1):
            try:
                if installed:
                    return self._copy_installed(attempt)
                self.members = self._resolve(forget=attempt > 1)
                return self._use.environment(self.members)
            except ChangedMember as error:
                if attempt == _TRIES:
                    raise BuildError(
                        f"{error} changes while {self._project} is built",
                        advice="wait for the program that writes there: it takes no lock"
                        if installed
                        else "store wheels by a rename: written under another name first",
                    ) from error
        raise AssertionError("unreachable")

    def _copy_installed(self, attempt: int) -> BuildEnvironment:
        """Return an environment of installed distributions.

        The lock is held to look at them, not to copy them, but in the last attempt: what has
        changed since is noticed.
        """
        from sagepip.build.installed_site import InstalledSite

        site = InstalledSite(self._python, self._options, self._project)
        known = tuple(self._copied) if attempt == 1 else ()

        def look() -> None:
            self._copied = site.members(self._requirements, known)
            self.members = self._copied

        def look_and_copy() -> BuildEnvironment:
            look()
            return self._use.environment(self.members)

        if attempt == _TRIES:
            return site.undisturbed(look_and_copy)
        site.undisturbed(look)
        return self._use.environment(self.members)

    def _resolve(self, *, forget: bool) -> list[WheelMember]:
        """Return the wheels that satisfy all requirements so far, together."""
        if self._cache is None:
            return [self._member(one) for one in self._choose()]
        memory = ResolutionMemory(
            self._cache,
            sorted(self._requirements),
            self._options.sources,
            interpreter_key(self._python),
        )
        if not forget and (known := memory.recall()) is not None:
            return known
        observed = memory.observe()
        files = self._choose()
        members = [self._member(one) for one in files]
        is_plain = all(one.is_plain for one in files)
        memory.remember(observed, members, [one.name for one in files] if is_plain else None)
        return members

    def _choose(self) -> list[ResolvedFile]:
        from sagepip.build.resolution import resolve

        try:
            return resolve(
                self._requirements,
                python=self._python,
                sources=self._options.sources,
                ignore_installed=True,
                constraints=self._options.sources.build_constraints,
                download_directory=os.path.join(self._workspace, "downloads"),
            )
        except (TargetError, BuildError) as error:
            # Another error is that of a requirement that would have had to be built.
            kind = MissingBuildRequirements if isinstance(error, TargetError) else BuildError
            raise kind(
                f"the build requirements of {self._project} cannot be had: {error.problem}",
                advice=error.advice,
                output=getattr(error, "output", ""),
            ) from error

    def _member(self, one: ResolvedFile) -> WheelMember:
        if one.is_wheel:
            digest = one.sha256 or file_digest(one.path)
            return WheelMember(one.name, one.version, digest, one.path)
        if one.url not in self._built:
            self._built[one.url] = self._build(one)
        return self._built[one.url]

    def _build(self, one: ResolvedFile) -> WheelMember:
        """Return a wheel made of a build requirement that there is only a source of."""
        from sagepip.build.archive import unpack_sdist
        from sagepip.build.project import build_wheel

        name = canonical_name(one.name)
        if name in self._ancestors:
            cycle = " needs ".join([*self._ancestors[self._ancestors.index(name) :], name])
            raise BuildError(
                f"building {one.name} needs itself: {cycle}",
                advice=f"provide a wheel of {one.name}",
            )
        place = os.path.join(self._workspace, "requirements", f"{len(self._built)}-{name}")
        source = (
            one.path
            if os.path.isdir(one.path)
            else unpack_sdist(one.path, os.path.join(place, "source"))
        )
        try:
            built = build_wheel(
                source,
                os.path.join(place, "wheel"),
                python=self._python,
                options=replace(self._options, config_settings={}),
                ancestors=(*self._ancestors, name),
            )
        except BuildError as error:
            raise BuildError(
                f"the build requirement {one.name} {one.version} of {self._project} cannot be "
                f"built: {error.problem}",
                advice=error.advice,
                output=error.output,
            ) from error
        return WheelMember(one.name, one.version, file_digest(built.path), built.path)

    def _satisfies(self, text: str) -> bool:
        """Whether what is there satisfies a requirement beyond doubt."""
        if text in self._requirements:
            return True
        if is_name(text):
            name = canonical_name(text)
            return any(canonical_name(one.name) == name for one in self.members)
        requirement = read_requirement(text, self._python)
        if requirement.url or requirement.extras or requirement.marker:
            return False
        name = canonical_name(requirement.name)
        return any(
            canonical_name(one.name) == name and admits(requirement.clauses, one.version)
            for one in self.members
        )
