"""``make sage`` in short: a few of Sage's packages, built by its own scripts in an adopted tree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.processes import ProcessTable
from bench.sage import Trees
from bench.sage_round import problems_of

from tests.e2e.locking import wait_until
from tests.guarantees import versions, violations_of_g1

ROOT = Path(__file__).parents[2]
PACKAGES = ("pip", "setuptools", "wheel", "six", "decorator")
"""Two are single modules; the last is a source, built with two of the others."""


@pytest.mark.index
def test_an_adopted_tree_builds_and_upgrades_without_a_gap(tmp_path: Path) -> None:
    """From nothing, pip first; then all at once, each upgraded under those that use it.

    That the problems include what an upgrade left behind, unit tests show.
    """
    report = tmp_path / "sage.json"
    command = [sys.executable, "-m", "bench.sage", "--only", "adopted", "--jobs", "4"]
    command += ["--round", "new", "--round", "at_once", "--exactly", "--packages", *PACKAGES]
    done = subprocess.run(
        [*command, "--json", str(report)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    rounds = json.loads(report.read_text())["rounds"]
    assert [one["kind"] for one in rounds] == ["from nothing", "rebuilt, all at once"]
    for one in rounds:
        assert one["packages"] == len(PACKAGES)
        assert one["failures"] == {}
        assert one["problems"] == []
        assert one["seen"]["looks"] > len(PACKAGES)
        assert one["seen"]["absent"] == []
        assert one["seen"]["torn"] == {}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes that are started react to SIGINT, though the tests may run where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.index
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("upgrading", [False, True], ids=["fresh", "upgrade"])
def test_make_goes_on_after_an_interrupt(tmp_path: Path, *, upgrading: bool) -> None:
    """Ctrl-C once the first package is done: nothing is torn, none has gone; make ends the rest."""
    with ProcessTable() as processes:
        tree = Trees(tmp_path, PACKAGES, exactly=True).unpack("adopted")
        if upgrading:
            assert tree.make(processes, tree.packages, 4).returncode == 0
            tree.go_on_to_next_edition()
        made = tree.start_make(processes, tree.packages, 4)
        records = [tree.record(recipe) for recipe in tree.packages.values()]
        wait_until(lambda: any(one.exists() for one in records) or made.poll() is not None)
        os.killpg(made.pid, signal.SIGINT)
        assert processes.finish(made).returncode != 0
        wait_until(lambda: not group_is_there(made.pid))
        assert not all(one.exists() for one in records)
        assert violations_of_g1(tree.site) == []
        if upgrading:
            assert [one for one in PACKAGES if not versions(tree.site, one)] == []
        again = tree.make(processes, tree.packages, 4)
        assert again.returncode == 0, again.last_lines(20)
        assert all(one.exists() for one in records)
        assert problems_of(tree) == []
        assert [len(versions(tree.site, one)) for one in PACKAGES] == [1] * len(PACKAGES)
        assert {one.name for one in (tree.site / ".sagepip").iterdir()} <= {"lock", "gate"}


def group_is_there(group: int) -> bool:
    """Whether a process of a group is still there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
