"""What a directory of modules holds of metadata and of start-up files, by name; listed once.

A command asks several times what a site holds: what adds to its import path, what is installed,
what has come since. A site may hold thousands of names, and nearly always nothing has happened.
"""

from __future__ import annotations

import os
import time

from sagepip.ground.light_dataclass import NamedTuple

CLOCK_TICK_SECONDS = 0.02
"""What has changed twice within less may have the same time both times."""
METADATA = (".dist-info", ".egg-info", ".egg-link")
_DIST_INFO, *_OLDER = METADATA
_CUSTOMIZATION = "sitecustomize"
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

Entry = tuple[str, int]
"""The name and the inode of one metadata directory or file."""


def is_young(modified: float, since: float) -> bool:
    """Whether what happened to something after a moment may not show in its time.

    Args:
        modified: its time, in seconds, as it was found after that moment; one that is still to
            come is another clock's, and not young.
        since: the moment.
    """
    return since - CLOCK_TICK_SECONDS < modified <= time.time()


class SiteNames(NamedTuple):
    """Names in one directory, in no order.

    Attributes:
        metadata: of metadata; what begins with ``~`` is what pip has put aside, and left out.
        startup: of what may be run when the interpreter starts, or so it looks.
    """

    metadata: tuple[Entry, ...]
    startup: tuple[str, ...]


# With the identity and the times that the directory had before it was listed.
_known: dict[str, tuple[tuple[int, ...], SiteNames]] = {}


def site_names(directory: str) -> SiteNames:
    """Return what is in a directory now.

    Args:
        directory: a resolved path.

    Raises:
        OSError: it cannot be listed.
    """
    now = time.time()
    found = os.stat(directory)
    stamp = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
    known = _known.pop(directory, None)
    if known is not None and known[0] == stamp:
        _known[directory] = known
        return known[1]
    names = _listed(directory)
    # Stricter than is_young(): a time to come may be the time of the next change, too.
    if now - max(found.st_mtime, found.st_ctime) >= CLOCK_TICK_SECONDS:
        _known[directory] = stamp, names
    return names


def _listed(directory: str) -> SiteNames:
    # By a descriptor: no path is made of each name then.
    descriptor = os.open(directory, _OPEN)
    try:
        with os.scandir(descriptor) as entries:
            # Packages, which are most of the others, have no dot.
            dotted = [
                (name, entry.inode())
                for entry in entries
                if "." in (name := entry.name) or name == _CUSTOMIZATION
            ]
    finally:
        os.close(descriptor)
    metadata = []
    startup = []
    for one in dotted:
        name = one[0]
        if name[-10:] == _DIST_INFO or name[-9:] in _OLDER:  # endswith() takes four times as long
            if name[0] != "~":
                metadata.append(one)
        elif name.endswith(".pth") or name.startswith(_CUSTOMIZATION):
            startup.append(name)
    return SiteNames(tuple(metadata), tuple(startup))
