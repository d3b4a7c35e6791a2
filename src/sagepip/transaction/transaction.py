"""A transaction on one site: its directory, its staging area, its commit."""

from __future__ import annotations

import errno
import os

from sagepip.ground import console
from sagepip.ground.errors import CommitError, ConflictError, RecoveryError
from sagepip.ground.filesystem import make_directories, remove_directory_if_empty
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.timing import phase, subject
from sagepip.transaction.commit import (
    commit_plan,
    say_published,
    signals_deferred,
    signals_masked,
)
from sagepip.transaction.journal import format_journal, read_journal
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.lock_files import make_for_writers
from sagepip.transaction.locks import SiteLocks
from sagepip.transaction.owner_mark import OwnerMark
from sagepip.transaction.quiet import QuietHomes
from sagepip.transaction.recovery import (
    OWNER,
    TRANSACTIONS,
    MoreLocksNeeded,
    Recovered,
    recover,
    remove_transaction,
    sweep,
    tidy,
)
from sagepip.transaction.staging_area import StagingArea
from sagepip.transaction.steps import Plan
from sagepip.transaction.territory import Territory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ATTEMPTS = 5
_OVERTAKEN = frozenset(
    {errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ESTALE}
)


@dataclass(frozen=True)
class _Change:
    """The arguments of :meth:`Transaction.commit`."""

    make_plan: Callable[[], Plan]
    still_current: Callable[[], bool]
    what: str
    lock_timeout: float | None
    discard_lock: bool


class Transaction:
    """One change of one site; use :func:`begin_transaction`.

    Attributes:
        site: the resolved site directory.
        name: the identifier, unique on the site.
        directory: ``SITE/.sagepip/txn/ID``.
        area: where the files wait that will be published.
        lock: the locks; tells the times waited and held after :meth:`commit`.
        made: the directories that were missing, for the sites, the outermost first.
        published: whether :meth:`commit` has done its work.
    """

    def __init__(
        self,
        site: str,
        directory: str,
        territory: Territory,
        others: Sequence[str],
        made: Sequence[str],
    ) -> None:
        self.site = site
        self.made = made
        self.published = False
        self.name = os.path.basename(directory)
        self.directory = directory
        self.area = StagingArea(directory, territory)
        self.lock = SiteLocks([site, *others])
        self._others = others

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
        change = _Change(make_plan, still_current, what, lock_timeout, discard_lock)
        subject(what)
        for attempt in range(_ATTEMPTS):
            # The last one under the lock: in a site that is never still, it must come to an end.
            under_lock = attempt == _ATTEMPTS - 1
            with phase("plan"):
                quiet = QuietHomes(self.lock.homes)
                plan = None if under_lock else _plan(change, self.site)
                if plan is None and not under_lock:
                    continue
                journal = b"" if plan is None else self._journal(plan, what)
            try:
                done = self._try_under_lock(change, plan, journal, quiet)
            except MoreLocksNeeded:
                for home in self.lock.homes:
                    tidy(home, lock_timeout)
                continue
            except CommitError as error:
                # Somebody who takes no lock (a running interpreter that writes bytecode) was
                # there first; it was rolled back.
                cause = error.__cause__
                if under_lock or not isinstance(cause, OSError) or cause.errno not in _OVERTAKEN:
                    raise
                continue
            if done is not None:
                self.published = True
                return done
        raise ConflictError(
            f"{self.site} changed again and again while the change was planned",
            advice="another program writes to it without the lock; stop it and try again",
        )

    def _try_under_lock(
        self, change: _Change, plan: Plan | None, journal: bytes, quiet: QuietHomes
    ) -> Plan | None:
        """Carry out a plan if it still holds, or one made now; None if it does not hold."""
        with self.lock.hold(change.lock_timeout):
            recovered = self._recover()
            try:
                if plan is None:
                    plan = change.make_plan()
                    journal = self._journal(plan, change.what)
                elif recovered is not None or not change.still_current():
                    return None
                if not plan.still_holds(is_quiet=quiet.still_quiet(self.lock.found)):
                    return None
                self._carry_out(plan, journal)
                if change.discard_lock:
                    self._discard()
                return plan
            except BaseException as error:
                # Also where a signal that was held back ends the command.
                if change.discard_lock and not isinstance(error, RecoveryError):
                    self._discard()
                raise
            finally:
                if recovered is not None:
                    for home in self.lock.homes:
                        sweep(home)

    def _journal(self, plan: Plan, what: str) -> bytes:
        return format_journal(self.site, self.name, what, plan, self._others)

    def _recover(self) -> Recovered | None:
        """Resolve what others have left behind since the look before the lock was taken."""
        found = [recover(home, held=self.lock.homes) for home in self.lock.homes]
        return next((one for one in found if one is not None), None)

    def _carry_out(self, plan: Plan, journal: bytes) -> None:
        sync = bool(os.environ.get("SAGEPIP_SYNC", "").strip("0"))
        temporary = os.path.join(self.directory, "journal")
        commit_plan(self.site, plan, journal, temporary, sync=sync, others=self._others)

    def _discard(self) -> None:
        remove_transaction(self.directory)
        remove_directory_if_empty(os.path.dirname(self.directory))
        self.lock.discard()


@contextmanager
def begin_transaction(
    site: str,
    territory: Territory,
    others: Sequence[str] = (),
    directories: Sequence[str] = (),
) -> Iterator[Transaction]:
    """Make a transaction's directory; whatever is left of it is removed at the end.

    Args:
        site: the resolved site directory; made if it is missing.
        territory: the live directories that the transaction may change.
        others: other sites whose locks it needs as well; made if missing.
        directories: more directories that are made if missing.

    Raises:
        CommitError: the directory cannot be made.
    """
    transaction: Transaction | None = None
    try:
        # Held back, so that a signal leaves either nothing or what is removed at the end.
        with signals_deferred() as mask:
            made, directory, mark = _make_directories(site, (*others, *directories))
            transaction = Transaction(site, directory, territory, others, made)
            try:
                with signals_masked(mask):
                    yield transaction
            finally:
                with phase("clean"):
                    _end(site, directory, mark, made)
    except BaseException as error:
        if transaction is not None and transaction.published and not isinstance(error, Exception):
            say_published()
        raise


def _make_directories(site: str, others: Sequence[str]) -> tuple[list[str], str, OwnerMark]:
    """Make the sites and the transaction's directory; return what was missing, it and its mark."""
    made: list[str] = []
    try:
        for path in (site, *others):
            made += make_directories(path)
        return made, *_make_directory(site)
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


def _make_directory(site: str) -> tuple[str, OwnerMark]:
    parent = os.path.join(site, STATE_DIRECTORY, TRANSACTIONS)
    while True:
        directory = os.path.join(parent, os.urandom(8).hex())
        mark = OwnerMark(os.path.join(directory, OWNER))
        try:
            make_for_writers(os.path.dirname(parent), site)
            make_for_writers(parent, site)
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


def _plan(change: _Change, site: str) -> Plan | None:
    """Return a plan, or None if none could be made because the site was changing."""
    try:
        return change.make_plan()
    except ConflictError:
        if change.still_current():
            raise
    except FileNotFoundError:
        return None  # somebody's file went while it was looked at
    except OSError as error:
        raise CommitError(
            f"cannot prepare the change of {site}: {error.filename}: {error.strerror}",
            advice="nothing was changed",
        ) from error
    return None
