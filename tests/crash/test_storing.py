"""Kills and errors at every call that stores a wheel: a reader finds the old or the new, whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sagepip.staging.checked_archive import check_wheel
from tests.crash.strace import (
    Command,
    Point,
    clean_environment,
    fail_at,
    has_strace,
    kill_at,
    list_points,
    run,
    sagepip_command,
)
from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.wheels import make_wheel

pytestmark = pytest.mark.skipif(
    not has_strace(), reason="strace is not here or may not trace: nothing can be killed"
)
# Larger than a buffer, so that a wheel is written in several calls.
_BODY = os.urandom(2_500_000)
_LEFT = f".sagepip-{'0' * 32}.part"


class Storing:
    """A wheelhouse with an old wheel, and a command that stores a new one in it.

    Args:
        work: a private directory.
        arguments: makes sagepip's arguments, given the private directory of one run.
    """

    def __init__(self, work: Path, arguments: Callable[[Path], list[str]]) -> None:
        self.work = work
        self.old = make_wheel(work / "old", "demo", "1.0", {"demo.py": "one"})
        self.other = make_wheel(work / "old", "other", "1.0", {"other.py": ""})
        self._arguments = arguments

    def place(self, name: str) -> Path:
        """Make the private directory of one run, with its wheelhouse."""
        place = self.work / "runs" / name
        shutil.rmtree(place, ignore_errors=True)
        (place / "tmp").mkdir(parents=True)
        shutil.copytree(self.old.parent, place / "house")
        (place / "house" / _LEFT).write_bytes(b"of one that was killed")
        return place

    def command(self, place: Path) -> Command:
        """Return the command that stores the new wheel."""
        environment = clean_environment() | {
            "SAGE_SPKG_WHEELS": str(place / "house"),
            "TMPDIR": str(place / "tmp"),
        }
        return Command(sagepip_command(*self._arguments(place)), environment)

    def points(self) -> list[Point]:
        """Return the calls from the first to the last that have to do with the wheelhouse."""
        # The first run of a fresh clone writes bytecode, which later ones do not.
        assert run(self.command(self.place("warm"))).returncode == 0
        place = self.place("points")
        found = list_points(self.command(place), self.work / "strace.log", place / "house")
        last = max(i for i, point in enumerate(found) if "/house/" in point.text)
        return found[: last + 1]

    def check(self, place: Path) -> set[str]:
        """Check that all wheels that can be seen are whole; return the versions of the project."""
        seen = [path for path in (place / "house").iterdir() if not path.name.startswith(".")]
        for path in seen:
            check_wheel(str(path))
        assert {path.name.split("-")[0] for path in seen} == {"demo", "other"}
        return {path.name.split("-")[1] for path in seen if path.name.startswith("demo")}

    def read(self, place: Path) -> str:
        """Have pip fetch the project from the frozen wheelhouse; return the version."""
        pip = [sys.executable, "-m", "pip", "download", "--isolated", "--no-index", "--no-deps"]
        done = subprocess.run(
            [*pip, "-q", "--find-links", place / "house", "--dest", place / "got", "demo"],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (got,) = (place / "got").iterdir()
        assert got.read_bytes() == (place / "house" / got.name).read_bytes()
        return got.name.split("-")[1]

    def again(self, place: Path) -> None:
        """Run the command to its end; what a kill has left is tidied up, the new wheel stays."""
        done = run(self.command(place))
        assert done.returncode == 0, done.stderr
        names = ["demo-2.0-py3-none-any.whl", self.other.name]
        assert sorted(os.listdir(place / "house")) == names
        assert self.check(place) == {"2.0"}


def build_a_wheel(tmp_path: Path) -> Storing:
    """``sagepip build WHEEL``: nothing but the storing."""
    new = make_wheel(tmp_path / "new", "demo", "2.0", {"demo.bin": _BODY})
    return Storing(tmp_path, lambda _place: ["build", str(new)])


def install_a_source(tmp_path: Path) -> Storing:
    """``sagepip install SOURCE``, which builds, stores and installs."""
    source = make_project(tmp_path / "source", "demo", "2.0", in_tree=TINY_BACKEND)
    options = ["install", "--no-build-isolation", "--prefix"]
    return Storing(tmp_path, lambda place: [*options, str(place / "prefix"), str(source)])


@pytest.mark.parametrize("scenario", [build_a_wheel, install_a_source])
def test_killed_storing(scenario: Callable[[Path], Storing], tmp_path: Path) -> None:
    """At every call: pip finds a whole wheel, old or new; the next command tidies up."""
    storing = scenario(tmp_path)
    points = storing.points()
    found: list[str] = []
    for number, point in enumerate(points):
        place = storing.place(f"kill-{number}")
        assert kill_at(point, storing.command(place)) == -signal.SIGKILL, str(point)
        assert storing.check(place) <= {"1.0", "2.0"}
        found.append(storing.read(place))
        storing.again(place)
    # The change is one step: all old before it, all new after it.
    assert found == sorted(found)
    assert set(found) == {"1.0", "2.0"}
    # What was left is swept, a file is made, written and published, the old one removed.
    assert {"openat", "write", "rename", "unlink"} <= {point.name for point in points}


def test_storing_that_fails(tmp_path: Path) -> None:
    """At every call that may fail: one line, and the wheelhouse as it was, or it says not."""
    storing = build_a_wheel(tmp_path)
    points = storing.points()
    for number, point in enumerate(points):
        place = storing.place(f"fail-{number}")
        error = "ENOSPC" if point.name in ("openat", "write") else "EIO"
        done = fail_at(point, error, storing.command(place))
        said = f"{point}: {done.stderr.decode()}"
        versions = storing.check(place)
        assert done.returncode == 1, said
        assert ": Error: " in said, said
        assert said.count("\n") == 1, said
        told = "but cannot remove" in said or "cannot write to standard output" in said
        assert ("2.0" in versions) == told, said
        left = {name for name in os.listdir(place / "house") if name.startswith(".")}
        # The first call sweeps; where that fails nothing is done.
        assert bool(left) == (number == 0), said
        storing.again(place)
    assert len(points) > 4
