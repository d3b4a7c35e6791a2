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
def test_an_adopted_tree_builds_upgrades_nothing_away_and_ends_in_order(tmp_path: Path) -> None:
    """From nothing, pip first; then all at once, each upgraded under those that use it."""
    report = tmp_path / "sage.json"
    command = [sys.executable, "-m", "bench.sage", "--only", "adopted", "--jobs", "4"]
    command += ["--round", "new", "--round", "at_once", "--exactly", "--packages", *PACKAGES]
    done = subprocess.run(
        [*command, "--dir", str(tmp_path / "trees"), "--json", str(report)],
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
    (installed,) = (tmp_path / "trees/adopted/local/var/lib/sage").glob(
        "venv-*/lib/python3*/site-packages/six.py"
    )
    assert installed.read_text().endswith("# edition 1\n")
