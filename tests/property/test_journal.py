"""Laws of the journal: it reads back as it was written, and anything else is refused."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagepip.ground.errors import RecoveryError
from sagepip.transaction.journal import format_journal, journal_path, read_journal, write_journal
from sagepip.transaction.steps import MakeDirectory, Place, Plan, Retire, Step, Swap

SITE = "/prefix/lib/site"
names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/prefix/" + "/".join(parts))
inodes = st.tuples(st.integers(0, 2**64), st.integers(-1, 2**64), st.integers(-1, 2**63))
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Place, paths, paths, inodes),
    st.builds(Swap, paths, paths, inodes, inodes),
    st.builds(Retire, paths, paths, inodes),
    st.builds(MakeDirectory, paths),
)
sequences = st.lists(steps, max_size=5).map(tuple)
plans = st.builds(Plan, sequences, sequences, sequences)


def read_back(data: bytes) -> Plan | None:
    """Put bytes where a journal belongs and read it as the journal of SITE."""
    with tempfile.TemporaryDirectory() as site:
        os.mkdir(os.path.join(site, ".sagepip"))
        with open(journal_path(site), "wb") as stream:
            stream.write(data)
        journal = read_journal(site)
        assert journal is not None
        return journal.plan


@given(plans)
def test_round_trip(plan: Plan) -> None:
    """A journal reads back as the plan that was written, paths relative to the site included."""
    with tempfile.TemporaryDirectory() as site:
        os.mkdir(os.path.join(site, ".sagepip"))
        data = format_journal(site, "0123", "install x 1", plan)
        write_journal(site, data, os.path.join(site, "aside"), sync=True)
        journal = read_journal(site)
        assert journal is not None
        assert journal.plan == plan
        assert (journal.transaction, journal.what) == ("0123", "install x 1")


@given(plans, st.data())
@settings(max_examples=200)
def test_any_damage_is_refused(plan: Plan, data: st.DataObject) -> None:
    """A flipped bit or a truncation anywhere never yields a plan."""
    whole = format_journal(SITE, "0123", "install x 1", plan)
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 2))]
    else:
        position = data.draw(st.integers(0, len(whole) - 2))
        flipped = whole[position] ^ (1 << data.draw(st.integers(0, 7)))
        damaged = whole[:position] + bytes([flipped]) + whole[position + 1 :]
    with pytest.raises(RecoveryError):
        read_back(damaged)


@given(st.binary(max_size=200))
def test_nonsense_is_refused(data: bytes) -> None:
    """Whatever lies there instead of a journal is refused, and stays."""
    with pytest.raises(RecoveryError):
        read_back(data)


def test_other_version_is_refused() -> None:
    """A journal of a version to come stops recovery with an error that says so."""
    data = format_journal(SITE, "0123", "install x 1", Plan((), (), ()))
    with pytest.raises(RecoveryError, match="another version"):
        read_back(data.replace(b"sagepip-journal 1", b"sagepip-journal 2"))
