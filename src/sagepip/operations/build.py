"""Build: make wheels, or sdists, of what is asked for, and store them; nothing is installed."""

from __future__ import annotations

import os

from packaging.requirements import Requirement

from sagepip.build.archive import sdist_identity
from sagepip.build.hashes import HashChecking, file_digest
from sagepip.build.options import BuildOptions, Isolation
from sagepip.build.project import BuiltDistribution
from sagepip.build.resolution import ResolvedFile, resolve
from sagepip.build.sources import file_url
from sagepip.build.wheelhouse import check_storable, store_files
from sagepip.ground.errors import BuildError, TargetError, UsageError
from sagepip.ground.light_dataclass import dataclass, field, replace
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import phase, take
from sagepip.operations.build_report import BuildReport, BuiltEntry
from sagepip.operations.hash_checks import check_stated_hashes
from sagepip.operations.source_builds import SourceBuilds
from sagepip.operations.targets import (
    NamedRequirement,
    SourceArchive,
    SourceDirectory,
    Target,
    WheelFile,
)
from sagepip.operations.work_directory import WorkDirectory
from sagepip.staging.checked_archive import check_wheel
from sagepip.staging.gate import check_requires_python
from sagepip.staging.wheel import WheelMetadata, read_wheel_metadata

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Direct = SourceDirectory | SourceArchive | WheelFile


@dataclass(frozen=True)
class BuildRequest:
    """One call of ``build``.

    Attributes:
        targets: what to build, in the order given.
        python: the interpreter to build for.
        directory: where to store; absolute.
        one_per_project: of one project keep only the wheel that is stored now (a wheelhouse).
        build: how sources are built, and (``build.sources``) where requirements come from.
        own_config_settings: for each target of a requirement file the settings of its own line,
            which it gets *instead of* those in ``build`` (as in pip).
        hash_checking: whether the hashes stated of archives are compared, and asked for of all.
        ignore_requires_python: build though Requires-Python says no.
        sdist: build sdists instead, of source directories.
        sdist_then_wheel: build the wheel of a directory from an sdist of it.
    """

    targets: tuple[Target, ...]
    python: TargetPython
    directory: str
    one_per_project: bool = False
    build: BuildOptions = field(default_factory=BuildOptions)
    own_config_settings: Mapping[Target, Mapping[str, str | Sequence[str]]] = field(
        default_factory=dict
    )
    hash_checking: HashChecking = HashChecking.OFF
    ignore_requires_python: bool = False
    sdist: bool = False
    sdist_then_wheel: bool = False

    def build_options(self, target: Target) -> BuildOptions:
        """Return how one of the targets is built."""
        own = self.own_config_settings.get(target)
        return self.build if own is None else replace(self.build, config_settings=own)


def build(request: BuildRequest) -> BuildReport:
    """Build what is asked for and store it; all of it, or nothing.

    Args:
        request: what, how and where to.

    Returns:
        What was made.

    Raises:
        SagepipError: nothing was stored, unless the message says so.
    """
    check_storable(request.directory)
    with WorkDirectory() as work:
        with phase("targets"):
            made = _Builder(request, work).make()
        paths = [one.path for one in made]
        with phase("store"):
            stored = store_files(paths, request.directory, one_per_project=request.one_per_project)
    entries = [replace(one, path=path) for one, path in zip(made, stored, strict=True)]
    return BuildReport(request.python, request.directory, tuple(entries), take())


