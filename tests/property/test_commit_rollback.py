"""Whatever the site and the change: a commit that is taken back leaves no trace."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from sagepip.ground.destination import find_destination
from sagepip.ground.errors import CommitError, ConflictError, TargetError
from sagepip.transaction.journal import journal_path
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import begin_transaction
from tests.guarantees import violations_of_g1
from tests.property.interruptions import ERRORS, Commit, no_space, without_exchange
from tests.property.sites import PYTHON, Case, build, cases, locate, make_plan
from tests.property.trees import Tree, apply, differences, snapshot

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "100"))
FEW = 12


@dataclass(frozen=True)
class Ready:
    """A case that is built, staged and planned, with all that lies below its prefix.

    Attributes:
        commit: the plan, to be carried out.
        prefix: the prefix.
        before: everything below it, the staging area included.
    """

    commit: Commit
    prefix: str
    before: Tree

    @property
    def site(self) -> Path:
        """The site directory."""
        return Path(self.commit.site)

    def changed(self) -> list[str]:
        """Return what is not as it was before the commit."""
        return differences(snapshot(self.prefix), self.before)


@contextmanager
def ready(case: Case) -> Iterator[Ready | None]:
    """Build, stage and plan a case; None if its change is refused, which changes nothing."""
    with (
        tempfile.TemporaryDirectory() as directory,
        nullcontext() if case.exchange else without_exchange(),
    ):
        prefix = os.path.join(os.path.realpath(directory), "prefix")
        destination = find_destination(PYTHON, prefix=prefix)
        build(case, destination)
        live = snapshot(prefix)
        with begin_transaction(destination.site, Territory.of(destination)) as transaction:
            try:
                plan = make_plan(case, destination, transaction.area)
            except (ConflictError, TargetError):
                event("refused")
                plan = None
            before = snapshot(prefix)
            state = os.path.join(destination.site, ".sagepip")
            assert {k: v for k, v in before.items() if not k.startswith(state)} == live
            if plan is None:
                yield None
                return
            event(f"{'uninstall' if case.removed else 'install'}, exchange {case.exchange}")
            event(f"steps: {min(len(plan.steps), FEW)}")
            assert plan.still_holds()
            aside = os.path.join(directory, "journal")
            yield Ready(Commit(destination.site, plan, aside), prefix, before)


def chosen(data: st.DataObject, last: int) -> list[int]:
    """Return the numbers of the calls to fail at: all if they are few."""
    if last <= FEW:
        return list(range(last + 1))
    return data.draw(st.lists(st.integers(0, last), min_size=1, max_size=FEW, unique=True))


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases(), data=st.data())
def test_error_is_rolled_back(case: Case, data: st.DataObject) -> None:
    """An error at any call of a commit leaves everything as it was, down to the inodes."""
    with ready(case) as found:
        if found is None:
            return
        commit = found.commit
        for call in chosen(data, commit.last):
            with pytest.raises(CommitError):
                commit.run({call: no_space()})
            assert found.changed() == []
            assert not os.path.lexists(journal_path(commit.site))


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases(), data=st.data())
def test_kill_before_the_commit_is_rolled_back(case: Case, data: st.DataObject) -> None:
    """After a death before the commit, recovery leaves all as it was, interrupted itself or not."""
    with ready(case) as found:
        if found is None:
            return
        commit = found.commit
        committed = next(n for n in range(commit.last + 1) if commit.is_committed_by(n))
        for call in chosen(data, committed - 1):
            commit.kill(call)
            if case.exchange and not case.changes_kind:
                assert violations_of_g1(found.site, hashes=False) == []
            commit.recover(data.draw(st.integers(0, call + 1)), data.draw(ERRORS)())
            assert found.changed() == []


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases(), data=st.data())
def test_kill_after_the_commit_is_completed(case: Case, data: st.DataObject) -> None:
    """After a death past the commit, recovery leaves what the whole plan makes."""
    with ready(case) as found:
        if found is None:
            return
        commit = found.commit
        expected = apply(found.before, commit.plan.steps)
        committed = next(n for n in range(commit.last + 1) if commit.is_committed_by(n))
        call = data.draw(st.integers(committed, commit.last))
        commit.kill(call)
        if case.exchange and not case.changes_kind:
            assert violations_of_g1(found.site, hashes=False) == []
        commit.recover(data.draw(st.integers(0, commit.last)), data.draw(ERRORS)())
        assert differences(snapshot(found.prefix), expected) == []
        check_change(case, found)


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases(), data=st.data())
def test_kill_in_the_rollback(case: Case, data: st.DataObject) -> None:
    """A death while an error is rolled back leaves the old state, or the new one if committed."""
    with ready(case) as found:
        if found is None:
            return
        commit = found.commit
        failed = data.draw(st.integers(1, commit.last))
        # So many steps are taken back one by one, then the journal is removed.
        undone = data.draw(st.integers(0, failed - 1))
        commit.kill(failed + 1 + undone, after_error_at=failed)
        commit.recover(data.draw(st.integers(0, commit.last)), data.draw(ERRORS)())
        if commit.is_committed_by(failed - undone):
            event("forward")
            expected = apply(found.before, commit.plan.steps)
            assert differences(snapshot(found.prefix), expected) == []
        else:
            assert found.changed() == []


def check_change(case: Case, found: Ready) -> None:
    """Assert that a change did what it was for, and nothing to anybody else."""
    site, prefix = found.commit.site, found.prefix
    after = snapshot(prefix)
    assert violations_of_g1(found.site) == []
    visible = {path.name for path in found.site.glob("*.dist-info")}
    others = [one for one in case.installed if one.name not in case.changed]
    assert visible == {one.dist_info for one in (*others, *case.staged)}
    kept = [path for one in others for path in one.members(site, prefix)]
    kept += [locate(path, site, prefix) for path in case.foreign if "__pycache__" not in path]
    new = {path for one in case.staged for path in one.members(site, prefix)}
    for path in kept:
        assert after[path] == found.before[path] or path in new, path
