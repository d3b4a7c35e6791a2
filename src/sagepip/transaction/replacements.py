"""What takes the place of what in one plan, and where a live name is found meanwhile."""

from __future__ import annotations

import os

from sagepip.ground.light_dataclass import NamedTuple
from sagepip.ground.removing import KnownDirectory
from sagepip.transaction.steps import DirectoryStamp


class WholeTree(NamedTuple):
    """A live directory that can be exchanged as a whole.

    Attributes:
        stamps: of it, as the first, and of all directories below it that must not change.
        contents: what is in it, if that is known.
    """

    stamps: list[DirectoryStamp]
    contents: KnownDirectory | None


class Replacements:
    """The live paths whose place something else takes.

    Attributes:
        paths: all of them.
        swapped: those of directories that are exchanged as a whole, and what is staged for each.
    """

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.swapped: dict[str, str] = {}

    def take_along(self, live: str) -> bool:
        """Whether a file goes because it, or what it lies in, becomes something of another kind."""
        above = live
        while len(above) > 1:
            if above in self.swapped:
                return False  # what the new directory has of it was carried over
            if above in self.paths:
                return True
            above = os.path.dirname(above)
        return False

    def path_after_swap(self, live: str) -> tuple[str, bool]:
        """Return where what will bear a live name is now, and whether a swap brings it there."""
        above = live
        while len(above) > 1:
            if above in self.swapped:
                return self.swapped[above] + live[len(above) :], True
            above = os.path.dirname(above)
        return live, False
