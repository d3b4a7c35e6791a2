"""Checks before and after the hooks of a build: the source tree, and what they say they made."""

from __future__ import annotations

import os
import stat
from typing import Any, Literal

from sagepip.ground.errors import BuildError

_NAMES = ("pyproject.toml", "setup.py")

Kind = Literal["wheel", "editable", "sdist"]
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


def check_result(result: str, output: str, source: str, kind: Kind) -> str:
    """Return the path of the wheel or sdist that the backend says it made, if it is one.

    Args:
        result: what ``build`` made of the hook's answer.
        output: the directory that the hook was told to write to.
        source: the source tree, for messages.
        kind: what it was told to make.

    Raises:
        BuildError: the answer is no plain name of such a file that exists there.
    """
    name = os.path.basename(result)
    what, suffix = ("an sdist", ".tar.gz") if kind == "sdist" else ("a wheel", ".whl")
    if result != os.path.join(output, name) or not name.endswith(suffix) or "\0" in name:
        raise BuildError(
            f"the build backend of {source} gave something else than {what}'s name: {name!r}",
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
    return result


def _backend_path(pyproject: str) -> list[str]:
    """Return ``backend-path``, or nothing where ``build`` is going to complain anyway."""
    import tomllib

    try:
        with open(pyproject, "rb") as stream:
            table: Any = tomllib.load(stream).get("build-system")
    except (OSError, ValueError, RecursionError):
        return []
    entries = table.get("backend-path", []) if isinstance(table, dict) else []
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, str) and "\0" not in entry]
