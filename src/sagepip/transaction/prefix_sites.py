"""The sites of a prefix, found from the prefix alone: no interpreter is asked."""

from __future__ import annotations

import os

_LIBRARIES = "lib"
_INTERPRETERS = ("python", "pypy")
SITE_NAMES = frozenset({"site-packages", "dist-packages"})


def own_sites(prefix: str) -> list[str]:
    """Return the resolved site directories that a prefix has by now, each once, sorted.

    They are ``PREFIX/lib*/python*/site-packages`` (or ``pypy*``, or ``dist-packages``). A prefix
    that is itself a site directory by its name is its own site.

    Args:
        prefix: the prefix; it may not exist.

    Raises:
        OSError: a directory on the way cannot be listed, so that its sites are unknown.
    """
    home = os.path.realpath(prefix)
    if os.path.basename(home) in SITE_NAMES:
        return [home]
    found: dict[tuple[int, int], str] = {}
    for library in _children(home, (_LIBRARIES,)):
        for interpreter in _children(library, _INTERPRETERS):
            for name in sorted(SITE_NAMES):
                site = os.path.realpath(os.path.join(interpreter, name))
                if not os.path.isdir(site):
                    continue
                status = os.stat(site)
                known = found.setdefault((status.st_dev, status.st_ino), site)
                found[status.st_dev, status.st_ino] = min(known, site)
    return sorted(found.values())


def _children(directory: str, beginnings: tuple[str, ...]) -> list[str]:
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [os.path.join(directory, name) for name in names if name.startswith(beginnings)]
