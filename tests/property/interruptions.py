"""Commits and recoveries that fail, or are killed, at a chosen call."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st

from sagepip.ground.errors import RecoveryError
from sagepip.ground.filesystem import ExchangeUnsupported
from sagepip.transaction import journal, steps
from sagepip.transaction.commit import commit_plan
from sagepip.transaction.journal import format_journal
from sagepip.transaction.recovery import recover
from sagepip.transaction.steps import Plan

# Whatever changes a tree or the journal in a commit or a recovery, one system call each but one.
_CALLS = {
    # The two of replace_file are taken apart by the matrices in tests/crash.
    steps: ("place", "swap", "replace_file", "make_directory", "remove_directory_if_empty"),
    journal: ("publish_file", "remove_file"),
}


class Killed(BaseException):
    """The process has died here: unlike an error, nothing of sagepip's may take notice."""


def no_space() -> OSError:
    """Return an error as the system reports it."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")


ERRORS: st.SearchStrategy[Callable[[], BaseException]] = st.sampled_from([Killed, no_space])


@contextmanager
def faults(at: Mapping[int, BaseException]) -> Iterator[None]:
    """Let calls that change something fail, by their number from 0 on."""
    number = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: object) -> object:
            nonlocal number
            number += 1
            if number - 1 in at:
                raise at[number - 1]
            return function(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for module, names in _CALLS.items():
            for name in names:
                patch.setattr(module, name, counted(getattr(module, name)))
        yield


@contextmanager
def without_exchange() -> Iterator[None]:
    """Behave as on a file system that cannot exchange two names."""

    def swap(first: str, second: str) -> None:
        raise ExchangeUnsupported(errno.EINVAL, os.strerror(errno.EINVAL), first, None, second)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sagepip.ground.filesystem.swap", swap)
        patch.setattr(steps, "swap", swap)
        yield


@dataclass(frozen=True)
class Commit:
    """A plan that is ready to be carried out, as often as it takes.

    The calls of a commit: the journal is number 0, each step is one, its removal the last.

    Attributes:
        site: the site directory, with a ``.sagepip``.
        plan: what to do.
        aside: where to write the journal first.
    """

    site: str
    plan: Plan
    aside: str

    @property
    def last(self) -> int:
        """The number of the call that removes the journal."""
        return len(self.plan.steps) + 1

    def is_committed_by(self, calls: int) -> bool:
        """Whether so many calls include the first of the commit part."""
        return calls > 1 + len(self.plan.before)

    def run(self, at: Mapping[int, BaseException] | None = None) -> None:
        """Carry the plan out."""
        data = format_journal(self.site, "0123", "test", self.plan)
        with faults(at or {}):
            commit_plan(self.site, self.plan, data, self.aside, sync=False)

    def kill(self, before_call: int, *, after_error_at: int | None = None) -> None:
        """Carry the plan out up to a call, in which the process dies.

        Args:
            before_call: the number of the call that is not made any more.
            after_error_at: a call before that which fails, so that the death is in the rollback.
        """
        at: dict[int, BaseException] = {before_call: Killed()}
        if after_error_at is not None:
            at[after_error_at] = no_space()
        with pytest.raises(Killed):
            self.run(at)

    def recover(self, interrupted_at: int, error: BaseException) -> None:
        """Recover, interrupted before a call if there are so many, then once more."""
        with faults({interrupted_at: error}):
            try:
                recover(self.site, announce=False)
            except (Killed, RecoveryError):
                assert os.path.exists(journal.journal_path(self.site))
        recover(self.site, announce=False)
        assert not os.path.exists(journal.journal_path(self.site))
