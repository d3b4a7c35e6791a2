"""``sagepip adopt`` over a tree made of the anchors alone."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

import sagepip
from sagepip.cli import dispatch
from sagepip.ground import filesystem
from sagepip.ground.errors import TargetError
from sagepip.operations import adopt
from sagepip.operations.adopt_edits import ARCHIVE, EDITS, NEW_SCRIPTS, Edit, Region
from tests.guarantees import snapshot
from tests.sage_anchors import STATE, archive, contents, make_tree, text_of

ZIP = b"a zip application"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "sage")


def test_adopting_and_undoing(root: Path) -> None:
    before = contents(root)
    assert {one.path for one in adopt.plan(str(root), ZIP)} == {
        ARCHIVE,
        *NEW_SCRIPTS,
        *(edit.path for edit in EDITS),
    }
    assert contents(root) == before
    adopt.apply(str(root), ZIP)
    after = contents(root)
    assert after[ARCHIVE] == (ZIP, 0o755)
    for edit in EDITS:
        data, mode = after[edit.path]
        assert mode == before[edit.path][1]
        for region in edit.regions:
            assert region.text.encode() in data
        if edit.regions[0].last:
            assert data.startswith(b"above\n")
            assert data.endswith(b"between\n")
    assert adopt.apply(str(root), ZIP) == []
    assert adopt.plan(str(root), ZIP) == []
    assert contents(root) == after
    adopt.undo(str(root))
    assert contents(root) == before
    assert not (root / STATE).parent.exists()


def test_a_newer_archive_alone_is_renewed(root: Path) -> None:
    before = contents(root)
    adopt.apply(str(root), ZIP)
    (change,) = adopt.plan(str(root), b"a newer one")
    assert "replaced" in adopt.diff([change])
    assert adopt.apply(str(root), b"a newer one") == [ARCHIVE]
    adopt.undo(str(root))
    assert contents(root) == before


def test_a_newer_sagepip_changes_the_original_anew(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older one wrote is not edited again; the original is."""
    before = contents(root)
    adopt.apply(str(root), ZIP)
    (edit,) = (one for one in EDITS if one.path.endswith("flock.py"))
    newer = Edit(edit.path, (Region(edit.regions[0].first, edit.regions[0].first, 1, "newer\n"),))
    monkeypatch.setattr("sagepip.operations.adopt_plan.EDITS", (newer,))
    monkeypatch.setattr("sagepip.operations.adopt_plan.NEW_SCRIPTS", {})
    assert edit.path in adopt.apply(str(root), ZIP)
    assert "newer\n" in (root / edit.path).read_text()
    assert edit.regions[1].text not in (root / edit.path).read_text()
    # What it has no hand in any more is as it was.
    now = contents(root)
    assert {one for one in before if before[one] != now[one]} == {edit.path}
    assert not set(NEW_SCRIPTS) & set(now)
    assert set(json.loads((root / STATE).read_text())["files"]) == {edit.path, ARCHIVE}
    adopt.undo(str(root))
    assert contents(root) == before


@pytest.mark.parametrize("path", [edit.path for edit in EDITS])
def test_a_tree_without_the_texts_is_refused(root: Path, path: str) -> None:
    """With the file and what was looked for; nothing is changed."""
    (edit,) = (one for one in EDITS if one.path == path)
    text = text_of(edit)
    region = edit.regions[-1]
    spoilt = [text.replace(region.first, "something else"), text + region.first + "\n"]
    if region.count > 1:
        spoilt.append(text.replace(region.first + "\n", region.first + "\nan addition\n"))
        spoilt += [text.replace(one, "something else") for one in region.holds]
        spoilt += [text.replace(region.last, "something else")] if region.last else []
    for one in spoilt:
        (root / path).write_text(one)
        before = snapshot(root)
        for call in (adopt.plan, adopt.apply):
            with pytest.raises(TargetError, match="looked for") as caught:
                call(str(root), ZIP)
            assert path in caught.value.problem
        assert snapshot(root) == before


