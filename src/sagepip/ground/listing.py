"""What is in a directory, by kind, without a look at each file where the file system tells."""

from __future__ import annotations

import os

from sagepip.ground.light_dataclass import NamedTuple


class Listing(NamedTuple):
    """The names of all that is in a directory, in order.

    Attributes:
        files: the regular files.
        links: the symbolic links.
        directories: the directories.
        others: devices, pipes and sockets.
    """

    files: list[str]
    links: list[str]
    directories: list[str]
    others: list[str]


def list_directory(path: str) -> Listing:
    """List a directory.

    Args:
        path: of a directory.

    Raises:
        OSError: it cannot be read.
    """
    with os.scandir(path) as scanned:
        entries = list(scanned)
    files = [one.name for one in entries if one.is_file(follow_symlinks=False)]
    found = Listing(files, [], [], [])
    if len(files) < len(entries):
        for one in entries:
            if one.is_symlink():
                found.links.append(one.name)
            elif one.is_dir(follow_symlinks=False):
                found.directories.append(one.name)
            elif not one.is_file(follow_symlinks=False):
                found.others.append(one.name)
    for names in found:
        names.sort()
    return found
