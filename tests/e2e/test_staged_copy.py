"""``sage-staged-copy``: trees as ``cp -a`` copies them, upgrades, manifests, refusals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.environment import console_script

from tests.crash.strace import clean_environment, has_strace
from tests.e2e.commands import Done, Terminal, error_line, installed
from tests.e2e.staged_trees import (
    MAKEFILES,
    PYTHON,
    SITE,
    copied_by_cp,
    distribution,
    egg_info,
    everything,
    faults,
    fresh,
    has_program,
    make_install,
    odd_tree,
    set_times,
    write,
)
from tests.guarantees import snapshot
from tests.wheels import make_wheel

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
moving = pytest.mark.parametrize("words", [[], ["--move"]], ids=["copy", "move"])
COPY = "sage-staged-copy"
# The interpreter may lie where others may not go.
AS_NOBODY = """
import ctypes, importlib, os, pkgutil, shutil, sys, tempfile
import sagepip
for one in pkgutil.walk_packages(sagepip.__path__, "sagepip."):
    if not one.name.endswith("__main__"):
        importlib.import_module(one.name)
from sagepip.cli.main import sage_staged_copy
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
sys.exit(sage_staged_copy())
"""


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """Return where to stage."""
    return tmp_path / "D" / "staged"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Return where to publish; nothing is there yet."""
    return tmp_path / "prefix"


@pytest.fixture
def commons() -> Iterator[Path]:
    """Return a directory that everybody may go to."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def real_trees(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that stages a real tree of a kind, once."""
    base = tmp_path_factory.mktemp("trees")
    wheel = make_wheel(
        base,
        "real",
        "1",
        {"real/__init__.py": "", "real/deep/er.py": "", "{data}/data/share/real": "r"},
        entry_points="[console_scripts]\nreal = real:main\n",
    )
    install = ("--prefix", "/usr/local", "--no-deps", wheel)
    made: dict[str, Path] = {}

    def stage(kind: str) -> Path:
        if kind not in made:
            directory = base / kind
            terminal = Terminal(directory)
            words: list[str | Path] = ["--root", directory / "D", *install]
            if kind == "pip":
                pip = (sys.executable, "-m", "pip", "install", "--no-index")
                command: list[str | Path] = [*pip, *words]
                subprocess.run(command, env=terminal.environ, check=True, capture_output=True)
            elif kind == "sagepip":
                terminal.install(*words)
            else:
                make_install(directory, MAKEFILES[kind])
            made[kind] = directory / "D/usr/local"
        return made[kind]

    return stage


def copy(terminal: Terminal, *words: str | Path, status: int = 0) -> Done:
    """Run the command."""
    return terminal.run(COPY, *words, status=status)


def copy_as_nobody(*words: str | Path) -> Done:
    """Run the command as another user than root."""
    command = [sys.executable, "-c", AS_NOBODY, *words]
    return subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, check=False
    )


