"""Uninstall, through the library and through the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import TargetError
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from sagepip.operations.uninstall import UninstallReport, UninstallRequest, uninstall
from tests.crash.strace import clean_environment
from tests.guarantees import snapshot, violations_of_g1
from tests.wheels import make_wheel


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    """Return a prefix of its own for the running interpreter."""
    return find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))


def put(destination: Destination, *wheels: Path) -> None:
    """Install wheels."""
    targets = tuple(WheelFile(str(wheel)) for wheel in wheels)
    install(InstallRequest(targets, destination, no_deps=True))


def take(destination: Destination, *names: str) -> UninstallReport:
    """Uninstall projects."""
    return uninstall(UninstallRequest(names, destination))


def files(destination: Destination) -> set[str]:
    """Return the files of a prefix, sagepip's own aside."""
    prefix = Path(destination.scheme.data)
    return {
        str(path.relative_to(prefix))
        for path in prefix.rglob("*")
        if not path.is_dir() and ".sagepip" not in path.parts
    }


def test_nothing_is_left(tmp_path: Path, destination: Destination) -> None:
    """Everything that came goes: modules, bytecode of any interpreter, scripts, data, headers."""
    wheel = make_wheel(
        tmp_path,
        "Some.Thing",
        "1",
        {
            "thing/__init__.py": "",
            "thing/sub/deep/x.py": "",
            "single.py": "",
            "thing.pth": "",
            "{data}/data/share/thing/doc/x.txt": "",
            "{data}/headers/x.h": "",
        },
        entry_points="[console_scripts]\nthing = thing:main\n",
    )
    put(destination, wheel)
    site = Path(destination.site)
    (site / "__pycache__" / "single.cpython-399.opt-1.pyc").write_bytes(b"")
    (site / "__pycache__" / "single.cpython-399-pytest-8.3.4.pyc").write_bytes(b"")
    (site / "thing" / "sub" / "deep" / "__pycache__" / "x.cpython-399.pyc").write_bytes(b"")
    report = take(destination, "some_thing")
    assert report.removed == (("some-thing", "1"),)
    assert files(destination) == set()
    left = {path.name for path in Path(destination.scheme.data).rglob("*") if path.is_dir()}
    assert "thing" not in left
    assert "share" not in left
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]


def test_neighbours_stay(tmp_path: Path, destination: Destination) -> None:
    """Shared directories, files that two list, users' files and other modules' bytecode stay."""
    put(
        destination,
        make_wheel(tmp_path, "one", "1", {"ns/a.py": "", "ns/both.py": "#", "top_a.py": ""}),
        make_wheel(tmp_path, "two", "1", {"ns/b.py": "", "top_b.py": ""}),
    )
    put(destination, make_wheel(tmp_path, "three", "1", {"ns/both.py": "#"}))
    site = Path(destination.site)
    (site / "ns" / "mine.txt").write_text("")
    take(destination, "one")
    found = {path.name for path in site.rglob("*") if path.is_file()}
    assert {"b.py", "both.py", "mine.txt", "top_b.py"} <= found
    assert not {"a.py", "top_a.py"} & found
    tag = sys.implementation.cache_tag
    assert {f"b.{tag}.pyc", f"both.{tag}.pyc", f"top_b.{tag}.pyc"} <= found
    assert not {f"a.{tag}.pyc", f"top_a.{tag}.pyc"} & found
    assert violations_of_g1(site) == []


@pytest.mark.parametrize("spelling", ["./both.py", "two/../both.py", ".//both.py", '"both.py"'])
@pytest.mark.parametrize("is_first", [True, False])
def test_neighbours_spelling(
    tmp_path: Path, destination: Destination, spelling: str, is_first: bool
) -> None:
    """A file that a neighbour's RECORD lists stays, whatever the row looks like."""
    put(destination, make_wheel(tmp_path, "one", "1", {"both.py": "", "one.py": ""}))
    put(destination, make_wheel(tmp_path, "two", "1", {"two/__init__.py": ""}))
    record = Path(destination.site) / "two-1.dist-info" / "RECORD"
    rows = [record.read_text(), f"{spelling},,\n"]
    record.write_text("".join(reversed(rows) if is_first else rows))
    take(destination, "one")
    assert {path.name for path in Path(destination.site).glob("*.py")} == {"both.py"}


