"""What an installed version has of a wheel already stays; everything else is as if it had not."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import TargetError
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from sagepip.operations.uninstall import UninstallRequest, uninstall
from sagepip.transaction import transaction
from sagepip.transaction.commit import commit_plan
from sagepip.transaction.kept_files import KeptFiles
from sagepip.transaction.lock import SiteLock
from sagepip.transaction.transaction import Transaction
from tests.guarantees import snapshot, violations_of_g1
from tests.wheels import make_wheel

FILES: dict[str, bytes | str] = {
    "pkg/__init__.py": "VALUE = 1\n",
    "pkg/data.bin": bytes(range(256)) * 10,
    "pkg/empty.txt": "",
    "pkg/template.py": "not {{ python }}\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/one.py": "ONE = 1\n",
    "pkg/sub/two.py": "TWO = 2\n",
    "pkg/other/__init__.py": "PATH = __file__\n",
    "single.py": "SINGLE = 1\n",
}


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    """Return a prefix of its own for the running interpreter."""
    return find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))


def put(destination: Destination, *wheels: Path, compiled: bool = True, force: bool = True) -> None:
    """Install wheels, whatever is there."""
    targets = tuple(WheelFile(str(wheel)) for wheel in wheels)
    install(
        InstallRequest(
            targets, destination, no_deps=True, force_reinstall=force, compile_bytecode=compiled
        )
    )


def put_first(where: Path, destination: Destination) -> Path:
    """Install the first version; return its site."""
    put(destination, make_wheel(where, "pkg", "1", FILES))
    return Path(destination.site)


def rebuild(where: Path, **changed: bytes | str | None) -> Path:
    """Make the wheel again, with other files: dots stand for slashes, double underscores for dots.

    Args:
        where: a directory of the test's.
        changed: new contents; None leaves a file out.
    """
    files = dict(FILES)
    for key, value in changed.items():
        name = key.replace("_D_", ".").replace("_S_", "/")
        files.pop(name, None)
        if value is not None:
            files[name] = value
    return make_wheel(where / "rebuilt", "pkg", "1", files)


def inodes(site: Path) -> dict[str, int]:
    """Return the inodes of all files besides metadata and sagepip's own."""
    return {
        str(path.relative_to(site)): path.stat().st_ino
        for path in site.rglob("*")
        if path.is_file() and ".dist-info" not in str(path) and ".sagepip" not in str(path)
    }


def replaced(before: dict[str, int], site: Path) -> set[str]:
    """Return the files that others have taken the place of, bytecode aside."""
    now = inodes(site)
    return {
        path
        for path in before.keys() | now.keys()
        if before.get(path) != now.get(path) and not path.endswith(".pyc")
    }


def as_installed_fresh(where: Path, wheel: Path, site: Path) -> None:
    """Check that a site holds what the wheel would have become in an empty one, RECORD too."""
    fresh = find_destination(TargetPython.running(), prefix=str(where / "fresh"))
    put(fresh, wheel)
    expected, found = snapshot(Path(fresh.site)), snapshot(site)
    for content in (expected, found):
        for path in [one for one in content if one.endswith(".pyc")]:
            content[path] = (content[path][0], None)  # it holds times and paths
    assert found == expected
    assert violations_of_g1(site) == []


