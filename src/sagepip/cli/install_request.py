"""From options, targets and the environment to the request that ``install`` is given."""

from __future__ import annotations

import os

from sagepip.build.hashes import HashChecking
from sagepip.build.options import BuildOptions, Isolation
from sagepip.cli.environment import build_timeout, lock_timeout
from sagepip.cli.package_sources import package_sources
from sagepip.cli.settings import Settings
from sagepip.ground import console
from sagepip.ground.deferred_modules import import_module
from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import SagepipError, UsageError
from sagepip.ground.light_dataclass import dataclass, replace
from sagepip.ground.target_python import TargetPython, start_finding_target_python
from sagepip.operations.request import InstallRequest, MissingDependencies
from sagepip.operations.target_parsing import parse_editable, parse_target
from sagepip.operations.targets import NamedRequirement, SourceDirectory, Target

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagepip.operations.requirements_file import ConfigSettings, RequirementsFile


def build_request(
    settings: Settings,
    targets: Sequence[str],
    environ: Mapping[str, str],
    missing: MissingDependencies,
) -> InstallRequest:
    """Work out what is to be installed, where to, and how.

    Args:
        settings: the values of the options.
        targets: the operands.
        environ: the environment.
        missing: what to do about missing dependencies where ``--missing-deps`` does not say.

    Raises:
        UsageError: the options or the targets make no sense.
        TargetError: a file or the target interpreter is not there.
    """
    files = _requirement_files(settings, environ)
    editables = settings.items("editable")
    if not (targets or files or editables):
        raise UsageError("nothing to install", advice="give a TARGET or -r FILE; see --help")
    build = build_options(settings, files, environ)
    wheelhouse = environ.get("SAGE_SPKG_WHEELS")
    destination = _destination(settings, environ)
    found = find_targets(targets, editables, files, destination.python)
    sdist_then_wheel = settings.flag("sdist_then_wheel")
    _check_editables(found.targets, settings, sdist_then_wheel=sdist_then_wheel)
    return InstallRequest(
        targets=found.targets,
        destination=destination,
        build=build,
        own_config_settings=found.config_settings,
        hash_checking=hash_checking(settings, files, build.sources.constraints, environ),
        sdist_then_wheel=sdist_then_wheel,
        stored_wheels=os.path.abspath(wheelhouse) if wheelhouse else None,
        no_deps=settings.flag("no_deps"),
        missing_dependencies=MissingDependencies(settings.text("missing_deps") or missing.value),
        upgrade=settings.flag("upgrade"),
        # That its wheel is installed, identical, says nothing of what its scripts begin with.
        force_reinstall=settings.flag("force_reinstall") or bool(destination.interpreter),
        ignore_installed=settings.flag("ignore_installed"),
        ignore_requires_python=settings.flag("ignore_requires_python"),
        accept_bad_record=_project_names(settings, "accept_bad_record"),
        overwrite=tuple(settings.items("overwrite")),
        break_system_packages=settings.flag("break_system_packages"),
        compile_bytecode=settings.flag("compile", default=True),
        lock_timeout=lock_timeout(settings, environ),
        dry_run=settings.flag("dry_run"),
        report=_report(settings),
    )


def _requirement_files(settings: Settings, environ: Mapping[str, str]) -> list[RequirementsFile]:
    paths = settings.items("requirement")
    if not paths:
        return []
    from sagepip.operations.requirements_file import read_requirements

    return [read_requirements(path, environ) for path in paths]


def _report(settings: Settings) -> str | None:
    """Return where the report goes: a path, - for stdout, or None."""
    path = settings.text("report")
    if not settings.flag("json"):
        return path
    if path not in (None, "-"):
        raise UsageError(
            f"--json and --report {path} exclude each other",
            advice="--json is the report on stdout: give one of them",
        )
    return "-"


