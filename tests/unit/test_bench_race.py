"""The race's verdict, and the ground that it and the demo stand on."""

from __future__ import annotations

import os
import select
from dataclasses import replace
from pathlib import Path

import pytest
from bench.environment import Pin, tool_environment
from bench.outcome import Outcome
from bench.processes import ProcessTable, Stopped
from bench.race import verdict

OURS = Outcome("sagepip", True, reinstalls=9, builds=9, looks=99, loads=3, torn={"absent": 0})
OLD = replace(OURS, way="copy", ours=False, torn={"absent": 5})


def test_the_race_is_won_if_the_old_way_fails_and_ours_does_not() -> None:
    assert verdict([OLD, OURS]) == []


@pytest.mark.parametrize(
    "worse",
    [
        {"torn": {"absent": 1}},
        {"failed_builds": 1},
        {"failed_reinstalls": 1},
        {"left": ["something"]},
        {"reinstalls": 2},
        {"builds": 2},
        {"looks": 0},
        {"loads": 0},
    ],
)
def test_anything_wrong_with_ours_or_too_little_done_loses(worse: dict[str, object]) -> None:
    ours = Outcome(**{**vars(OURS), **worse})
    assert len(verdict([OLD, ours])) == 1


def test_an_old_way_that_never_fails_proves_nothing() -> None:
    assert len(verdict([replace(OLD, torn={"absent": 0}), OURS])) == 1


def test_nothing_of_the_callers_settings_reaches_the_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_DEPS", "PYTHONPATH", "SAGE_VENV", "SAGEPIP_TRACE", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "from-the-caller")
    monkeypatch.setenv("no_proxy", "*")
    env = tool_environment(tmp_path / "home")
    assert "from-the-caller" not in env.values()
    assert "no_proxy" not in env
    assert env["HOME"] == str(tmp_path / "home")
    assert env["PATH"] == os.environ["PATH"]


def test_a_pin_knows_a_project_by_any_spelling() -> None:
    assert Pin.parse("setuptools_scm==1.0") == Pin.parse("Setuptools-SCM==1.0")


def test_no_process_outlives_the_table() -> None:
    """Not even the child of a child."""
    with ProcessTable() as processes:
        shell = processes.start(["sh", "-c", "sleep 300 & echo ready; wait"], env=dict(os.environ))
        assert shell.stdout is not None
        assert shell.stdout.readline() == "ready\n"
    # The other end of the pipe is closed when all that inherited it are gone.
    assert select.select([shell.stdout], [], [], 30)[0]
    assert shell.stdout.read() == ""
    shell.stdout.close()
    assert shell.returncode != 0
    with pytest.raises(Stopped):
        processes.start(["true"], env={})


def test_a_command_that_hangs_is_ended() -> None:
    with ProcessTable() as processes:
        done = processes.run(["sleep", "300"], env=dict(os.environ), timeout=0.2)
    assert done.returncode != 0
    assert "killed" in done.output