def test_identical_content_stays_and_the_metadata_is_new(
    tmp_path: Path, destination: Destination
) -> None:
    """No module is touched, and RECORD is what it would have been."""
    site = put_first(tmp_path, destination)
    before, metadata = inodes(site), (site / "pkg-1.dist-info").stat().st_ino
    wheel = rebuild(tmp_path)
    put(destination, wheel)
    assert inodes(site) == before
    assert (site / "pkg-1.dist-info").stat().st_ino != metadata
    as_installed_fresh(tmp_path, wheel, site)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"pkg_S_sub_S_one_D_py": "ONE = 2\n"}, {"pkg/sub/one.py"}),
        ({"pkg_S_new_D_py": ""}, {"pkg/new.py"}),
        ({"pkg_S_data_D_bin": None}, {"pkg/data.bin"}),
        ({"single_D_py": "SINGLE = 2\n"}, {"single.py"}),
        (
            {"pkg_S_sub_S_one_D_py": "ONE = 2\n", "pkg_S_sub_S_two_D_py": "TWO = 3\n"},
            {"pkg/sub/__init__.py", "pkg/sub/one.py", "pkg/sub/two.py"},
        ),
        ({"pkg_S_far_S_a_D_py": "", "pkg_S_far_S_b_D_py": ""}, {"pkg/far/a.py", "pkg/far/b.py"}),
        (
            {"pkg_S___init___D_py": "VALUE = 2\n", "pkg_S_sub_S_two_D_py": "TWO = 3\n"},
            {name for name in FILES if name.startswith("pkg/")},
        ),
        (
            {"pkg_S_sub_S_one_D_py": None, "pkg_S_sub_S_one_S___init___D_py": "ONE = 2\n"},
            {"pkg/sub/one.py", "pkg/sub/one/__init__.py"},
        ),
    ],
)
def test_a_package_changes_in_one_place(
    tmp_path: Path,
    destination: Destination,
    changed: dict[str, bytes | str | None],
    expected: set[str],
) -> None:
    """What differs is replaced with the one directory that holds all of it, and nothing else."""
    site = put_first(tmp_path, destination)
    before = inodes(site)
    wheel = rebuild(tmp_path, **changed)
    put(destination, wheel)
    assert replaced(before, site) == expected
    as_installed_fresh(tmp_path, wheel, site)


def _edit(path: Path) -> None:
    found = path.stat()
    path.write_bytes(bytes(one ^ 1 for one in path.read_bytes()))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def _link_elsewhere(path: Path) -> None:
    os.link(path, path.parent.parent / "elsewhere")


def _turn_into_link(path: Path) -> None:
    shutil.copy(path, path.parent.parent / "elsewhere")
    path.unlink()
    path.symlink_to(path.parent.parent / "elsewhere")


def _make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["pkg/sub/one.py", "pkg/data.bin"])
@pytest.mark.parametrize(
    "spoil",
    [
        _edit,
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: path.chmod(0o600),
        _link_elsewhere,
        _turn_into_link,
        _make_pipe,
    ],
    ids=["edited", "emptied", "removed", "mode", "linked", "link", "pipe"],
)
def test_what_is_not_as_it_should_be_is_replaced(
    tmp_path: Path, destination: Destination, name: str, spoil: Callable[[Path], object]
) -> None:
    """A reinstallation repairs whatever was damaged, also where size and time tell nothing."""
    site = put_first(tmp_path, destination)
    spoil(site / name)
    wheel = rebuild(tmp_path)
    put(destination, wheel)
    assert (site / name).stat().st_nlink == 1
    (site / "pkg" / "elsewhere").unlink(missing_ok=True)
    (site / "elsewhere").unlink(missing_ok=True)
    as_installed_fresh(tmp_path, wheel, site)


@pytest.mark.parametrize("how", ["emptied", "removed", "other code", "other time"])
def test_bytecode_that_is_not_the_modules_is_made_anew(
    tmp_path: Path, destination: Destination, how: str
) -> None:
    """Nothing but what the compiler makes of the module counts as its bytecode."""
    site = put_first(tmp_path, destination)
    (bytecode,) = (site / "pkg/sub/__pycache__").glob("one.*.pyc")
    (other,) = (site / "pkg/sub/__pycache__").glob("two.*.pyc")
    good = bytecode.read_bytes()
    if how == "emptied":
        bytecode.write_bytes(b"")
    elif how == "removed":
        bytecode.unlink()
    elif how == "other code":
        bytecode.write_bytes(good[:16] + other.read_bytes()[16:])
    else:
        bytecode.write_bytes(good[:8] + bytes(4) + good[12:])
    put(destination, rebuild(tmp_path))
    made = bytecode.read_bytes()
    time = int((site / "pkg/sub/one.py").stat().st_mtime).to_bytes(4, "little")
    assert made == good[:8] + time + good[12:]


