"""Build source directories (PEP 517, PEP 660)."""

from __future__ import annotations

import os

# First of all that reads TOML, and of what brings in regular expressions. (By its whole name, by
# which what is imported is loaded beforehand: see ground/own_modules.py.)
import sagepip.build.build_library  # noqa: F401
from sagepip.build.hooks import HookRunner
from sagepip.build.members import MissingBuildRequirements
from sagepip.build.options import BuildOptions, Isolation
from sagepip.build.project_checks import backend_name, check_result, check_source
from sagepip.build.scratch import ScratchDirectory
from sagepip.build.setuptools_settings import settings_for
from sagepip.build.source_tree import without_new_bytecode
from sagepip.ground import console
from sagepip.ground.errors import BuildError, SagepipError
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_dataclass import dataclass, replace
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import phase
from sagepip.transaction.owner_mark import directory_lock

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sagepip.build.build_library import ProjectBuilder
    from sagepip.build.cache import Cache
    from sagepip.build.environment import BuildEnvironment, EnvironmentUse
    from sagepip.build.members import Member
    from sagepip.build.project_checks import Kind


@dataclass(frozen=True)
class BuiltDistribution:
    """A wheel or an sdist that was built.

    Attributes:
        path: absolute.
        seconds: how long it took, environment included.
        log_path: the log of the hooks, where ``keep_build`` asked for it; else None.
        provision_seconds: how much of the time went into the environment.
        requirements: what the environment held; None without isolation.
    """

    path: str
    seconds: float
    log_path: str | None
    provision_seconds: float = 0.0
    requirements: tuple[Member, ...] | None = None


def build_wheel(
    source_directory: str,
    output_directory: str,
    *,
    python: TargetPython,
    options: BuildOptions,
    ancestors: Sequence[str] = (),
) -> BuiltDistribution:
    """Build a wheel.

    Args:
        source_directory: the directory with ``pyproject.toml`` or ``setup.py``.
        output_directory: where the wheel goes; made if missing.
        python: the interpreter to build for.
        options: how.
        ancestors: canonical names of the builds under way that wait for this one.

    Raises:
        BuildError: the source is no project, its build requirements cannot be had, a hook failed
            or gave something else than a wheel. What a failed hook left (log, environment) is
            kept, and the message says where.
        TargetError: the interpreter or a build requirement's wheel cannot be used.
    """
    return _build("wheel", source_directory, output_directory, python, options, ancestors)


def build_editable(
    source_directory: str, output_directory: str, *, python: TargetPython, options: BuildOptions
) -> BuiltDistribution:
    """Build an editable wheel, which leads to the source directory (PEP 660).

    Args and errors are those of :func:`build_wheel`; a backend without ``build_editable`` is one
    of the errors.
    """
    return _build("editable", source_directory, output_directory, python, options)


def build_sdist(
    source_directory: str, output_directory: str, *, python: TargetPython, options: BuildOptions
) -> BuiltDistribution:
    """Build an sdist; arguments and errors are those of :func:`build_wheel`."""
    return _build("sdist", source_directory, output_directory, python, options)


def _build(
    kind: Kind,
    source_directory: str,
    output_directory: str,
    python: TargetPython,
    options: BuildOptions,
    ancestors: Sequence[str] = (),
) -> BuiltDistribution:
    try:
        return _build_once(kind, source_directory, output_directory, python, options, ancestors)
    except MissingBuildRequirements as error:
        if not options.may_do_without:
            raise
        console.warn(f"{error.problem}; it is built without isolation, with what is installed")
    plain = replace(options, isolation=Isolation.NONE)
    return _build_once(kind, source_directory, output_directory, python, plain, ancestors)


