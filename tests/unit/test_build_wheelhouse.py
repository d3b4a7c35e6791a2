"""Wheelhouses: what they have, and how a wheel gets in."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from sagepip.build.wheelhouse import candidates, parse_file_name, store_wheel
from sagepip.ground.errors import TargetError
from sagepip.transaction.owner_mark import directory_lock


def _wheel(directory: Path, version: str, content: str = "", name: str = "demo") -> str:
    directory.mkdir(exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    path.write_text(content or version)
    return str(path)


def test_candidates_are_the_files_of_one_project(tmp_path: Path) -> None:
    """Every spelling of the name counts; hidden, temporary and other names do not."""
    house = tmp_path / "house"
    house.mkdir()
    names = [
        "Foo.Bar-1.0.tar.gz",
        "foo_bar-2.0-py3-none-any.whl",
        "foo_bar-2.0.zip",
        "foo-bar-10.0.tar.bz2",
        "foo_bar_baz-1.0-py3-none-any.whl",
        ".foo_bar-3.0-py3-none-any.whl",
        ".foo_bar-3.0-py3-none-any.whl.0123.part",
        "foo_bar-3.0-py3-none-any.whl.part",
        "foo_bar-x.tar.gz",
        "foo_bar.tar.gz",
        "foo_bar-1.0-notawheel.whl",
        "README",
    ]
    for name in names:
        (house / name).write_text("")
    (house / "foo_bar-9.0-py3-none-any.whl").mkdir()
    found = candidates("FOO-bar", [str(house), str(tmp_path / "absent")])
    assert [os.path.basename(path) for path in found] == [
        "foo-bar-10.0.tar.bz2",
        "foo_bar-2.0-py3-none-any.whl",
        "foo_bar-2.0.zip",
        "Foo.Bar-1.0.tar.gz",
    ]


def test_find_links_may_name_a_file(tmp_path: Path) -> None:
    """A wheelhouse entry may be an archive itself."""
    wheel = _wheel(tmp_path, "1.0")
    assert candidates("demo", [wheel]) == [wheel]
    assert candidates("other", [wheel]) == []


@pytest.mark.parametrize("name", ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-1.0.tgz"])
def test_file_names_give_project_and_version(name: str) -> None:
    """Names of wheels and sdists are parsed."""
    parsed = parse_file_name(name)
    assert parsed is not None
    assert (parsed[0], str(parsed[1])) == ("demo", "1.0")


def test_stored_wheel_has_the_umasks_mode_and_replaces_older_ones(tmp_path: Path) -> None:
    """One wheel a project stays, readable as the umask says; other projects are left alone."""
    house = tmp_path / "new" / "house"
    before = os.umask(0o027)
    try:
        store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
        store_wheel(_wheel(tmp_path / "a", "1.0", name="other"), str(house))
        stored = store_wheel(_wheel(tmp_path / "a", "2.0"), str(house))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(stored).st_mode) == 0o640
    assert sorted(os.listdir(house)) == [
        "demo-2.0-py3-none-any.whl",
        "other-1.0-py3-none-any.whl",
    ]


def test_sdists_in_the_wheelhouse_stay(tmp_path: Path) -> None:
    """Storing a wheel removes wheels of its project alone, never a source."""
    house = tmp_path / "house"
    house.mkdir()
    (house / "demo-0.5.tar.gz").write_text("")
    store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
    assert (house / "demo-0.5.tar.gz").exists()


def test_storing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    """The very same content keeps its inode and time; other content replaces it."""
    house = tmp_path / "house"
    stored = store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
    os.utime(stored, (1000, 1000))
    first = os.stat(stored)
    assert store_wheel(_wheel(tmp_path / "a", "1.0"), str(house)) == stored
    again = os.stat(stored)
    assert (again.st_ino, again.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    store_wheel(_wheel(tmp_path / "a", "1.0", "changed"), str(house))
    assert Path(stored).read_text() == "changed"


def test_storing_an_old_version_again_makes_it_the_one(tmp_path: Path) -> None:
    """Going back to a version that is still there drops the newer one."""
    house = tmp_path / "house"
    old = store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
    newer = _wheel(house, "2.0")
    os.utime(old, (1000, 1000))
    os.utime(newer, (2000, 2000))
    store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
    assert os.listdir(house) == [os.path.basename(old)]


def test_storing_waits_for_the_wheelhouse(tmp_path: Path) -> None:
    """Whoever stores holds a lock on the directory; what a killed one left behind goes."""
    house = tmp_path / "house"
    house.mkdir()
    (house / ".demo-9.whl.0123.part").write_text("half")
    wheel = _wheel(tmp_path / "a", "1.0")
    with directory_lock(str(house), "testing"):
        thread = threading.Thread(target=store_wheel, args=(wheel, str(house)))
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        assert os.listdir(house) == [".demo-9.whl.0123.part"]
    thread.join()
    assert os.listdir(house) == [os.path.basename(wheel)]


def test_stored_link_is_replaced_not_written_through(tmp_path: Path) -> None:
    """Rule 8: a symlink with the wheel's name is replaced by a file of its own."""
    house = tmp_path / "house"
    house.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("precious")
    wheel = _wheel(tmp_path / "a", "1.0")
    os.symlink(precious, house / os.path.basename(wheel))
    stored = store_wheel(wheel, str(house))
    assert precious.read_text() == "precious"
    assert not os.path.islink(stored)


def test_parallel_stores_leave_one_whole_wheel(tmp_path: Path) -> None:
    """Whoever stores at the same time: one wheel stays, and it is whole."""
    house = tmp_path / "house"
    wheels = [_wheel(tmp_path / "a", f"{n}.0", str(n) * 50_000) for n in range(8)]
    threads = [threading.Thread(target=store_wheel, args=(one, str(house))) for one in wheels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (left,) = house.iterdir()
    assert len(left.read_text()) == 50_000


def test_what_cannot_be_stored_is_told(tmp_path: Path) -> None:
    """A name that is no wheel's, a missing wheel, a file in the directory's place: one line."""
    (tmp_path / "file").write_text("")
    for wheel, house in [
        (str(tmp_path / "demo.txt"), tmp_path / "house"),
        (str(tmp_path / "demo-1.0-py3-none-any.whl"), tmp_path / "house"),
        (_wheel(tmp_path / "a", "1.0"), tmp_path / "file"),
    ]:
        with pytest.raises(TargetError) as caught:
            store_wheel(wheel, str(house))
        assert os.path.basename(wheel) in caught.value.problem
    assert not (tmp_path / "house").exists() or not os.listdir(tmp_path / "house")
