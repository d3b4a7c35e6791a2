"""Remove directories of sagepip's own whose contents are known, without asking for them again."""

from __future__ import annotations

import os

from sagepip.ground.filesystem import DIRECTORY
from sagepip.ground.light_contextlib import suppress
from sagepip.ground.light_dataclass import NamedTuple


class KnownDirectory(NamedTuple):
    """A directory whose contents are known.

    Attributes:
        name: its name.
        files: the names of all that is no directory in it.
        directories: those in it.
    """

    name: str
    files: list[str]
    directories: list[KnownDirectory]


def remove_known(path: str, known: KnownDirectory) -> None:
    """Remove a directory of sagepip's own without asking what is in it.

    Args:
        path: where the directory is now; what is not as expected stays.
        known: what it holds.
    """
    with suppress(OSError):
        _remove_known(path, known, None)


def _remove_known(path: str, known: KnownDirectory, above: int | None) -> None:
    descriptor = os.open(path, DIRECTORY, dir_fd=above)
    try:
        for one in known.directories:
            _remove_known(one.name, one, descriptor)
        for name in known.files:
            os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    os.rmdir(path, dir_fd=above)
