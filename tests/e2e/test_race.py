"""The race of ``make race`` in short: today's way fails, sagepip does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run_race(report: Path, *, way: str, seconds: float) -> tuple[int, dict[str, Any], str]:
    """Run the program for one way; give its exit status, its counts and all it said."""
    command = [sys.executable, "-m", "bench.race", "--way", way, "--seconds", str(seconds)]
    done = subprocess.run(
        [*command, "--json", str(report)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert report.exists(), done.stdout
    (counts,) = json.loads(report.read_text())["ways"]
    return done.returncode, counts, done.stdout


@pytest.mark.index
def test_copying_over_a_live_distribution_is_seen_to_tear_it(tmp_path: Path) -> None:
    """The observer does see torn trees: otherwise sagepip's 0 would mean nothing."""
    status, counts, said = run_race(tmp_path / "race.json", way="copy", seconds=3)
    assert counts["torn"]["damaged file"] > 0, said
    assert counts["reinstalls"] >= 3, said
    assert counts["violations"] > 0, said
    assert status == 0, said


@pytest.mark.index
def test_reinstalling_by_sagepip_tears_nothing_and_breaks_no_build(tmp_path: Path) -> None:
    """G1 and G2, as builds without isolation and an unlocked observer see them."""
    status, counts, said = run_race(tmp_path / "race.json", way="sagepip", seconds=6)
    assert counts["reinstalls"] >= 3, said
    assert counts["builds"] >= 3, said
    assert counts["looks"] >= 3 * counts["reinstalls"], said
    assert counts["loads"] >= 1, said
    assert dict.fromkeys(counts["torn"], 0) == counts["torn"], said
    assert counts["failed_builds"] == 0, said
    assert counts["failed_reinstalls"] == 0, said
    assert counts["left"] == [], said
    assert status == 0, said
