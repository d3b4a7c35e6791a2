"""Cases that once broke a guarantee: races between plan and lock, lying RECORDs, links."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import ConflictError, RecoveryError, SagepipError, TargetError
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from sagepip.operations.uninstall import UninstallRequest, uninstall
from sagepip.transaction.transaction import Transaction
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

Meanwhile = Callable[[Callable[[], None]], None]


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    """Return a prefix of its own for the running interpreter."""
    return find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Return a function that makes something happen once, between a plan and the lock."""

    def arrange(action: Callable[[], None]) -> None:
        real = Transaction._journal
        left = [action]

        def journal(self: Transaction, *arguments: object) -> bytes:
            if left:
                left.pop()()
            return real(self, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Transaction, "_journal", journal)

    return arrange


def put(destination: Destination, *wheels: Path, force: bool = True) -> None:
    """Install wheels."""
    targets = tuple(WheelFile(str(wheel)) for wheel in wheels)
    install(InstallRequest(targets, destination, no_deps=True, force_reinstall=force))


def take(destination: Destination, *names: str) -> None:
    """Uninstall projects."""
    uninstall(UninstallRequest(names, destination))


@pytest.mark.parametrize("how", ["upgrade", "uninstall"])
def test_neighbour_moves_into_a_directory_that_goes(
    tmp_path: Path, destination: Destination, meanwhile: Meanwhile, how: str
) -> None:
    """A directory that was to go as a whole stays for a neighbour that came meanwhile."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"space/a.py": ""}))
    neighbour = make_wheel(tmp_path, "bb", "1", {"space/b.py": ""})
    meanwhile(lambda: put(destination, neighbour))
    if how == "upgrade":
        put(destination, make_wheel(tmp_path, "aa", "2", {"aa.py": ""}))
    else:
        take(destination, "aa")
    site = Path(destination.site)
    assert (site / "space" / "b.py").exists()
    assert not (site / "space" / "a.py").exists()
    assert violations_of_g1(site) == []


def test_neighbour_moves_into_a_directory_that_is_swapped(
    tmp_path: Path, destination: Destination, meanwhile: Meanwhile
) -> None:
    """A directory that was to be swapped as a whole is merged instead."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"space/a.py": "", "space/x/y.py": ""}))
    neighbour = make_wheel(tmp_path, "bb", "1", {"space/x/b.py": ""})
    meanwhile(lambda: put(destination, neighbour))
    put(destination, make_wheel(tmp_path, "aa", "2", {"space/a.py": "#", "space/x/y.py": "#"}))
    site = Path(destination.site)
    assert (site / "space/x/b.py").exists()
    assert (site / "space/a.py").read_text() == "#"
    assert violations_of_g1(site) == []


def test_neighbour_is_reinstalled_with_more_files(
    tmp_path: Path, destination: Destination, meanwhile: Meanwhile
) -> None:
    """A neighbour that lists one of our files only since a moment ago keeps it."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"ns/a.py": "", "ns/x.txt": "x"}))
    put(destination, make_wheel(tmp_path, "bb", "1", {"ns/b.py": ""}))
    more = make_wheel(tmp_path / "more", "bb", "1", {"ns/b.py": "", "ns/x.txt": "x"})
    meanwhile(lambda: put(destination, more))
    put(destination, make_wheel(tmp_path, "aa", "2", {"ns/a.py": "#"}))
    site = Path(destination.site)
    assert (site / "ns" / "x.txt").exists()
    assert violations_of_g1(site) == []


def test_same_project_is_installed_meanwhile(
    tmp_path: Path, destination: Destination, meanwhile: Meanwhile
) -> None:
    """Two installations of one project at once end with one of them, whole."""
    one = make_wheel(tmp_path, "aa", "1", {"aa/__init__.py": "1", "aa/one.py": ""})
    two = make_wheel(tmp_path, "aa", "2", {"aa/__init__.py": "2", "aa/two.py": ""})
    meanwhile(lambda: put(destination, one))
    put(destination, two)
    site = Path(destination.site)
    assert versions(site, "aa") == ["2"]
    assert not (site / "aa" / "one.py").exists()
    assert violations_of_g1(site) == []


def test_site_that_is_never_still_is_changed_all_the_same(
    tmp_path: Path, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every plan is stale when the lock is had, the last one is made under the lock."""
    asked = 0

    def never(_: object) -> bool:
        nonlocal asked
        asked += 1
        return False

    monkeypatch.setattr("sagepip.transaction.planner.Planner.still_current", never)
    put(destination, make_wheel(tmp_path, "aa", "1", {"aa.py": ""}))
    assert asked > 1
    assert violations_of_g1(Path(destination.site)) == []
    assert versions(Path(destination.site), "aa") == ["1"]


