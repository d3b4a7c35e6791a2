"""``make wheels``: what it puts together, and that a difference is a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.environment import Pin
from bench.wheels import summarize
from bench.wheels_list import WHEELS, Wheel, chosen
from bench.wheels_trial import Result, batches

from tests.wheels import make_wheel


def made(name: str, known: tuple[str, ...] = ()) -> Wheel:
    return Wheel(Pin(name, "1.0"), "made by code", known)


def test_list_is_long() -> None:
    """What was promised: a hundred and more, no wheel twice."""
    assert len({wheel.pin for wheel in WHEELS}) == len(WHEELS) >= 100
    with pytest.raises(ValueError, match="not in the list: nowhere"):
        chosen(["six", "nowhere"])


def test_batches_bring_no_file_twice(tmp_path: Path) -> None:
    """Wheels with a file or a script in common come into two environments."""
    files = {"a": {"one.py": ""}, "b": {"two.py": ""}, "c": {"two.py": ""}, "d": {"four.py": ""}}
    points = {"a": "[console_scripts]\nrun = one:run\n", "d": "[gui_scripts]\nrun = four:run\n"}
    wheels = [made(name) for name in files]
    paths = {
        wheel: make_wheel(
            *(tmp_path, wheel.pin.name, "1.0", files[wheel.pin.name]),
            entry_points=points.get(wheel.pin.name, ""),
        )
        for wheel in wheels
    }
    a, b, c, d = wheels
    assert batches(wheels, paths) == [[a, b], [c, d]]


def test_differences_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """Only what the list explains is no failure, and it has to be found."""
    good = Result(made("good"), 3)
    known = Result(made("known", ("a.pyc",)), 3, ["file by pip alone: a.pyc"])
    lost = Result(made("lost", ("a.pyc",)), 3)
    bad = Result(made("bad", ("a.pyc",)), 3, ["file by pip alone: a.pyc", "differs: b.py"])
    for result in (good, known, lost, bad):
        result.settle()
    assert summarize([good, known]) == 0
    assert "1 equal, 1 with known differences alone, 0 with others" in capsys.readouterr().out
    assert (summarize([good, lost]), summarize([good, bad]), summarize([])) == (1, 1, 1)
    said = capsys.readouterr().out
    assert "lost==1.0: known, but not found: a.pyc" in said
    assert "bad==1.0: differs: b.py" in said
