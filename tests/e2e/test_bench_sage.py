"""``make sage`` in short: a few of Sage's packages, built by its own scripts in an adopted tree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
