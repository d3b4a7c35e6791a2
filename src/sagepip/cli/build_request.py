"""From options, targets and the environment to the request that ``build`` is given."""

from __future__ import annotations

import json
import os

from sagepip.build.options import BuildOptions
from sagepip.cli.install_request import build_options, find_targets, hash_checking
from sagepip.cli.settings import Settings
from sagepip.ground.errors import UsageError
from sagepip.ground.light_dataclass import replace
from sagepip.ground.target_python import find_target_python
from sagepip.operations.build import BuildRequest
from sagepip.operations.requirements_file import ConfigSettings, read_requirements
from sagepip.operations.targets import SourceDirectory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PROJECT_FILES = ("pyproject.toml", "setup.py")
_BUILD_WHEEL = "-w takes one, as in pip wheel; for -w of python -m build write --wheel"


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
    given, in_dist = settings.text("wheel_dir"), settings.flag("wheel")
    if not (targets or files):
        if project := _project_behind_w(settings):
            given, in_dist = None, True
        targets = [project or _project_here()]
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
    if settings.flag("sdist") and settings.flag("wheel"):
        raise UsageError("--sdist and --wheel exclude each other", advice="run it for each")
    here = _dist(targets) if in_dist else os.curdir
    directory, is_wheelhouse = _directory(given, here, environ, sdist=settings.flag("sdist"))
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


def _project_here() -> str:
    """Return what is built where nothing is named: as by python -m build, the project here.

    Raises:
        UsageError: there is none here.
    """
    if not _is_project(os.curdir):
        raise UsageError("nothing to build", advice="give a TARGET or -r FILE; see --help")
    return os.curdir


def _project_behind_w(settings: Settings) -> str | None:
    """Return the project of ``python -m build -w PROJECT``.

    Nothing to build and a directory to store in, as pip reads it, is no command; so where the
    directory is a project -w was meant as build's.
    """
    pairs = settings.pairs("wheel_dir")
    if settings.text("wheel_dir", variables=False) is None or pairs[-1][0] != "--wheel-dir":
        return None
    directory = pairs[-1][1]
    return directory if _is_project(directory) else None


def _dist(targets: Sequence[str]) -> str:
    """Return where python -m build stores: in the project, if there is one and no more."""
    (first, *others) = targets or (os.curdir,)
    project = first if _is_project(first) and not others else os.curdir
    return os.path.join(project, "dist")


def _is_project(directory: str) -> bool:
    return any(os.path.isfile(os.path.join(directory, one)) for one in _PROJECT_FILES)


def _directory(
    given: str | None, default: str, environ: Mapping[str, str], *, sdist: bool
) -> tuple[str, bool]:
    """Return where to store, and whether that is the wheelhouse, which keeps one a project."""
    wheelhouse = environ.get("SAGE_SPKG_WHEELS")
    if sdist:
        return os.path.abspath(os.path.expanduser(given or default)), False
    if given is None:
        return os.path.abspath(wheelhouse or default), bool(wheelhouse)
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
