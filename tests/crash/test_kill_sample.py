"""A sample of the crash matrices; ``make crash`` runs all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.matrix import Matrix
from tests.crash.places import other_file_system
from tests.crash.scenarios import Place, Scenario, make_all_scenarios
from tests.crash.strace import Point, has_strace

needs_strace = pytest.mark.skipif(
    not has_strace(), reason="strace is not here or may not trace: the kill matrix cannot run"
)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path | None]:
    """Make a directory on another file system, if there is one."""
    with other_file_system(tmp_path) as found:
        yield found


def make_matrix(name: str, tmp_path: Path, elsewhere: Path | None = None) -> Matrix:
    wheels = tmp_path / "wheels"
    scenarios: dict[str, Scenario] = {one.name: one for one in make_all_scenarios(wheels)}
    if scenarios[name].place is Place.SCRIPTS_ELSEWHERE and elsewhere is None:
        pytest.skip("there is no second file system to put scripts on")
    return Matrix(scenarios[name], tmp_path / "work", wheels, elsewhere)


def sample(points: list[Point], renames: int, others: int) -> list[Point]:
    """Take some of the renames in site-packages and elsewhere, and some of the other calls."""
    ours = [point for point in points if point.is_rename and "/prefix/" in point.text]
    rest = [point for point in points if point not in ours]
    return _spread(ours, renames) + _spread(rest, others)


def _spread(points: list[Point], number: int) -> list[Point]:
    return points[:: max(1, len(points) // number)]


@needs_strace
@pytest.mark.parametrize("name", ["fresh install", "upgrade", "uninstall"])
def test_killed_command_leaves_old_or_new(name: str, tmp_path: Path) -> None:
    """A kill leaves no half-installed distribution, and the next command tidies up (G1, G3)."""
    matrix = make_matrix(name, tmp_path)
    points = sample(matrix.points(), renames=1000, others=12)
    outcome = matrix.kills(points, workers=3)
    assert outcome.violations == []
    assert outcome.points == len(points) >= 15
    # Both outcomes must have happened, or the sample missed the commit.
    assert outcome.old > 0
    assert outcome.new > 0


@needs_strace
@pytest.mark.parametrize(
    "name",
    [
        "two sites, metadata moves back",
        "upgrade, scripts elsewhere",
        "reinstall, no exchange",
        "staged copy, upgrade",
        "staged copy, two sites",
        "staged copy, C library",
        "withdrawal",
    ],
)
def test_killed_in_other_places(name: str, tmp_path: Path, elsewhere: Path | None) -> None:
    """The same with several sites or file systems, with plain renames, and for staged copies."""
    matrix = make_matrix(name, tmp_path, elsewhere)
    outcome = matrix.kills(sample(matrix.points(), renames=10, others=4), workers=3)
    assert outcome.violations == []
    assert outcome.new > 0
    # An installation again leads to what was there.
    assert outcome.old > 0 or name.startswith("reinstall")


@needs_strace
def test_killed_recovery_is_recovered(tmp_path: Path) -> None:
    """Recovery may be killed itself, before the commit and after it (G3)."""
    matrix = make_matrix("upgrade", tmp_path)
    renames = [point for point in matrix.points() if point.name == "renameat2"]
    outcome = matrix.recoveries([renames[3], renames[-1]], workers=3, every=7)
    assert outcome.violations == []
    assert outcome.old > 0
    assert outcome.new > 0


@needs_strace
def test_matrix_notices_a_torn_tree(tmp_path: Path) -> None:
    """The check itself works: a tree spoilt on purpose is reported."""
    matrix = make_matrix("upgrade", tmp_path)
    site = next((tmp_path / "work" / "base").rglob("site-packages"))
    (site / "alpha" / "gone.py").unlink()
    point = Point("renameat2", 1, "")
    outcome = matrix.kills([point], workers=1)
    assert any("alpha/gone.py is missing" in one for one in outcome.violations)


@needs_strace
def test_matrix_notices_what_a_signal_leaves(tmp_path: Path) -> None:
    """The check itself works: a command that a signal ended before its commit is reported."""
    matrix = make_matrix("uninstall", tmp_path)
    early = next(point for point in matrix.points() if "/owner" in point.text)
    # It is given out as a point of the commit, within which the signal would be held back.
    outcome = matrix.signals([Point(early.name, early.ordinal, '"/journal"')], workers=1)
    assert any("it was committing, but the old tree" in one for one in outcome.violations)
