"""Whether a wheel fits, before anything of it is written."""

from __future__ import annotations

import os

from sagepip.ground.destination import Destination
from sagepip.ground.free_space import check_space, existing
from sagepip.staging.checked_archive import CheckedArchive

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection


def check_room(
    archive: CheckedArchive, destination: Destination, kept: Collection[str] = ()
) -> None:
    """Refuse a wheel that cannot fit.

    Args:
        archive: the wheel.
        destination: where it is going to be installed.
        kept: the names of members that are installed already.

    Raises:
        TargetError: a file system has too little space.
    """
    metadata = archive.metadata
    root_key = "purelib" if metadata.root_is_purelib else "platlib"
    needed: dict[int, tuple[str, int]] = {}
    for key, size in archive.sizes(kept).items():
        root = destination.scheme.path(key or root_key, metadata.file_name)
        directory = existing(destination.live(root))
        device = os.stat(directory).st_dev
        first, so_far = needed.get(device, (directory, 0))
        needed[device] = (first, so_far + size)
    for directory, size in needed.values():
        check_space(directory, size, metadata.path)
