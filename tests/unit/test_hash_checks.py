"""The hashes of files that are given, and when they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagepip.build.hashes import HashChecking, file_digest
from sagepip.build.pip_messages import explain
from sagepip.build.sources import PackageSources
from sagepip.ground.errors import TargetError
from sagepip.operations.hash_checks import check_stated_hashes, requirement_line
from sagepip.operations.targets import (
    NamedRequirement,
    SourceArchive,
    SourceDirectory,
    Target,
    WheelFile,
)

ZEROS = "sha256:" + "0" * 64


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Return a file with some content."""
    path = tmp_path / "a wheel.whl"
    path.write_bytes(b"content")
    return path


def test_one_of_several(wheel: Path) -> None:
    """One hash that is right is enough, of whatever algorithm."""
    right = f"sha512:{file_digest(str(wheel), 'sha512')}"
    target = WheelFile(str(wheel), hashes=frozenset({ZEROS, right}))
    check_stated_hashes([target, NamedRequirement("x")], HashChecking.REQUIRED)


def test_lines_that_contradict_each_other(wheel: Path) -> None:
    """Where no hash is left that all lines state, nothing is right."""
    with pytest.raises(TargetError, match=r"DO NOT MATCH.*a%20wheel\.whl.*that all lines agree on"):
        check_stated_hashes([WheelFile(str(wheel), hashes=frozenset())], HashChecking.STATED)


def test_all_of_a_kind_are_named(wheel: Path) -> None:
    """One message names all that lack a hash, with what it would be."""
    digest = file_digest(str(wheel))
    targets: list[Target] = [WheelFile(str(wheel)), SourceArchive(str(wheel))]
    with pytest.raises(TargetError, match=f"missing.*sha256:{digest}; .*sha256:{digest}"):
        check_stated_hashes(targets, HashChecking.REQUIRED)
    check_stated_hashes(targets, HashChecking.STATED)


def test_directories_have_none(tmp_path: Path) -> None:
    """A directory is refused where hashes are required, editable or not."""
    for editable, says in ((False, "point to directories"), (True, "no single file to hash")):
        target = SourceDirectory(str(tmp_path), editable=editable)
        check_stated_hashes([target], HashChecking.STATED)
        with pytest.raises(TargetError, match=says):
            check_stated_hashes([target], HashChecking.REQUIRED)


def test_requirement_lines(wheel: Path) -> None:
    """Neither a blank nor a dash in a path can be taken for something else in a line."""
    line = requirement_line("demo", frozenset({"b", "a"}), str(wheel))
    assert line.startswith("demo[a,b] @ file:///")
    assert line.endswith(f"/a%20wheel.whl --hash=sha256:{file_digest(str(wheel))}")
    named = NamedRequirement("x==1", frozenset({ZEROS}))
    assert named.line == f"x==1 --hash={ZEROS}"


def test_what_pip_says_of_hashes() -> None:
    """The paragraph of pip becomes one line, without the file that pip was handed."""
    output = """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated
    a==1 from file:///w/a.whl (from -r /tmp/p/requirements.txt (line 1)):
        Expected sha256 00
        Expected     or 01
             Got        02

"""
    problem = explain(output, PackageSources()).problem
    assert problem == (
        "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE: "
        "a==1 from file:///w/a.whl: Expected sha256 00, Expected or 01, Got 02"
    )