def test_record_claims_what_is_not_its_own(tmp_path: Path, destination: Destination) -> None:
    """Neither an upgrade nor an uninstallation obeys a RECORD that lists others' files."""
    prefix, site = Path(destination.scheme.data), Path(destination.site)
    for act in ("upgrade", "uninstall"):
        put(destination, make_wheel(tmp_path, "aa", "1", {"aa.py": ""}))
        put(destination, make_wheel(tmp_path, "bb", "1", {"bb.py": ""}))
        claimed = [prefix / "bin" / "python3", prefix / "pyvenv.cfg", prefix / "user.txt"]
        claimed += [site / ".sagepip" / "lock", site / "bb-1.dist-info" / "METADATA"]
        (prefix / "bin").mkdir(exist_ok=True)
        for path in claimed[:3]:
            path.write_text("keep")
        with (site / "aa-1.dist-info" / "RECORD").open("a") as stream:
            for path in claimed:
                stream.write(f"{os.path.relpath(path, site)},,\n")
        if act == "upgrade":
            put(destination, make_wheel(tmp_path, "aa", "2", {"aa.py": "#"}))
        else:
            take(destination, "aa")
        assert [path for path in claimed if not path.exists()] == []


def test_package_replaced_by_a_link_to_a_source_tree(
    tmp_path: Path, destination: Destination
) -> None:
    """A link that a developer put in place of a package is not followed, below the prefix too."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"aa/__init__.py": "", "aa/old.py": ""}))
    prefix, site = Path(destination.scheme.data), Path(destination.site)
    source = prefix / "src" / "aa"
    source.parent.mkdir()
    (site / "aa").rename(source)
    (site / "aa").symlink_to(source)
    before = snapshot(source)
    with pytest.raises(SagepipError, match=r"link|in the way"):
        put(destination, make_wheel(tmp_path, "aa", "2", {"aa/__init__.py": "#"}))
    assert snapshot(source) == before
    take(destination, "aa")
    assert snapshot(source) == before


def test_lib_is_a_link_to_another_depth(tmp_path: Path) -> None:
    """RECORD's ``..`` is taken from the path as the scheme spells it, not from the resolved one."""
    prefix = tmp_path / "prefix"
    (prefix / "x" / "y" / "lib").mkdir(parents=True)
    (prefix / "x" / "y" / "bin").mkdir()
    (prefix / "lib").symlink_to("x/y/lib")
    destination = find_destination(TargetPython.running(), prefix=str(prefix))
    points = "[console_scripts]\naa = aa:m\nold = aa:m\n"
    put(destination, make_wheel(tmp_path, "aa", "1", {"aa.py": ""}, entry_points=points))
    foreign = prefix / "x" / "y" / "bin" / "old"
    foreign.write_text("foreign")
    put(destination, make_wheel(tmp_path, "aa", "2", {"aa.py": "#"}))
    assert foreign.read_text() == "foreign"
    assert list((prefix / "bin").iterdir()) == []


def test_shared_file_behind_a_link(tmp_path: Path, destination: Destination) -> None:
    """A file that two list is known by what it is, also where ``share`` is a link."""
    prefix = Path(destination.scheme.data)
    (prefix / "real").mkdir(parents=True)
    (prefix / "share").symlink_to("real")
    for name in ("aa", "bb"):
        files = {f"{name}.py": "", "{data}/data/share/s.txt": "same"}
        put(destination, make_wheel(tmp_path, name, "1", files))
    put(destination, make_wheel(tmp_path, "aa", "2", {"aa.py": "#"}))
    assert (prefix / "share" / "s.txt").exists()


