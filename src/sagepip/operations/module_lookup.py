"""Whether a module is there, by the names of files: nothing of the target is imported."""

from __future__ import annotations

import os
import re
import sys

from sagepip.ground.filesystem import open_regular

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

_SUFFIX = re.compile(r"(\.[A-Za-z0-9_-]+)?\.(py|pyc|so|pyd)")


def module_exists(name: str, directories: Iterable[str]) -> bool:
    """Whether some directory holds a module.

    Args:
        name: dotted, ``package.module``.
        directories: as on ``sys.path``.

    Returns:
        Whether it does. What lies in a module that is no package (``six.moves``) is made while
        it runs: the module is enough.
    """
    current = list(directories)
    *packages, last = name.split(".")
    for package in packages:
        below = [os.path.join(one, package) for one in current]
        found = [one for one in below if os.path.isdir(one)]
        if not found:
            return any(_has_file(one, package) for one in current)
        current = found
    return any(os.path.isdir(os.path.join(one, last)) or _has_file(one, last) for one in current)


def is_standard_module(name: str) -> bool:
    """Whether the first part of a module's name is one of the standard library's."""
    return name.partition(".")[0] in sys.stdlib_module_names


def search_path(directories: Iterable[str]) -> list[str]:
    """Return directories together with those that their ``.pth`` files name and that exist."""
    found: dict[str, None] = {}
    for directory in directories:
        found[directory] = None
        for _, target in pth_entries(directory):
            if os.path.isdir(target):
                found[target] = None
    return list(found)


def pth_entries(directory: str) -> list[tuple[str, str]]:
    """Return the path of each ``.pth`` file of a directory and each path that it names."""
    found = []
    for pth in pth_files(directory):
        for line in pth_lines(pth):
            if not line.startswith(("import ", "import\t")):
                found.append((pth, os.path.normpath(os.path.join(directory, line))))
    return found


def pth_files(directory: str) -> list[str]:
    """Return the paths of the ``.pth`` files that the interpreter reads in a directory."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [
        os.path.join(directory, name)
        for name in names
        if name.endswith(".pth") and not name.startswith(".")
    ]


def pth_lines(path: str) -> list[str]:
    """Return the lines of a ``.pth`` file that mean something to the interpreter."""
    try:
        with open_regular(path) as stream:
            lines = stream.read().decode("utf-8-sig", "surrogateescape").splitlines()
    except OSError:
        return []
    return [line.rstrip() for line in lines if line.strip() and not line.startswith("#")]


def _has_file(directory: str, module: str) -> bool:
    if os.path.isfile(os.path.join(directory, module + ".py")):
        return True
    try:
        names = os.listdir(directory)
    except OSError:
        return False
    return any(
        name.startswith(module + ".") and _SUFFIX.fullmatch(name[len(module) :]) for name in names
    )
