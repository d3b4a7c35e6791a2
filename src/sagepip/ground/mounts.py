"""What is mounted below a directory, as the kernel tells."""

from __future__ import annotations

import os
import re

_MOUNTS = "/proc/self/mountinfo"
# The fifth field of a line is the mount point; blanks and the like in it are octal.
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def is_mounted_below(directory: str) -> bool | None:
    """Whether something is mounted somewhere below a directory, itself not counted.

    Args:
        directory: its resolved path.

    Returns:
        The answer; None where the system does not tell.
    """
    try:
        with open(_MOUNTS, "rb") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    prefix = os.fsencode(directory).rstrip(b"/") + b"/"
    points = [line.split(b" ", 5)[4] for line in lines if line.count(b" ") > 4]
    return not points or any(
        _ESCAPE.sub(lambda found: bytes((int(found[1], 8),)), one).startswith(prefix)
        for one in points
    )