def test_wheels_of_one_call_may_share_a_file(tmp_path: Path, destination: Destination) -> None:
    """Two wheels of one call may bring the same file, as they may one after the other."""
    wheels = [
        make_wheel(tmp_path, name, "1", {"ns/__init__.py": "# same\n", f"ns/{name}.py": ""})
        for name in ("aa", "bb")
    ]
    put(destination, *wheels)
    site = Path(destination.site)
    assert violations_of_g1(site) == []
    for name in ("aa", "bb"):
        assert "ns/__pycache__/__init__." in (site / f"{name}-1.dist-info" / "RECORD").read_text()
    take(destination, "aa")
    assert (site / "ns" / "__init__.py").exists()
    assert violations_of_g1(site) == []
    other = make_wheel(tmp_path, "cc", "1", {"ns/__init__.py": "# other\n"})
    with pytest.raises(TargetError, match="is also in"):
        put(destination, wheels[0], other)


def test_root_with_a_link_to_the_live_tree(tmp_path: Path, destination: Destination) -> None:
    """A DESTDIR that leads out of itself is refused."""
    root = tmp_path / "root"
    inside = Path(str(root) + destination.scheme.data)
    inside.mkdir(parents=True)
    live = tmp_path / "live"
    live.mkdir()
    (inside / "lib").symlink_to(live)
    staged = dataclasses.replace(destination, root=str(root), is_default=False)
    with pytest.raises(TargetError, match="leads out of --root"):
        put(staged, make_wheel(tmp_path, "aa", "1", {"aa.py": ""}))
    assert list(live.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{data}/data/lib/python{xy}/site-packages/evil-9.dist-info/METADATA", "metadata of"),
        ("{data}/data/bin/python3", "name of an interpreter"),
        ("{data}/data/pyvenv.cfg", "configures the interpreter"),
        (".sagepip/txn/zz/e.py", "sagepip's own"),
        ("{data}/data/lib/python{xy}/site-packages/.sagepip/journal", "sagepip's own"),
    ],
)
def test_wheel_reaches_for_what_is_not_its_own(
    tmp_path: Path, destination: Destination, name: str, message: str
) -> None:
    """What a wheel brings is judged by where it would come to lie, whatever way leads there."""
    name = name.replace("{xy}", TargetPython.running().xy)
    wheel = make_wheel(tmp_path, "evil", "1", {"evil.py": "", name: ""})
    with pytest.raises(TargetError, match=message):
        put(destination, wheel)
    assert not (Path(destination.scheme.data) / "bin").exists()


def test_names_with_dashes_are_told_apart(tmp_path: Path, destination: Destination) -> None:
    """``foo-bar-2.dist-info``, as old tools spelt it, is not a version of foo."""
    put(destination, make_wheel(tmp_path, "foo_bar", "2", {"foobar.py": ""}))
    site = Path(destination.site)
    (site / "foo_bar-2.dist-info").rename(site / "foo-bar-2.dist-info")
    record = site / "foo-bar-2.dist-info" / "RECORD"
    record.write_text(record.read_text().replace("foo_bar-2", "foo-bar-2"))
    put(destination, make_wheel(tmp_path, "foo", "2", {"foo.py": ""}))
    assert (site / "foobar.py").exists()
    take(destination, "foo")
    assert (site / "foobar.py").exists()
    take(destination, "Foo.Bar")
    assert not (site / "foobar.py").exists()


def test_record_row_that_is_a_directory(tmp_path: Path, destination: Destination) -> None:
    """An old RECORD that lists directories does not stop an upgrade."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"aa/sub/x.py": "", "aa/old.py": ""}))
    site = Path(destination.site)
    with (site / "aa-1.dist-info" / "RECORD").open("a") as stream:
        stream.write("aa/sub,,\naa/sub/,,\n")
    put(destination, make_wheel(tmp_path, "aa", "2", {"aa/new.py": ""}))
    assert sorted(path.name for path in (site / "aa").glob("*.py")) == ["new.py"]
    assert not (site / "aa" / "sub").exists()


def test_users_files_in_caches_and_empty_directories_stay(
    tmp_path: Path, destination: Destination
) -> None:
    """What a user keeps inside a package survives its upgrade, in odd places too."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"aa/__init__.py": ""}))
    package = Path(destination.site) / "aa"
    (package / "__pycache__" / "mine.txt").write_text("")
    (package / "results").mkdir()
    put(destination, make_wheel(tmp_path, "aa", "2", {"aa/__init__.py": "#"}))
    assert (package / "__pycache__" / "mine.txt").exists()
    assert (package / "results").is_dir()


