"""Bring a site back to the old or forward to the new state after an interrupted commit.

One question decides: is the first dist-info of the plan's commit part in place? Every step is
tried for being done by the identity of what its names refer to, so recovery can itself be
interrupted at any point and run again.
"""

from __future__ import annotations

import os

from sagepip.ground import console
from sagepip.ground.errors import RecoveryError
from sagepip.ground.filesystem import identity, remove_directory_if_empty, remove_file, remove_tree
from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.commit import finish, signals_deferred, take_back
from sagepip.transaction.journal import Journal, journal_path, read_journal, remove_journal
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.locks import SiteLocks
from sagepip.transaction.owner_mark import OwnerMark
from sagepip.transaction.ownership import bytecode_source
from sagepip.transaction.staging_area import elsewhere
from sagepip.transaction.steps import Place, Replace, Swap

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

TRANSACTIONS = "txn"
OWNER = "owner"


@dataclass(frozen=True)
class Recovered:
    """What recovery did.

    Attributes:
        journal: the journal that it found.
        forward: whether the new state was completed (else the old one was restored).
    """

    journal: Journal
    forward: bool

    def __str__(self) -> str:
        """Return it in the words of a message."""
        outcome = "completed" if self.forward else "rolled back"
        return f"{outcome} the interrupted {self.journal.what} of {self.journal.owner}"


class MoreLocksNeeded(Exception):
    """An interrupted change spans more sites than those whose locks are held.

    Args:
        homes: all the sites that it spans.
    """

    def __init__(self, homes: Sequence[str]) -> None:
        super().__init__(homes)
        self.homes = homes


def recover(site: str, *, announce: bool = True, held: Sequence[str] = ()) -> Recovered | None:
    """Resolve a hot journal, under the lock of the site.

    Args:
        site: the resolved site directory; its lock is held.
        announce: say on stderr what was done.
        held: the other sites whose locks are held.

    Returns:
        What was done; None if there was no journal.

    Raises:
        RecoveryError: the journal cannot be used, or a step cannot be done; the journal is kept.
        MoreLocksNeeded: it is about other sites as well; nothing was done.
    """
    journal = read_journal(site)
    if journal is None:
        if os.path.islink(journal_path(site)):
            remove_journal(site)  # what it led to has ended, or never began
        return None
    homes = [home for home in journal.homes if os.path.isdir(home)]
    if not {site, *held}.issuperset(homes):
        raise MoreLocksNeeded(homes)
    plan = journal.plan
    _check_identities(site, journal)
    forward = bool(plan.commit) and plan.commit[0].is_done()
    try:
        with signals_deferred():
            if forward:
                finish(plan)
            else:
                take_back(plan.steps)
            for home in homes:  # the journal before the links to it
                remove_journal(home)
    except OSError as error:
        raise RecoveryError(
            f"cannot recover the interrupted {journal.what}: {error.filename}: {error.strerror}",
            advice=f"put that right and try again; the journal {journal_path(site)} is kept",
        ) from error
    recovered = Recovered(journal, forward)
    if announce:
        console.note(f"{site}: {recovered}")
    return recovered


def _check_identities(site: str, journal: Journal) -> None:
    """Refuse a journal whose files are not where any moment of its commit has them.

    That is so in a copy of the site, where every file has another inode, and after somebody has
    replaced files by hand. Going back or forward by such a journal would tear the site.

    Raises:
        RecoveryError: see above.
    """
    committed = journal.plan.commit and journal.plan.commit[0].is_done()
    # Past the commit, what was published before it may have changed since: nobody looks at it.
    steps = journal.plan.commit if committed else journal.plan.before + journal.plan.commit
    for step in steps:
        if not isinstance(step, Place | Swap | Replace) or bytecode_source(step.target) is not None:
            continue
        if not step.is_done() and identity(step.source) != step.inode:
            raise RecoveryError(
                f"cannot recover the interrupted {journal.what}: neither {step.target} nor "
                f"{step.source} is what its journal {journal_path(site)} says",
                advice="the site was copied, or changed since, by another program; reinstall "
                "what the journal names by other means, then remove the journal",
            )


def tidy(site: str, lock_timeout: float | None, *, asked: bool = False) -> Recovered | None:
    """Bring a site in order before its state is looked at: resolve a journal, sweep leftovers.

    Takes the lock only if there is a journal: of an interrupted commit, or of one under way.

    Args:
        site: the resolved site directory; it may not exist.
        lock_timeout: seconds to wait for the lock, or None.
        asked: it is what the user asked for: take the lock in any case, and leave it to the
            caller to say what was done.

    Raises:
        RecoveryError, LockTimeout, LockError: see there.
    """
    recovered = None
    homes: Sequence[str] = [site]
    while asked or os.path.lexists(journal_path(site)):
        import json  # noqa: F401 (to read it: nothing is to be imported under the lock)

        with SiteLocks(homes).hold(lock_timeout):
            try:
                recovered = recover(site, announce=not asked, held=homes)
                break
            except MoreLocksNeeded as needed:
                homes = needed.homes
    for home in homes:
        sweep(home)
    return recovered


def sweep(site: str) -> None:
    """Remove what transactions whose owners have gone left behind; needs no lock of the site.

    Args:
        site: the resolved site directory.
    """
    transactions = os.path.join(site, STATE_DIRECTORY, TRANSACTIONS)
    try:
        names = os.listdir(transactions)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        _sweep_one(site, os.path.join(transactions, name), name)
    remove_directory_if_empty(transactions)


def remove_transaction(directory: str) -> None:
    """Remove a transaction's directory, the owner's mark last: without it no sweep would dare.

    Args:
        directory: ``SITE/.sagepip/txn/ID``, whose mark this process holds.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    if not all([remove_tree(path) for path in elsewhere(directory)]):  # noqa: C419
        return  # the list of them is needed for another try
    gone = [remove_tree(os.path.join(directory, name)) for name in names if name != OWNER]
    if all(gone):
        remove_file(os.path.join(directory, OWNER))
        remove_directory_if_empty(directory)


def _sweep_one(site: str, directory: str, name: str) -> None:
    mark = OwnerMark(os.path.join(directory, OWNER))
    try:
        if not mark.take_over():
            return  # its owner lives
    except FileNotFoundError:
        # Its owner is just making it, or was killed right then: only an empty one goes.
        remove_directory_if_empty(directory)
        return
    except OSError:
        return
    try:
        # Only now: an owner that is gone writes no journal any more.
        journal = read_journal(site)
        if journal is None or journal.transaction != name:
            remove_transaction(directory)
    except RecoveryError:
        return  # until it is resolved, nothing that it may need is removed
    finally:
        mark.drop()
