"""Look at a site's transactions: nothing is made, nothing is waited for."""

from __future__ import annotations

import os
import time

from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.holder import Holder
from sagepip.transaction.kernel_locks import kernel_locks
from sagepip.transaction.lock_files import STATE_DIRECTORY
from sagepip.transaction.lock_view import is_locked
from sagepip.transaction.recovery import OWNER, TRANSACTIONS

# Somebody who makes a transaction's directory needs a moment until it is marked.
_MAKING_SECONDS = 5.0


@dataclass(frozen=True)
class TransactionView:
    """A transaction's directory as it was a moment ago.

    Attributes:
        name: its identifier.
        directory: ``SITE/.sagepip/txn/ID``.
        is_live: whether the process that owns it is still there.
        owner: that process, as it wrote itself down; None if it did not get that far.
    """

    name: str
    directory: str
    is_live: bool
    owner: Holder | None


def list_transactions(site: str) -> list[TransactionView]:
    """List the transactions of a site, those in progress and those whose owners have gone.

    Args:
        site: the resolved site directory; it may not exist.
    """
    parent = os.path.join(site, STATE_DIRECTORY, TRANSACTIONS)
    try:
        names = sorted(os.listdir(parent))
    except OSError:
        return []
    found = []
    for name in names:
        directory = os.path.join(parent, name)
        try:
            age = time.time() - os.stat(directory).st_mtime
        except OSError:
            continue  # it has just ended
        owner_file = os.path.join(directory, OWNER)
        owner = _read_holder(owner_file)
        kernel = kernel_locks(owner_file)
        is_new = owner is None and 0 <= age < _MAKING_SECONDS
        is_live = is_new or bool(kernel and kernel.holders) or bool(is_locked(owner_file))
        # Its end takes the mark away first: what has gone meanwhile is no orphan.
        if os.path.isdir(directory) and (owner is None or os.path.lexists(owner_file)):
            found.append(TransactionView(name, directory, is_live, owner))
    return found


def _read_holder(path: str) -> Holder | None:
    try:
        with open(path, "rb") as stream:
            return Holder.parse(stream.read(4096))
    except OSError:
        return None
