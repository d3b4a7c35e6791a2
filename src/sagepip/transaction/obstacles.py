"""What is in the way of a file that is to be published."""

from __future__ import annotations

import os
import stat

from sagepip.ground.errors import ConflictError
from sagepip.transaction.ownership import find_owner
from sagepip.transaction.territory import OutOfBounds, Territory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


def may_overwrite(live: str, territory: Territory, patterns: Sequence[str]) -> bool:
    """Whether the user allowed this very file to be replaced.

    Args:
        live: its resolved path.
        territory: what may be touched.
        patterns: shell patterns, relative to a site or the prefix.
    """
    if not patterns:
        return False
    from fnmatch import fnmatch  # brings in regular expressions

    roots = [*territory.module_roots, territory.data_root]
    below = [live[len(root) + 1 :] for root in roots if live.startswith(root + os.sep)]
    return any(fnmatch(path, one) for path in below for one in patterns)


def is_followed_link(
    live: str, found: os.stat_result, territory: Territory, old: Collection[str]
) -> bool:
    """Whether a link stands for a directory within the roots (``lib64`` → ``lib``).

    Args:
        live: its path.
        found: its status.
        territory: what may be touched.
        old: what is going to be replaced.
    """
    if not stat.S_ISLNK(found.st_mode) or not os.path.isdir(live) or live in old:
        return False
    try:
        inside = territory.root_of(os.path.realpath(live))
        return territory.root_of(live) == inside not in territory.module_roots
    except OutOfBounds:
        return False


def in_the_way(live: str, shared: Mapping[str, str], directories: Sequence[str]) -> ConflictError:
    """Return the error that a file is not ours to replace.

    Args:
        live: its path.
        shared: the owners of some files.
        directories: where all metadata lies, as the scheme spells it.
    """
    owner = shared.get(live) or find_owner(live, directories)
    return ConflictError(
        f"{live} is in the way; it belongs to {owner or 'no installed distribution'}",
        advice="remove it or uninstall its owner; --overwrite PATTERN replaces it",
    )