class _Builder:
    """Makes the files of one request, in a private directory."""

    def __init__(self, request: BuildRequest, work: WorkDirectory) -> None:
        self._request = request
        self._work = work
        self._builds = SourceBuilds(request.python, work)
        self._of_project: dict[str, str] = {}

    def make(self) -> list[BuiltEntry]:
        """Return what is to be stored, in the order of the targets.

        Raises:
            TargetError: a target cannot be used, or two are of one project.
            BuildError: a source cannot be built.
        """
        wheels = self._look_through()
        resolved = self._resolve()
        made: dict[str, BuiltEntry] = {}
        for target in self._request.targets:
            # One project named twice, or one path with other extras, is one file.
            if isinstance(target, NamedRequirement):
                name = canonical_name(Requirement(target.requirement).name)
                if name not in made:
                    made[name] = self._named(resolved[name], target)
            elif target.path not in made:
                made[target.path] = self._direct(target, wheels.get(target.path))
        return list(made.values())

    def _look_through(self) -> dict[str, WheelMetadata]:
        """Find out what can be known without a build, which may take hours; return the wheels."""
        check_stated_hashes(self._request.targets, self._request.hash_checking)
        wheels: dict[str, WheelMetadata] = {}
        for target in self._request.targets:
            if self._request.sdist and not isinstance(target, SourceDirectory):
                given = target.requirement if isinstance(target, NamedRequirement) else target.path
                raise UsageError(
                    f"--sdist needs a source directory, not {given}",
                    advice="give the directory, or leave --sdist out",
                )
            if isinstance(target, NamedRequirement):
                name = Requirement(target.requirement).name
                self._claim(name, f"the requirement {name}")
            elif isinstance(target, WheelFile):
                wheels[target.path] = check_wheel(target.path)
                self._claim(wheels[target.path].name, target.path)
            elif target.name:
                self._claim(target.name, target.path)
        return wheels

    def _claim(self, project: str, target: str) -> None:
        other = self._of_project.setdefault(canonical_name(project), target)
        if other != target:
            raise TargetError(f"{other} and {target} are both {project}", advice="give one of them")

    def _resolve(self) -> dict[str, ResolvedFile]:
        request = self._request
        with_hashes = request.hash_checking is not HashChecking.OFF
        named = [
            one.line if with_hashes else one.requirement
            for one in request.targets
            if isinstance(one, NamedRequirement)
        ]
        if not named:
            return {}
        files = resolve(
            named,
            python=request.python,
            sources=request.build.sources,
            ignore_installed=True,
            download_directory=self._work.path("fetched"),
            ignore_requires_python=request.ignore_requires_python,
            no_deps=True,
            constraints=request.build.sources.constraints,
            build_isolation=request.build.isolation is Isolation.WHEELHOUSE,
            hash_checking=request.hash_checking,
        )
        return {canonical_name(one.name): one for one in files}

    def _named(self, one: ResolvedFile, target: NamedRequirement) -> BuiltEntry:
        if one.is_wheel:
            made = _wheel_entry(read_wheel_metadata(one.path))
        else:
            made = self._built(one.path, target)
        return replace(made, url=one.url, source_sha256=one.sha256 or "")

    def _direct(self, target: _Direct, wheel: WheelMetadata | None) -> BuiltEntry:
        digest = ""
        if wheel is not None:
            made = _wheel_entry(wheel)
            digest = made.sha256
        elif self._request.sdist:
            made = self._sdist(target)
        else:
            made = self._built(target.path, target)
            digest = "" if isinstance(target, SourceDirectory) else file_digest(target.path)
        if target.name and canonical_name(target.name) != canonical_name(made.name):
            raise TargetError(
                f"{target.path} is {made.name} {made.version}, not {target.name}",
                advice="correct the name before the @, or the path after it",
            )
        self._claim(made.name, target.path)
        url = file_url(target.path)
        return replace(made, url=url, source_sha256=digest)

    def _built(self, path: str, target: Target) -> BuiltEntry:
        """Build the wheel of a source directory or an sdist."""
        python, options = self._request.python, self._request.build_options(target)
        by_way_of_sdist = self._request.sdist_then_wheel
        made = self._builds.wheel(path, options, by_way_of_sdist=by_way_of_sdist)
        if not self._request.ignore_requires_python:
            check_requires_python(made.metadata.label, made.metadata.headers, python)
        return _with_build(_wheel_entry(made.metadata), made.built, options)

    def _sdist(self, target: _Direct) -> BuiltEntry:
        """Build the sdist of a source directory."""
        options = self._request.build_options(target)
        built = self._builds.sdist(target.path, options)
        try:
            name, version = sdist_identity(built.path)
        except TargetError as error:
            # The path in it is that of a private copy.
            raise BuildError(
                f"the build backend of {target.path} made no good sdist: {error.problem}",
                advice="check its build backend",
            ) from error
        return _with_build(_entry(name, version, built.path), built, options)


def _wheel_entry(wheel: WheelMetadata) -> BuiltEntry:
    return _entry(wheel.name, wheel.version, wheel.path)


def _entry(name: str, version: str, path: str) -> BuiltEntry:
    """Return the entry of a file as it is before it is stored."""
    return BuiltEntry(name, version, path, file_digest(path), os.path.getsize(path))


def _with_build(entry: BuiltEntry, built: BuiltDistribution, options: BuildOptions) -> BuiltEntry:
    return replace(
        entry,
        is_built=True,
        seconds=built.seconds,
        provision_seconds=built.provision_seconds,
        requirements=built.requirements,
        config_settings=options.config_settings,
        log_path=built.log_path,
    )