def _build_once(
    kind: Kind,
    source_directory: str,
    output_directory: str,
    python: TargetPython,
    options: BuildOptions,
    ancestors: Sequence[str],
) -> BuiltDistribution:
    import time

    started = time.monotonic()
    source = os.path.abspath(source_directory)
    check_source(source)
    with (
        phase("build", source),
        directory_lock(source, "building it"),
        without_new_bytecode(source),
    ):
        workspace = _make_workspace()
        run = _Run(kind, source, workspace.path, python, options, tuple(ancestors))
        keep = False
        try:
            built = _deliver(run.result(), output_directory)
            keep = options.keep_build
        except _NoSuchHook:
            raise  # nothing ran that could have left a trace
        except BuildError as error:
            if not (options.keep_build or run.hooks.is_suspect):
                raise
            keep = True
            raise _with_traces(error, run) from error
        finally:
            run.hooks.close()
            if keep:
                workspace.keep()
            else:
                workspace.remove()
    seconds = time.monotonic() - started
    console.detail(f"built {built} in {seconds:.1f} s")
    if run.grown_cache is not None:
        from sagepip.build.cache_bound import keep_bound

        keep_bound(run.grown_cache, os.environ)
    if keep:
        console.note(f"kept of the build of {source}: {'; '.join(run.traces())}")
    return BuiltDistribution(
        built,
        seconds,
        run.log_path if keep else None,
        run.provision_seconds,
        run.requirements,
    )


def _make_workspace() -> ScratchDirectory:
    try:
        return ScratchDirectory("build-")
    except OSError as error:
        raise BuildError(
            f"cannot make a temporary directory: {error}", advice="set TMPDIR to one that works"
        ) from error


class _Run:
    """One build in its workspace."""

    def __init__(
        self,
        kind: Kind,
        source: str,
        workspace: str,
        python: TargetPython,
        options: BuildOptions,
        ancestors: tuple[str, ...],
    ) -> None:
        self.log_path = os.path.join(workspace, "build.log")
        self.hooks = HookRunner(
            project=source,
            log_path=self.log_path,
            temporary=os.path.join(workspace, "tmp"),
            options=options,
        )
        self._kind = kind
        self._source = source
        self._workspace = workspace
        self._python = python
        self._options = options
        self._ancestors = ancestors
        self.environment_path = ""
        self.grown_cache: Cache | None = None
        self.provision_seconds = 0.0
        self.requirements: tuple[Member, ...] | None = None

    def traces(self) -> list[str]:
        """Say where the log and the environment are."""
        kept = [f"log: {self.log_path}"] if os.path.exists(self.log_path) else []
        if os.path.isdir(self.environment_path):
            kept.append(f"build environment: {self.environment_path}")
        return kept

    def result(self) -> str:
        """Run the hooks; return the path of what they made in the workspace."""
        given = {
            key: value if isinstance(value, str) else list(value)
            for key, value in self._options.config_settings.items()
        }
        with _build_errors(self._source):
            settings = settings_for(
                backend_name(self._source), given, os.path.join(self._workspace, "build")
            )
            build = self._build_isolated if self._options.is_isolated else self._build_plainly
            result = build(os.path.join(self._workspace, "output"), settings)
        return check_result(result, self._source, self._kind)

    def _build_isolated(self, output: str, settings: dict[str, str | list[str]]) -> str:
        from sagepip.build.cache import find_cache
        from sagepip.build.environment import EnvironmentUse

        cache = find_cache(os.environ)
        use = EnvironmentUse(cache, self._workspace, python=self._python, project=self._source)
        with use:
            builder = self._isolated_builder(settings, cache, use)
            result = builder.build(self._kind, output, settings)
        if use.has_made:
            self.grown_cache = cache
        return result

    def _isolated_builder(
        self, settings: dict[str, str | list[str]], cache: Cache | None, use: EnvironmentUse
    ) -> ProjectBuilder:
        from sagepip.build.build_library import ProjectBuilder
        from sagepip.build.environment import BuildEnvironment
        from sagepip.build.provisioning import Provisioner

        provisioner = Provisioner(
            cache,
            use,
            self._workspace,
            python=self._python,
            options=self._options,
            project=self._source,
            ancestors=self._ancestors,
        )

        environment = BuildEnvironment("")

        def run_there(
            cmd: Sequence[str],
            cwd: str | None = None,
            extra_environ: Mapping[str, str] | None = None,
        ) -> None:
            environ = {**environment.make_extra_environ(), **(extra_environ or {})}
            self.hooks([environment.python_executable, *cmd[1:]], cwd, environ)

        def provide(requirements: Iterable[str]) -> BuildEnvironment:
            found = provisioner.provision(requirements)
            self.provision_seconds = provisioner.seconds
            self.requirements = tuple(provisioner.members)
            self.environment_path = found.path
            return found

        # One for all environments, as it reads pyproject.toml, which may be long.
        builder = ProjectBuilder(self._source, runner=run_there)
        environment = provide(builder.build_system_requires)
        environment = provide(builder.get_requires_for_build(self._kind, settings))
        return builder

    def _build_plainly(self, output: str, settings: dict[str, str | list[str]]) -> str:
        from sagepip.build.build_library import ProjectBuilder

        builder = ProjectBuilder(
            self._source, python_executable=self._python.executable, runner=self.hooks
        )
        if self._options.check_dependencies:
            from sagepip.build.installed_check import check_installed

            # The static ones first: without them the hook that names the others may not run.
            check_installed(builder.build_system_requires, self._python, self._source)
            dynamic = builder.get_requires_for_build(self._kind, settings)
            check_installed(dynamic, self._python, self._source)
        return builder.build(self._kind, output, settings)