def test_failure_in_a_destdir_keeps_nothing(
    tmp_path: Path, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed commit too, a DESTDIR has no state directory."""
    staged = dataclasses.replace(destination, root=str(tmp_path / "root"), is_default=False)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error", "x")

    monkeypatch.setattr("sagepip.transaction.steps.place", fail)
    with pytest.raises(SagepipError, match="Input/output error"):
        put(staged, make_wheel(tmp_path, "aa", "1", {"aa.py": ""}))
    assert list((tmp_path / "root").rglob(".sagepip*")) == []


def test_something_that_is_no_directory_is_named(tmp_path: Path, destination: Destination) -> None:
    """A file where ``bin`` should be is named, with what to do."""
    prefix = Path(destination.scheme.data)
    prefix.mkdir()
    (prefix / "bin").write_text("")
    points = "[console_scripts]\naa = aa:m\n"
    with pytest.raises(ConflictError, match=r"bin is in the way: it is not a directory"):
        put(destination, make_wheel(tmp_path, "aa", "1", {"aa.py": ""}, entry_points=points))


KILL_AFTER = """
import os, sys
from sagepip.transaction import steps
from sagepip.transaction.steps import Place, Retire, Swap
done, last = 0, int(sys.argv[1])
for kind in (Place, Swap, Retire):
    def do(self, real=kind.do):
        global done
        real(self)
        done += 1
        if done == last:
            os.kill(os.getpid(), 9)
    kind.do = do
from sagepip.cli.main import sagepip
sys.argv[1:] = sys.argv[2:]
sagepip()
"""


def kill_after(steps: int, destination: Destination, wheel: Path) -> None:
    """Install a wheel in a process that is killed after some steps of its commit."""
    words = ["install", "--no-deps", "--prefix", destination.scheme.data, str(wheel)]
    command = [sys.executable, "-c", KILL_AFTER, str(steps), *words]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr


def test_changes_by_others_do_not_block_recovery_past_the_commit(
    tmp_path: Path, destination: Destination
) -> None:
    """Once committed, what went of itself is no obstacle to the end."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"aa.py": "1", "old.py": ""}))
    # aa.py, its bytecode, the dist-info: killed right after the commit.
    kill_after(3, destination, make_wheel(tmp_path, "aa", "2", {"aa.py": "22"}))
    site = Path(destination.site)
    assert versions(site, "aa") == ["1", "2"]
    (site / "old.py").unlink()
    (site / "aa.py").write_text("edited")
    put(destination, make_wheel(tmp_path, "bb", "1", {"bb.py": ""}))
    assert versions(site, "aa") == ["2"]
    assert (site / "aa.py").read_text() == "edited"
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]


def test_file_of_the_same_inode_is_not_taken_for_the_old_one(
    tmp_path: Path, destination: Destination
) -> None:
    """A file that a user wrote in place of an old one after a kill is not removed."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"aa.py": "1", "old.py": "x = 1\n"}))
    kill_after(3, destination, make_wheel(tmp_path, "aa", "2", {"aa.py": "22"}))
    old = Path(destination.site) / "old.py"
    old.write_text("mine\n")  # keeps the inode
    put(destination, make_wheel(tmp_path, "bb", "1", {"bb.py": ""}))
    assert old.read_text() == "mine\n"


def test_copy_of_an_interrupted_site_is_refused(tmp_path: Path, destination: Destination) -> None:
    """In a copy every file is another: its journal is kept, and nothing is torn by it."""
    put(destination, make_wheel(tmp_path, "aa", "1", {"aa.py": "1", "b.py": ""}))
    kill_after(1, destination, make_wheel(tmp_path, "aa", "2", {"aa.py": "22", "b.py": "#"}))
    copied = tmp_path / "copy"
    subprocess.run(["cp", "-a", destination.scheme.data, copied], check=True)
    copy = find_destination(TargetPython.running(), prefix=str(copied))
    before = snapshot(copied)
    with pytest.raises(RecoveryError, match="copied"):
        put(copy, make_wheel(tmp_path, "bb", "1", {"bb.py": ""}))
    after = snapshot(copied)
    lock = os.path.relpath(Path(copy.site) / ".sagepip" / "lock", copied)
    assert {**after, lock: before[lock]} == before
    put(destination, make_wheel(tmp_path, "bb", "1", {"bb.py": ""}))
    assert versions(Path(destination.site), "aa") == ["1"]
    assert violations_of_g1(Path(destination.site)) == []