def test_without_bytecode_none_is_left_and_with_it_all_is_there(
    tmp_path: Path, destination: Destination
) -> None:
    """Whether bytecode is wanted counts, not whether it was there."""
    site = put_first(tmp_path, destination)
    wheel = rebuild(tmp_path)
    put(destination, wheel, compiled=False)
    assert list(site.rglob("*.pyc")) == []
    before = inodes(site)
    put(destination, wheel, compiled=False)
    assert inodes(site) == before
    put(destination, wheel)
    as_installed_fresh(tmp_path, wheel, site)


def test_without_a_memory_of_bytecode_all_is_installed(
    tmp_path: Path, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To compare what is compiled needs to know what it should be."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SAGEPIP_CACHE_DIR", str(tmp_path / "file"))
    site = put_first(tmp_path, destination)
    before = inodes(site)
    put(destination, rebuild(tmp_path))
    assert replaced(before, site) == set(FILES)


@pytest.mark.parametrize("name", ["pkg/sub/one.py", "pkg/data.bin"])
def test_an_edited_wheel_with_its_old_record_is_refused(
    tmp_path: Path, destination: Destination, name: str
) -> None:
    """That the live file is what RECORD says is no proof that the member is."""
    site = put_first(tmp_path, destination)
    before = snapshot(site)
    wheel, edited = rebuild(tmp_path), tmp_path / "edited" / "pkg-1-py3-none-any.whl"
    edited.parent.mkdir()
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(edited, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry, content[::-1] if entry.filename == name else content)
    for force in (True, False):
        with pytest.raises(TargetError, match="is not what RECORD says"):
            put(destination, edited, force=force)
    assert snapshot(site) == before


def test_the_new_version_keeps_what_the_old_one_had(
    tmp_path: Path, destination: Destination
) -> None:
    """In an upgrade too; what only the old version had goes."""
    site = put_first(tmp_path, destination)
    before = inodes(site)
    files = {**FILES, "pkg/sub/one.py": "ONE = 11\n"}
    del files["pkg/empty.txt"]
    wheel = make_wheel(tmp_path, "pkg", "2", files)
    put(destination, wheel)
    assert replaced(before, site) == {"pkg/sub/one.py", "pkg/empty.txt"}
    as_installed_fresh(tmp_path, wheel, site)


def test_two_wheels_of_one_call_bring_the_same_file(
    tmp_path: Path, destination: Destination
) -> None:
    """What stays for the one is there for the other, if it is the same."""
    site = put_first(tmp_path, destination)
    other = make_wheel(tmp_path, "other", "1", {"pkg/data.bin": FILES["pkg/data.bin"], "o.py": ""})
    for wheels in ([rebuild(tmp_path), other], [other, rebuild(tmp_path)]):
        put(destination, *wheels)
        assert (site / "pkg/data.bin").read_bytes() == FILES["pkg/data.bin"]
        assert violations_of_g1(site) == []
    bad = make_wheel(tmp_path, "bad", "1", {"pkg/data.bin": "bad"})
    for wheels in ([rebuild(tmp_path), bad], [bad, rebuild(tmp_path)]):
        with pytest.raises(TargetError, match="claim the same file"):
            put(destination, *wheels)


