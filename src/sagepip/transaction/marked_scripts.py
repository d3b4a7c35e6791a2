"""Scripts of development installations of old: no list has them, but setuptools marked them."""

from __future__ import annotations

import os

from sagepip.ground.project_names import canonical_name

# In the first lines of what "setup.py develop" writes: 'Name' or 'Name==1.0'.
_MARK = rb"^# EASY-INSTALL(?:-[A-Z]+)*-SCRIPT: '([A-Za-z0-9._-]+)"
_MARKED_BYTES = 1024


def marked_scripts(directory: str, name: str) -> list[str]:
    """Return the scripts that setuptools has marked as those of a project.

    Args:
        directory: the resolved directory of scripts.
        name: the project's canonical name.
    """
    try:
        with os.scandir(directory) as entries:
            paths = sorted(entry.path for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return []
    return [path for path in paths if _marked_name(path) == name]


def _marked_name(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:
            head = stream.read(_MARKED_BYTES)
    except OSError:
        return None
    if b"# EASY-INSTALL" not in head:
        return None
    import re

    match = re.search(_MARK, head, re.MULTILINE)
    return canonical_name(match[1].decode("ascii")) if match else None