def test_what_cannot_be_edited(root: Path, tmp_path: Path) -> None:
    """A binary file, a link, a missing one, a stranger under our names, no tree."""
    path = root / "build/bin/sage-spkg"
    text = path.read_text()
    path.write_bytes(b"\xff" + text.encode())
    with pytest.raises(TargetError, match="UTF-8"):
        adopt.plan(str(root), ZIP)
    path.unlink()
    with pytest.raises(TargetError, match="not the root of a Sage tree"):
        adopt.plan(str(root), ZIP)
    with pytest.raises(TargetError, match="not the root of a Sage tree"):
        adopt.undo(str(tmp_path))
    (tmp_path / "elsewhere").write_text(text)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TargetError, match="no regular file"):
        adopt.plan(str(root), ZIP)
    path.unlink()
    path.write_text(text)
    (root / "src/bin/sage").unlink()
    assert "src/bin/sage" not in {one.path for one in adopt.plan(str(root), ZIP)}
    (root / "build/bin/sage-pip-install").unlink()
    with pytest.raises(TargetError, match="is not there"):
        adopt.plan(str(root), ZIP)
    adopt_stranger = root / ARCHIVE
    adopt_stranger.write_text("a stranger")
    with pytest.raises(TargetError, match="in the way"):
        adopt.plan(str(root), ZIP)
    with pytest.raises(TargetError, match="was not adopted"):
        adopt.undo(str(root))


@pytest.mark.parametrize("undoing", [False, True])
def test_an_error_in_between_leaves_the_tree_as_it_was(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, undoing: bool
) -> None:
    """At each rename."""
    if undoing:
        adopt.apply(str(root), ZIP)
    before = contents(root)
    count = failing = 0
    real = filesystem.publish_file

    def publish(temporary: str, final: str) -> None:
        nonlocal count
        count += 1
        if count == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), final)
        real(temporary, final)

    monkeypatch.setattr("sagepip.operations.adopt_files.publish_file", publish)
    while failing < 100:
        count = 0
        failing += 1
        try:
            (adopt.undo(str(root)) if undoing else adopt.apply(str(root), ZIP))
        except TargetError as error:
            assert "No space left" in error.problem
            assert contents(root) == before
        else:
            break
    assert failing > len(EDITS)
    assert contents(root) != before


def test_a_kill_in_between_is_brought_to_an_end_or_taken_back(root: Path) -> None:
    """Some files new, some old, and the originals kept."""
    before = contents(root)
    adopt.apply(str(root), ZIP)
    after = contents(root)
    for finish in (True, False):
        for path in ("build/bin/sage-spkg", "build/bin/sage-pip-install"):
            (root / path).write_bytes(before[path][0])
        if finish:
            adopt.apply(str(root), ZIP)
            assert contents(root) == after
        else:
            (root / ARCHIVE).unlink()
            adopt.undo(str(root))
            assert contents(root) == before


@pytest.mark.parametrize("finish", [True, False])
def test_a_kill_while_a_newer_one_is_written(root: Path, *, finish: bool) -> None:
    """The state knows what the older sagepip had written, of which some is still there."""
    before = contents(root)
    adopt.apply(str(root), ZIP)
    adopt.apply(str(root), b"a newer one")
    (root / ARCHIVE).write_bytes(ZIP)
    (root / f"{ARCHIVE}.sagepip-new").write_bytes(b"half of")
    if finish:
        assert adopt.apply(str(root), b"a newer one") == [ARCHIVE]
        assert contents(root)[ARCHIVE][0] == b"a newer one"
    adopt.undo(str(root))
    assert contents(root) == before


