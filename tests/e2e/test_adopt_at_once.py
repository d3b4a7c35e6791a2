"""Several ``sagepip adopt --apply`` and ``--undo`` of one tree: one after the other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bench.environment import console_script

import sagepip
from tests.e2e.commands import Terminal
from tests.e2e.locking import needs_flock, start, wait_for_note
from tests.guarantees import snapshot
from tests.sage_anchors import STATE, archive, contents, make_tree

SAGEPIP = console_script("sagepip")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "sage")


@pytest.fixture
def pyz(tmp_path: Path) -> Path:
    return archive(tmp_path / "sagepip.pyz", sagepip.__version__)


@needs_flock
def test_one_waits_for_the_other_however_the_tree_is_named(
    terminal: Terminal, root: Path, pyz: Path
) -> None:
    """By a link as well; what only looks waits, too; a limit ends the waiting."""
    (link := terminal.where / "link").symlink_to(root)
    before = snapshot(root)
    holder = start(terminal, "flock", root / "build", "sh", "-c", "echo in; read line")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in\n"
    for words in (("--apply",), ("--undo",), ()):
        limited = terminal.run(
            "sagepip", "adopt", link, "--pyz", pyz, *words, "--lock-timeout", "0", status=3
        )
        assert "was not free" in limited.stderr
    applying = start(terminal, SAGEPIP, "adopt", link, "--apply", "--pyz", pyz)
    assert str(root) in wait_for_note(applying)
    assert snapshot(root) == before
    holder.communicate("\n", timeout=60)
    out, error = applying.communicate(timeout=60)
    assert applying.returncode == 0, error
    assert "has been adopted" in out


def test_many_at_once_leave_the_one_tree_or_the_other(
    terminal: Terminal, root: Path, pyz: Path
) -> None:
    """Each ends well, or says that there was nothing to undo; the originals are not lost."""
    before = contents(root)
    terminal.run("sagepip", "adopt", root, "--apply", "--pyz", pyz)
    after = contents(root)
    (link := terminal.where / "link").symlink_to(root)
    told = set()
    for _ in range(3):
        running = [
            start(terminal, SAGEPIP, "adopt", where, "--pyz", pyz, word)
            for word in ("--apply", "--undo")
            for where in (root, link, f"{root}/../{root.name}")
        ]
        for process in running:
            out, error = process.communicate(timeout=120)
            told.add(out.splitlines()[-1].rpartition(" ")[2] if out else "nothing")
            assert process.returncode == 0 or "was not adopted" in error, error
        assert contents(root) in (before, after)
        assert not [one for one in root.rglob("*") if one.name.endswith(("-new", "-old"))]
        assert (root / STATE).exists() == (contents(root) == after)
    assert told <= {"adopted", "was", "nothing"}
    subprocess.run([SAGEPIP, "adopt", root, "--apply", "--pyz", pyz], check=True)
    terminal.run("sagepip", "adopt", root, "--undo")
    assert contents(root) == before
    assert not (root / STATE).parent.exists()
