"""What ``make bench`` tells, and that it notices what is not as it should be."""

from __future__ import annotations

import py_compile
import zipfile
from pathlib import Path

import pytest
from bench.environment import Pin, VirtualEnvironment
from bench.performance import checks
from bench.performance.figures import FLOOR, LIMIT, OURS, PIP, Run, Target, judge, middle, ratio
from bench.performance.rebuilding import rebuild
from bench.performance.report import Told, cells_of, markdown, target_text
from bench.performance.small_wheels import fill_site, make_small_wheel
from bench.performance.stopwatch import Cost, RunFailed


def run(way: str, number: int, cpu: float, held: float | None = None) -> Run:
    return Run(way, number, Cost(cpu, cpu * 2, 2048, held))


def test_ratios_are_taken_within_a_round() -> None:
    """The machine was ten times as busy in the second round; the ratio is 1/2 all the same."""
    runs = [run(OURS, 0, 1), run(PIP, 0, 2), run(OURS, 1, 10), run(PIP, 1, 20)]
    runs += [run(OURS, 2, 3), run(PIP, 2, 9)]
    assert ratio(runs, OURS, PIP, "cpu") == 0.5
    assert middle(runs, OURS, "wall") == 6000
    assert middle(runs, OURS, "peak") == 2
    assert ratio(runs, OURS, "uv", "cpu") is None


def test_targets_are_met_or_not() -> None:
    runs = [run(OURS, 0, 1, held=0.0015), run(PIP, 0, 2)]
    wanted = [
        Target("cpu", 0.5, PIP),
        Target("cpu", 0.4, PIP),
        Target("held", 2),
        Target("held", 1),
        Target("cpu", 9, "uv"),
    ]
    assert [one.met for one in judge(runs, wanted)] == [True, False, True, False, False]
    assert not any(one.out_of_reach for one in judge(runs, wanted))


def test_a_target_is_out_of_reach_if_the_least_work_misses_it_too() -> None:
    runs = [run(OURS, 0, 2), run(PIP, 0, 4), run(LIMIT, 0, 1)]
    wanted = [Target("cpu", limit, PIP) for limit in (0.5, 0.3, 0.2)]
    assert [one.out_of_reach for one in judge(runs, wanted)] == [False, False, True]
    runs = [run(OURS, 0, 2), run(PIP, 0, 4), run(FLOOR, 0, 0.4)]
    wanted = [Target("cpu", 0.2, PIP), Target("cpu", 0.05, PIP), Target("cpu", 1.15, FLOOR)]
    assert [one.out_of_reach for one in judge(runs, wanted)] == [False, True, False]
    runs.append(run(LIMIT, 0, 0.6))
    assert [one.limit for one in judge(runs, wanted)] == [0.15, 0.15, pytest.approx(1.5)]
    assert [one.out_of_reach for one in judge(runs, wanted)] == [False, True, True]
    more = [run(OURS, 0, 2), run(PIP, 0, 4), run(LIMIT, 0, 2.1)]
    assert not any(one.out_of_reach for one in judge(more, [Target("cpu", 0.2, PIP)]))


def test_the_markdown_has_each_row_and_shows_what_is_not_met() -> None:
    missed = {"measure": "cpu", "limit": 0.1, "to": PIP, "value": 0.25, "met": False}
    missed |= {"least": 0.12, "out_of_reach": True}
    told = Told("uninstall", "six", {OURS: {"cpu": 9.4}}, {PIP: {"cpu": 0.25}}, [missed])
    assert target_text(missed) == "cpu/pip 0.25 NOT ≤ 0.1 (least work 0.12)"
    assert cells_of(told) == ["9.4", "", "0.25", "", "", "", "", ""]
    header = {
        "versions": {"pip": "1"},
        "commit": "abc",
        "machine": "m",
        "processors": 2,
        "load": [0.1],
        "file_system": "tmpfs",
        "microseconds_a_file": 10,
    }
    text = markdown({"header": header, "rounds": 3, "rows": [told.__dict__]})
    assert text.endswith(
        "| uninstall | ms | / pip |\n|---|---:|---:|\n| six | 9 | 0.25 (0.1; 0.12) |\n"
    )


@pytest.fixture
def venv(tmp_path: Path) -> VirtualEnvironment:
    """One small distribution with bytecode; no interpreter is needed."""
    found = VirtualEnvironment(tmp_path / "venv")
    site = found.root / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    fill_site(site, 1, "small")
    for path in site.glob("small0/*.py"):
        py_compile.compile(str(path))
    return found


def check(venv: VirtualEnvironment) -> None:
    checks.check_installed(venv, Pin("small0", "1"), set(), "uv", compiled=True)


def test_what_is_as_it_should_be_passes(venv: VirtualEnvironment) -> None:
    check(venv)


def test_a_damaged_file_fails(venv: VirtualEnvironment) -> None:
    with (venv.site / "small0" / "work.py").open("r+") as stream:
        stream.write("D")
    with pytest.raises(RunFailed, match="the hash differs"):
        check(venv)


def test_bytecode_of_another_source_fails(venv: VirtualEnvironment) -> None:
    (bytecode,) = venv.site.glob("small0/__pycache__/work.*.pyc")
    with bytecode.open("r+b") as stream:
        stream.seek(8)
        stream.write(bytes(8))
    with pytest.raises(RunFailed, match="no valid bytecode"):
        check(venv)
    bytecode.unlink()
    with pytest.raises(RunFailed, match="no valid bytecode"):
        check(venv)


def test_what_nobody_lists_fails(venv: VirtualEnvironment) -> None:
    (venv.site / "stray").touch()
    with pytest.raises(RunFailed, match="belongs to nobody"):
        checks.check_installed(venv, Pin("small0", "1"), set(), PIP, compiled=True)


def test_what_an_uninstallation_leaves_or_takes_fails(venv: VirtualEnvironment) -> None:
    with pytest.raises(RunFailed, match="left behind"):
        checks.check_uninstalled(venv, set(), OURS)
    with pytest.raises(RunFailed, match="was not installed"):
        checks.check_uninstalled(
            venv, {*map(str, venv.root.rglob("*.py*")), str(venv.root / "x")} | _all(venv), OURS
        )
    checks.check_uninstalled(venv, _all(venv), OURS)


def _all(venv: VirtualEnvironment) -> set[str]:
    return {str(path) for path in venv.root.rglob("*") if not path.is_dir()}


def test_a_rebuilt_wheel_has_the_same_content_and_other_bytes(tmp_path: Path) -> None:
    wheel = make_small_wheel(tmp_path, "small")
    other = rebuild(wheel, tmp_path / "other")
    assert other.read_bytes() != wheel.read_bytes()
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(other) as two:
        assert [(name, one.read(name)) for name in one.namelist()] == [
            (name, two.read(name)) for name in two.namelist()
        ]
