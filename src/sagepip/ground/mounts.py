"""What is mounted below a directory, as the kernel tells."""

from __future__ import annotations

import os

_MOUNTS = "/proc/self/mountinfo"


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
    # The fifth field of a line is the mount point.
    points = [line.split(b" ", 5)[4] for line in lines if line.count(b" ") > 4]
    return not points or any(_unescaped(one).startswith(prefix) for one in points)


def _unescaped(point: bytes) -> bytes:
    """Return a path as it is; blanks and the like are octal in the table."""
    if b"\\" not in point:
        return point
    import re

    return re.sub(rb"\\([0-7]{3})", lambda found: bytes((int(found[1], 8),)), point)
