"""Carry a plan out: forward over all its steps, or back to where it began."""

from __future__ import annotations

import os
import sys

from sagepip.ground import console
from sagepip.ground.errors import CommitError, RecoveryError
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.signals import signal
from sagepip.transaction.journal import journal_path, remove_journal, write_journal
from sagepip.transaction.steps import Plan, Replace, Retire, Step, Swap

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SignalMask = frozenset[int]
_DEFERRED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def commit_plan(
    site: str,
    plan: Plan,
    journal: bytes,
    temporary: str,
    *,
    sync: bool,
    others: Sequence[str] = (),
) -> None:
    """Carry out a plan whose assumptions hold, under the lock of the site.

    Args:
        site: the resolved site directory; its lock is held and it has no journal.
        plan: what to do.
        journal: the journal of it, ready to be written.
        temporary: where to write the journal before it is renamed into place.
        sync: whether the journal must survive a loss of power.
        others: the other sites whose locks are held, which the plan may change.

    Raises:
        CommitError: a step failed; everything is as it was.
        RecoveryError: a step failed, and so did taking back another; the journal is kept.
    """
    published = False
    try:
        with signals_deferred():
            _carry_out(site, plan, journal, temporary, sync=sync, others=others)
            published = True
    except BaseException:
        if published:  # a signal that was held back
            say_published()
        raise


def _carry_out(
    site: str,
    plan: Plan,
    journal: bytes,
    temporary: str,
    *,
    sync: bool,
    others: Sequence[str],
) -> None:
    if sync:
        os.sync()  # what the journal names must outlast a loss of power as it does
    try:
        write_journal(site, journal, temporary, sync=sync, others=others)
    except OSError as error:
        _remove_links(others)
        raise CommitError(
            f"cannot write the journal {journal_path(site)}: {error.strerror}",
            advice="nothing was changed",
        ) from error
    done: list[Step] = []
    try:
        for step in plan.steps:
            # A directory that somebody else made meanwhile is not ours to remove, nor one that
            # somebody else has put something into ours to make again.
            if step.do() is not False:
                done.append(step)
        if sync:
            os.sync()
        remove_journal(site)
    except OSError as error:
        _roll_back(site, done, error)
        _remove_links(others)
        raise CommitError(
            f"cannot publish {error.filename2 or error.filename}: {error.strerror}",
            advice="nothing was changed",
        ) from error
    _remove_links(others)


def _remove_links(others: Sequence[str]) -> None:
    """Take the links to a journal away; one that stays leads nowhere, and harms nobody."""
    for other in others:
        try:
            remove_journal(other)
        except OSError as error:
            console.detail(f"cannot remove {journal_path(other)}: {error.strerror}")


def say_published() -> None:
    """Say that a signal which ends the command came too late to stop the change."""
    console.note("the change had begun to be published when the signal came: it is done")


def finish(plan: Plan) -> None:
    """Do what is not done yet of a plan that has been committed; for recovery.

    What stood before the commit is done by construction; looking at it again would only stumble
    over what has become of it since. What is to be retired or replaced and is not there any more,
    or is something else by now, is somebody else's business.
    """
    for step in plan.commit[1:] + plan.after:
        if step.is_done():
            continue
        if isinstance(step, Retire | Swap | Replace) and not step.still_holds():
            live = step.source if isinstance(step, Retire) else step.target
            console.detail(f"{live} has changed since; it is left alone")
            continue
        step.do()


def take_back(steps: Sequence[Step]) -> None:
    """Undo the steps that are done, the last first; for recovery."""
    for step in reversed(steps):
        if step.is_done():
            step.undo()


def _roll_back(site: str, done: Sequence[Step], cause: OSError) -> None:
    try:
        for step in reversed(done):
            step.undo()
        remove_journal(site)
    except OSError as error:
        raise RecoveryError(
            f"cannot publish {cause.filename2 or cause.filename} ({cause.strerror}), and cannot "
            f"roll back: {error.filename}: {error.strerror}",
            advice=f"put that right, then run any sagepip command on {site}: it will recover",
        ) from error


@contextmanager
def signals_deferred() -> Iterator[SignalMask]:
    """Hold back SIGINT, SIGTERM and SIGHUP for the body; they arrive after it.

    Yields:
        What was held back before.
    """
    if not _is_main_thread():
        yield frozenset()  # only the main thread runs handlers
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEFERRED)
    try:
        yield frozenset(before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_masked(mask: SignalMask) -> Iterator[None]:
    """Hold back no other signals than those of a mask, for a part of such a body."""
    if not _is_main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_main_thread() -> bool:
    """Whether this is the thread that runs the handlers of signals."""
    threading = sys.modules.get("threading")  # nobody has started another without it
    return threading is None or threading.current_thread() is threading.main_thread()
