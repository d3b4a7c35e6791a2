"""Every wheel of the corpus is refused whole, in one line, or installed as it must be."""

from __future__ import annotations

import bz2
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from sagepip.ground.destination import find_destination
from sagepip.ground.errors import ConflictError, SagepipError
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from sagepip.operations.uninstall import UninstallRequest, uninstall
from tests.corpus.all_cases import CASES
from tests.corpus.arena import Arena, Tree, compare, differences
from tests.corpus.cases import Case, Wheel, entry_with
from tests.corpus.raw_zip import BZIP2, DEFLATED
from tests.guarantees import violations_of_g1

PYTHON = TargetPython.running()


def make_arena(around: Path) -> Arena:
    """Return a prepared arena."""
    arena = Arena(around, around / "prefix", PYTHON.xy)
    arena.prepare()
    return arena


def request(arena: Arena, wheel: Path, case: Case) -> InstallRequest:
    """Return the request that installs a wheel."""
    return InstallRequest(
        (WheelFile(str(wheel)),),
        find_destination(PYTHON, prefix=str(arena.prefix)),
        no_deps=not case.dependencies,
    )


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Arena, Tree]:
    """Return an arena that every refusal leaves as it is, so that all can use it."""
    arena = make_arena(tmp_path_factory.mktemp("refused"))
    return arena, arena.tree()


def names(*, refused: bool) -> list[str]:
    """Return the names of the cases that are refused, or are not."""
    return [name for name, one in CASES.items() if bool(one.refused) == refused and not one.slow]


@pytest.mark.parametrize("name", names(refused=True))
def test_refused(untouched: tuple[Arena, Tree], name: str) -> None:
    """A wheel that must be refused is refused in one line, and nothing around has changed."""
    case = CASES[name]
    arena, before = untouched
    wheel = case.write(arena.around / "wheels", arena.around, arena.xy)
    try:
        with pytest.raises(SagepipError) as caught:
            install(request(arena, wheel, case))
    finally:
        shutil.rmtree(wheel.parent)
    assert not compare(before, arena.tree(), "prefix")
    assert re.search(case.refused, str(caught.value)), str(caught.value)
    assert caught.value.advice, str(caught.value)
    assert wheel.name in str(caught.value) or isinstance(caught.value, ConflictError)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("name", names(refused=False))
def test_installed(tmp_path: Path, name: str) -> None:
    """A wheel that is odd but valid is installed as it must be, and goes without a trace."""
    case = CASES[name]
    arena = make_arena(tmp_path)
    wheel = case.write(tmp_path / "wheels", tmp_path, arena.xy)
    before = arena.tree()
    asked = request(arena, wheel, case)
    install(asked)
    after = arena.tree()
    changes = compare(before, after, "prefix")
    assert not changes.outside
    assert not changes.foreign
    assert differences(case, arena, after, changes) == []
    assert violations_of_g1(arena.site) == []
    uninstall(UninstallRequest((case.wheel.name,), asked.destination))
    left = compare(before, arena.tree(), "prefix")
    # As with pip, the directories of the scheme itself stay.
    left.new_directories[:] = [one for one in left.new_directories if "/include" not in one]
    assert not left


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    """Where a wheel states more than RECORD, or packs it without a bound, little memory is used.

    The command runs with 300 MiB of memory; each of these wheels would unpack to a gibibyte.
    """
    arena = make_arena(tmp_path)
    deflated, zipped = _zeros(1 << 30), bz2.compress(b"\0" * (8 << 20)) * 128
    for method, body, size in (
        (DEFLATED, deflated, 6),
        (DEFLATED, deflated, 1 << 30),
        (BZIP2, zipped, 6),
    ):
        case = Wheel(entries=entry_with(method=method, body=body, size=size))
        wheel = case.write(tmp_path / "wheels", tmp_path, arena.xy)
        before = arena.tree()
        words = [sys.executable, "-I", "-m", "sagepip", "install", "--no-deps", "--no-index"]
        words += ["--prefix", str(arena.prefix), str(wheel)]
        done = subprocess.run(
            ["/bin/sh", "-c", 'ulimit -v 307200; exec "$@"', "sh", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert re.search("damaged|RECORD says 6|by method 12", done.stderr)
        assert not compare(before, arena.tree(), "prefix")


def _zeros(size: int) -> bytes:
    """Return so many zeros deflated, without having them in memory."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    part = b"\0" * (16 << 20)
    return b"".join([*(packer.compress(part) for _ in range(size >> 24)), packer.flush()])
