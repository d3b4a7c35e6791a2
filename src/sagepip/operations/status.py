"""Status: what the lock, the journal and the transactions of a site say; nothing is changed."""

from __future__ import annotations

import os
import time

from sagepip.ground.errors import RecoveryError
from sagepip.ground.filesystem import identity
from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.holder import Holder
from sagepip.transaction.journal import journal_path, read_journal
from sagepip.transaction.kernel_locks import is_alive
from sagepip.transaction.lock_view import LockView, look_at_lock
from sagepip.transaction.probe import TransactionView, list_transactions


@dataclass(frozen=True)
class ProcessStatus:
    """A process that holds something.

    Attributes:
        pid: its number on ``host``.
        host: the machine.
        command: its command line; empty if unknown.
        since: seconds since the epoch; None if unknown.
        alive: whether it is alive; None if that cannot be seen from here.
    """

    pid: int
    host: str
    command: str
    since: float | None
    alive: bool | None

    def __str__(self) -> str:
        """Return it in the words of a message."""
        text = f"process {self.pid} on {self.host}"
        if self.since is not None:
            started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
            text += f" since {started} ({max(0.0, time.time() - self.since):.0f} s)"
        if self.alive is not None:
            text += ", alive" if self.alive else ", not alive"
        return f"{text}: {self.command}" if self.command else text


@dataclass(frozen=True)
class JournalStatus:
    """A journal.

    Attributes:
        state: ``hot`` (its writer has gone), ``under way`` or ``unreadable``.
        what: what it is about; why it cannot be used, if it is unreadable.
        owner: who wrote it.
        transaction: the identifier of its transaction.
    """

    state: str
    what: str
    owner: str = ""
    transaction: str = ""


@dataclass(frozen=True)
class TransactionStatus:
    """A transaction's directory.

    Attributes:
        name: its identifier.
        directory: its path.
        state: ``in progress``, ``interrupted`` (the journal names it) or ``orphaned``.
        owner: the process that made it, if it wrote itself down.
    """

    name: str
    directory: str
    state: str
    owner: ProcessStatus | None


@dataclass(frozen=True)
class SiteStatus:
    """What is going on at a site.

    Attributes:
        site: the resolved site directory.
        lock: ``free``, ``held``, ``shared`` or ``unknown`` (the lock file cannot be read).
        holders: who holds it, as far as it is known.
        waiters: how many processes wait for it; None if the system does not tell.
        journal: the journal, or None if there is none.
        transactions: those in progress and those whose owners have gone.
    """

    site: str
    lock: str
    holders: tuple[ProcessStatus, ...]
    waiters: int | None
    journal: JournalStatus | None
    transactions: tuple[TransactionStatus, ...]

    @property
    def is_hot(self) -> bool:
        """Whether an interrupted change waits for recovery."""
        return self.journal is not None and self.journal.state != "under way"

    @property
    def orphans(self) -> tuple[TransactionStatus, ...]:
        """The transactions that nobody owns any more."""
        return tuple(one for one in self.transactions if one.state == "orphaned")

    @property
    def needs_recovery(self) -> bool:
        """Whether ``sagepip recover`` has something to do."""
        return self.is_hot or bool(self.orphans)


def site_status(site: str) -> SiteStatus:
    """Look at a site.

    Args:
        site: the resolved site directory; it may not exist.

    Returns:
        What was found. The lock is tried without waiting at most, and given back at once.
    """
    path = journal_path(site)
    before = identity(path)
    view = look_at_lock(site)
    journal = None
    # The same journal before and after the lock was seen free: nobody was carrying it out.
    if before is not None and identity(path) == before:
        journal = _journal(site, hot=not view.held)
    views = list_transactions(site)
    named = journal.transaction if journal is not None else ""
    return SiteStatus(
        site,
        "unknown" if view.held is None else _lock_word(view),
        _holders(view),
        view.waiters,
        journal,
        tuple(_transaction(one, named) for one in views),
    )


def _lock_word(view: LockView) -> str:
    return ("shared" if view.shared else "held") if view.held else "free"


def _holders(view: LockView) -> tuple[ProcessStatus, ...]:
    if view.holder is not None:
        return (_process(view.holder),)
    host = os.uname().nodename
    return tuple(
        ProcessStatus(pid, host, _command_line(pid), None, is_alive(pid)) for pid in view.pids
    )


def _process(holder: Holder) -> ProcessStatus:
    here = holder.host == os.uname().nodename
    alive = is_alive(holder.pid) if here else None
    return ProcessStatus(holder.pid, holder.host, holder.command, holder.since, alive)


def _command_line(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = stream.read(4096).split(b"\0")
    except OSError:
        return ""
    return b" ".join(words).decode("utf-8", "replace").strip()[:200]


def _journal(site: str, *, hot: bool) -> JournalStatus | None:
    try:
        journal = read_journal(site)
    except RecoveryError as error:
        return JournalStatus("unreadable", str(error))
    if journal is None:
        return None
    state = "hot" if hot else "under way"
    return JournalStatus(state, journal.what, journal.owner, journal.transaction)


def _transaction(view: TransactionView, named: str) -> TransactionStatus:
    if view.is_live:
        state = "in progress"
    else:
        state = "interrupted" if view.name == named else "orphaned"
    owner = _process(view.owner) if view.owner is not None else None
    if owner is not None and not view.is_live:
        # Its mark is free, so it has gone; the number may be another process's by now.
        owner = ProcessStatus(owner.pid, owner.host, owner.command, owner.since, False)
    return TransactionStatus(view.name, os.path.normpath(view.directory), state, owner)
