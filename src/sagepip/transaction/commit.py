"""Carry a plan out: forward over all its steps, or back to where it began."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sagepip.ground import console
from sagepip.ground.errors import CommitError, RecoveryError
from sagepip.ground.filesystem import identity
from sagepip.transaction.journal import journal_path, remove_journal, write_journal
from sagepip.transaction.steps import Plan, Retire, Step

_DEFERRED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def commit_plan(site: str, plan: Plan, journal: bytes, temporary: str, *, sync: bool) -> None:
    """Carry out a plan whose assumptions hold, under the lock of the site.

    Args:
        site: the resolved site directory; its lock is held and it has no journal.
        plan: what to do.
        journal: the journal of it, ready to be written.
        temporary: where to write the journal before it is renamed into place.
        sync: whether the journal must survive a loss of power.

    Raises:
        CommitError: a step failed; everything is as it was.
        RecoveryError: a step failed, and so did taking back another; the journal is kept.
    """
    published = False
    try:
        with signals_deferred():
            _carry_out(site, plan, journal, temporary, sync=sync)
            published = True
    except BaseException:
        if published:  # a signal that was held back
            console.note("the change had begun to be published when the signal came: it is done")
        raise


def _carry_out(site: str, plan: Plan, journal: bytes, temporary: str, *, sync: bool) -> None:
    if sync:
        os.sync()  # what the journal names must outlast a loss of power as it does
    try:
        write_journal(site, journal, temporary, sync=sync)
    except OSError as error:
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
        raise CommitError(
            f"cannot publish {error.filename2 or error.filename}: {error.strerror}",
            advice="nothing was changed",
        ) from error


def finish(plan: Plan) -> None:
    """Do what is not done yet of a plan that has been committed; for recovery.

    What stood before the commit is done by construction; looking at it again would only stumble
    over what has become of it since. What is to be retired and is not there any more, or is
    something else by now, is somebody else's business.
    """
    for step in plan.commit[1:] + plan.after:
        if step.is_done():
            continue
        if isinstance(step, Retire) and identity(step.source) != step.inode:
            console.detail(f"{step.source} has changed since; it is left alone")
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
def signals_deferred() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP for the body; they arrive after it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread runs handlers
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEFERRED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
