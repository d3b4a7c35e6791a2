"""Install, reinstall and upgrade, through the library, into prefixes of their own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import (
    CommitError,
    ConflictError,
    RecoveryError,
    SagepipError,
    TargetError,
)
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.report import InstallReport
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

Install = Callable[..., InstallReport]


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    """Return a prefix of its own for the running interpreter."""
    return find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))


@pytest.fixture
def run(destination: Destination) -> Install:
    """Return a function that installs wheels into the prefix."""

    def call(*wheels: Path, **changes: object) -> InstallReport:
        request = InstallRequest(
            targets=tuple(WheelFile(str(wheel)) for wheel in wheels),
            destination=destination,
            no_deps=True,
        )
        return install(dataclasses.replace(request, **changes))  # type: ignore[arg-type]

    return call


def state(site: Path) -> list[str]:
    """Return what sagepip's own directory holds."""
    return sorted(os.listdir(site / ".sagepip")) if (site / ".sagepip").exists() else []


def python(prefix: Path, code: str) -> str:
    """Run code in the running interpreter with the prefix's site on its path."""
    site = next(prefix.rglob("site-packages"))
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import site; site.addsitedir({str(site)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_everything_a_wheel_can_hold(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """Modules, data, headers, scripts, entry points and bytecode all come to their places."""
    wheel = make_wheel(
        tmp_path,
        "Full_Wheel",
        "1.0",
        {
            "full/__init__.py": "def main():\n    print('main runs')\n",
            "full/data.txt": "data",
            "full/tool": "#!/bin/sh\n",
            "{data}/purelib/extra.py": "X = 1\n",
            "{data}/platlib/native.py": "Y = 1\n",
            "{data}/headers/full.h": "int full;\n",
            "{data}/scripts/hello": "#!python -E\nprint('hello')\n",
            "{data}/scripts/shell": "#!/bin/sh\necho shell\n",
            "{data}/data/share/full/doc.txt": "doc",
        },
        entry_points="[console_scripts]\nfull = full:main\n",
        executable=frozenset({"full/tool"}),
    )
    report = run(wheel)
    prefix, site = Path(destination.scheme.data), Path(destination.site)
    assert violations_of_g1(site) == []
    assert subprocess.check_output([prefix / "bin" / "hello"], text=True) == "hello\n"
    assert subprocess.check_output([prefix / "bin" / "shell"], text=True) == "shell\n"
    assert (prefix / "bin" / "full").stat().st_mode & 0o111 == 0o111
    assert python(prefix, "import full; full.main()") == "main runs"
    assert (prefix / "share/full/doc.txt").read_text() == "doc"
    assert (Path(destination.scheme.headers) / "Full_Wheel" / "full.h").is_file()
    assert os.access(site / "full" / "tool", os.X_OK)
    assert not os.access(site / "full" / "data.txt", os.X_OK)
    info = site / "Full_Wheel-1.0.dist-info"
    assert (info / "INSTALLER").read_text() == "sagepip\n"
    assert (info / "REQUESTED").read_text() == ""
    url = json.loads((info / "direct_url.json").read_text())
    assert url["url"] == wheel.as_uri()
    assert set(url["archive_info"]["hashes"]) == {"sha256"}
    record = (info / "RECORD").read_text()
    tag = sys.implementation.cache_tag
    assert f"full/__pycache__/__init__.{tag}.pyc,,\n" in record
    assert "../../../bin/full," in record
    assert state(site) == ["gate", "lock"]
    assert [one.name for one in report.installed] == ["Full_Wheel"]
    assert report.installed[0].files == len(record.splitlines())


def test_bytecode_holds_the_final_path_and_is_valid(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """Tracebacks from bytecode name the installed file; the interpreter does not recompile."""
    run(make_wheel(tmp_path, "mod", "1", {"mod.py": "def fail():\n    raise ValueError\n"}))
    site = Path(destination.site)
    cached = site / "__pycache__" / f"mod.{sys.implementation.cache_tag}.pyc"
    before = cached.stat()
    shown = python(
        Path(destination.scheme.data), "import mod; print(mod.fail.__code__.co_filename)"
    )
    assert shown == str(site / "mod.py")
    after = cached.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_module_that_does_not_compile_is_installed(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A template or a Python 2 module is no error; it just has no bytecode."""
    run(make_wheel(tmp_path, "old", "1", {"old.py": "print 'hi'\n", "new.py": "x = '\\d'\n"}))
    record = next(Path(destination.site).glob("old-1.dist-info/RECORD")).read_text()
    assert "old.cpython" not in record.replace(".py", ".py")
    assert "__pycache__/new." in record
    assert violations_of_g1(Path(destination.site)) == []


def test_no_compile(tmp_path: Path, run: Install, destination: Destination) -> None:
    """--no-compile writes no bytecode."""
    run(make_wheel(tmp_path, "mod", "1", {"mod.py": ""}), compile_bytecode=False)
    assert list(Path(destination.site).rglob("*.pyc")) == []


def test_upgrade_leaves_nothing_of_the_old(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """After an upgrade the tree is the one that a fresh install would have made."""
    old = make_wheel(
        tmp_path,
        "pkg",
        "1",
        {
            "pkg/__init__.py": "V = 1\n",
            "pkg/gone.py": "",
            "pkg/old/sub/__init__.py": "",
            "single_old.py": "",
            "pkg_old.pth": "",
            "{data}/data/share/pkg/old.txt": "",
            "{data}/data/etc/only-old.conf": "",
        },
        entry_points="[console_scripts]\npkg-old = pkg:main\npkg = pkg:main\n",
    )
    new = make_wheel(
        tmp_path,
        "pkg",
        "2",
        {
            "pkg/__init__.py": "V = 2\n",
            "pkg/new.py": "",
            "{data}/data/share/pkg/new.txt": "",
        },
        entry_points="[console_scripts]\npkg = pkg:main\n",
    )
    run(old)
    prefix, site = Path(destination.scheme.data), Path(destination.site)
    # Bytecode that a running interpreter made, which no RECORD lists.
    (site / "pkg" / "__pycache__" / "gone.cpython-399.pyc").write_bytes(b"")
    (site / "__pycache__" / "single_old.cpython-399.pyc").write_bytes(b"")
    report = run(new)
    assert report.installed[0].replaced == ("1",)
    assert versions(site, "pkg") == ["2"]
    assert violations_of_g1(site) == []
    upgraded = set(snapshot(prefix))
    fresh = find_destination(TargetPython.running(), prefix=str(tmp_path / "fresh"))
    run(new, destination=fresh)
    # Directories that others may use stay, as with every installer: bin, and the root's own.
    assert upgraded - set(snapshot(tmp_path / "fresh")) == set()
    assert state(site) == ["gate", "lock"]


def test_reinstall_of_the_same_wheel_is_a_no_op(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """An identical, intact distribution is left alone; a damaged or a forced one is replaced."""
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg/__init__.py": "V = 1\n"})
    run(wheel)
    module = Path(destination.site) / "pkg" / "__init__.py"
    metadata = Path(destination.site) / "pkg-1.dist-info"
    inode = metadata.stat().st_ino
    report = run(wheel)
    assert (report.installed, [one.name for one in report.unchanged]) == ((), ["pkg"])
    assert metadata.stat().st_ino == inode
    assert [one.name for one in run(wheel, force_reinstall=True).installed] == ["pkg"]
    assert metadata.stat().st_ino != inode
    module.write_text("damaged\n")
    assert [one.name for one in run(wheel).installed] == ["pkg"]
    assert module.read_text() == "V = 1\n"


def test_missing_or_dead_script_is_damage(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A distribution whose scripts are gone, or not executable, is installed again."""
    points = "[console_scripts]\npkg = pkg:main\n"
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}, entry_points=points)
    run(wheel)
    script = Path(destination.scheme.scripts) / "pkg"
    assert run(wheel).installed == ()
    script.chmod(0o644)
    assert len(run(wheel).installed) == 1
    assert os.access(script, os.X_OK)
    script.unlink()
    record = Path(destination.site) / "pkg-1.dist-info" / "RECORD"
    rows = record.read_text().splitlines(keepends=True)
    record.write_text("".join(row for row in rows if "bin/pkg" not in row))
    assert len(run(wheel).installed) == 1
    assert script.exists()


def test_changed_wheel_of_the_same_version_replaces(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A rebuilt wheel is installed though its version is the same."""
    run(make_wheel(tmp_path / "a", "pkg", "1", {"pkg/__init__.py": "V = 1\n", "pkg/x.py": ""}))
    report = run(make_wheel(tmp_path / "b", "pkg", "1", {"pkg/__init__.py": "V = 9\n"}))
    site = Path(destination.site)
    assert [one.replaced for one in report.installed] == [("1",)]
    assert (site / "pkg" / "__init__.py").read_text() == "V = 9\n"
    assert not (site / "pkg" / "x.py").exists()
    assert violations_of_g1(site) == []


def test_namespace_siblings_survive(tmp_path: Path, run: Install, destination: Destination) -> None:
    """Distributions that share a directory are upgraded without touching each other."""
    run(make_wheel(tmp_path, "ns_a", "1", {"ns/a.py": "V = 1\n", "ns/a_old.py": ""}))
    run(make_wheel(tmp_path, "ns_b", "1", {"ns/b.py": "V = 1\n"}))
    site = Path(destination.site)
    (site / "ns" / "users.txt").write_text("mine")
    run(make_wheel(tmp_path, "ns_a", "2", {"ns/a.py": "V = 2\n", "ns/sub/new.py": ""}))
    assert (site / "ns" / "a.py").read_text() == "V = 2\n"
    assert (site / "ns" / "b.py").read_text() == "V = 1\n"
    assert (site / "ns" / "users.txt").read_text() == "mine"
    assert not (site / "ns" / "a_old.py").exists()
    assert violations_of_g1(site) == []


def test_conflict_is_refused_and_nothing_changes(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A file of another distribution, or of nobody, stops the install and is named."""
    run(make_wheel(tmp_path, "first", "1", {"shared.py": "FIRST = 1\n"}))
    prefix, site = Path(destination.scheme.data), Path(destination.site)
    (site / "nobodys.py").write_text("")
    before = snapshot(prefix)
    for files, owner in [
        ({"shared.py": "SECOND = 1\n"}, "it belongs to first 1"),
        ({"nobodys.py": "X = 1\n"}, "it belongs to no installed distribution"),
        ({"shared.py/__init__.py": ""}, "it belongs to first 1"),
    ]:
        with pytest.raises(ConflictError, match=owner):
            run(make_wheel(tmp_path, "second", "1", {"second.py": "", **files}))
        assert snapshot(prefix) == before


def test_overwrite_allows_what_is_named(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """--overwrite replaces the files that match, of others and of nobody, and no other file."""
    run(make_wheel(tmp_path, "first", "1", {"ns/one.py": "1", "ns/two.py": "1"}))
    site = Path(destination.site)
    mine = Path(destination.scheme.data) / "share" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    files = {"ns/one.py": "22", "ns/two.py": "22", "{data}/data/share/mine.txt": "theirs"}
    second = make_wheel(tmp_path, "second", "1", files)
    before = snapshot(Path(destination.scheme.data))
    with pytest.raises(ConflictError, match=r"two\.py is in the way.*--overwrite"):
        run(second, overwrite=("ns/one.py", "share/*"))
    assert snapshot(Path(destination.scheme.data)) == before
    run(second, overwrite=("ns/*", "share/mine.txt"))
    assert [(site / "ns" / name).read_text() for name in ("one.py", "two.py")] == ["22", "22"]
    assert mine.read_text() == "theirs"


def test_equal_content_is_no_conflict(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """Two distributions may bring the same file, as legacy namespace packages do."""
    run(make_wheel(tmp_path, "first", "1", {"ns/__init__.py": "same\n", "ns/a.py": ""}))
    run(make_wheel(tmp_path, "second", "1", {"ns/__init__.py": "same\n", "ns/b.py": ""}))
    assert violations_of_g1(Path(destination.site)) == []


def test_shared_file_survives_the_upgrade_of_one_owner(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A file that two distributions list is neither removed nor replaced by a change of one."""
    site = Path(destination.site)
    first = {"ns/__init__.py": "# same\n", "ns/a.py": "", "ns/shared.txt": "x", "LICENSE": "one"}
    run(make_wheel(tmp_path, "first", "1", first))
    second = {"ns/__init__.py": "# same\n", "ns/b.py": "", "ns/shared.txt": "x", "LICENSE": "one"}
    run(make_wheel(tmp_path, "second", "1", second))
    run(make_wheel(tmp_path, "first", "2", {"ns/__init__.py": "# same\n", "ns/a.py": "#"}))
    assert (site / "ns" / "shared.txt").exists()
    assert (site / "LICENSE").exists()
    assert violations_of_g1(site) == []
    before = snapshot(Path(destination.scheme.data))
    with pytest.raises(ConflictError, match="it belongs to second 1"):
        run(make_wheel(tmp_path, "first", "3", {"ns/__init__.py": "# changed\n"}))
    assert snapshot(Path(destination.scheme.data)) == before
    # The module that stayed has bytecode that is valid for it.
    run(make_wheel(tmp_path, "first", "4", {"ns/__init__.py": "# same\n"}))
    cached = next((site / "ns" / "__pycache__").glob("__init__*.pyc"))
    inode = cached.stat().st_ino
    python(Path(destination.scheme.data), "import ns")
    assert cached.stat().st_ino == inode


def test_symlink_in_the_way_is_not_followed(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A link in site-packages to a directory elsewhere is never written through."""
    outside = tmp_path / "outside"
    outside.mkdir()
    site = Path(destination.site)
    site.mkdir(parents=True)
    (site / "pkg").symlink_to(outside)
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg/__init__.py": "", "top.py": ""})
    with pytest.raises(SagepipError):
        run(wheel)
    assert list(outside.iterdir()) == []
    assert not (site / "top.py").exists()


def test_hard_link_is_not_written_through(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A file that shares its inode with another keeps that other as it was."""
    run(make_wheel(tmp_path, "pkg", "1", {"pkg.py": "V = 1\n"}))
    other = tmp_path / "other"
    os.link(Path(destination.site) / "pkg.py", other)
    run(make_wheel(tmp_path, "pkg", "2", {"pkg.py": "V = 2\n"}))
    assert other.read_text() == "V = 1\n"


def test_root_keeps_nothing_of_sagepip(tmp_path: Path, run: Install) -> None:
    """In a DESTDIR no state directory stays, and scripts and bytecode hold the final paths."""
    root = tmp_path / "root"
    staged = find_destination(TargetPython.running(), prefix="/final", root=str(root))
    wheel = make_wheel(
        tmp_path,
        "pkg",
        "1",
        {"pkg.py": "def main(): pass\n", "{data}/scripts/tool": "#!python\n"},
        entry_points="[console_scripts]\npkg = pkg:main\n",
    )
    run(wheel, destination=staged)
    assert list(root.rglob(".sagepip")) == []
    assert [path.name for path in root.iterdir()] == ["final"]
    assert str(root) not in (root / "final/bin/pkg").read_text()
    cached = next(root.rglob("*.pyc")).read_bytes()
    assert str(root).encode() not in cached
    assert b"/final/lib" in cached
    assert violations_of_g1(Path(staged.site)) == []


def test_root_does_not_look_at_the_live_site(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """With --root, what is installed live is neither compared nor replaced."""
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg.py": "V = 1\n"})
    run(wheel)
    before = snapshot(Path(destination.scheme.data))
    staged = dataclasses.replace(destination, root=str(tmp_path / "root"), is_default=False)
    report = run(wheel, destination=staged)
    assert [one.replaced for one in report.installed] == [()]
    assert snapshot(Path(destination.scheme.data)) == before


def test_target_directory(tmp_path: Path, run: Install) -> None:
    """--target puts modules straight into the directory."""
    flat = find_destination(TargetPython.running(), target=str(tmp_path / "flat"))
    run(make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}), destination=flat)
    assert (tmp_path / "flat" / "pkg.py").exists()
    assert violations_of_g1(tmp_path / "flat") == []


def test_prefix_through_a_link_has_one_lock(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """Another spelling of the same prefix leads to the same site, lock and files."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "prefix")
    (tmp_path / "prefix").mkdir()
    other = find_destination(TargetPython.running(), prefix=str(link))
    assert other.site == destination.site
    run(make_wheel(tmp_path, "pkg", "1", {"pkg/__init__.py": ""}))
    run(make_wheel(tmp_path, "pkg", "2", {"pkg/__init__.py": "#"}), destination=other)
    assert versions(Path(destination.site), "pkg") == ["2"]


def test_lib64_link_is_the_same_site(tmp_path: Path, run: Install) -> None:
    """Platlib by way of a lib64 link to lib is the purelib, and one file is one file."""
    prefix = tmp_path / "prefix"
    (prefix / "lib").mkdir(parents=True)
    (prefix / "lib64").symlink_to("lib")
    base = find_destination(TargetPython.running(), prefix=str(prefix))
    platlib = base.scheme.purelib.replace("/lib/", "/lib64/")
    linked = dataclasses.replace(base, scheme=dataclasses.replace(base.scheme, platlib=platlib))
    wheel = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: false\nTag: py3-none-any\n"
    run(make_wheel(tmp_path, "pkg", "1", {"pkg/a.py": ""}, wheel=wheel), destination=linked)
    run(make_wheel(tmp_path, "pkg", "2", {"pkg/a.py": "#"}, wheel=wheel), destination=linked)
    assert versions(Path(linked.site), "pkg") == ["2"]
    twice = make_wheel(
        tmp_path, "twice", "1", {"one.py": "1", "{data}/purelib/one.py": "2"}, wheel=wheel
    )
    with pytest.raises(TargetError, match="twice, in different parts"):
        run(twice, destination=linked)


def test_several_wheels_are_one_transaction(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """If one of several wheels cannot be installed, none is."""
    good = make_wheel(tmp_path, "good", "1", {"good.py": ""})
    bad = make_wheel(tmp_path, "bad", "1", {"bad.py": "x"}, replace={"bad.py": "y"})
    with pytest.raises(TargetError, match=r"bad\.py is not what RECORD says"):
        run(good, bad)
    assert not Path(destination.site).exists()
    run(good, make_wheel(tmp_path, "better", "1", {"better.py": ""}))
    assert violations_of_g1(Path(destination.site)) == []


def test_two_wheels_of_one_project_are_refused(tmp_path: Path, run: Install) -> None:
    """Two versions of one project in one call cannot both be meant."""
    one = make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""})
    two = make_wheel(tmp_path, "pkg", "2", {"pkg.py": ""})
    with pytest.raises(TargetError, match="are both pkg"):
        run(one, two)


def test_remnant_of_another_tool_is_replaced(
    tmp_path: Path, run: Install, destination: Destination, capfd: pytest.CaptureFixture[str]
) -> None:
    """An empty dist-info that a killed installer left does not stop the install, and goes."""
    remnant = Path(destination.site) / "pkg-0.dist-info"
    remnant.mkdir(parents=True)
    run(make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    assert not remnant.exists()
    assert "left half-done" in capfd.readouterr().err


def test_distribution_without_record_is_refused(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A distribution whose files are unknown is not replaced blindly."""
    info = Path(destination.site) / "pkg-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pkg\nVersion: 0\n")
    with pytest.raises(ConflictError, match="has no RECORD"):
        run(make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    assert info.exists()


def test_record_that_lies_outside_is_not_obeyed(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A row that leads out of the prefix, or to others' files by a link, removes nothing there."""
    run(make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    precious = tmp_path / "precious"
    precious.write_text("keep")
    record = Path(destination.site) / "pkg-1.dist-info" / "RECORD"
    relative = os.path.relpath(precious, destination.site)
    with record.open("a") as stream:
        stream.write(f"{relative},,\n{precious},,\n")
    run(make_wheel(tmp_path, "pkg", "2", {"pkg.py": "#"}))
    assert precious.read_text() == "keep"
    assert versions(Path(destination.site), "pkg") == ["2"]


def test_dry_run_changes_nothing(tmp_path: Path, run: Install, destination: Destination) -> None:
    """--dry-run reports and leaves the target as it was: absent."""
    report = run(make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}), dry_run=True)
    assert [one.name for one in report.installed] == ["pkg"]
    assert not Path(destination.scheme.data).exists()


def test_nothing_to_do(run: Install, destination: Destination) -> None:
    """A request without targets (an empty requirements file) is done at once."""
    assert run().installed == ()
    assert not Path(destination.scheme.data).exists()


def test_report_file(tmp_path: Path, run: Install) -> None:
    """--report writes pip's format, with the times of the lock."""
    path = tmp_path / "report.json"
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""})
    run(wheel, report=str(path))
    report = json.loads(path.read_text())
    (entry,) = report["install"]
    assert entry["download_info"]["url"] == wheel.as_uri()
    assert (entry["metadata"]["name"], entry["requested"]) == ("pkg", True)
    assert report["sagepip"]["lock_held_seconds"] > 0
    assert report["environment"]["python_version"] == "{}.{}".format(*sys.version_info)


def test_broken_journal_stops_everything(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """A journal that cannot be understood is kept, and nothing is changed beside it."""
    run(make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    journal = Path(destination.site) / ".sagepip" / "journal"
    journal.write_text("sagepip-journal 99 x\n{}\n")
    before = snapshot(Path(destination.scheme.data))
    with pytest.raises(RecoveryError, match="another version"):
        run(make_wheel(tmp_path, "pkg", "2", {"pkg.py": "#"}))
    assert snapshot(Path(destination.scheme.data)) == before


def test_failing_step_is_rolled_back(
    tmp_path: Path,
    run: Install,
    destination: Destination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error at any step leaves the tree as it was, and the message says so."""
    import errno

    from sagepip.ground import filesystem

    run(
        make_wheel(
            tmp_path,
            "pkg",
            "1",
            {"pkg/__init__.py": "", "pkg/old.py": "", "one.py": ""},
            entry_points="[console_scripts]\npkg = pkg:main\n",
        )
    )
    new = make_wheel(
        tmp_path,
        "pkg",
        "2",
        {"pkg/__init__.py": "#", "two.py": ""},
        entry_points="[console_scripts]\npkg = pkg:main\npkg2 = pkg:main\n",
    )
    before = snapshot(Path(destination.scheme.data))
    real_place, real_swap = filesystem.place, filesystem.swap
    for failing in range(1, 100):
        count = 0

        def fail(first: str, second: str, failing: int = failing) -> None:
            nonlocal count
            count += 1
            if count == failing:
                raise OSError(errno.EIO, os.strerror(errno.EIO), first, None, second)

        def place(first: str, second: str) -> None:
            fail(first, second)
            real_place(first, second)

        def swap(first: str, second: str) -> None:
            fail(first, second)
            real_swap(first, second)

        monkeypatch.setattr("sagepip.transaction.steps.place", place)
        monkeypatch.setattr("sagepip.transaction.steps.swap", swap)
        try:
            run(new)
        except CommitError as error:
            assert "Input/output error" in str(error)
            assert snapshot(Path(destination.scheme.data)) == before
        else:
            break
    assert failing > 8, "the install took fewer steps than the test thinks"
    assert versions(Path(destination.site), "pkg") == ["2"]
    assert violations_of_g1(Path(destination.site)) == []


@pytest.fixture(params=["exchange", "hard links", "neither"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with and without a call that exchanges two names, and without hard links."""
    for module in ("planner", "exchanging"):
        if request.param != "exchange":
            monkeypatch.setattr(f"sagepip.transaction.{module}.can_exchange", lambda _: False)
        if request.param == "neither":
            monkeypatch.setattr(f"sagepip.transaction.{module}.can_link", lambda _: False)


@pytest.mark.usefixtures("exchange")
def test_upgrade_with_and_without_exchange(
    tmp_path: Path, run: Install, destination: Destination
) -> None:
    """Where two names cannot be exchanged, other steps lead to the same end."""
    site = Path(destination.site)
    for version, files in [
        ("1", {"pkg/__init__.py": "", "pkg/old/x.py": "", "one.py": "1", "was_file": ""}),
        ("2", {"pkg/__init__.py": "#", "pkg/new/x.py": "", "one.py": "2", "was_file/x.py": ""}),
        ("2", {"pkg/__init__.py": "##", "pkg/new/x.py": "", "was_file": "again"}),
        ("1", {"pkg/__init__.py": "", "pkg/old/x.py": "", "one.py": "1", "was_file": ""}),
    ]:
        wheel = make_wheel(tmp_path / str(len(files)), "pkg", version, files)
        run(wheel)
        assert versions(site, "pkg") == [version]
        assert violations_of_g1(site) == []
        listed = {str(site / name) for name in files}
        found = {
            str(path)
            for path in site.rglob("*")
            if path.is_file() and not {"__pycache__", ".sagepip"} & set(path.parts)
        }
        assert {path for path in found if ".dist-info" not in path} == listed
    assert state(site) == ["gate", "lock"]


def can_mount() -> bool:
    """Whether this process may mount file systems."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as directory:
        code = subprocess.run(
            ["mount", "-t", "tmpfs", "none", directory], capture_output=True, check=False
        ).returncode
        if code == 0:
            subprocess.run(["umount", directory], check=True)
        return code == 0


@pytest.fixture
def other_mount(tmp_path: Path) -> Iterator[Path]:
    """Mount another file system on PREFIX/bin."""
    if not can_mount():
        pytest.skip("may not mount a file system here")
    path = tmp_path / "prefix" / "bin"
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def test_scripts_on_another_file_system(
    tmp_path: Path, run: Install, destination: Destination, other_mount: Path
) -> None:
    """Scripts are staged on their own file system, and nothing of that stays."""
    files = {"pkg.py": "def main(): pass\n", "{data}/scripts/tool": "#!python\n"}
    points = "[console_scripts]\npkg = pkg:main\n"
    run(make_wheel(tmp_path, "pkg", "1", files, entry_points=points))
    assert sorted(os.listdir(other_mount)) == ["pkg", "tool"]
    run(make_wheel(tmp_path, "pkg", "2", {"pkg.py": "#"}, entry_points=points))
    assert os.listdir(other_mount) == ["pkg"]
    assert violations_of_g1(Path(destination.site)) == []


def test_staging_elsewhere_is_swept_after_a_kill(
    tmp_path: Path, run: Install, destination: Destination, other_mount: Path
) -> None:
    """What a killed process staged on another file system goes with the next command."""
    wheel = make_wheel(
        tmp_path, "pkg", "1", {"pkg.py": ""}, entry_points="[console_scripts]\npkg = pkg:main\n"
    )
    code = (
        "import os, sys\n"
        "from sagepip.transaction import transaction\n"
        "transaction.format_journal = lambda *_: os.kill(os.getpid(), 9)\n"
        "from sagepip.cli.main import sagepip\n"
        f"sys.argv[1:] = ['install', '--prefix', {destination.scheme.data!r}, {str(wheel)!r}]\n"
        "sagepip()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert [name.startswith(".sagepip-") for name in os.listdir(other_mount)] == [True]
    run(make_wheel(tmp_path, "other", "1", {"other.py": ""}))
    assert os.listdir(other_mount) == []
    assert state(Path(destination.site)) == ["gate", "lock"]
