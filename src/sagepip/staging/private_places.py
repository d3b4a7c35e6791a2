"""Where the files of a wheel go in a directory that nobody else sees: a build environment's."""

from __future__ import annotations

import os

from sagepip.ground.destination import Destination
from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import make_directories, remove_file


class PrivatePlaces:
    """Gives each file a path that is free, and whose directory is there.

    Args:
        wheel: the path of the wheel, for messages.
        destination: of the environment.
    """

    def __init__(self, wheel: str, destination: Destination) -> None:
        self._wheel = wheel
        self._destination = destination
        schemes = {os.path.normpath(path) for path in vars(destination.scheme).values()}
        self._roots = tuple(path.rstrip(os.sep) + os.sep for path in schemes)
        self._directories: dict[str, str] = {}
        self._made: set[str] = set()
        self._given: set[str] = set()

    def path(self, final: str) -> str:
        """Return where to write a file.

        Of two parts of a wheel that bring the same file the later one wins, as with pip. What was
        there before may be a hard link: it is replaced, not written to.

        Args:
            final: its final path.

        Raises:
            TargetError: it lies outside the environment.
            OSError: its directory cannot be made, or what is there not removed.
        """
        parent, _, name = final.rpartition(os.sep)
        directory = self._directories.get(parent) or self._directory(parent)
        path = directory + os.sep + name
        folded = path.casefold()  # some file systems take no notice of case
        if directory not in self._made or folded in self._given:
            remove_file(path)
        self._given.add(folded)
        return path

    def _directory(self, final: str) -> str:
        if not (final + os.sep).startswith(self._roots):
            raise TargetError(f"{self._wheel}: {final} lies outside the environment")
        found = self._directories[final] = self._destination.live(final)
        self._made.update(make_directories(found))
        return found