def test_record_cannot_reach_outside(tmp_path: Path, destination: Destination) -> None:
    """Rows that lead out, name directories, or name the interpreter, remove nothing of that."""
    put(destination, make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    site = Path(destination.site)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep.txt").write_text("")
    (site / "link").symlink_to(outside)
    bin_directory = Path(destination.scheme.scripts)
    bin_directory.mkdir(exist_ok=True)
    (bin_directory / "python3").write_text("")
    (site / "directory").mkdir()
    (site / "directory" / "kept.py").write_text("")
    with (site / "pkg-1.dist-info" / "RECORD").open("a") as stream:
        for row in (
            "link/keep.txt",
            "../../../../outside/keep.txt",
            str(outside / "keep.txt"),
            "../../../bin/python3",
            "directory",
            "directory/",
            "./",
            "..",
        ):
            stream.write(f"{row},,\n")
    take(destination, "pkg")
    assert (outside / "keep.txt").exists()
    assert (bin_directory / "python3").exists()
    assert (site / "directory" / "kept.py").exists()
    assert not (site / "pkg.py").exists()


def test_not_installed_is_no_error(destination: Destination) -> None:
    """A name that is not installed is reported as such, and no site is made for it."""
    assert take(destination, "absent").missing == ("absent",)
    assert not Path(destination.scheme.data).exists()


def test_all_or_nothing(tmp_path: Path, destination: Destination) -> None:
    """If one of several cannot be removed, none is."""
    put(destination, make_wheel(tmp_path, "good", "1", {"good.py": ""}))
    info = Path(destination.site) / "bad-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    before = snapshot(Path(destination.scheme.data))
    with pytest.raises(TargetError, match="has no RECORD"):
        take(destination, "good", "bad")
    assert snapshot(Path(destination.scheme.data)) == before


@pytest.mark.parametrize("as_directory", [True, False])
def test_egg_info_is_refused(destination: Destination, as_directory: bool) -> None:
    """A legacy .egg-info does not list files: it is refused, with what to do."""
    info = Path(destination.site) / "legacy-1.0-py3.11.egg-info"
    info.parent.mkdir(parents=True)
    if as_directory:
        info.mkdir()
    else:
        info.write_text("")
    with pytest.raises(TargetError, match=r"legacy 1\.0.* legacy \.egg-info"):
        take(destination, "legacy")
    assert info.exists()


def test_remnant_goes(destination: Destination) -> None:
    """An empty dist-info that another tool left can be removed."""
    info = Path(destination.site) / "broken-1.dist-info"
    info.mkdir(parents=True)
    take(destination, "broken")
    assert not info.exists()


def test_result_that_cannot_be_told(tmp_path: Path, destination: Destination) -> None:
    """With nowhere to print to, the change is done all the same, and the status says so."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    put(destination, make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    code = "from sagepip.cli.main import sage_pip_uninstall as run; import sys; sys.exit(run())"
    command = [sys.executable, "-c", code, "--prefix", destination.scheme.data, "-y", "pkg"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
            check=False,
        )
    assert done.returncode == 0
    assert done.stderr.startswith("WARNING: it is done, but cannot be told")
    assert files(destination) == set()


def sage_pip_uninstall(
    destination: Destination, *words: str, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    code = "from sagepip.cli.main import sage_pip_uninstall as run; import sys; sys.exit(run())"
    return subprocess.run(
        [sys.executable, "-c", code, "--prefix", destination.scheme.data, *words],
        capture_output=True,
        text=True,
        input=text,
        env=clean_environment(),
        check=False,
    )


def test_command(tmp_path: Path, destination: Destination) -> None:
    """The command speaks in the words that scripts match, and takes requirement files."""
    put(destination, make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    asked = sage_pip_uninstall(destination, "pkg")
    assert asked.returncode == 2
    assert "give --yes" in asked.stderr
    listed = tmp_path / "requirements.txt"
    listed.write_text("pkg @ file:///nowhere/pkg-1-py3-none-any.whl\nabsent>=2\n")
    options = ("--isolated", "--disable-pip-version-check", "--yes", "--no-input")
    done = sage_pip_uninstall(destination, *options, "-r", str(listed))
    assert (done.returncode, done.stdout) == (0, "Successfully uninstalled pkg-1\n")
    assert done.stderr == "WARNING: Skipping absent as it is not installed.\n"
    assert files(destination) == set()
