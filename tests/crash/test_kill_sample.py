"""A sample of the kill matrix; ``make crash`` runs all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.matrix import Matrix, make_scenarios
from tests.crash.strace import Point, has_strace

_OTHERS = 12

needs_strace = pytest.mark.skipif(
    not has_strace(), reason="strace is not here or may not trace: the kill matrix cannot run"
)


def sample(points: list[Point]) -> list[Point]:
    """Take every publishing rename, and some of the other calls, evenly spread."""
    renames = [point for point in points if point.name.startswith("rename")]
    others = [point for point in points if point not in renames]
    step = max(1, len(others) // _OTHERS)
    return renames + others[::step]


@needs_strace
@pytest.mark.parametrize("number", [0, 1, 5], ids=["fresh install", "upgrade", "uninstall"])
def test_killed_command_leaves_old_or_new(number: int, tmp_path: Path) -> None:
    """A kill leaves no half-installed distribution, and the next command tidies up (G1, G3)."""
    wheels = tmp_path / "wheels"
    matrix = Matrix(make_scenarios(wheels)[number], tmp_path / "work", wheels)
    points = sample(matrix.points())
    outcome = matrix.kills(points, workers=3)
    assert outcome.violations == []
    assert outcome.points == len(points) >= 15
    # Both outcomes must have happened, or the sample missed the commit.
    assert outcome.old > 0
    assert outcome.new > 0


@needs_strace
def test_killed_recovery_is_recovered(tmp_path: Path) -> None:
    """Recovery may be killed itself, before the commit and after it (G3)."""
    wheels = tmp_path / "wheels"
    matrix = Matrix(make_scenarios(wheels)[1], tmp_path / "work", wheels)
    renames = [point for point in matrix.points() if point.name == "renameat2"]
    outcome = matrix.recoveries([renames[3], renames[-1]], workers=3, every=7)
    assert outcome.violations == []
    assert outcome.old > 0
    assert outcome.new > 0


@needs_strace
def test_matrix_notices_a_torn_tree(tmp_path: Path) -> None:
    """The check itself works: a tree spoilt on purpose is reported."""
    wheels = tmp_path / "wheels"
    matrix = Matrix(make_scenarios(wheels)[1], tmp_path / "work", wheels)
    site = next((tmp_path / "work" / "base").rglob("site-packages"))
    (site / "alpha" / "gone.py").unlink()
    point = Point("renameat2", 1, "")
    outcome = matrix.kills([point], workers=1)
    assert any("alpha/gone.py is missing" in one for one in outcome.violations)