@contextmanager
def _build_errors(source: str) -> Iterator[None]:
    """Turn what ``build`` and ``pyproject_hooks`` raise and warn into ours."""
    import warnings

    from sagepip.build.build_library import BuildBackendException, BuildException, TypoWarning
    from sagepip.build.output_text import clean

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except BuildBackendException as error:
            raise _backend_error(error.exception, source) from error
        except BuildException as error:
            raise BuildError(
                f"{source} cannot be built: {error}", advice="correct its pyproject.toml"
            ) from error
        except (ValueError, TypeError, OSError, RecursionError) as error:
            # What the libraries let through: paths out of the tree, undecodable or absurd TOML,
            # answers of hooks that are of no use.
            raise BuildError(
                f"{source} cannot be built: {error}",
                advice="check its pyproject.toml and its build backend",
            ) from error
        finally:
            for warning in caught:
                say = console.warn if warning.category is TypoWarning else console.detail
                # Of the backend's warnings the first line will do: the log has them in full.
                first_line = clean(str(warning.message)).strip().partition("\n")[0]
                say(f"{source}: {first_line}")


class _NoSuchHook(BuildError):
    """The backend does not do what was asked for."""


def _backend_error(cause: Exception, source: str) -> SagepipError:
    from sagepip.build.build_library import BackendUnavailable, HookMissing, UnsupportedOperation
    from sagepip.build.output_text import clean

    if isinstance(cause, SagepipError):
        return cause
    if isinstance(cause, HookMissing):
        # Only build_editable may be missing; there is nothing to fall back to.
        return _NoSuchHook(
            f"{source} cannot be installed in editable mode: its build backend has no "
            f"{cause.hook_name} (PEP 660)",
            advice=_without_hook_advice(),
        )
    if isinstance(cause, UnsupportedOperation):
        last = (cause.traceback.strip().splitlines() or [""])[-1]
        return BuildError(
            f"the build backend of {source} cannot make an sdist: {last}",
            advice="see what it needs for one",
        )
    if isinstance(cause, BackendUnavailable):
        last = (cause.traceback.strip().splitlines() or [str(cause)])[-1]
        return BuildError(
            f"the build backend {cause.backend_name} of {source} cannot be imported: {last}",
            advice="add it to build-system.requires; without isolation, install it first",
            output=clean(cause.traceback),
        )
    return BuildError(
        f"the build backend of {source} cannot be used: {cause!r}",
        advice="check build-system in its pyproject.toml",
    )


def _without_hook_advice() -> str:
    if "legacy-editable" in os.environ.get("SETUPTOOLS_ENABLE_FEATURES", ""):
        return (
            "take legacy-editable out of SETUPTOOLS_ENABLE_FEATURES: setuptools hides it for that"
        )
    return "is there a newer version of the backend? otherwise leave out -e"


def _with_traces(error: BuildError, run: _Run) -> BuildError:
    """Say where the log and the environment of a failed build are."""
    kept = [one for one in run.traces() if one not in error.problem]
    advice = "; ".join(filter(None, (error.advice, *kept)))
    return type(error)(error.problem, advice=advice, output=error.output)


def _deliver(built: str, directory: str) -> str:
    """Bring a wheel or sdist to where it was asked for, in one step as seen from there."""
    from sagepip.build.wheelhouse import publish_distribution

    final = os.path.join(os.path.abspath(directory), os.path.basename(built))
    try:
        publish_distribution(built, final)
    except OSError as error:
        raise BuildError(
            f"cannot write {final}: {error.strerror}",
            advice="is the directory writable, and is there space?",
        ) from error
    return final
