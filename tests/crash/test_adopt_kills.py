"""Kills of who adopts a Sage tree, or takes that back (``tests/crash/adopt_crash.py``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sagepip.operations.adopt_edits import EDITS
from tests.crash.adopt_crash import SCENARIOS, AdoptCrash
from tests.crash.strace import Command, has_strace

pytestmark = pytest.mark.skipif(
    not has_strace(), reason="strace is not here or may not trace: nobody can be killed at a call"
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_a_kill_leaves_what_can_be_finished_and_taken_back(
    scenario: Callable[[AdoptCrash], Command], tmp_path: Path
) -> None:
    """At every rename and removal of a state, and a sample of all else: apply ends, undo undoes."""
    crash = AdoptCrash(tmp_path)
    command = scenario(crash)
    points = crash.points(command)
    renames = [point for point in points if point.is_rename]
    others = [point for point in points if not point.is_rename]
    removals = [
        point for point in others if "sagepip-adopted" in point.text and "unlink" in point.name
    ]
    assert len(renames) >= (3 if scenario is AdoptCrash.renewer else len(EDITS))
    assert len(others) >= 30
    sample = list(dict.fromkeys([*renames, *removals, *others[:: len(others) // 5]]))
    assert crash.kills(sample, command) == []
