"""From options, targets and the environment to the request that ``build`` is given."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from sagepip.build.options import BuildOptions
from sagepip.cli.install_request import build_options, find_targets, hash_checking
from sagepip.cli.settings import Settings
from sagepip.ground.errors import UsageError
from sagepip.ground.light_dataclass import replace
from sagepip.ground.target_python import find_target_python
from sagepip.operations.build import BuildRequest
from sagepip.operations.requirements_file import ConfigSettings, read_requirements
from sagepip.operations.targets import SourceDirectory

_PROJECT_FILES = ("pyproject.toml", "setup.py")
_BUILD_WHEEL = "-w takes one, as in pip wheel; what -w of python -m build means is the default"


def build_request(
    settings: Settings, targets: Sequence[str], environ: Mapping[str, str]
) -> BuildRequest:
    """Work out what is to be built, how, and where it is stored.

    Args:
        settings: the values of the options.
        targets: the operands.
        environ: the environment.

    Raises:
        UsageError: the options or the targets make no sense.
        TargetError: a file or the target interpreter is not there.
    """
    files = [read_requirements(path, environ) for path in settings.items("requirement")]
    targets = targets or ([] if files else [_project_here(settings)])
    python = find_target_python(settings.text("python"), environ)
    build = _with_json(build_options(settings, files, environ), settings.text("config_json"))
    found = find_targets(targets, (), files, python)
    for one in found.targets:
        if isinstance(one, SourceDirectory) and one.editable:
            raise UsageError(
                f"-e {one.path} is for installing, not for building",
                advice="give the directory without -e",
            )
    if settings.flag("sdist") and settings.flag("sdist_then_wheel"):
        raise UsageError("--sdist and --sdist-then-wheel exclude each other", advice="give one")
    directory, is_wheelhouse = _directory(settings, environ)
    return BuildRequest(
        targets=found.targets,
        python=python,
        directory=directory,
        one_per_project=is_wheelhouse,
        build=build,
        own_config_settings=found.config_settings,
        hash_checking=hash_checking(settings, files, build.sources.constraints, environ),
        ignore_requires_python=settings.flag("ignore_requires_python"),
        sdist=settings.flag("sdist"),
        sdist_then_wheel=settings.flag("sdist_then_wheel"),
    )


def _project_here(settings: Settings) -> str:
    """Return what is built where nothing is named: as by python -m build, the project here.

    Raises:
        UsageError: there is none here, or a project stands where -w takes a directory to store in.
    """
    directory = settings.text("wheel_dir")
    if directory is not None and _is_project(directory):
        raise UsageError(
            f"nothing to build: -w takes the directory to store in, here {directory}",
            advice=_BUILD_WHEEL,
        )
    if not _is_project(os.curdir):
        raise UsageError("nothing to build", advice="give a TARGET or -r FILE; see --help")
    return os.curdir


def _is_project(directory: str) -> bool:
    return any(os.path.isfile(os.path.join(directory, one)) for one in _PROJECT_FILES)


def _directory(settings: Settings, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return where to store, and whether that is the wheelhouse, which keeps one a project."""
    given = settings.text("wheel_dir")
    wheelhouse = environ.get("SAGE_SPKG_WHEELS")
    if settings.flag("sdist"):
        return os.path.abspath(os.path.expanduser(given or os.curdir)), False
    if given is None:
        return os.path.abspath(wheelhouse or os.curdir), bool(wheelhouse)
    if given.startswith("-") or (set(given) <= set("nsxv") and not os.path.isdir(given)):
        # python -m build -wn: the letters behind -w were meant for options.
        raise UsageError(f"not a directory: {given}", advice=_BUILD_WHEEL)
    directory = os.path.abspath(os.path.expanduser(given))
    same = bool(wheelhouse) and os.path.realpath(wheelhouse or "") == os.path.realpath(directory)
    return directory, same


def _with_json(build: BuildOptions, text: str | None) -> BuildOptions:
    """Take the settings for the backend from a JSON object, if there is one."""
    if text is None:
        return build
    if build.config_settings:
        raise UsageError("--config-json and -C exclude each other", advice="give one of them")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"--config-json is not JSON: {error}", advice='write {"KEY": "VALUE"}'
        ) from error
    if not _are_settings(found):
        raise UsageError(
            f"--config-json is no object of texts and lists of texts: {text}",
            advice='write {"KEY": "VALUE", "OTHER": ["ONE", "TWO"]}',
        )
    settings: ConfigSettings = found
    return replace(build, config_settings=settings)


def _are_settings(found: object) -> bool:
    return isinstance(found, dict) and all(
        isinstance(one, str)
        or (isinstance(one, list) and all(isinstance(part, str) for part in one))
        for one in found.values()
    )
