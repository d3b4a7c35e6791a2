"""Which files a neighbour lists: the quick look finds what a thorough one finds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sagepip.ground.errors import ConflictError
from sagepip.transaction import neighbours
from sagepip.transaction.installed import InstalledDistribution, list_installed
from sagepip.transaction.metadata_names import scan_metadata
from tests.property.test_records import EXAMPLES

# Where there are names that begin alike, and ways around a link.
PATHS = ["s/a.py", "s/ab.py", "s/sub/a.py", "sx/a.py", "a.py", "../../bin/a.py", "../../bin/run"]
SPELLINGS = [
    "{}",
    "./{}",
    "s/../{}",
    "link/../{}",
    "../site/{}",
    "../lib64/site/{}",
    "{site}/{}",
    '"{}"',
    "{}/",
    "s//../{}",
]
ROWS = st.tuples(st.sampled_from(PATHS), st.sampled_from(SPELLINGS), st.sampled_from(["", ",,"]))
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(ROWS, max_size=4), ENDS, st.lists(st.sampled_from(PATHS), min_size=1, unique=True))
@example([("a.py", "{}", ",,"), ("s/a.py", "{}", ",,")], "\r\n", ["s/a.py"])
@example([("../../bin/run", "{}", ",,")], "\n", ["../../bin/run"])
@example([("s/a.py", "../lib64/site/{}", ",,")], "\n", ["s/a.py"])
def test_like_a_thorough_look(
    rows: list[tuple[str, str, str]], end: str, wanted: list[str]
) -> None:
    """Whatever its rows look like, the neighbour is found to list just what it lists."""
    with tempfile.TemporaryDirectory() as top:
        top = os.path.realpath(top)
        site = os.path.join(top, "lib", "site")
        for one in (os.path.join(site, "s", "sub"), os.path.join(site, "sx"), f"{top}/bin"):
            os.makedirs(one)
        os.symlink("lib", os.path.join(top, "lib64"))
        os.symlink("../../bin", os.path.join(site, "link"))
        metadata = os.path.join(site, "other-1.dist-info")
        os.mkdir(metadata)
        lines = [spelling.format(path, site=site) + tail for path, spelling, tail in rows]
        with open(os.path.join(metadata, "RECORD"), "w", encoding="utf-8", newline="") as stream:
            stream.write(end.join(lines) + end)
        paths = {os.path.normpath(os.path.join(site, one)) for one in wanted}
        (neighbour,) = list_installed([site])
        thorough = set(neighbours._listed_oddly(neighbour, paths))
        found = neighbours.listed_by(scan_metadata([site]), paths)
        if neighbour_is_sound(neighbour):
            assert found.keys() == thorough
        else:
            assert found.keys() >= thorough


def neighbour_is_sound(neighbour: InstalledDistribution) -> bool:
    """Whether its list can be understood as a whole."""
    try:
        return neighbour.record is not None
    except ConflictError:
        return False


def test_lists_of_pip_need_no_thorough_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pip ends each line with two characters; that alone is not odd."""
    metadata = tmp_path / "other-1.dist-info"
    metadata.mkdir()
    (metadata / "RECORD").write_bytes(
        b"a.py,,\r\n../../bin/run,,\r\nother-1.dist-info/RECORD,,\r\n"
    )
    monkeypatch.delattr(neighbours, "_listed_oddly")
    paths = {str(tmp_path / "a.py"), str(tmp_path / "b.py")}
    found = neighbours.listed_by(scan_metadata([str(tmp_path)]), paths)
    assert found == {str(tmp_path / "a.py"): "other 1"}


@pytest.mark.parametrize("most", [4, 9, 13, 1 << 16])
@pytest.mark.parametrize("end", ["\n", ""])
def test_lists_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, end: str
) -> None:
    """However long a list is, and however little of it one call gives; its last line may be open.

    Some file systems give less than there is: some blocks, or what ends within a line.
    """
    (tmp_path / "other-1.dist-info").mkdir()
    (tmp_path / "other-1.dist-info" / "RECORD").write_text(f"one.py,,\ntwo.py,,\na.py,,{end}")
    read = os.read
    monkeypatch.setattr(neighbours, "_BLOCK_BYTES", 9)
    monkeypatch.setattr(os, "read", lambda one, count: read(one, min(count, most)))
    paths = {str(tmp_path / "a.py"), str(tmp_path / "b.py")}
    found = neighbours.listed_by(scan_metadata([str(tmp_path)]), paths)
    assert found == {str(tmp_path / "a.py"): "other 1"}


@pytest.mark.parametrize("kind", ["absent", "empty", "directory", "pipe", "link to nothing"])
def test_broken_neighbour_lists_nothing(tmp_path: Path, kind: str) -> None:
    """And stands in nobody's way: not the next one's, and nobody waits for it."""
    for name in ("a-1", "b-1", "c-1"):
        (tmp_path / f"{name}.dist-info").mkdir()
    record = tmp_path / "b-1.dist-info" / "RECORD"
    if kind == "empty":
        record.touch()
    elif kind == "directory":
        record.mkdir()
    elif kind == "pipe":
        os.mkfifo(record)
    elif kind == "link to nothing":
        record.symlink_to("nothing")
    for name in ("a", "c"):
        (tmp_path / f"{name}-1.dist-info" / "RECORD").write_text(f"{name}.py,,\n")
    paths = {str(tmp_path / f"{name}.py") for name in "abcd"}
    found = neighbours.listed_by(scan_metadata([str(tmp_path)]), paths)
    assert found == {str(tmp_path / "a.py"): "a 1", str(tmp_path / "c.py"): "c 1"}
