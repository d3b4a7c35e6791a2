"""What ``make bench-building`` tells: ratios are those of a round, and each state has its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.building_figures import Figures, Run, figures_of, summary_of
from bench.building_report import COLUMNS, cells_of
from bench.building_sources import build_system


def run(way: str, seconds: float, number: int = 1, *, state: str = "warm", cpu: float = 1) -> Run:
    return Run("six", way, state, number, seconds, cpu)


def test_ratios_are_taken_within_a_round() -> None:
    """The machine was ten times as busy in the second round; the ratio is 2 all the same."""
    runs = [run("sagepip", 1), run("pip", 2)]
    runs += [run("sagepip", 10, 2), run("pip", 20, 2)]
    runs += [run("sagepip", 3, 3), run("pip", 9, 3)]
    found = figures_of(runs, "six", "pip", "warm")
    assert found is not None
    assert (found.rounds, found.seconds, found.minimum, found.to_ours) == (3, 9, 2, 2)


def test_a_round_that_one_of_the_two_failed_in_is_left_out() -> None:
    runs = [run("pip", 2), run("pip", 9, 2), run("sagepip", 3, 2)]
    found = figures_of(runs, "six", "pip", "warm")
    assert found is not None
    assert (found.rounds, found.to_ours, found.to_floor) == (2, 3, None)


def test_states_are_apart_and_a_way_without_caches_counts_for_both() -> None:
    runs = [run("sagepip", 4, state="cold"), run("sagepip", 2), run("floor", 1, state="")]
    runs.append(run("hooks", 2, state="", cpu=3))
    cold, warm = (figures_of(runs, "six", "sagepip", state) for state in ("cold", "warm"))
    assert cold is not None
    assert warm is not None
    assert (cold.to_floor, warm.to_floor) == (4, 2)
    assert (cold.to_hooks, warm.to_hooks) == (2, 1)
    hooks = figures_of(runs, "six", "hooks", "cold")
    assert hooks is not None
    assert (hooks.to_ours, hooks.cpu_to_ours) == (0.5, 3)


def test_there_are_no_figures_of_what_never_ran() -> None:
    runs = [run("sagepip", 1)]
    assert figures_of(runs, "six", "pip", "warm") is None
    assert figures_of(runs, "mdurl", "sagepip", "warm") is None
    assert figures_of(runs, "six", "sagepip", "cold") is None
    assert summary_of([], "pip", "warm") is None


def figures(source: str, ratio: float | None, *, state: str = "warm") -> Figures:
    return Figures(source, "pip", state, 1, 2.0, 1.5, 1.25, ratio, ratio, None, 4.0)


def test_the_summary_is_the_geometric_mean_of_one_state() -> None:
    told = [figures("six", 2), figures("mdurl", 8), figures("attrs", 100, state="cold")]
    found = summary_of([*told, figures("pluggy", None)], "pip", "warm")
    assert found is not None
    assert found.sources == 3
    assert found.to_ours == pytest.approx(4)
    assert found.to_hooks == pytest.approx(4)
    assert found.to_floor is None


def test_a_row_fits_the_table() -> None:
    cells = cells_of(figures("six", 2), named=True)
    assert cells == ["six", "pip", "2.000", "1.500", "1.25", "2.00", "2.00", "", "4.00"]
    assert len(cells) == len(COLUMNS)
    assert cells_of(figures("six", 2), named=False)[0] == ""


def test_a_source_without_build_system_is_built_by_setuptools(tmp_path: Path) -> None:
    legacy = (["setuptools>=40.8.0"], "setuptools.build_meta:__legacy__", None)
    assert build_system(tmp_path) == legacy
    (tmp_path / "pyproject.toml").write_text("[tool.x]\n")
    assert build_system(tmp_path) == legacy
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["a"]\nbuild-backend = "b"\nbackend-path = ["."]\n'
    )
    assert build_system(tmp_path) == (["a"], "b", ["."])
