"""``make bench`` in short: one tiny wheel by sagepip and by the floor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bench.environment import Pin, VirtualEnvironment
from bench.performance.__main__ import Runner
from bench.performance.figures import OURS, PIP, Target, judge
from bench.performance.peers import Peers
from bench.performance.small_wheels import make_small_wheel
from bench.performance.stage import Bench, Row, Stage, Way
from bench.performance.stopwatch import RunFailed, Stopwatch
from bench.performance.wheel_rows import Tool, floor, new, uninstall
from bench.processes import ProcessTable

SMALL = Pin("small", "1")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("bench")
    (root / "stopwatch").mkdir()
    own = VirtualEnvironment(Path(sys.executable).parent.parent)
    nothing = root / "nothing"
    with ProcessTable() as processes, closing(Stopwatch(processes, root / "stopwatch")) as watch:
        yield Bench(
            root,
            processes,
            watch,
            Peers(own, nothing, nothing, nothing, nothing, {}),
            {SMALL: make_small_wheel(root, "small")},
            VirtualEnvironment.create(root / "template"),
        )


def test_a_row_is_run_and_judged(bench: Bench) -> None:
    ours = Tool(OURS, bench)
    ways = [new(ours, SMALL, compiled=True), floor(bench, SMALL, compiled=True)]
    runner = Runner(bench)
    runs = runner.run(Row("new", "small", ways), 1)
    assert runner.failures == []
    assert [run.way for run in runs] == [OURS, "floor"]
    assert all(run.cost.cpu > 0 and run.cost.wall > 0 and run.cost.peak > 0 for run in runs)
    (verdict,) = judge(runs, [Target("cpu", 0.01, "floor")])
    assert not verdict.met
    assert not list(bench.root.glob("run-*"))


def test_uninstalling_is_checked_and_a_failing_tool_is_given_up(bench: Bench) -> None:
    absent = Way(PIP, lambda stage: stage.time([sys.executable, "-c", "raise SystemExit('no')"]))
    runner = Runner(bench)
    runs = runner.run(Row("x", "y", [uninstall(Tool(OURS, bench), SMALL), absent]), 2)
    assert [run.way for run in runs] == [OURS, OURS]
    assert len(runner.failures) == 1
    assert "x: y, pip: " in runner.failures[0]
    assert ": status 1: no" in runner.failures[0]


def test_what_a_command_leaves_running_counts(bench: Bench) -> None:
    """It is waited for, as nothing else would tell what it used."""
    stage = Stage.set_up(bench, bench.root / "alone")
    later = "import time; time.sleep(0.5); open('done', 'w').close()"
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {later!r}])"
    stage.time([sys.executable, "-c", leave])
    assert (stage.root / "done").exists()
    stage.remove()


def test_one_failure_among_many_commands_fails(bench: Bench) -> None:
    stage = Stage.set_up(bench, bench.root / "many")
    with pytest.raises(RunFailed, match="status 3"):
        stage.time([sys.executable, "-c", "raise SystemExit(3)"], [sys.executable, "-c", ""])
    stage.remove()
