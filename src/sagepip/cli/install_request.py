"""From options, targets and the environment to the request that ``install`` is given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from sagepip.build.options import BuildOptions
from sagepip.cli.environment import lock_timeout
from sagepip.cli.package_sources import package_sources
from sagepip.cli.settings import Settings
from sagepip.ground import console
from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import SagepipError, UsageError
from sagepip.ground.target_python import TargetPython, find_target_python
from sagepip.operations.request import InstallRequest, MissingDependencies
from sagepip.operations.requirements_file import (
    ConfigSettings,
    RequirementsFile,
    add_setting,
    located,
    read_requirements,
)
from sagepip.operations.target_parsing import parse_target
from sagepip.operations.targets import Target


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
    files = [read_requirements(path, environ) for path in settings.items("requirement")]
    if not targets and not files:
        raise UsageError("nothing to install", advice="give a TARGET or -r FILE; see --help")
    build = build_options(settings, files, environ)
    wheelhouse = environ.get("SAGE_SPKG_WHEELS")
    destination = _destination(settings, environ)
    found, own_settings = find_targets(targets, files, destination.python)
    return InstallRequest(
        targets=found,
        destination=destination,
        build=build,
        own_config_settings=own_settings,
        stored_wheels=os.path.abspath(wheelhouse) if wheelhouse else None,
        no_deps=settings.flag("no_deps"),
        missing_dependencies=MissingDependencies(settings.text("missing_deps") or missing.value),
        upgrade=settings.flag("upgrade"),
        force_reinstall=settings.flag("force_reinstall"),
        ignore_installed=settings.flag("ignore_installed"),
        ignore_requires_python=settings.flag("ignore_requires_python"),
        overwrite=tuple(settings.items("overwrite")),
        break_system_packages=settings.flag("break_system_packages"),
        compile_bytecode=settings.flag("compile", default=True),
        lock_timeout=lock_timeout(settings, environ),
        dry_run=settings.flag("dry_run"),
        report=settings.text("report"),
    )


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
        add_setting(config, text, "--config-settings")
    return BuildOptions(
        sources=package_sources(settings, files, environ),
        isolation=settings.flag("build_isolation", default=True),
        check_dependencies=settings.flag("check_build_dependencies"),
        config_settings=config,
        verbosity=max(console.verbosity, 0),
        keep_build=settings.flag("keep_build"),
    )


def _destination(settings: Settings, environ: Mapping[str, str]) -> Destination:
    root, target = settings.text("root"), settings.text("target")
    if root is None and (root := environ.get("SAGE_DESTDIR") or None) and target is not None:
        raise UsageError("--target cannot be used with SAGE_DESTDIR", advice="unset SAGE_DESTDIR")
    python = find_target_python(settings.text("python"), environ)
    return find_destination(python, root=root, prefix=settings.text("prefix"), target=target)


def find_targets(
    words: Sequence[str], files: Sequence[RequirementsFile], python: TargetPython
) -> tuple[tuple[Target, ...], dict[Target, ConfigSettings]]:
    """Return what operands and requirement files name, each once, and the settings of lines.

    Args:
        words: the operands.
        files: the requirement files.
        python: the target interpreter, for markers.

    Raises:
        UsageError: one is no target.
        TargetError: a file is not there.
    """
    found: list[Target] = []
    own_settings: dict[Target, ConfigSettings] = {}

    def markers() -> Mapping[str, str]:
        return python.markers

    for word in words:
        if (target := parse_target(word, markers)) is not None:
            found.append(target)
    for line in (line for file in files for line in file.requirements):
        try:
            target = parse_target(line.text, markers)
        except SagepipError as error:
            raise located(error, line.origin) from error
        if target is not None:
            found.append(target)
            own_settings[target] = line.config_settings
    return tuple(dict.fromkeys(found)), own_settings