Meanwhile = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Return a function that makes something happen once: before the plan, the lock, the commit."""

    def arrange(when: str, action: Callable[[], object]) -> None:
        left = [action]

        def before(real: Callable[..., object]) -> Callable[..., object]:
            def wrapper(*arguments: object, **options: object) -> object:
                if left:
                    left.pop()()
                return real(*arguments, **options)

            return wrapper

        if when == "plan":
            monkeypatch.setattr(transaction, "_plan", before(transaction._plan))
        elif when == "lock":
            monkeypatch.setattr(Transaction, "_journal", before(Transaction._journal))
        else:
            monkeypatch.setattr(transaction, "commit_plan", before(commit_plan))

    return arrange


@pytest.mark.parametrize("when", ["plan", "lock"])
@pytest.mark.parametrize("how", ["same version", "other version", "uninstalled", "edited"])
def test_what_was_to_stay_changes_meanwhile(
    tmp_path: Path, destination: Destination, meanwhile: Meanwhile, when: str, how: str
) -> None:
    """Whoever was in between, all of the wheel is there in the end."""
    site = put_first(tmp_path, destination)
    wheel = rebuild(tmp_path, single_D_py="SINGLE = 3\n")

    def action() -> None:
        if how == "edited":
            with SiteLock(str(site)).hold():  # as a command under sage-pip-lock
                _edit(site / "pkg/sub/one.py")
                os.utime(site / "pkg/sub/one.py")
        elif how == "uninstalled":
            uninstall(UninstallRequest(("pkg",), destination))
        else:
            version = "1" if how == "same version" else "2"
            files = {**FILES, "pkg/sub/one.py": "ONE = 4\n", "pkg/sub/two.py": "TWO = 4\n"}
            put(destination, make_wheel(tmp_path / "meanwhile", "pkg", version, files))

    meanwhile(when, action)
    put(destination, wheel)
    as_installed_fresh(tmp_path, wheel, site)


def test_what_stays_is_not_asked_again_under_the_lock(
    tmp_path: Path, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody held the lock in between; where somebody did, it is."""
    asked: list[int] = []
    real = KeptFiles.still_holds

    def still_holds(self: KeptFiles) -> bool:
        asked.append(len(self.files))
        return real(self)

    put_first(tmp_path, destination)
    monkeypatch.setattr(KeptFiles, "still_holds", still_holds)
    # What was changed a moment ago could change again without a trace.
    monkeypatch.setattr("sagepip.transaction.quiet.CLOCK_TICK_SECONDS", 0)
    put(destination, rebuild(tmp_path))
    assert len(asked) == 1
    monkeypatch.setattr("sagepip.transaction.quiet.CLOCK_TICK_SECONDS", 1e6)
    put(destination, rebuild(tmp_path))
    assert len(asked) == 3


@pytest.mark.parametrize("how", ["upgrade", "uninstall"])
def test_what_came_in_the_last_moment_is_brought_back(
    tmp_path: Path, destination: Destination, meanwhile: Meanwhile, how: str
) -> None:
    """A file that somebody put into a directory without the lock survives its end."""
    site = put_first(tmp_path, destination)

    def action() -> None:
        (site / "pkg/sub/late.txt").write_text("late")
        (site / "pkg/late/deep").mkdir(parents=True)
        (site / "pkg/late/deep/file").write_text("deep")
        (site / "pkg/sub/__pycache__/one.other-1.pyc").write_text("bytecode of a module that goes")

    meanwhile("commit", action)
    if how == "upgrade":
        changed = {"pkg/__init__.py": "VALUE = 2\n", "pkg/sub/one.py": "ONE = 2\n"}
        put(destination, make_wheel(tmp_path, "pkg", "2", FILES | changed))
        assert (site / "pkg/sub/one.py").read_text() == "ONE = 2\n"
    else:
        uninstall(UninstallRequest(("pkg",), destination))
        assert not (site / "pkg/sub/one.py").exists()
    assert (site / "pkg/sub/late.txt").read_text() == "late"
    assert (site / "pkg/late/deep/file").read_text() == "deep"
    assert not (site / "pkg/sub/__pycache__/one.other-1.pyc").exists()
    assert set(os.listdir(site / ".sagepip")) == {"lock", "gate"}
