"""Whether what is going to be unpacked or copied can fit, asked before anything is written."""

from __future__ import annotations

import os

from sagepip.ground.errors import TargetError


class NoSpace(TargetError):
    """What is going to be unpacked or copied cannot fit."""


def check_space(
    directory: str,
    needed: int,
    what: str,
    *,
    when: str = " when unpacked",
    advice: str = "make space; if that is far more than it should need, do not use it",
) -> None:
    """Refuse what cannot fit into a file system; what takes more than it says may still not.

    Args:
        directory: where it is going to be written; what is not there yet counts as its parent.
        needed: how many bytes it has, as it says itself.
        what: of it, for the message.
        when: it needs so much, likewise.
        advice: likewise.

    Raises:
        NoSpace: it does not fit.
    """
    free = _free(directory)
    if free is not None and needed > free:
        raise NoSpace(
            f"{what} needs {_size(needed)}{when}; {directory} has {_size(free)} free",
            advice=advice,
        )


def existing(directory: str) -> str:
    """Return a directory, or the nearest above it that exists."""
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    return directory


def _free(directory: str) -> int | None:
    try:
        found = os.statvfs(existing(directory))
    except OSError:
        return None
    if not found.f_blocks:
        return None  # a file system that does not tell, as some that are made of programs
    return found.f_frsize * (found.f_bavail if os.geteuid() else found.f_bfree)


def _size(count: int) -> str:
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{count} bytes" if units[0] == "bytes" else f"{size:.1f} {units[0]}"
