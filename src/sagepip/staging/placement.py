"""Where the files of a wheel are written: to a staging area, or to a directory of one's own."""

from __future__ import annotations

import os

from sagepip.ground.destination import Destination
from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import NamedTuple
from sagepip.staging.private_places import PrivatePlaces
from sagepip.transaction.staging_area import StagingArea

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable

    Placement = Callable[[str], "Placed"]
    """Tells where to write the file of a final path."""


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


def in_area(
    area: StagingArea, wheel: str, own_metadata: str, destination: Destination, files: set[str]
) -> Placement:
    """Return the placement in a staging area.

    Args:
        area: where files wait.
        wheel: whose files they are.
        own_metadata: the name of its dist-info directory.
        destination: where it is going to be installed.
        files: the live paths of its files are added to it.
    """
    prefixes: dict[str, str] = {}

    def placement(final: str) -> Placed:
        head, _, name = final.rpartition(os.sep)
        prefix = prefixes.get(head)
        if prefix is None:
            live_head = destination.live(head)
            prefix = prefixes[head] = area.territory.plain_prefix(live_head, own_metadata)
        if prefix and name[0] != ".":
            live = prefix + name
        else:
            try:
                live = area.locate(destination.live(final), own_metadata)
            except TargetError as error:
                raise TargetError(f"{wheel}: {error.problem}", advice=error.advice) from error
        files.add(live)
        staged = area.claim(live, wheel)
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

    return placement


def in_environment(wheel: str, destination: Destination) -> Placement:
    """Return the placement in a private environment, in which what is there is replaced.

    Args:
        wheel: whose files they are.
        destination: of the environment.
    """
    places = PrivatePlaces(wheel, destination)

    def placement(final: str) -> Placed:
        return Placed(places.path(final))

    return placement
