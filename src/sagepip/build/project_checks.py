"""Checks before and after the hooks of a build: the source tree, and what they say they made."""

from __future__ import annotations

import os
import stat

from sagepip.build.toml_once import parsed
from sagepip.ground.errors import BuildError, TargetError
from sagepip.ground.project_names import canonical_name

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import Any, Literal

    Kind = Literal["wheel", "editable", "sdist"]

_NAMES = ("pyproject.toml", "setup.py")

"""What is to be built; the names of the hooks, without ``build_``."""


def check_source(source: str) -> None:
    """Refuse what is no source tree, before anything opens a file in it.

    Args:
        source: the absolute path of the directory.

    Raises:
        BuildError: not a directory, no project in it, a project file that is none, or a
            ``backend-path`` that leads out of it, through symlinks too.
    """
    if not os.path.isdir(source):
        raise BuildError(
            f"not a source directory: {source}",
            advice="give the directory that holds pyproject.toml or setup.py",
        )
    present = []
    for name in _NAMES:
        path = os.path.join(source, name)
        try:
            mode = os.stat(path).st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode):
            # Reading a FIFO would wait for ever.
            raise BuildError(f"not a regular file: {path}", advice="is this a source tree?")
        present.append(name)
    if not present:
        raise BuildError(
            f"no pyproject.toml and no setup.py in {source}",
            advice="give the directory that holds one of them",
        )
    for entry in _backend_path(os.path.join(source, _NAMES[0])):
        tree = os.path.realpath(source)
        real = os.path.realpath(os.path.join(tree, entry))
        if os.path.commonpath([tree, real]) != tree:
            raise BuildError(
                f"backend-path of {source} leads out of it: {entry!r} is {real}",
                advice="do not build this source",
            )


def backend_name(source: str) -> str:
    """Return the build backend of a source tree, as ``build-system.build-backend`` names it."""
    name = _table(os.path.join(source, _NAMES[0]), "build-system").get("build-backend")
    return name if isinstance(name, str) else "setuptools.build_meta:__legacy__"


def check_result(result: str, source: str, kind: Kind) -> str:
    """Return the path of the wheel or sdist that the backend says it made, if it is this project's.

    What makes a wheel unacceptable to an installation is found again there; here, what the
    build left can still be kept.

    Args:
        result: the path made of the name that the hook answered.
        source: the source tree.
        kind: what the backend was told to make.

    Raises:
        BuildError: there is no such file, or it is none of the project.
    """
    from sagepip.build.hook_answer import shown

    name = os.path.basename(result)
    what, suffix = ("sdist", ".tar.gz") if kind == "sdist" else ("wheel", ".whl")
    if not name.endswith(suffix):
        raise BuildError(
            f"the build backend of {source} named a file that is no {what}: {shown(name)}",
            advice="is this a PEP 517 backend?",
        )
    try:
        mode = os.lstat(result).st_mode
    except OSError as error:
        raise BuildError(
            f"the build backend of {source} did not make what it named: {name}",
            advice="see the log",
        ) from error
    if not stat.S_ISREG(mode):
        raise BuildError(
            f"what the build backend of {source} made is not a regular file: {name}",
            advice="see the log",
        )
    _check_project(*_described(result, source, kind), source)
    return result


def _described(result: str, source: str, kind: Kind) -> tuple[str, str]:
    """Return the project and the version that a wheel or an sdist says it is of."""
    from sagepip.build.wheelhouse import parse_file_name
    from sagepip.staging.gate import check_metadata, check_wheel_version
    from sagepip.staging.wheel import read_wheel_metadata

    if kind == "sdist":
        parsed = parse_file_name(os.path.basename(result))
        if parsed is None:
            raise BuildError(
                f"the build backend of {source} made what is no sdist by its name: {result}",
                advice="it should be NAME-VERSION.tar.gz",
            )
        return parsed[0], str(parsed[1])
    try:
        wheel = read_wheel_metadata(result)
        check_wheel_version(result, wheel.wheel_headers)
        check_metadata(result, wheel.headers, wheel.file_name, wheel.file_version)
    except TargetError as error:
        raise BuildError(
            f"what the build backend of {source} made is no acceptable wheel: {error.problem}",
            advice=error.advice,
        ) from error
    return wheel.name, wheel.version


def _check_project(name: str, version: str, source: str) -> None:
    """Refuse what is of another project than the one that ``pyproject.toml`` describes.

    setuptools appends what ``[egg_info] tag_build`` says to a version (``.dev0``), so only its
    release is compared.
    """
    project = _table(os.path.join(source, _NAMES[0]), "project")
    stated = project.get("name")
    if isinstance(stated, str) and canonical_name(stated) != canonical_name(name):
        raise BuildError(
            f"the build backend of {source} made {name}, but the project is {stated}",
            advice="check its build backend",
        )
    if "version" not in project or project["version"] == version:
        return
    from packaging.version import InvalidVersion, Version

    try:
        same = Version(str(project["version"])).base_version == Version(version).base_version
    except InvalidVersion:
        return
    if not same:
        raise BuildError(
            f"the build backend of {source} made version {version}, but the project's is "
            f"{project['version']}",
            advice="check its build backend",
        )


def _backend_path(pyproject: str) -> list[str]:
    """Return ``backend-path``, or nothing where ``build`` is going to complain anyway."""
    entries = _table(pyproject, "build-system").get("backend-path", [])
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, str) and "\0" not in entry]


def _table(pyproject: str, name: str) -> dict[str, Any]:
    """Return a table of ``pyproject.toml``; an empty one if it cannot be read."""
    try:
        with open(pyproject, "rb") as stream:
            table = parsed(stream.read()).get(name)
    except (OSError, ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