def build_options(
    settings: Settings, files: Sequence[RequirementsFile], environ: Mapping[str, str]
) -> BuildOptions:
    """Return how sources are to be built.

    Args:
        settings: the values of the options.
        files: the requirement files.
        environ: the environment.

    Raises:
        UsageError: a setting for the backend or a wheelhouse is none.
        TargetError: a constraint file cannot be read.
    """
    config: dict[str, str | list[str]] = {}
    for text in settings.items("config_settings"):
        from sagepip.operations.requirements_file import add_setting

        add_setting(config, text, "--config-settings")
    return BuildOptions(
        sources=package_sources(settings, files, environ),
        isolation=_isolation(settings),
        check_dependencies=settings.flag("check_build_dependencies"),
        may_do_without=settings.text("missing_build_deps") == "warn",
        config_settings=config,
        verbosity=max(console.verbosity, 0),
        keep_build=settings.flag("keep_build"),
        hook_timeout=build_timeout(settings, environ),
        lock_timeout=lock_timeout(settings, environ),
    )


def _isolation(settings: Settings) -> Isolation:
    given = settings.flag_or_choice("build_isolation", default=True)
    if isinstance(given, str):
        return Isolation(given)
    return Isolation.WHEELHOUSE if given else Isolation.NONE


def _destination(settings: Settings, environ: Mapping[str, str]) -> Destination:
    root, target = settings.text("root"), settings.text("target")
    if root is None and (root := environ.get("SAGE_DESTDIR") or None) and target is not None:
        raise UsageError("--target cannot be used with SAGE_DESTDIR", advice="unset SAGE_DESTDIR")
    python = start_finding_target_python(settings.text("python"), environ)
    # Loaded while the interpreter describes itself; it is needed soon.
    import_module("sagepip.operations.install")
    return find_destination(
        python(),
        root=root,
        prefix=settings.text("prefix"),
        target=target,
        interpreter=_interpreter(settings),
    )


def _interpreter(settings: Settings) -> str | None:
    """Return what scripts are to begin with, or None for the target interpreter."""
    text = settings.text("interpreter")
    if text is None:
        return None
    env, _, name = text.partition(" ")
    if not text.isprintable() or not (
        os.path.isabs(text) and (env != "/usr/bin/env" or (name and len(name.split()) == 1))
    ):
        raise UsageError(
            f"not an interpreter: --interpreter {text}",
            advice="give an absolute path, or '/usr/bin/env NAME'",
        )
    return text


def _project_names(settings: Settings, dest: str) -> frozenset[str]:
    """Return the normalised names that were given for something."""
    names = settings.items(dest)
    if not names:
        return frozenset()
    from packaging.utils import InvalidName, canonicalize_name

    try:
        return frozenset(canonicalize_name(one, validate=True) for one in names)
    except InvalidName as error:
        option = "--" + dest.replace("_", "-")
        raise UsageError(f"{option}: {error}", advice="give the name of a project") from error


def _check_editables(
    targets: Sequence[Target], settings: Settings, *, sdist_then_wheel: bool
) -> None:
    editables = [one.path for one in targets if isinstance(one, SourceDirectory) and one.editable]
    if not editables:
        return
    if sdist_then_wheel:
        raise UsageError(
            f"--sdist-then-wheel and -e {editables[0]} exclude each other",
            advice="an editable installation is of the directory itself: leave out one of them",
        )
    if (target := settings.text("target")) is not None:
        console.warn(
            f"what -e installs into {target} is found only where the interpreter takes that for a "
            "site directory: it reads .pth files nowhere else"
        )


@dataclass(frozen=True)
class FoundTargets:
    """What operands and requirement files name.

    Attributes:
        targets: each once.
        config_settings: for each target of a requirement file the settings of its own line.
    """

    targets: tuple[Target, ...]
    config_settings: dict[Target, ConfigSettings]