def give_to_nobody(tree: Path) -> None:
    """Make that user the owner of a tree."""
    for path in [tree, *tree.rglob("*")]:
        mode = path.lstat().st_mode
        os.chown(path, 65534, 65534, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(mode & 0o7777)


def refused(terminal: Terminal, staged: Path, prefix: Path, *words: str | Path) -> str:
    """Run the command, which must fail and leave both trees alone; return its line on stderr."""
    before = snapshot(staged), snapshot(prefix), prefix.exists()
    done = copy(terminal, *words, staged, prefix, status=1)
    assert done.stdout == ""
    assert (snapshot(staged), snapshot(prefix), prefix.exists()) == before
    return error_line(done)


# ---------------------------------------------------------------------- as cp does


@moving
@pytest.mark.parametrize("kind", ["library", "pip", "sagepip", "modules"])
def test_real_trees_are_as_cp_makes_them(
    kind: str,
    words: list[str],
    real_trees: Callable[[str], Path],
    terminal: Terminal,
    staged: Path,
    prefix: Path,
) -> None:
    if kind in ("library", "modules") and not has_program("make"):
        pytest.skip("no make here")
    fresh(real_trees(kind), staged)
    set_times(staged)
    by_cp = fresh(staged, prefix.with_name("cp"))
    done = copy(terminal, *words, staged, prefix)
    assert everything(prefix) == everything(by_cp)
    assert faults(prefix) == []
    assert everything(staged) == ({} if words else everything(by_cp))
    assert installed(done) == {"library": set(), "modules": {"made-1.0"}}.get(kind, {"real-1"})
    assert done.stderr == ""


@moving
def test_odd_trees_are_as_cp_makes_them(
    words: list[str], terminal: Terminal, staged: Path, prefix: Path
) -> None:
    odd_tree(distribution(staged, "odd", "1", {"odd/__init__.py": "", "odd.py": ""}))
    if os.geteuid() == 0:
        os.chown(staged / "share/empty", 4321, 8765)
        os.chown(staged / "directory", 4321, 8765, follow_symlinks=False)
        os.chown(staged / "void/in", 4321, 8765)
        (staged / "void/in").chmod(0o3775)
        os.chown(staged / SITE, 4321, 8765)
        (staged / SITE).chmod(0o2775)
        os.chown(staged / "bin/set", 4321, 8765)
        (staged / "bin/set").chmod(0o6755)
    try:
        for path in ("share/empty", "void", SITE, "share/secret"):
            os.setxattr(staged / path, "user.from", path.encode())
    except OSError:
        pass  # none here
    set_times(staged)
    by_cp = fresh(staged, prefix.with_name("cp"))
    copy(terminal, *words, staged, prefix)
    assert everything(prefix) == everything(by_cp)
    assert list(staged.iterdir()) == [] if words else everything(staged) == everything(by_cp)


@moving
def test_what_is_there_already(
    words: list[str], terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """Directories keep what they have, files that no distribution lists are replaced."""
    write(staged, {"lib/libx.so.2": "new", "share/doc/x": "new", "bin/x": "new"})
    (staged / "lib/libx.so").symlink_to("libx.so.2")
    write(prefix, {"lib/libx.so.1": "old", "share/doc/x": "old", "share/doc/y": "old", "w": "real"})
    (prefix / "lib/libx.so").symlink_to("libx.so.1")
    (prefix / "bin").mkdir(mode=0o751)
    (prefix / "bin/x").symlink_to("../w")
    (prefix / "share").chmod(0o700)
    copy(terminal, *words, staged, prefix)
    assert {name: content for name, (_, content) in snapshot(prefix).items() if content} == {
        "lib/libx.so": "libx.so.2",
        "lib/libx.so.1": b"old",
        "lib/libx.so.2": b"new",
        "share/doc/x": b"new",
        "share/doc/y": b"old",
        "bin/x": b"new",  # cp would have written through the link
        "w": b"real",
    }
    assert (prefix / "share").stat().st_mode & 0o777 == 0o700
    assert (prefix / "bin").stat().st_mode & 0o777 == 0o751
    # A rebuild is copied over it.
    write(staged, {"lib/libx.so.2": "newer", "share/doc/x": "newer", "bin/x": "newer"})
    copy(terminal, *words, staged, prefix)
    assert (prefix / "lib/libx.so.2").read_text() == (prefix / "bin/x").read_text() == "newer"
    assert faults(prefix) == []


@moving
def test_directories_are_replaced_whole_where_that_is_the_same(
    words: list[str], terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """Not one with others' files in it, of another mode, or where a distribution lists a file."""
    names = ["whole/a", "whole/deep/b", "more/a", "mode/a", "mode/deep/b", "kind/a", "owned/a"]
    write(staged, {f"share/{name}": "new" for name in names})
    (staged / "share/void").mkdir()
    write(prefix, {f"share/{name}": "old" for name in names if name != "kind/a"})
    write(prefix, {"share/more/theirs": "", "w": "real", "share/owned/a": "new"})
    (prefix / "share/kind").mkdir()
    (prefix / "share/kind/a").symlink_to("../../w")
    (prefix / "share/void").mkdir()
    (prefix / "share/mode").chmod(0o700)
    row = {"../../../share/owned/a": "new"}
    distribution(prefix, "owner", "1", row)
    kept = {"share", "share/more", "share/mode", "share/owned", "share/owned/a"}
    replaced = {"share/whole", "share/mode/deep", "share/kind"} | {f"share/{one}" for one in names}
    before = {name: (prefix / name).lstat().st_ino for name in kept | replaced}
    copy(terminal, *words, staged, prefix)
    after = {name: (prefix / name).lstat().st_ino for name in before}
    assert {name for name in before if before[name] == after[name]} == kept
    assert {(prefix / "share" / name).read_text() for name in names} == {"new"}
    assert (prefix / "w").read_text() == "real"
    assert (prefix / "share/more/theirs").exists()
    assert (prefix / "share/mode").stat().st_mode & 0o777 == 0o700
    assert faults(prefix) == []


def test_rebuild_of_a_package(terminal: Terminal, staged: Path, prefix: Path) -> None:
    distribution(staged, "pkg", "1", {"pkg/__init__.py": "", "pkg/a.py": "", "../../../bin/p": ""})
    write(staged, {f"{SITE}/pkg/unlisted.py": "", f"{SITE}/unlisted/m.py": ""})
    set_times(staged)
    by_cp = fresh(staged, prefix.with_name("cp"))
    for _ in range(2):
        copy(terminal, staged, prefix)
        assert everything(prefix, dated=False) == everything(by_cp, dated=False)
        assert faults(prefix) == []


@as_root
@moving
def test_without_root(words: list[str], commons: Path) -> None:
    """Read-only directories too; the rights of others are not lent."""
    staged, prefix = commons / "staged", commons / "prefix"
    odd_tree(distribution(staged, "odd", "1", {"odd/__init__.py": "", "ro/__init__.py": ""}))
    (staged / SITE / "ro").chmod(0o555)
    (staged / "closed/in").mkdir(mode=0o555)
    give_to_nobody(commons)
    write(staged, {"share/lent": "x"}).joinpath("share/lent").chmod(0o6755)  # root's
    set_times(staged)
    by_cp = fresh(staged, commons / "cp")
    done = copy_as_nobody(*words, staged, prefix)
    assert (done.returncode, done.stderr) == (0, "")
    found, expected = everything(prefix), everything(by_cp)
    if not words:  # where it was moved, it is root's as it was
        assert found.pop("share/lent")[:2] == ("0o100755", (65534, 65534))
        assert expected.pop("share/lent")[:2] == ("0o106755", (0, 0))
    closed = [name for name, one in expected.items() if one[0] == "0o40555"]
    assert set(closed) == {f"{SITE}/ro", "closed", "closed/in"}
    for name in closed:  # a directory that its owner may not write to cannot be renamed
        assert found.pop(name)[0] == "0o40755"
        del expected[name]
    assert found == expected
    assert faults(prefix) == []
    assert not words or list(staged.iterdir()) == []


@as_root
@moving
def test_read_only_site_without_root(words: list[str], commons: Path) -> None:
    """Nor does it matter on the way to the modules."""
    staged, prefix = commons / "staged", commons / "prefix"
    distribution(staged, "pkg", "1", {"pkg.py": ""})
    for path in (staged / SITE, staged / "lib", staged):
        path.chmod(0o555)
    give_to_nobody(commons)
    done = copy_as_nobody(*words, staged, prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert faults(prefix) == []
    assert (prefix / SITE / "pkg-1.dist-info").is_dir()


def test_sagepips_own_is_no_part_of_it(terminal: Terminal, staged: Path, prefix: Path) -> None:
    own = [".sagepip/lock", "share/.sagepip/txn/x/y", f"{SITE}/.sagepip-1/z"]
    for words in ([], ["--move"]):
        write(staged, {**dict.fromkeys(own, ""), "share/x": "", f"{SITE}/m.py": ""})
        done = copy(terminal, *words, "--manifest", "/dev/stdout", "-q", staged, prefix)
        assert done.stdout == f"{SITE}/m.py\nshare/x\n"
        assert not (prefix / "share/.sagepip").exists()
        assert faults(prefix) == []
    assert list(staged.iterdir()) == []


def test_needs_nothing_but_itself(terminal: Terminal, staged: Path, prefix: Path) -> None:
    """No environment, no interpreter in the prefix, no directory to be in."""
    distribution(staged, "pkg", "1", {"pkg.py": ""})
    command: list[str | Path] = [console_script(COPY), staged, prefix]
    subprocess.run(["env", "-i", *command], check=True, cwd="/", stdout=subprocess.DEVNULL)
    nonsense = {"SAGE_VENV": "/none", "SAGE_DESTDIR": "/none", "SAGE_LOCAL": "/none"}
    nonsense |= {"PYTHONPATH": str(staged / SITE), "PIP_PREFIX": "/none", "PIP_TARGET": "/none"}
    write(staged, {f"{SITE}/shutil.py": "raise ImportError\n"})
    terminal.run(COPY, staged, prefix, settings=nonsense)
    assert (prefix / SITE / "shutil.py").exists()
    assert not Path("/none").exists()


# ---------------------------------------------------------------------- distributions

FILES = {"pkg/__init__.py": "1", "pkg/gone/old.py": "1", "gone.py": "1", "pkg.pth": "/old\n"}
NEW = {"pkg/__init__.py": "22", "pkg/new/new.py": "22", "pkg.pth": "/new\n"}


def stage_version(tree: Path, kind: str, version: str, files: dict[str, str]) -> None:
    """Stage a version of pkg with one of the kinds of metadata."""
    if kind == "dist-info":
        distribution(tree, "pkg", version, files)
    else:
        egg_info(tree, "pkg", version, files, kind=kind)


@pytest.mark.parametrize(
    ("old", "new", "version"),
    [
        ("dist-info", "dist-info", "2"),
        ("dist-info", "dist-info", "1"),
        ("listed", "dist-info", "2"),
        ("unlisted", "dist-info", "2"),
        ("file", "dist-info", "2"),
        ("dist-info", "listed", "2"),
        ("dist-info", "file", "2"),
        ("listed", "listed", "2"),
        ("file", "listed", "1"),
        ("listed", "file", "1"),
    ],
)
def test_older_versions_are_superseded(
    old: str, new: str, version: str, terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """As in an upgrade: what is listed goes, with its bytecode; what is not stays."""
    first, site = staged.with_name("first"), prefix / SITE
    stage_version(first, old, "1", FILES | {"../../../bin/gone": "1", "../../../bin/same": "1"})
    fresh(first, prefix)
    bytecode = ["__pycache__/gone", "pkg/gone/__pycache__/old", "pkg/__pycache__/__init__"]
    write(site, {f"{one}.cpython-311.pyc": "" for one in bytecode})
    write(site, {"foreign.py": "", "pkg.txt": ""})
    stage_version(staged, new, version, NEW | {"../../../bin/same": "22", "../../../bin/new": ""})
    done = copy(terminal, *(["--move"] if old == "listed" else []), staged, prefix)
    assert installed(done) == {f"pkg-{version}"}
    assert faults(prefix) == []
    found = {name for name, (_, content) in snapshot(prefix).items() if content is not None}
    found -= {f"{SITE}/.sagepip/lock", f"{SITE}/.sagepip/gate"}
    expected = {f"{SITE}/{name}" for name in [*NEW, "foreign.py", "pkg.txt"]}
    expected |= {"bin/same", "bin/new"}
    if old in ("unlisted", "file"):  # nobody knows whose they are
        expected |= {"bin/gone", f"{SITE}/gone.py", f"{SITE}/pkg/gone/old.py"}
        expected |= {f"{SITE}/{one}.cpython-311.pyc" for one in bytecode[:2]}
    metadata = {name for name in found if "-info" in name}
    bytecode_of_new = f"{SITE}/{bytecode[2]}.cpython-311.pyc"
    assert found - metadata - {bytecode_of_new} == expected
    ending = "dist-info" if new == "dist-info" else "egg-info"
    (info,) = {name.split("/")[3] for name in metadata}
    assert info.startswith(f"pkg-{version}") and info.endswith(ending)
    assert (prefix / "bin/same").read_text() == (site / "pkg/__init__.py").read_text() == "22"
    assert (site / "pkg.pth").read_text() == "/new\n"


def test_several_distributions_sites_and_pythons(
    terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """One transaction; the same name for another Python is another project."""
    sites = ["lib/python3.8/site-packages", "lib64/python3.8/site-packages", SITE]
    for version in ("1", "2"):
        shutil.rmtree(staged, ignore_errors=True)
        for site in sites[:: 2 if version == "2" else 1]:
            name = f"in{sites.index(site)}"
            distribution(staged, name, version, {f"{name}.py": ""}, site=site)
        distribution(staged, "both", version, {"b.py": version}, site=sites[0])
        if version == "1":
            distribution(staged, "both", version, {"b.py": version}, site=SITE)
        done = copy(terminal, "--json", staged, prefix)
        report = json.loads(done.stdout)
        assert set(report["sites"]) >= {str(prefix / site) for site in sites[::2]}
        assert faults(prefix) == []
    found = {str(one.relative_to(prefix)) for one in prefix.rglob("*.dist-info")}
    assert found == {
        f"{sites[0]}/both-2.dist-info",
        f"{sites[0]}/in0-2.dist-info",
        f"{sites[1]}/in1-1.dist-info",
        f"{SITE}/both-1.dist-info",
        f"{SITE}/in2-2.dist-info",
    }
    replaced = {(one["name"], one["version"], *one["replaced"]) for one in report["distributions"]}
    assert replaced == {("both", "2", "1"), ("in0", "2", "1"), ("in2", "2", "1")}


def test_lib64_is_of_the_same_python(terminal: Terminal, staged: Path, prefix: Path) -> None:
    other = SITE.replace("lib/", "lib64/", 1)
    distribution(prefix, "pkg", "1", {"pkg.py": "1", "old.py": "1"}, site=other)
    distribution(staged, "pkg", "2", {"pkg.py": "2"})
    copy(terminal, staged, prefix)
    assert [one.name for one in prefix.rglob("pkg*.dist-info")] == ["pkg-2.dist-info"]
    assert not list((prefix / other).glob("*.py"))


def test_vendored_metadata_is_no_distribution(
    terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """Nor does it hide that of another, or move apart from its package."""
    distribution(prefix, "vendored", "1", {"vendored.py": ""})
    inner = "pkg/_vendor/vendored-1.dist-info/RECORD"
    distribution(staged, "pkg", "1", {"pkg/__init__.py": "", inner: "nonsense"})
    done = copy(terminal, staged, prefix)
    assert installed(done) == {"pkg-1"}
    assert (prefix / SITE / inner).read_text() == "nonsense"
    assert (prefix / SITE / "vendored.py").exists()
    assert done.stderr == ""


def test_metadata_outside_of_a_site(terminal: Terminal, staged: Path, prefix: Path) -> None:
    """Directories of modules have modes of their own wherever they are."""
    for version in ("1", "2"):
        shutil.rmtree(staged, ignore_errors=True)
        distribution(staged, "pkg", version, {f"only{version}.py": ""}, site="lib/own")
        (staged / "lib/own").chmod(0o750)
        (staged / "lib").chmod(0o2711)
        copy(terminal, staged, prefix)
    assert {one.name for one in (prefix / "lib/own").iterdir()} == {"only2.py", "pkg-2.dist-info"}
    assert (prefix / "lib/own").stat().st_mode & 0o7777 == 0o750
    assert (prefix / "lib").stat().st_mode & 0o7777 == 0o2711


def test_a_prefix_that_is_a_site(terminal: Terminal, staged: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "site-packages"
    for version in ("1", "2"):
        tree = staged / version
        distribution(tree, "pkg", version, {f"only{version}.py": ""}, site="")
        copy(terminal, tree, prefix)
        assert faults(tmp_path) == []
    assert {one.name for one in prefix.iterdir()} == {".sagepip", "only2.py", "pkg-2.dist-info"}


def test_files_that_a_list_names_in_vain(terminal: Terminal, staged: Path, prefix: Path) -> None:
    distribution(staged, "pkg", "1", {"pkg.py": "", "lost.py": ""})
    (staged / SITE / "lost.py").unlink()
    done = copy(terminal, staged, prefix)
    assert "lost.py" in done.stderr and "1 files" in done.stderr
    write(staged, {f"{SITE}/lost.py": ""})
    assert copy(terminal, staged, prefix).stderr == ""


@pytest.mark.skipif(not has_strace(), reason="needs strace")
def test_order_of_publication(terminal: Terminal, staged: Path, prefix: Path) -> None:
    """Bytes first, then renames: modules, scripts, .pth, and last all metadata in one step each."""
    names = ["m.py", "pkg/m.py", "z.pth", "../../../bin/tool", "../../../include/h.h"]
    distribution(staged, "a", "1", dict.fromkeys(names, "#" * 100_000))
    egg_info(staged, "b", "1", {"b.py": ""})
    egg_info(staged, "c", "1", {"zz.py": ""}, kind="file")
    for directory in (SITE, "bin", "include"):
        write(prefix, {f"{directory}/there": ""})
    log = terminal.where / "log"
    command: list[str | Path] = [console_script(COPY), staged, prefix]
    trace: list[str | Path] = [
        "strace",
        "-f",
        "-o",
        log,
        "-s",
        "300",
        "-e",
        "trace=/rename,copy_file_range",
    ]
    subprocess.run([*trace, *command], env=terminal.environ, check=True, stdout=subprocess.DEVNULL)
    lines = log.read_text().splitlines()
    begun = next(number for number, line in enumerate(lines) if "/.sagepip/journal" in line)
    assert any("copy_file_range(" in line for line in lines[:begun])
    assert not any("copy_file_range(" in line for line in lines[begun:])
    moved = [line.split('"')[3] for line in lines[begun + 1 :] if "rename" in line]
    published = [os.path.relpath(one, prefix) for one in moved]
    published = [one.removeprefix(SITE + "/") for one in published]
    python = PYTHON[6:]
    assert {*published[:4]} == {"m.py", "pkg", "b.py", "zz.py"}
    assert published[4:] == [
        *("include/h.h", "bin/tool", "z.pth", "a-1.dist-info"),
        *(f"b-1-py{python}.egg-info", f"c-1-py{python}.egg-info"),
    ]


# ---------------------------------------------------------------------- manifest


def test_manifest(terminal: Terminal, staged: Path, prefix: Path, tmp_path: Path) -> None:
    """What was published, relative to the prefix; -0 for any name."""
    write(staged, {"lib/x": "", "a b": "", "not-\udcff": ""})
    (staged / "lib/link").symlink_to("x")
    (staged / "void/in").mkdir(parents=True)
    manifest = tmp_path / "list"
    paths = [b"a b", b"lib/link", b"lib/x", b"not-\xff", b"void/in/"]
    manifest.write_text("of before")
    copy(terminal, "--manifest", manifest, staged, prefix)
    assert manifest.read_bytes() == b"".join(path + b"\n" for path in paths)
    write(staged, {"new\nline": ""})
    line = refused(terminal, staged, prefix, "--manifest", manifest)
    assert "newline" in line and "-0" in line
    copy(terminal, "--manifest", manifest, "-0", "--move", staged, prefix)
    assert manifest.read_bytes() == b"".join(
        path + b"\0" for path in [*paths[:3], b"new\nline", *paths[3:]]
    )
    assert manifest.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert {one.name for one in tmp_path.iterdir()} == {"D", "prefix", "list", "home"}


def test_manifest_that_cannot_be(
    terminal: Terminal, staged: Path, prefix: Path, tmp_path: Path
) -> None:
    """It is refused before the first change; a device or a link is not replaced."""
    write(staged, {"x": ""})
    for where, word in ((tmp_path, "Is a directory"), (tmp_path / "no/list", "No such file")):
        assert word in refused(terminal, staged, prefix, "--manifest", where)
    assert "in the staged tree" in refused(
        terminal, staged, prefix, "--move", "--manifest", staged / "list"
    )
    (tmp_path / "link").symlink_to("real")
    copy(terminal, "--manifest", tmp_path / "link", staged, prefix)
    assert (tmp_path / "real").read_text() == "x\n"
    assert (tmp_path / "link").is_symlink()
    copy(terminal, "--manifest", "/dev/null", staged, prefix)
    assert Path("/dev/null").is_char_device()


# ---------------------------------------------------------------------- refusals


def test_conflicts_are_told_before_the_first_change(
    terminal: Terminal, staged: Path, prefix: Path
) -> None:
    write(prefix, {"file": "", "dir/x": "", "lib/x": "", "a": "a"})
    distribution(prefix, "owner", "1", {"owned.py": "1", "../../../bin/owned": "1", "d/x.py": ""})
    (prefix / "lib64").symlink_to("lib")
    cases = {
        "file/x": "is a file, and a directory in the staged tree",
        "dir": "is a directory, and something of another kind",
        "lib64/libx.so": "is a link to lib, and a directory",
        f"{SITE}/owned.py": "belongs to owner 1",
        "bin/owned": "belongs to owner 1",
        f"{SITE}/owned.py/x": "is a file, and something of another kind",
        f"{SITE}/d": "a directory",
    }
    for number, (name, word) in enumerate(cases.items()):
        words = ["--move"] if number % 2 else []
        shutil.rmtree(staged, ignore_errors=True)
        write(staged, {"a": "changed", "zzz": "", f"{SITE}/aaa.py": "", name: "2"})
        assert word in refused(terminal, staged, prefix, *words), name
    shutil.rmtree(staged)
    write(staged, {f"{SITE}/owned.py": "2", "bin/owned": "2"})
    overwrite = ["--overwrite", "owned.py", "--overwrite", "bin/*"]
    assert "owned.py" in copy(terminal, *words, *overwrite, staged, prefix).stderr
    assert (prefix / SITE / "owned.py").read_text() == (prefix / "bin/owned").read_text() == "2"


def test_what_is_the_same_is_shared(terminal: Terminal, staged: Path, prefix: Path) -> None:
    distribution(prefix, "owner", "1", {"space/__init__.py": ""})
    distribution(staged, "pkg", "1", {"space/__init__.py": "", "space/pkg.py": ""})
    inode = (prefix / SITE / "space/__init__.py").stat().st_ino
    copy(terminal, staged, prefix)
    assert (prefix / SITE / "space/__init__.py").stat().st_ino == inode
    assert faults(prefix) == []


def test_large_files_that_are_the_same_stay(terminal: Terminal, staged: Path, prefix: Path) -> None:
    """Alone in their directory or beside others' files; what is not the same is replaced."""
    large = "0123456789abcdef" * 5000
    names = ["lib/own/libx.so", "lib/liby.so", "lib/libz.so", f"{SITE}/pkg/data", "bin/large"]
    distribution(staged, "pkg", "1", {"pkg/__init__.py": "", "pkg/data": large})
    write(staged, {**dict.fromkeys(names, large), "lib/small": "small"})
    write(prefix, {"lib/theirs": "", "bin/theirs": ""})
    set_times(staged)
    copy(terminal, staged, prefix)
    (prefix / "lib/libz.so").write_text("x" + large[1:])
    before = {name: (prefix / name).stat().st_ino for name in names}
    by_cp = copied_by_cp(staged, copied_by_cp(prefix, prefix.with_name("cp")))
    copy(terminal, staged, prefix)
    found = {name: (prefix / name).stat() for name in names}
    same = {name for name in names if found[name].st_ino == before[name]}
    assert same == {*names} - {"lib/libz.so"}
    assert {one.st_nlink for one in found.values()} == {1}
    assert everything(prefix, dated=False) == everything(by_cp, dated=False)
    files = [path for path in staged.rglob("*") if path.is_file()]
    for path in files:
        there = prefix / path.relative_to(staged)
        assert there.stat().st_mtime_ns == path.stat().st_mtime_ns
    assert faults(prefix) == []


@pytest.mark.parametrize("options", [[], ["--move"]])
def test_a_tree_that_lies_in_the_prefix(
    terminal: Terminal, prefix: Path, options: list[str]
) -> None:
    """Sage builds and stages in PREFIX/var/tmp."""
    distribution(prefix, "pkg", "1", {"pkg/__init__.py": "1"})
    place = prefix / "var/tmp/build/pkg-2/inst"
    distribution(place, "pkg", "2", {"pkg/__init__.py": "2"})
    write(place, {"var/lib/new": "", "var/tmp/other": ""})
    copy(terminal, *options, place, prefix)
    assert (prefix / SITE / "pkg/__init__.py").read_text() == "2"
    assert (prefix / "var/lib/new").exists()
    assert (prefix / "var/tmp/other").exists()
    assert bool([*place.rglob("*.py")]) == (not options)
    assert faults(prefix) == []


def test_wrong_operands(terminal: Terminal, staged: Path, prefix: Path, tmp_path: Path) -> None:
    write(staged, {"x": "", "sub/y": ""})
    write(tmp_path, {"file": ""})
    (tmp_path / "alias").symlink_to(staged)
    write(staged / "sub" / staged.relative_to(tmp_path) / "sub", {"z": ""})
    for one, other, word in (
        (tmp_path / "none", prefix, "is not a directory"),
        (tmp_path / "file", prefix, "is not a directory"),
        (staged, staged, "lies in"),
        (staged, tmp_path / "alias/sub/new", "lies in"),
        (staged / "sub", tmp_path, "lies where it holds something for"),
        (staged, tmp_path / "file", "file"),
    ):
        before = snapshot(tmp_path)
        line = error_line(copy(terminal, one, other, status=1))
        assert word in line, line
        assert snapshot(tmp_path) == before
    for words in (
        [],
        [staged],
        ["", prefix],
        [staged, ""],
        [staged, prefix, prefix],
        ["--no-such", staged, prefix],
    ):
        assert not copy(terminal, *words, status=2).stdout
    os.mkfifo(staged / "sub/pipe")
    assert "sub/pipe" in refused(terminal, staged, prefix)


@as_root
def test_permissions(commons: Path) -> None:
    """Told in one line, and nothing is changed."""
    staged, prefix = commons / "staged", commons / "prefix"
    write(staged, {"a/b": "", "z": "secret"})
    write(prefix, {"a/old": ""})

    def try_it(*words: str) -> str:
        before = snapshot(prefix), snapshot(staged)
        done = copy_as_nobody(*words, staged, prefix)
        assert done.returncode == 1
        assert (snapshot(prefix), snapshot(staged)) == before
        return error_line(done)

    assert f"cannot write to {prefix}: Permission denied" in try_it()
    os.chown(prefix, 65534, 65534)
    (staged / "z").chmod(0o600)
    assert f"{staged}/z: Permission denied" in try_it()
    assert f"{staged}/z: Permission denied" in try_it("--move")
    (staged / "a").chmod(0)
    assert "cannot read the staged tree" in try_it()
    (staged / "a").chmod(0o755)
    (staged / "z").chmod(0o644)
    write(prefix, {".sagepip/gate": "", ".sagepip/lock": ""})
    give_to_nobody(prefix / ".sagepip")
    for words in ([], ["--move"]):
        assert f"{prefix}/a/b: Permission denied" in try_it(*words)
    os.chown(prefix / "a", 65534, 65534)
    done = copy_as_nobody("--move", staged, prefix)
    # It is root's: it was copied, and stays.
    assert done.returncode == 0 and "cannot be removed" in done.stderr, done
    assert (prefix / "a/b").exists() and (staged / "a/b").exists()
    (prefix / "lib").mkdir(mode=0o700)
    assert f"Permission denied: {prefix}/lib" in try_it()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
