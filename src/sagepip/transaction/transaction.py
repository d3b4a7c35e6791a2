"""A transaction on one site: its directory, its staging area, its commit."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sagepip.ground import console
from sagepip.ground.errors import CommitError, ConflictError, RecoveryError
from sagepip.ground.filesystem import make_directories, remove_directory_if_empty
from sagepip.transaction.commit import commit_plan
from sagepip.transaction.journal import format_journal, read_journal
from sagepip.transaction.lock import STATE_DIRECTORY, SiteLock
from sagepip.transaction.owner_mark import OwnerMark
from sagepip.transaction.recovery import OWNER, TRANSACTIONS, recover, remove_transaction, sweep
from sagepip.transaction.staging_area import StagingArea
from sagepip.transaction.steps import Plan
from sagepip.transaction.territory import Territory

_ATTEMPTS = 5


class Transaction:
    """One change of one site; use :func:`begin_transaction`.

    Attributes:
        site: the resolved site directory.
        name: the identifier, unique on the site.
        directory: ``SITE/.sagepip/txn/ID``.
        area: where the files wait that will be published.
        lock: the lock of the site; tells the times waited and held after :meth:`commit`.
    """

    def __init__(self, site: str, directory: str, territory: Territory) -> None:
        self.site = site
        self.name = os.path.basename(directory)
        self.directory = directory
        self.area = StagingArea(directory, territory)
        self.lock = SiteLock(site)

    def commit(
        self,
        make_plan: Callable[[], Plan],
        still_current: Callable[[], bool],
        what: str,
        *,
        lock_timeout: float | None,
        discard_lock: bool,
    ) -> Plan:
        """Plan, take the lock, and carry the plan out if its assumptions still hold.

        Args:
            make_plan: works the plan out from what is live; called again, without the lock, when
                the site has changed meanwhile.
            still_current: under the lock, whether what ``make_plan`` found out about the site, and
                did not put into the plan, is still so; must be quick.
            what: what the change is, for the journal: ``install six 1.17.0``.
            lock_timeout: seconds to wait for the lock, or None.
            discard_lock: remove the lock's files at the end (a DESTDIR keeps nothing of ours).

        Returns:
            The plan that was carried out.

        Raises:
            CommitError, RecoveryError, LockTimeout, LockError, ConflictError: see there; but for
                RecoveryError, the site is as it was.
        """
        for attempt in range(_ATTEMPTS):
            # The last one under the lock: in a site that is never still, it must come to an end.
            under_lock = attempt == _ATTEMPTS - 1
            plan = None if under_lock else self._plan(make_plan, still_current)
            if plan is None and not under_lock:
                continue
            journal = b"" if plan is None else self._journal(plan, what)
            with self.lock.hold(lock_timeout):
                recovered = recover(self.site)
                try:
                    if plan is None:
                        plan = make_plan()
                        journal = self._journal(plan, what)
                    elif recovered is not None or not still_current():
                        continue
                    if plan.still_holds():
                        self._carry_out(plan, journal)
                        if discard_lock:
                            self._discard()
                        return plan
                except BaseException as error:
                    # Also where a signal that was held back ends the command.
                    if discard_lock and not isinstance(error, RecoveryError):
                        self._discard()
                    raise
                finally:
                    if recovered is not None:
                        sweep(self.site)
        raise ConflictError(
            f"{self.site} changed again and again while the change was planned",
            advice="another program writes to it without the lock; stop it and try again",
        )

    def _plan(
        self, make_plan: Callable[[], Plan], still_current: Callable[[], bool]
    ) -> Plan | None:
        """Return a plan, or None if none could be made because the site was changing."""
        try:
            return make_plan()
        except ConflictError:
            if still_current():
                raise
        except FileNotFoundError:
            return None  # somebody's file went while it was looked at
        except OSError as error:
            raise CommitError(
                f"cannot prepare the change of {self.site}: {error.filename}: {error.strerror}",
                advice="nothing was changed",
            ) from error
        return None

    def _journal(self, plan: Plan, what: str) -> bytes:
        return format_journal(self.site, self.name, what, plan)

    def _carry_out(self, plan: Plan, journal: bytes) -> None:
        sync = bool(os.environ.get("SAGEPIP_SYNC", "").strip("0"))
        commit_plan(self.site, plan, journal, os.path.join(self.directory, "journal"), sync=sync)

    def _discard(self) -> None:
        remove_transaction(self.directory)
        remove_directory_if_empty(os.path.dirname(self.directory))
        self.lock.discard()


@contextmanager
def begin_transaction(site: str, territory: Territory) -> Iterator[Transaction]:
    """Make a transaction's directory; whatever is left of it is removed at the end.

    Args:
        site: the resolved site directory; made if it is missing.
        territory: the live directories that the transaction may change.

    Raises:
        CommitError: the directory cannot be made.
    """
    made: list[str] = []
    try:
        made = make_directories(site)
        directory, mark = _make_directory(site)
    except OSError as error:
        remove_directory_if_empty(os.path.join(site, STATE_DIRECTORY, TRANSACTIONS))
        remove_directory_if_empty(os.path.join(site, STATE_DIRECTORY))
        for path in reversed(made):
            remove_directory_if_empty(path)
        raise CommitError(
            f"cannot write to {site}: {error.strerror}",
            advice="is the disk full?"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "is it writable for this user? choose another --prefix, or become its owner",
        ) from error
    try:
        yield Transaction(site, directory, territory)
    finally:
        _end(site, directory, mark, made)


def _make_directory(site: str) -> tuple[str, OwnerMark]:
    parent = os.path.join(site, STATE_DIRECTORY, TRANSACTIONS)
    while True:
        directory = os.path.join(parent, secrets.token_hex(8))
        mark = OwnerMark(os.path.join(directory, OWNER))
        try:
            make_directories(directory)
            if mark.take():
                return directory, mark
        except FileNotFoundError:
            continue  # a sweep, or another transaction's end, removed a directory just made
        except OSError:
            mark.drop()
            remove_transaction(directory)
            raise


def _end(site: str, directory: str, mark: OwnerMark, made: Sequence[str]) -> None:
    """Remove what is left of a transaction; what cannot be removed is left to the next sweep."""
    try:
        journal = read_journal(site)
        keep = journal is not None and journal.transaction == os.path.basename(directory)
    except RecoveryError:
        keep = True
    try:
        if not keep:
            remove_transaction(directory)
        remove_directory_if_empty(os.path.dirname(directory))
        # A site that this transaction made and left empty goes too, but not its lock once taken.
        remove_directory_if_empty(os.path.join(site, STATE_DIRECTORY))
        for path in reversed(made):
            remove_directory_if_empty(path)
    except OSError as error:
        # The change itself is done, or was rolled back: this must not make it look otherwise.
        console.warn(
            f"cannot remove {error.filename}: {error.strerror}; the next command tries again"
        )
    finally:
        mark.drop()
