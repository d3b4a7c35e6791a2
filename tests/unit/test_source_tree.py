"""A source tree after a build: no bytecode that was not there before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagepip.build.source_tree import without_new_bytecode
from tests.guarantees import snapshot


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_new_bytecode_goes_and_old_stays(tmp_path: Path) -> None:
    """What the build added goes; what was there stays, be it changed; nothing else is touched."""
    tree = tmp_path / "source"
    write(tree / "pkg" / "__pycache__" / "old.cpython-311.pyc")
    write(tree / "pkg" / "mod.py")
    before = snapshot(tree)
    with without_new_bytecode(str(tree)):
        write(tree / "__pycache__" / "setup.cpython-311.pyc")
        write(tree / "a" / "b" / "__pycache__" / "c.cpython-311.opt-1.pyc")
        write(tree / "pkg" / "__pycache__" / "mod.cpython-311.pyc")
        write(tree / "pkg" / "__pycache__" / "mod.cpython-311.pyc.139873")
        write(tree / "pkg" / "made.c")
    after = snapshot(tree)
    added = {"a", "a/b", "pkg/made.c"}
    assert {name for name in after if name not in before} == added
    assert {name: after[name] for name in before} == before


def test_also_after_a_failure(tmp_path: Path) -> None:
    """A build that fails or is interrupted leaves no bytecode either."""
    with pytest.raises(KeyboardInterrupt), without_new_bytecode(str(tmp_path)):
        write(tmp_path / "__pycache__" / "setup.cpython-311.pyc")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_bytecode_stays(tmp_path: Path) -> None:
    """Somebody's own file in a directory of that name is not removed, nor is the directory."""
    with without_new_bytecode(str(tmp_path)):
        write(tmp_path / "__pycache__" / "setup.cpython-311.pyc")
        write(tmp_path / "__pycache__" / "notes.txt")
        write(tmp_path / "sub" / "__pycache__")  # a file
    assert [path.name for path in (tmp_path / "__pycache__").iterdir()] == ["notes.txt"]
    assert (tmp_path / "sub" / "__pycache__").exists()


def test_other_places_are_not_entered(tmp_path: Path) -> None:
    """Links are not followed; repositories and virtual environments are none of our business."""
    tree, outside = tmp_path / "source", tmp_path / "outside"
    outside.mkdir()
    for name in (".git", "node_modules", "venv"):
        (tree / name).mkdir(parents=True)
    (tree / "venv" / "pyvenv.cfg").touch()
    os.symlink(outside, tree / "link")
    os.symlink(outside, tree / "__pycache__")
    with without_new_bytecode(str(tree)):
        kept = [
            write(place / "__pycache__" / "x.cpython-311.pyc")
            for place in (outside, tree / ".git", tree / "node_modules", tree / "venv" / "lib")
        ]
        kept.append(write(outside / "y.cpython-311.pyc"))
    assert all(path.exists() for path in kept)
    assert (tree / "__pycache__").is_symlink()


def test_tree_that_goes_meanwhile(tmp_path: Path) -> None:
    """A hook that removes the tree, or parts of it, makes no trouble here."""
    tree = tmp_path / "source"
    write(tree / "__pycache__" / "x.cpython-311.pyc")
    with without_new_bytecode(str(tree)):
        os.rename(tree, tmp_path / "gone")
    assert not tree.exists()
