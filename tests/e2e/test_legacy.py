"""Installations of setuptools' old ways: what becomes of them, and what they own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagepip.ground import console
from sagepip.ground.destination import Destination
from sagepip.ground.errors import ConflictError, TargetError
from sagepip.operations.doctor import diagnose
from sagepip.operations.install import install
from sagepip.operations.report import InstallReport
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from sagepip.operations.uninstall import UninstallReport, UninstallRequest, uninstall
from sagepip.operations.verify import VerifyRequest, verify
from sagepip.transaction.observation import SiteObservation
from sagepip.transaction.territory import Territory
from tests.crash.strace import clean_environment
from tests.e2e.maintenance import AFTER, BEFORE, KILL, install_killed, sagepip
from tests.guarantees import snapshot, violations_of_g1
from tests.legacy import EASY_INSTALL, make_egg_info, make_egg_link
from tests.wheels import make_wheel

FILES = {
    "pkg/__init__.py": "VALUE = 1\n",
    "pkg/gone.py": "",
    "pkg/data/x.txt": "x",
    "single.py": "",
    "../../../bin/tool": "#!python\n",
}


@pytest.fixture
def site(bare_site: Destination) -> Path:
    """The site-packages directory, made."""
    path = Path(bare_site.site)
    path.mkdir(parents=True)
    return path


def put(destination: Destination, *wheels: Path, overwrite: tuple[str, ...] = ()) -> InstallReport:
    """Install wheels."""
    targets = tuple(WheelFile(str(wheel)) for wheel in wheels)
    request = InstallRequest(targets, destination, no_deps=True, overwrite=overwrite)
    return install(request)


def take(destination: Destination, *names: str) -> UninstallReport:
    """Uninstall projects."""
    return uninstall(UninstallRequest(names, destination))


def names(destination: Destination) -> set[str]:
    """Return the paths of a prefix relative to it, sagepip's own and all directories aside."""
    prefix = Path(destination.scheme.data)
    found = (path for path in prefix.rglob("*") if not path.is_dir())
    return {str(path.relative_to(prefix)) for path in found if ".sagepip" not in path.parts}


def new_wheel(directory: Path) -> Path:
    """Make the wheel of version 2 of what the tests install in old ways."""
    files = {"pkg/__init__.py": "VALUE = 2\n", "pkg/new.py": "", "single.py": "# two\n"}
    return make_wheel(directory, "old_one", "2", files)


# ------------------------------------------------------------------ with installed-files.txt


