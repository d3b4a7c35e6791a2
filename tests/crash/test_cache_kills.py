"""A sample of the kills of those who make and prune the cache (``tests/crash/cache_crash.py``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.cache_crash import CacheCrash
from tests.crash.strace import Command, has_strace

needs_strace = pytest.mark.skipif(
    not has_strace(), reason="strace is not here or may not trace: nobody can be killed at a call"
)


@needs_strace
@pytest.mark.parametrize("scenario", [CacheCrash.maker, CacheCrash.pruner])
def test_next_build_works_and_nothing_is_left(
    scenario: Callable[[CacheCrash], Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes or prunes is killed: no half entry is seen, the next build and prune heal."""
    crash = CacheCrash(tmp_path, monkeypatch)
    command = scenario(crash)
    points = crash.points(command)
    renames = [point for point in points if point.is_rename]
    others = [point for point in points if not point.is_rename]
    assert len(renames) >= 3
    assert len(others) >= 50
    assert (
        crash.kills([*renames[:: len(renames) // 3], *others[:: len(others) // 8]], command) == []
    )