def test_a_kill_at_the_end_of_undo(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What remembers the originals goes before them; the rest goes the next time."""
    before = contents(root)
    adopt.apply(str(root), ZIP)
    with monkeypatch.context() as patch:
        patch.setattr("sagepip.operations.adopt_files.remove_tree", lambda _: False)
        adopt.undo(str(root))
    assert not (root / STATE).exists()
    assert (root / STATE).parent.exists()
    assert adopt.undo(str(root)) == []
    assert contents(root) == before
    assert not (root / STATE).parent.exists()


def test_undo_refuses_what_was_changed_since(root: Path) -> None:
    """All such files by name; nothing is restored."""
    adopt.apply(str(root), ZIP)
    changed = ["build/bin/sage-spkg", "build/sage_bootstrap/flock.py"]
    for path in changed:
        with (root / path).open("a") as stream:
            stream.write("by hand\n")
    before = contents(root)
    with pytest.raises(TargetError, match="nothing was restored") as caught:
        adopt.undo(str(root))
    assert all(path in caught.value.problem for path in changed)
    with pytest.raises(TargetError, match="looked for"):
        adopt.apply(str(root), ZIP)
    assert contents(root) == before


def test_a_spoilt_state(root: Path) -> None:
    """It is not guessed at."""
    adopt.apply(str(root), ZIP)
    good = (root / STATE).read_text()
    original = root / "build/.sagepip-adopted/originals/build/bin/sage-spkg"
    text = original.read_text()
    for spoilt in ("", "{}", good.replace('"version": 1', '"version": 2'), "[]"):
        (root / STATE).write_text(spoilt)
        for call in (adopt.undo, lambda root: adopt.plan(root, ZIP)):
            with pytest.raises(TargetError, match="cannot read"):
                call(str(root))
    (root / STATE).write_text(good.replace("build/bin/sage-spkg", "../outside"))
    with pytest.raises(TargetError, match="no path in the tree"):
        adopt.undo(str(root))
    (root / STATE).write_text(good)
    original.write_text("other\n")
    before = contents(root)
    with pytest.raises(TargetError, match="not the original"):
        adopt.undo(str(root))
    original.unlink()
    with pytest.raises(TargetError, match="cannot read the original"):
        adopt.undo(str(root))
    original.write_text("other\n")
    assert contents(root) == before
    original.write_text(text)
    adopt.undo(str(root))


def command(*words: str | Path) -> int:
    return dispatch.run("sagepip", "", ["adopt", *map(str, words)])


def test_the_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A diff first; which zip application; one line for what is wrong."""
    pyz = archive(tmp_path / "good.pyz", sagepip.__version__)
    before = contents(root)
    assert command(root, "--pyz", pyz) == 0
    said = capsys.readouterr()
    assert "+++ b/build/bin/sage-spkg" in said.out
    assert "--apply" in said.err
    assert contents(root) == before
    assert command(root, "--pyz", pyz, "--apply") == 0
    assert "has been adopted" in capsys.readouterr().out
    assert command(root, "--pyz", pyz) == 0
    assert "already adopted" in capsys.readouterr().out
    assert command("--undo", root) == 0
    assert contents(root) == before
    other = archive(tmp_path / "other.pyz", "0.0")
    (broken := tmp_path / "broken.pyz").write_text("")
    os.mkfifo(pipe := tmp_path / "pipe")
    for words, status, word in (
        ((root,), 2, "make pyz"),
        ((root, "--pyz", other), 1, "is sagepip 0.0"),
        ((root, "--pyz", broken), 1, "no such file"),
        ((root, "--pyz", tmp_path / "none"), 1, "No such file"),
        ((tmp_path, "--pyz", pyz), 1, "not the root of a Sage tree"),
        ((root, "--pyz", pipe), 1, "not a regular file"),
        ((), 2, "one tree"),
        (("", "--pyz", pyz), 2, "SAGE_ROOT is empty"),
        ((root, "--apply", "--undo"), 2, "exclude"),
    ):
        capsys.readouterr()
        assert command(*words) == status
        assert word in capsys.readouterr().err
    assert contents(root) == before
