"""Where the files of a wheel are written: to a staging area, or to a directory of one's own."""

from __future__ import annotations

import os

from sagepip.ground.destination import Destination, Scheme
from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import NamedTuple
from sagepip.staging.private_places import PrivatePlaces
from sagepip.transaction.staging_area import StagingArea

_HOSTILE = "do not install this wheel"


class Placed(NamedTuple):
    """Where to write a file.

    Attributes:
        path: the path to write.
        same_as: a file that another wheel has for the same place, or an empty string.
        other: that wheel.
    """

    path: str
    same_as: str = ""
    other: str = ""


class FinalPaths:
    """The final paths of a wheel's files, and how its RECORD spells them.

    Args:
        wheel: the path of the wheel, for messages.
        scheme: where it is going to be installed.
        file_name: the project's name as the file name spells it.
        root_key: the part of the scheme to which its root goes.

    Attributes:
        root_prefix: what the final paths in its root begin with.
    """

    def __init__(self, wheel: str, scheme: Scheme, file_name: str, root_key: str) -> None:
        self._wheel = wheel
        self._scheme = scheme
        self._file_name = file_name
        self._root = scheme.path(root_key, file_name)
        self.root_prefix = os.path.normpath(self._root).rstrip(os.sep) + os.sep
        # What final paths begin with, and their rows, by directory.
        self._prefixes: dict[tuple[str, str], tuple[str, str]] = {}

    def split(self, key: str, path: str) -> tuple[str, str, str]:
        """Return of a file what its final path begins with, what its row does, and its name.

        Args:
            key: a part of the scheme.
            path: relative to it.

        Raises:
            TargetError: it leads out of it.
        """
        head, _, name = path.rpartition("/")
        final, row = self._prefixes.get((key, head)) or self._find(key, head)
        if name in ("", ".", ".."):
            raise TargetError(f"{self._wheel}: {path!r} is no path of a file", advice=_HOSTILE)
        return final, row, name

    def row(self, final: str) -> str:
        """Return how RECORD spells a final path."""
        if final.startswith(self.root_prefix):
            return final[len(self.root_prefix) :]
        return os.path.relpath(final, self._root)

    def _find(self, key: str, head: str) -> tuple[str, str]:
        above, _, name = head.rpartition("/")
        if name and name not in (".", ".."):
            final, row = self._prefixes.get((key, above)) or self._find(key, above)
            found = (final + name + os.sep, row + name + os.sep)
        else:
            found = self._find_oddly(key, head)
        self._prefixes[(key, head)] = found
        return found

    def _find_oddly(self, key: str, head: str) -> tuple[str, str]:
        base = os.path.normpath(self._scheme.path(key, self._file_name))
        final = os.path.normpath(os.path.join(base, head)).rstrip(os.sep) + os.sep
        if not final.startswith(base.rstrip(os.sep) + os.sep):
            raise TargetError(f"{self._wheel}: {head!r} leads out of {base}", advice=_HOSTILE)
        row = self.row(final)
        return final, row and row.rstrip(os.sep) + os.sep


class Placement:
    """Tells where to write the files of a wheel."""

    def path(self, directory: str, name: str) -> str:  # noqa: ARG002
        """Return the path of a file about which there is nothing to say but that; or nothing.

        Args:
            directory: its final directory, with a separator behind it.
            name: of it.
        """
        return ""

    def place(self, final: str) -> Placed:
        """Return where to write the file of a final path."""
        raise NotImplementedError


class AreaPlacement(Placement):
    """The placement in a staging area.

    Args:
        area: where files wait.
        wheel: whose files they are.
        own_metadata: the name of its dist-info directory.
        destination: where it is going to be installed.
        files: the live paths of its files are added to it.
    """

    def __init__(
        self,
        area: StagingArea,
        wheel: str,
        own_metadata: str,
        destination: Destination,
        files: set[str],
    ) -> None:
        self._area = area
        self._wheel = wheel
        self._own_metadata = own_metadata
        self._destination = destination
        self._files = files
        # Of final directories in which all names may be used that begin with no dot.
        self._live: dict[str, str] = {}

    def path(self, directory: str, name: str) -> str:
        """Return the path of a file about which there is nothing to say but that; or nothing."""
        live = self._live.get(directory)
        if live is None:
            live = self._destination.live(directory.rstrip(os.sep) or os.sep)
            live = self._live[directory] = self._area.territory.plain_prefix(
                live, self._own_metadata
            )
        if not live or name[0] == ".":
            return ""
        staged = self._area.claim(live, name, self._wheel)
        if staged is None:
            return ""
        self._files.add(live + name)
        return staged

    def place(self, final: str) -> Placed:
        """Return where to write the file of a final path."""
        area, wheel = self._area, self._wheel
        try:
            live = area.locate(self._destination.live(final), self._own_metadata)
        except TargetError as error:
            raise TargetError(f"{wheel}: {error.problem}", advice=error.advice) from error
        self._files.add(live)
        parent, name = os.path.split(live)
        staged = area.claim(parent.rstrip(os.sep) + os.sep, name, wheel)
        if staged is not None:
            return Placed(staged)
        other = area.claimed_by(live)
        if other == wheel:
            raise TargetError(
                f"{wheel}: it holds {final} twice, in different parts",
                advice="the wheel is malformed; build it again",
            )
        # Two wheels of one call may bring the same file, if it is the same.
        return Placed(area.spare_path(), area.content_path(live), other)


class EnvironmentPlacement(Placement):
    """The placement in a private environment, in which what is there is replaced.

    Args:
        wheel: whose files they are.
        destination: of the environment.
    """

    def __init__(self, wheel: str, destination: Destination) -> None:
        self._places = PrivatePlaces(wheel, destination)

    def path(self, directory: str, name: str) -> str:
        """Return the path of a file about which there is nothing to say but that; or nothing."""
        return self._places.path(directory + name)

    def place(self, final: str) -> Placed:
        """Return where to write the file of a final path."""
        return Placed(self._places.path(final))
