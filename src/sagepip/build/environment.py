"""Isolated build environments: a virtual environment that holds build requirements alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sagepip.build.options import BuildOptions
from sagepip.build.resolution import ResolvedFile, resolve
from sagepip.build.virtual_environment import create_environment, destination_inside
from sagepip.ground import console
from sagepip.ground.errors import BuildError, TargetError
from sagepip.ground.filesystem import remove_tree
from sagepip.ground.target_python import TargetPython


class BuildEnvironment:
    """A virtual environment for one build; satisfies ``build.env.IsolatedEnv``.

    What it should hold (:meth:`resolve`) is kept apart from putting it there (:meth:`unpack`).

    Args:
        workspace: a private directory; the environment and what it takes to fill it lie in it.
        python: the target interpreter, whose likeness the environment is.
        options: the build's; where requirements come from.
        project: what is built, for messages.
        ancestors: the builds under way that wait for this one, outermost first.
    """

    def __init__(
        self,
        workspace: str,
        *,
        python: TargetPython,
        options: BuildOptions,
        project: str,
        ancestors: Sequence[str] = (),
    ) -> None:
        self.path = os.path.join(workspace, "environment")
        self._workspace = workspace
        self._python = python
        self._options = options
        self._project = project
        self._ancestors = tuple(ancestors)
        self._requirements: list[str] = []
        self._held: dict[str, ResolvedFile] = {}
        self._built: dict[str, str] = {}

    @property
    def python_executable(self) -> str:
        """The interpreter of the environment."""
        return os.path.join(self.path, "bin", "python")

    def make_extra_environ(self) -> dict[str, str]:
        """Return the variables that make programs of the environment be found first."""
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": os.path.join(self.path, "bin") + os.pathsep + path}

    def provision(self, requirements: Iterable[str]) -> None:
        """Make the environment satisfy requirements as well as those of earlier calls.

        Args:
            requirements: as in ``build-system.requires``.

        Raises:
            BuildError: one is not valid, cannot be satisfied, or must be built and cannot be.
            TargetError: a wheel is not acceptable, or the interpreter makes no environment.
        """
        if not os.path.exists(self.python_executable):
            create_environment(self.path, self._python)
        wanted = _normalised(requirements, self._project)
        missing = [text for text in wanted if not self._satisfies(text)]
        if not missing:
            return
        self._requirements += [text for text in missing if text not in self._requirements]
        files = self.resolve()
        wanted_files = {one.digest_key for one in files}
        if any(held.digest_key not in wanted_files for held in self._held.values()):
            # All requirements together need other versions than the first ones did alone.
            remove_tree(self.path)
            self._held.clear()
            create_environment(self.path, self._python)
        self.unpack([one for one in files if one.name not in self._held])

    def resolve(self) -> list[ResolvedFile]:
        """Return the distributions that satisfy all requirements so far, together."""
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
            raise BuildError(
                f"the build requirements of {self._project} cannot be had: {error.problem}",
                advice=error.advice,
                output=getattr(error, "output", ""),
            ) from error

    def unpack(self, files: Sequence[ResolvedFile]) -> None:
        """Put distributions into the environment, those that are no wheels built before."""
        from sagepip.staging.unpack import unpack_wheel

        destination = destination_inside(self.path, self.python_executable, self._python)
        for one in files:
            wheel = one.path if one.is_wheel else self._build(one)
            console.detail(f"build requirement {one.name} {one.version} of {self._project}")
            try:
                unpack_wheel(wheel, destination, compile_bytecode=False)
            except OSError as error:
                raise BuildError(
                    f"cannot unpack {wheel} into the build environment: {error.strerror}: "
                    f"{error.filename}",
                    advice="is there space where TMPDIR says?",
                ) from error
            self._held[one.name] = one

    def _build(self, one: ResolvedFile) -> str:
        """Return a wheel made of a build requirement that there is only a source of."""
        from packaging.utils import canonicalize_name

        from sagepip.build.archive import unpack_sdist
        from sagepip.build.project import build_wheel

        if one.url in self._built:
            return self._built[one.url]
        name = canonicalize_name(one.name)
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
                options=replace(self._options, isolation=True, config_settings={}),
                ancestors=(*self._ancestors, name),
            )
        except BuildError as error:
            raise BuildError(
                f"the build requirement {one.name} {one.version} of {self._project} cannot be "
                f"built: {error.problem}",
                advice=error.advice,
                output=error.output,
            ) from error
        self._built[one.url] = built.path
        return built.path

    def _satisfies(self, text: str) -> bool:
        """Whether what was unpacked satisfies a requirement beyond doubt."""
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        requirement = Requirement(text)
        if requirement.url or requirement.extras or requirement.marker:
            return text in self._requirements
        name = canonicalize_name(requirement.name)
        return any(
            canonicalize_name(one.name) == name
            and requirement.specifier.contains(one.version, prereleases=True)
            for one in self._held.values()
        )


def _normalised(requirements: Iterable[str], project: str) -> list[str]:
    """Return requirements in one spelling and order, so that none is taken for an option."""
    from packaging.requirements import InvalidRequirement, Requirement

    texts = set()
    for requirement in requirements:
        try:
            texts.add(str(Requirement(requirement)))
        except (InvalidRequirement, TypeError) as error:
            raise BuildError(
                f"{project} has a build requirement that is none: {requirement!r}",
                advice="correct build-system.requires in its pyproject.toml",
            ) from error
    return sorted(texts)
