"""Wheelhouses: what they have, and how a wheel gets in."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from sagepip.build.wheelhouse import (
    candidates,
    check_storable,
    parse_file_name,
    store_files,
    store_wheel,
)
from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import publish_file
from sagepip.transaction.owner_mark import directory_lock
from tests.guarantees import snapshot
from tests.wheels import make_wheel

LEFT = f".sagepip-{'0' * 32}.part"


def _wheel(directory: Path, version: str, content: str = "", name: str = "demo") -> str:
    return str(make_wheel(directory, name, version, {f"{name}.py": content or version}))


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


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
        LEFT,
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
    changed = _wheel(tmp_path / "a", "1.0", "changed")
    store_wheel(changed, str(house))
    assert Path(stored).read_bytes() == Path(changed).read_bytes()


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
    (house / LEFT).write_text("half")
    wheel = _wheel(tmp_path / "a", "1.0")
    with directory_lock(str(house), "testing"):
        thread = threading.Thread(target=store_wheel, args=(wheel, str(house)))
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        assert os.listdir(house) == [LEFT]
    thread.join()
    assert os.listdir(house) == [os.path.basename(wheel)]


def test_unfinished_files_of_others_stay(tmp_path: Path) -> None:
    """A browser's or another tool's .part is nobody's leftover; neither is a directory."""
    house = tmp_path / "house"
    house.mkdir()
    foreign = ["demo-1.0-py3-none-any.whl.part", ".sagepip-1.part", ".demo.part"]
    for name in foreign:
        (house / name).write_text("half")
    directory = LEFT.replace("0", "1")
    (house / directory).mkdir()
    (house / LEFT).write_text("half")
    stored = store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
    assert _names(house) == sorted([*foreign, directory, os.path.basename(stored)])


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
    wheels = [_wheel(tmp_path / "a", f"{n}.0", os.urandom(50_000).hex()) for n in range(8)]
    threads = [threading.Thread(target=store_wheel, args=(one, str(house))) for one in wheels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (left,) = house.iterdir()
    assert left.read_bytes() == (tmp_path / "a" / left.name).read_bytes()


def test_what_cannot_be_stored_is_told(tmp_path: Path) -> None:
    """A name that is no wheel's, a missing wheel, a file in the directory's place: one line."""
    (tmp_path / "file").write_text("")
    for wheel, house in [
        (str(tmp_path / "demo.txt"), tmp_path / "house"),
        (str(tmp_path / "demo-1.0-py3-none-any.whl"), tmp_path / "house"),
        (_wheel(tmp_path / "a", "1.0"), tmp_path / "file"),
        (_wheel(tmp_path / "a", "1.0"), tmp_path / "file" / "house"),
    ]:
        with pytest.raises(TargetError) as caught:
            store_wheel(wheel, str(house))
        assert os.path.basename(wheel) in caught.value.problem
    assert not (tmp_path / "house").exists()


@pytest.mark.parametrize("spoilt", [{"demo.py": "altered"}, {"{info}/RECORD": None}, None])
def test_damaged_wheel_is_not_stored(tmp_path: Path, spoilt: dict[str, str | None] | None) -> None:
    """Nothing that is not what its RECORD says gets in, nor half a file; the old one stays."""
    house = tmp_path / "house"
    old = store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
    new = make_wheel(tmp_path / "b", "demo", "2.0", {"demo.py": "2"}, replace=spoilt)
    if spoilt is None:
        new.write_bytes(new.read_bytes()[:-60])
    with pytest.raises(TargetError, match=r"demo-2\.0"):
        store_wheel(str(new), str(house))
    assert _names(house) == [os.path.basename(old)]


# ---------------------------------------------------------------------- plain directories


def test_plain_directory_keeps_older_versions(tmp_path: Path) -> None:
    """Only a wheelhouse has one a project; sdists can be stored, too."""
    out = tmp_path / "out"
    store_files([_wheel(tmp_path / "a", "1.0")], str(out), one_per_project=False)
    sdist = tmp_path / "demo-2.0.tar.gz"
    sdist.write_bytes(b"sdist")
    two = [_wheel(tmp_path / "a", "2.0"), str(sdist)]
    stored = store_files(two, str(out), one_per_project=False)
    assert stored == [str(out / os.path.basename(path)) for path in two]
    assert _names(out) == [
        "demo-1.0-py3-none-any.whl",
        "demo-2.0-py3-none-any.whl",
        "demo-2.0.tar.gz",
    ]
    assert store_files([], str(tmp_path / "none"), one_per_project=False) == []
    assert not (tmp_path / "none").exists()


def test_several_are_stored_or_none(tmp_path: Path) -> None:
    """Where one cannot be stored nothing is changed, and nothing is left."""
    house = tmp_path / "house"
    store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
    (house / "other-1.0-py3-none-any.whl").mkdir()
    before = snapshot(house)
    wheels = [_wheel(tmp_path / "a", "2.0"), _wheel(tmp_path / "a", "1.0", name="other")]
    with pytest.raises(TargetError, match="Is a directory"):
        store_files(wheels, str(house), one_per_project=True)
    assert snapshot(house) == before


def test_directories_made_in_vain_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that was made for a wheel that could not be stored does not stay."""
    real = os.open

    def no_space(path: str, *arguments: int) -> int:
        if str(path).endswith(".part"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return real(path, *arguments)

    wheel = _wheel(tmp_path / "a", "1.0")
    monkeypatch.setattr("sagepip.build.wheelhouse.os.open", no_space)
    with pytest.raises(TargetError, match="No space left on device"):
        store_wheel(wheel, str(tmp_path / "new" / "house"))
    assert not (tmp_path / "new").exists()


def test_what_was_stored_all_the_same_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error after the first rename, or in removing the old wheel, says what is there."""
    house = tmp_path / "house"
    old = store_wheel(_wheel(tmp_path / "a", "1.0"), str(house))
    new = [_wheel(tmp_path / "a", "2.0"), _wheel(tmp_path / "a", "1.0", name="other")]

    def fail(path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    with monkeypatch.context() as patch:
        patch.setattr("sagepip.build.wheelhouse.remove_file", fail)
        with pytest.raises(TargetError, match=f"stored .*demo-2.0.*, but cannot remove {old}"):
            store_wheel(new[0], str(house))
    real = publish_file

    def second_fails(temporary: str, final: str) -> None:
        real(temporary, final) if "demo" in final else fail(final)

    os.unlink(house / os.path.basename(new[0]))
    with monkeypatch.context() as patch:
        patch.setattr("sagepip.build.wheelhouse.publish_file", second_fails)
        with pytest.raises(TargetError, match=r"stored .*demo-2\.0.*, but no more"):
            store_files(new, str(house), one_per_project=True)
    assert _names(house) == sorted(map(os.path.basename, (old, new[0])))


def test_unusable_directory_is_told_beforehand(tmp_path: Path) -> None:
    """A file in the way is found out before anything is built; a missing directory is none."""
    (tmp_path / "file").write_text("")
    check_storable(str(tmp_path))
    check_storable(str(tmp_path / "new" / "house"))
    for bad in (tmp_path / "file", tmp_path / "file" / "house"):
        with pytest.raises(TargetError, match=f"not a directory: {tmp_path / 'file'}"):
            check_storable(str(bad))
    os.symlink(tmp_path / "gone", tmp_path / "link")
    with pytest.raises(TargetError, match="not a directory"):
        check_storable(str(tmp_path / "link"))