def test_listed_files_go(bare_site: Destination, site: Path) -> None:
    """All that is listed goes, bytecode with it; what may be anybody's stays, and -v says so."""
    lines = "./\n../../../../etc/conf\n../../../../../outside\n../directory\n"
    info = make_egg_info(bare_site, "Old.One", "1", FILES, more=lines)
    prefix = Path(bare_site.scheme.data)
    for kept in (prefix / "etc" / "conf", prefix.parent / "outside", site / "directory" / "x.py"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text("")
    cache = site / "pkg" / "__pycache__"
    cache.mkdir()
    (cache / "gone.cpython-399.pyc").write_bytes(b"")
    assert take(bare_site, "old-one").removed == (("old-one", "1"),)
    assert not info.exists()
    assert not (site / "pkg").exists()
    assert names(bare_site) == {"etc/conf", str((site / "directory/x.py").relative_to(prefix))}
    assert (prefix.parent / "outside").exists()


def test_what_stays_is_told(
    bare_site: Destination,
    site: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Data has no hash to tell whose it is: it stays."""
    make_egg_info(bare_site, "old", "1", {"../../../share/old.txt": "", "x.py": ""})
    monkeypatch.setattr(console, "verbosity", 1)
    take(bare_site, "old")
    assert names(bare_site) == {"share/old.txt"}
    assert "share/old.txt stays: that it is old 1's cannot be told" in capsys.readouterr().err


def test_list_that_is_no_list(bare_site: Destination, site: Path) -> None:
    """One that cannot be understood stops the change of that project."""
    make_egg_info(bare_site, "old", "1", {"x.py": ""}, more="../y\0.py\n")
    with pytest.raises(ConflictError, match=r"old 1: .*installed-files\.txt: a line is no path"):
        take(bare_site, "old")
    assert (site / "x.py").exists()


def test_wheel_supersedes_listed(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """A wheel takes the place of what is listed, as of an older wheel; data stays."""
    make_egg_info(bare_site, "old.one", "1", {**FILES, "../../../share/one.txt": ""})
    before = (site / "pkg").stat().st_ino
    report = put(bare_site, new_wheel(tmp_path))
    assert report.installed[0].replaced == ("1",)
    assert {path.name for path in site.iterdir()} == {
        *("pkg", "single.py", "__pycache__", "old_one-2.dist-info", ".sagepip")
    }
    assert {path.name for path in (site / "pkg").iterdir()} == {
        *("__init__.py", "new.py", "__pycache__")
    }
    assert (site / "pkg").stat().st_ino != before  # the directory was exchanged as a whole
    assert not (Path(bare_site.scheme.scripts) / "tool").exists()
    assert (Path(bare_site.scheme.data) / "share" / "one.txt").exists()
    assert violations_of_g1(site) == []


@pytest.mark.parametrize(("where", "is_new"), [(BEFORE, False), (AFTER, True)])
def test_killed_upgrade_of_listed(
    tmp_path: Path, bare_site: Destination, site: Path, where: str, is_new: bool
) -> None:
    """After a kill it is the old or the new one, with all that it lists."""
    info = make_egg_info(bare_site, "old_one", "1", FILES)
    before = snapshot(info)
    install_killed(bare_site, where, new_wheel(tmp_path))
    assert sagepip(bare_site, "recover").returncode == 0
    assert info.exists() != is_new
    assert is_new or snapshot(info) == before
    assert (site / "pkg" / "gone.py").exists() != is_new
    assert (site / "old_one-2.dist-info").exists() == is_new
    assert verify(VerifyRequest(bare_site)).findings == ()


# ------------------------------------------------------------------ what neighbours own


@pytest.mark.parametrize(
    "spelling", ["../both.py", "{site}/both.py", "./../both.py", "PKG-INFO/../../both.py"]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_listed_neighbour_keeps_its_file(
    tmp_path: Path, bare_site: Destination, site: Path, spelling: str, is_first: bool
) -> None:
    """What a neighbour's installed-files.txt lists, however spelt, outlives another's removal."""
    put(bare_site, make_wheel(tmp_path, "new", "1", {"both.py": "", "mine.py": ""}))
    listed = make_egg_info(bare_site, "old", "1", {"x.py": ""}) / "installed-files.txt"
    lines = [listed.read_text(), spelling.format(site=site) + "\n"]
    listed.write_text("".join(reversed(lines) if is_first else lines))
    take(bare_site, "new")
    assert {path.name for path in site.glob("*.py")} == {"both.py", "x.py"}


def test_conflict_names_listed_neighbour(
    tmp_path: Path, bare_site: Destination, site: Path
) -> None:
    """A file of a neighbour is not overwritten, and the message says whose it is."""
    make_egg_info(bare_site, "old", "1", {"x.py": "old", "../../../bin/tool": ""})
    wheel = make_wheel(tmp_path, "new", "1", {"x.py": "new"})
    with pytest.raises(ConflictError, match=r"x\.py is in the way; it belongs to old 1 \("):
        put(bare_site, wheel)
    assert (site / "x.py").read_text() == "old"


def test_metadata_of_others_is_not_taken(
    tmp_path: Path, bare_site: Destination, site: Path
) -> None:
    """No list can make another distribution's metadata go."""
    link = make_egg_link(bare_site, "linked", tmp_path / "tree")
    put(bare_site, make_wheel(tmp_path, "new", "1", {"new.py": ""}))
    more = "../linked.egg-link\n../new-1.dist-info/METADATA\n"
    make_egg_info(bare_site, "old", "1", {"x.py": ""}, more=more)
    take(bare_site, "old")
    assert link.exists()
    assert (site / "new-1.dist-info" / "METADATA").exists()


def test_check_under_the_lock_reads_what_is_new(bare_site: Destination, site: Path) -> None:
    """A neighbour that came meanwhile is heard; those seen before are not asked again."""
    make_egg_info(bare_site, "mine", "1", {"mine.py": ""})
    seen = make_egg_info(bare_site, "seen", "1", {"seen.py": ""})
    territory = Territory.of(bare_site)
    found = SiteObservation(bare_site.metadata_directories, ["mine"], territory)
    with (seen / "installed-files.txt").open("a") as stream:
        stream.write("../mine.py\n")
    make_egg_info(bare_site, "other", "1", {"other.py": ""})
    assert found.still_current(found.old)
    make_egg_info(bare_site, "rival", "1", {"rival.py": ""}, more="../mine.py\n")
    assert not found.still_current(found.old)


# ------------------------------------------------------------------ without a list


@pytest.mark.parametrize("is_directory", [True, False])
def test_unlisted_is_not_guessed(
    tmp_path: Path, bare_site: Destination, site: Path, is_directory: bool
) -> None:
    """Its removal and replacement are refused; following the advice replaces it."""
    info = make_egg_info(bare_site, "old_one", "1", FILES, listed=False)
    if not is_directory:
        for path in info.iterdir():
            path.unlink()
        info.rmdir()
        info.write_text("Metadata-Version: 1.0\nName: old_one\nVersion: 1\n")
    before = snapshot(Path(bare_site.scheme.data))
    with pytest.raises(TargetError, match="cannot uninstall old-one 1: ") as refused:
        take(bare_site, "old_one")
    assert ("(its top_level.txt names pkg)" in str(refused.value)) == is_directory
    wheel = new_wheel(tmp_path)
    with pytest.raises(ConflictError, match=f"--overwrite '{info.name}' replaces it"):
        put(bare_site, wheel)
    assert snapshot(Path(bare_site.scheme.data)) == before
    with pytest.raises(ConflictError, match=r"pkg/__init__\.py is in the way.*--overwrite"):
        put(bare_site, wheel, overwrite=(info.name,))
    assert snapshot(Path(bare_site.scheme.data)) == before
    put(bare_site, wheel, overwrite=(info.name, "pkg/*", "single.py"))
    assert not info.exists()
    assert (site / "pkg" / "__init__.py").read_text() == "VALUE = 2\n"
    assert (site / "pkg" / "gone.py").exists()  # nobody's now, and told of by verify
    assert violations_of_g1(site) == []


# ------------------------------------------------------------------ development installations


def test_link_goes_with_its_line_and_scripts(
    tmp_path: Path, bare_site: Destination, site: Path
) -> None:
    """The link, its line in easy-install.pth and its marked scripts go; nothing else does."""
    make_egg_link(bare_site, "Old-One", tmp_path / "tree", "one", "two")
    other = make_egg_link(bare_site, "other", tmp_path / "other", "three")
    pth = site / EASY_INSTALL
    pth.write_text(f"import sys\n\n{tmp_path}/tree/../tree/\n{tmp_path}/other\n./x.egg\n")
    pth.chmod(0o640)
    before = snapshot(tmp_path / "tree")
    assert take(bare_site, "old.one").removed == (("old-one", "1.0"),)
    assert pth.read_text() == f"import sys\n\n{tmp_path}/other\n./x.egg\n"
    assert pth.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in site.glob("*.egg-link")} == {other.name}
    assert os.listdir(bare_site.scheme.scripts) == ["three"]
    assert snapshot(tmp_path / "tree") == before
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]


