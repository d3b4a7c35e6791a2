"""The order of what is published."""

from __future__ import annotations

from pathlib import Path

from sagepip.ground.destination import LiveRoot
from sagepip.transaction.phases import PhasedSteps
from sagepip.transaction.steps import MakeDirectory
from sagepip.transaction.territory import Territory


def test_programs_come_after_data_also_as_a_whole_directory(tmp_path: Path) -> None:
    prefix, site = str(tmp_path), str(tmp_path / "lib/python3.11/site-packages")
    roots = [LiveRoot(site, site, True), LiveRoot(prefix, prefix, False)]
    steps = PhasedSteps(Territory(roots, f"{prefix}/bin", prefix))
    names = ["bin", "bin/x", "binary", "share", f"{site}/x.pth", f"{site}/x.py"]
    for name in names:
        steps.add(str(tmp_path / name), MakeDirectory(name))
    assert [step.path for step in steps.in_order if isinstance(step, MakeDirectory)] == [
        *(f"{site}/x.py", "binary", "share", "bin", "bin/x", f"{site}/x.pth")
    ]
