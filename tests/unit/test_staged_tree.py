"""Reading a staged tree, and bringing it back where it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagepip.ground.destination import LiveRoot
from sagepip.ground.errors import TargetError
from sagepip.ground.free_space import NoSpace
from sagepip.staging import copy_space
from sagepip.staging.copy_space import check_copy_fits
from sagepip.staging.staged_tree import StagedTree, read_staged_tree
from sagepip.staging.tree_staging import TreeStaging
from sagepip.transaction.staging_area import StagingArea
from sagepip.transaction.territory import Territory

SITE = "lib/python3.11/site-packages"


def tree_of(base: Path, *names: str) -> StagedTree:
    """Make and read a tree; names with a slash at the end are directories."""
    base.mkdir(exist_ok=True)
    for name in names:
        path = base / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return read_staged_tree(str(base))


def test_what_is_where(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path / "t",
        *(
            "bin/x",
            "void/",
            f"{SITE}/m.py",
            f"{SITE}/p/v.dist-info/RECORD",
            f"{SITE}/p-1.dist-info/",
        ),
        *("lib64/python3.11/dist-packages/", "share/own/o.egg-info", "share/own/in/i.egg-info"),
        *(".sagepip/lock", f"{SITE}/.sagepip-1/x"),
    )
    assert tree.sites == [SITE, "lib64/python3.11/dist-packages"]
    assert tree.module_directories == [*tree.sites, "share/own"]
    assert tree.files == [
        "bin/x",
        f"{SITE}/m.py",
        f"{SITE}/p/v.dist-info/RECORD",
        "share/own/o.egg-info",
        "share/own/in/i.egg-info",
    ]
    assert {"void", "lib", SITE, f"{SITE}/p-1.dist-info"} <= set(tree.directories)
    assert tree.directories.index("lib") < tree.directories.index(SITE)
    assert tree.skipped == [".sagepip", f"{SITE}/.sagepip-1"]


@pytest.mark.parametrize("name", ["site-packages", "tree"])
def test_a_tree_that_is_a_site(name: str, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / name, "m.py", "m-1.dist-info/RECORD", "m/n-1.dist-info/RECORD")
    assert tree.module_directories == [""]
    assert tree.sites == ([""] if name == "site-packages" else [])


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/up").symlink_to("..")
    (tmp_path / "t/loop").symlink_to("loop")
    assert tree_of(tmp_path / "t").files == ["loop", "up"]
    (tmp_path / "alias").symlink_to("t")
    assert read_staged_tree(str(tmp_path / "alias")).path == str(tmp_path / "t")


def test_what_cannot_be_published(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    os.mkfifo(tmp_path / "t/pipe")
    for path in ("t", "none", "t/pipe"):
        with pytest.raises(TargetError):
            read_staged_tree(str(tmp_path / path))


def test_moved_back_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot go back, for somebody has taken its place, does not keep the rest from it."""
    base, prefix = tmp_path / "t", tmp_path / "prefix"
    prefix.mkdir()
    tree = tree_of(base, "a", "b", "c/d", f"{SITE}/m.py")
    roots = [LiveRoot(str(prefix / SITE), str(prefix / SITE), True)]
    roots.append(LiveRoot(str(prefix), str(prefix), False))
    territory = Territory(roots, str(prefix / "bin"), str(prefix))
    area = StagingArea(str(tmp_path / "area"), territory)
    (tmp_path / "area").mkdir()
    staging = TreeStaging(tree, str(prefix), area)
    staging.move()
    assert sorted(os.listdir(base)) == ["lib"]
    (base / "b").write_text("theirs")
    staging.restore()
    assert read_staged_tree(str(base)).files == tree.files
    assert (base / "b").read_text() == "theirs"
    assert f"cannot move {base}/b back" in capsys.readouterr().err


def test_space_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot fit is refused; hard links count once, links and what is renamed not at all."""
    base, prefix = tmp_path / "t", tmp_path / "prefix"
    tree_of(base, "lib/a", "share/c")
    (base / "lib/a").write_bytes(bytes(3000))
    os.link(base / "lib/a", base / "lib/b")
    (base / "lib/s").symlink_to("a")
    (base / "share/c").write_bytes(bytes(1000))
    tree = read_staged_tree(str(base))

    def room(free: int) -> None:
        # In use are a million bytes, so that each file has to be looked at.
        found = os.statvfs_result((1, 1, free + 1_000_000, free, free, 0, 0, 0, 0, 255))
        monkeypatch.setattr(os, "statvfs", lambda _: found)

    monkeypatch.setattr("sagepip.staging.copy_space.shares_blocks", lambda *_: False)
    room(4000)
    check_copy_fits(tree, str(prefix), move=False)
    room(3999)
    with pytest.raises(NoSpace, match=rf"{base} needs 3\.9 KiB; {tmp_path} has .* \(.*--move\)"):
        check_copy_fits(tree, str(prefix), move=False)
    check_copy_fits(tree, str(prefix), move=True)
    real = copy_space._place
    monkeypatch.setattr(copy_space, "_place", lambda path: (real(path)[0], -1))
    with pytest.raises(NoSpace, match=r"needs 3\.9 KiB.* \(make space\)"):
        check_copy_fits(tree, str(prefix), move=True)
    with pytest.raises(NoSpace, match=r"needs 3\.9 KiB.* \(make space\)"):
        check_copy_fits(tree, str(prefix), move=False)
    monkeypatch.setattr("sagepip.staging.copy_space.shares_blocks", lambda *_: True)
    check_copy_fits(tree, str(prefix), move=True)
    monkeypatch.setattr("sagepip.staging.copy_space.shares_blocks", lambda *_: False)
    room(1_000_000)
    check_copy_fits(tree, str(prefix), move=False)  # as much as all that is there
    assert not prefix.exists()