def test_last_link_takes_the_file(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """With its last line easy-install.pth goes; that the tree has gone before is no matter."""
    make_egg_link(bare_site, "old", tmp_path / "tree", "tool")
    (tmp_path / "tree").rename(tmp_path / "moved")
    found = diagnose(bare_site)
    assert "sagepip uninstall old" in {one.advice for one in found}
    assert sagepip(bare_site, "uninstall", "--yes", "old").stdout == (
        "Successfully uninstalled old\n"
    )
    assert names(bare_site) == set()


def test_links_that_share_a_tree(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """The line stays for as long as another link needs it."""
    make_egg_link(bare_site, "one", tmp_path / "tree")
    make_egg_link(bare_site, "two", tmp_path / "tree")
    take(bare_site, "one")
    assert (site / EASY_INSTALL).read_text() == f"{tmp_path}/tree\n" * 2
    take(bare_site, "two")
    assert names(bare_site) == set()


def test_link_that_comes_meanwhile(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """A link that may need the line makes the plan void; other newcomers do not."""
    make_egg_link(bare_site, "one", tmp_path / "tree")
    found = SiteObservation(bare_site.metadata_directories, ["one"], Territory.of(bare_site))
    make_egg_info(bare_site, "new", "1", {"new.py": ""})
    assert found.still_current(found.old)
    make_egg_link(bare_site, "two", tmp_path / "tree")
    assert not found.still_current(found.old)


def test_path_file_that_is_a_link(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """A shared file of another kind is not replaced."""
    link = make_egg_link(bare_site, "old", tmp_path / "tree")
    (site / EASY_INSTALL).rename(tmp_path / "shared")
    (site / EASY_INSTALL).symlink_to(tmp_path / "shared")
    with pytest.raises(ConflictError, match="is no regular file"):
        take(bare_site, "old")
    assert link.exists()


def test_wheel_supersedes_link(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """A wheel takes the place of a development installation, its scripts included."""
    make_egg_link(bare_site, "old-one", tmp_path / "tree", "one", "two")
    make_egg_link(bare_site, "other", tmp_path / "other")
    entry_points = "[console_scripts]\none = pkg:main\n"
    files = {"pkg/__init__.py": ""}
    wheel = make_wheel(tmp_path, "old_one", "2", files, entry_points=entry_points)
    assert put(bare_site, wheel).installed[0].replaced == ("1.0",)
    assert (site / EASY_INSTALL).read_text() == f"{tmp_path}/other\n"
    assert not (site / "old-one.egg-link").exists()
    assert os.listdir(bare_site.scheme.scripts) == ["one"]
    assert violations_of_g1(site) == []
    assert (tmp_path / "tree" / "pkg.py").exists()


@pytest.mark.parametrize("is_changed", [True, False])
def test_recovery_and_the_path_file(
    tmp_path: Path, bare_site: Destination, site: Path, is_changed: bool
) -> None:
    """Killed after the commit, recovery takes the line out, unless the file has changed since."""
    make_egg_link(bare_site, "old_one", tmp_path / "tree")
    make_egg_link(bare_site, "other", tmp_path / "other")
    pth = site / EASY_INSTALL
    killed = f"from sagepip.transaction.steps import Swap\nSwap.do = {KILL}\n"
    install_killed(bare_site, killed, new_wheel(tmp_path))
    assert (site / "old_one-2.dist-info").exists()
    whole = f"{tmp_path}/tree\n{tmp_path}/other\n"
    assert pth.read_text() == whole
    if is_changed:
        pth.write_text(whole + "/more\n")
    assert "completed" in sagepip(bare_site, "recover").stdout
    assert not (site / "old_one.egg-link").exists()
    assert pth.read_text() == (whole + "/more\n" if is_changed else f"{tmp_path}/other\n")


def test_link_counts_as_installed(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """A dependency that a development installation satisfies is not missing."""
    make_egg_link(bare_site, "base", tmp_path / "tree")
    for requirement, status in (("base>=1", 0), ("base>=2", 1)):
        wheel = make_wheel(tmp_path, "needy", "1", {"needy.py": ""}, requires=(requirement,))
        done = sagepip(bare_site, "install", "--no-index", wheel)
        assert done.returncode == status, done.stderr


# ------------------------------------------------------------------ verify and doctor


def test_verify_listed(bare_site: Destination, site: Path) -> None:
    """What is listed is there, or is missing; an old list may name directories."""
    info = make_egg_info(
        bare_site, "old", "1", FILES, more="./\n../__pycache__/x.cpython-311.pyc\n"
    )
    report = verify(VerifyRequest(bare_site))
    assert (report.checked, report.findings, report.nobodys) == ((("old", "1"),), (), ())
    (site / "single.py").unlink()
    (info / "PKG-INFO").write_text("Name: old\nVersion: 2\n")
    (site / "pkg" / "extra.py").write_text("")
    assert [str(one) for one in verify(VerifyRequest(bare_site)).findings] == [
        "old 1: bad METADATA (it is of version 2)",
        "old 1: missing single.py",
        "old 1: extra pkg/extra.py",
    ]


def test_doctor_sees_two_kinds(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """An old installation beside a wheel of another version is damage, and its advice works."""
    put(bare_site, make_wheel(tmp_path, "old", "2", {"old.py": "# two"}))
    make_egg_info(bare_site, "old", "1", {"x.py": ""})
    make_egg_link(bare_site, "old", tmp_path / "tree")
    (found,) = diagnose(bare_site)
    assert found.advice == "sagepip install --force-reinstall old: one version stays"
    put(bare_site, make_wheel(tmp_path, "old", "2", {"old.py": "# two"}))
    assert diagnose(bare_site) == []
    assert {path.name for path in site.iterdir()} == {
        *("old.py", "old-2.dist-info", "__pycache__", ".sagepip")
    }


# ------------------------------------------------------------------ development today


@pytest.mark.index
def test_todays_editable(tmp_path: Path) -> None:
    """What pip and setuptools install for -e today has a RECORD, and goes as a whole."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "setuptools>=70.1"], check=True)
    before = snapshot(tmp_path / "venv")
    trees = {"flat": make_tree(tmp_path / "flat", "."), "src": make_tree(tmp_path / "src", "src")}
    for name in trees:
        local = ["--no-index", "--no-build-isolation", "-e", str(tmp_path / name)]
        subprocess.run([*pip, *local], check=True)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    found = {path.name for path in site.glob("__editable__*")}
    assert {"__editable__.flat-1.pth", "__editable__.src-1.pth"} <= found
    assert any(name.endswith("_finder.py") for name in found)
    words = ["uninstall", "--yes", "--python", python, *trees]
    done = subprocess.run(
        [sys.executable, "-m", "sagepip", *words],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    assert done.stdout == "Successfully uninstalled flat-1\nSuccessfully uninstalled src-1\n"
    after = snapshot(tmp_path / "venv")
    assert {path for path in after if ".sagepip" not in path} == before.keys()
    assert all(module.exists() for module in trees.values())


def make_tree(tree: Path, modules: str) -> Path:
    """Make a project of setuptools with one package, and return a module of it."""
    name = tree.name
    module = tree / modules / f"{name}_edited" / "__init__.py"
    module.parent.mkdir(parents=True)
    module.write_text("def main(): print(1)\n")
    (tree / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "1"\n'
        f'[project.scripts]\n{name} = "{name}_edited:main"\n'
    )
    return module