def hash_checking(
    settings: Settings,
    files: Sequence[RequirementsFile],
    constraints: Sequence[str],
    environ: Mapping[str, str],
) -> HashChecking:
    """Return whether hashes are compared: pip's rule, by which one hash asks for all.

    Args:
        settings: the values of the options.
        files: the requirement files.
        constraints: the paths of constraint files, which may state hashes as well.
        environ: the environment.

    Raises:
        UsageError: options contradict each other.
        TargetError: a constraint file cannot be read.
    """
    required = settings.flag("require_hashes") or any(one.require_hashes for one in files)
    lenient = settings.flag("no_require_hashes") or any(one.no_require_hashes for one in files)
    if required and lenient:
        raise UsageError(
            "--require-hashes and --no-require-hashes are mutually exclusive", advice="give one"
        )
    stated = any(line.hashes for file in files for line in file.requirements) or any(
        _states_hash(path, environ) for path in constraints
    )
    if required or (stated and not lenient):
        return HashChecking.REQUIRED
    return HashChecking.STATED if stated else HashChecking.OFF


def _states_hash(path: str, environ: Mapping[str, str]) -> bool:
    from sagepip.build.requirements_text import constraint_lines

    return any(
        "--hash" in text.split("=")[0].split() or " --hash=" in text
        for _, text in constraint_lines(path, environ)
    )


def find_targets(
    words: Sequence[str],
    editables: Sequence[str],
    files: Sequence[RequirementsFile],
    python: TargetPython,
) -> FoundTargets:
    """Return what operands and requirement files name, each once, and the settings of lines.

    Args:
        words: the operands.
        editables: the values of ``-e``.
        files: the requirement files.
        python: the target interpreter, for markers.

    Raises:
        UsageError: one is no target.
        TargetError: a file is not there.
    """
    asked: list[tuple[Target, ConfigSettings | None]] = []

    def markers() -> Mapping[str, str]:
        return python.markers

    for word in words:
        if (target := parse_target(word, markers)) is not None:
            asked.append((target, None))
    for word in editables:
        if (target := parse_editable(word, markers)) is not None:
            asked.append((target, None))
    for line in (line for file in files for line in file.requirements):
        parse = parse_editable if line.editable else parse_target
        try:
            target = parse(line.text, markers)
        except SagepipError as error:
            from sagepip.operations.requirements_file import located

            raise located(error, line.origin) from error
        if target is not None:
            asked.append((_with_hashes(target, line.hashes), line.config_settings))
    return _united(asked)


def _united(
    asked: Sequence[tuple[Target, ConfigSettings | None]],
) -> FoundTargets:
    """Make one target of those that differ in their extras alone, as ``.`` and ``.[test]``.

    Args:
        asked: each target with its own settings, or None; as in pip those of the first count.
    """
    united: dict[Target, Target] = {}
    settings: dict[Target, ConfigSettings | None] = {}
    for target, own in asked:
        bare = _bare(target)
        united[bare] = _union(united[bare], target) if bare in united else target
        settings.setdefault(bare, own)
    own_settings = {united[bare]: own for bare, own in settings.items() if own is not None}
    return FoundTargets(tuple(united.values()), own_settings)


def _bare(target: Target) -> Target:
    if isinstance(target, NamedRequirement):
        return target
    if isinstance(target, SourceDirectory):
        return replace(target, extras=frozenset())
    return replace(target, extras=frozenset(), hashes=None)


def _union(first: Target, second: Target) -> Target:
    """Return one target for two of one path; as in pip it must have a hash that both state."""
    if isinstance(first, NamedRequirement) or isinstance(second, NamedRequirement):
        return first
    extras = first.extras | second.extras
    if isinstance(first, SourceDirectory) or isinstance(second, SourceDirectory):
        return replace(first, extras=extras)
    stated = [one.hashes for one in (first, second) if one.hashes is not None]
    hashes = frozenset.intersection(*stated) if stated else None
    return replace(first, extras=extras, hashes=hashes)


def _with_hashes(target: Target, hashes: Sequence[str]) -> Target:
    """Return a target with the hashes of its line beside those of its URL; a directory has none."""
    if not hashes or isinstance(target, SourceDirectory):
        return target
    return replace(target, hashes=(target.hashes or frozenset()) | frozenset(hashes))
