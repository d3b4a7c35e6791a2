"""``check`` looks again: what was only the middle of somebody's commit is no problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagepip.ground.destination import find_destination
from sagepip.ground.target_python import TargetPython
from sagepip.operations import check
from sagepip.operations.check import CheckRequest, Kind
from sagepip.transaction.installed import InstalledDistribution, list_installed


def test_the_middle_of_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first look misses and the second one finds is not told; what stays is."""
    for name, requires in (("a", "b>=1"), ("b", "nowhere")):
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\nRequires-Dist: {requires}\n")
    listed, looks = list_installed, 0

    def late(directories: list[str]) -> list[InstalledDistribution]:
        nonlocal looks
        looks += 1
        found = listed(directories)
        return [one for one in found if looks > 1 or one.name != "b"]

    monkeypatch.setattr(check, "list_installed", late)
    destination = find_destination(TargetPython.running(), target=str(tmp_path))
    report = check.check(CheckRequest(destination))
    assert looks > 1
    assert report.checked == 2
    # Told by the first look already is only what the second one says as well.
    assert [(one.name, one.kind) for one in report.problems] == []
    assert [one.kind for one in check.check(CheckRequest(destination)).problems] == [Kind.MISSING]
