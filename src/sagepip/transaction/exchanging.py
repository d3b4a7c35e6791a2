"""The step that puts a staged file or directory in the place of a live one, with none absent."""

from __future__ import annotations

from sagepip.ground.filesystem import Identity, can_exchange, can_link, is_real_directory
from sagepip.transaction.staging_area import StagingRoot
from sagepip.transaction.steps import Replace, Swap


def exchange(
    root: StagingRoot, staged: str, live: str, trash: str, inode: Identity, old: Identity
) -> Swap | Replace | None:
    """Return the step, or None: where names cannot be exchanged, there is none for directories.

    Args:
        root: the root of the two.
        staged: what comes.
        live: what goes.
        trash: a path for what goes, for file systems without an exchange.
        inode: what ``staged`` is.
        old: what ``live`` is.
    """
    if can_exchange(root.new):
        return Swap(staged, live, inode, old)
    if not is_real_directory(live) and not is_real_directory(staged) and can_link(root.new):
        return Replace(staged, live, trash, inode, old)
    return None
