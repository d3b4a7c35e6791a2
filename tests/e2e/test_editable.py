"""Installations in editable mode, and wheels built by way of an sdist: whole commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment

from sagepip.build.project import build_editable, build_sdist
from sagepip.ground.destination import Destination
from sagepip.ground.errors import BuildError
from sagepip.ground.target_python import TargetPython
from tests.e2e.build_fixtures import make_project, make_sdist, options
from tests.e2e.commands import Terminal, error_line, installed, site_of, state_of
from tests.e2e.editable_fixtures import BACKEND, WHOLE, make_own_project
from tests.e2e.maintenance import KILL, sagepip
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.legacy import EASY_INSTALL, make_egg_link
from tests.wheels import make_wheel

Words = Sequence[str | Path]


def says(environment: VirtualEnvironment, script: str) -> str:
    """Return what a script of an environment prints."""
    return subprocess.run(
        [environment.scripts / script], capture_output=True, text=True, check=True
    ).stdout.strip()


def origin(site: Path, name: str) -> dict[str, object]:
    """Return the direct_url.json of a project of version 1.0."""
    found: dict[str, object]
    found = json.loads((site / f"{name}-1.0.dist-info" / "direct_url.json").read_text())
    return found


def files(prefix: Path) -> set[str]:
    """Return the paths of the files of a prefix, sagepip's own aside."""
    found = (path for path in prefix.rglob("*") if not path.is_dir())
    return {str(path.relative_to(prefix)) for path in found if ".sagepip" not in path.parts}


# ------------------------------------------------------------------ -e


def test_it_leads_to_the_source(terminal: Terminal, venv: VirtualEnvironment) -> None:
    """What is changed in the tree is what runs; the metadata say so; the wheel is not stored."""
    project = make_own_project(terminal.where / "project", "edited")
    spkg = terminal.where / "spkg"
    settings = {"SAGE_VENV": venv.root, "SAGE_SPKG_WHEELS": spkg}
    done = terminal.install("-e", ".", cwd=project, settings=settings)
    assert (done.stdout, done.stderr) == ("Successfully installed edited-1.0\n", "")
    assert says(venv, "edited-tool") == "one"
    # Of another size: within a second Python takes bytecode of the same size for its own.
    (project / "src" / "edited.py").write_text("def main(): print('changed')\n")
    assert says(venv, "edited-tool") == "changed"
    info = venv.site / "edited-1.0.dist-info"
    expected = {"url": project.as_uri(), "dir_info": {"editable": True}}
    assert origin(venv.site, "edited") == expected
    assert (info / "INSTALLER").read_text() == "sagepip\n"
    assert (info / "REQUESTED").exists()
    assert not spkg.exists()
    assert violations_of_g1(venv.site) == []
    assert state_of(venv.site) == {"lock", "gate"}
    assert list(terminal.temporary.iterdir()) == []


def test_healthy_for_all_who_look(terminal: Terminal) -> None:
    """verify, doctor and status have nothing to say against it."""
    prefix = terminal.where / "prefix"
    terminal.install("--prefix", prefix, "-e", make_own_project(terminal.where / "p", "healthy"))
    for command, says_it in (("verify", "1 distribution checked, intact"), ("doctor", "no prob")):
        assert says_it in terminal.run("sagepip", command, "--prefix", prefix).stdout
    terminal.run("sagepip", "status", "--prefix", prefix)


def test_always_rebuilt_and_reinstalled(terminal: Terminal) -> None:
    """Nothing is taken for unchanged, for what the backend would answer now is not known."""
    project = make_own_project(terminal.where / "project", "again")
    prefix = terminal.where / "prefix"
    inodes = set()
    for number in (1, 2):
        done = terminal.install("--prefix", prefix, "-e", project)
        assert installed(done) == {"again-1.0"}
        assert (project / "built.log").read_text() == "editable\n" * number
        inodes.add((site_of(prefix) / "again-1.0.dist-info").stat().st_ino)
    assert len(inodes) == 2


@pytest.mark.parametrize("text", ["def main(): print('one')\n", None])
def test_to_normal_and_back(terminal: Terminal, text: str | None) -> None:
    """Each takes the other's place whole, even where they have the same files; and all goes."""
    project = make_own_project(terminal.where / "project", "both", module=text)
    prefix = terminal.where / "prefix"
    plain: Words = ("--prefix", prefix, project)
    editable: Words = ("--prefix", prefix, "-e", project)
    trees: dict[bool, set[frozenset[str]]] = {False: set(), True: set()}
    for is_editable in (True, False, True, True, False):
        done = terminal.install(*(editable if is_editable else plain))
        assert installed(done) == {"both-1.0"}
        expected = {"editable": True} if is_editable else {}
        assert origin(site_of(prefix), "both")["dir_info"] == expected
        trees[is_editable].add(frozenset(files(prefix)))
        assert violations_of_g1(site_of(prefix)) == []
    assert [len(found) for found in trees.values()] == [1, 1]
    assert (trees[False] == trees[True]) == (text is None)
    before = snapshot(project)
    terminal.install(*editable)
    before |= snapshot(project)
    terminal.run("sagepip", "uninstall", "-y", "--prefix", prefix, "both")
    assert files(prefix) == set()
    assert snapshot(project) == before


def test_dependencies_and_extras(terminal: Terminal) -> None:
    """Runtime dependencies, those of extras too, are installed or missed as for other targets."""
    requires = {"": "base>=2", "plot": "plotter"}
    project = make_own_project(terminal.where / "project", "needy", requires=requires)
    house, prefix = terminal.where / "house", terminal.where / "prefix"
    make_wheel(house, "base", "1", {"base.py": ""})
    words: Words = ("--prefix", prefix, "--no-index", "-f", house)
    assert "needy 1.0 needs base>=2" in terminal.refuse(prefix, *words, "-e", project)
    make_wheel(house, "base", "2", {"base.py": ""})
    make_wheel(house, "plotter", "1", {"plotter.py": ""})
    assert installed(terminal.install(*words, "-e", project)) == {"needy-1.0", "base-2"}
    with_extra = f"needy[plot] @ {project.as_uri()}"
    assert installed(terminal.install(*words, "-e", with_extra)) == {"needy-1.0", "plotter-1"}
    assert not (site_of(prefix) / "base-2.dist-info" / "direct_url.json").exists()
    # What -e has installed satisfies the need of others, and a name.
    other = make_wheel(terminal.where, "other", "1", {"other.py": ""}, requires=("needy>=1",))
    assert installed(terminal.install(*words, other)) == {"other-1"}
    assert "already satisfied: needy==1.0" in terminal.install(*words, "needy").stdout


def test_lines_of_a_file(terminal: Terminal) -> None:
    """-e lines have settings of their own, which reach the hook; markers leave lines out."""
    for name in ("one", "two", "three"):
        make_own_project(terminal.where / name, name)
    reqs = terminal.where / "reqs.txt"
    reqs.write_text("-e ./one -C a=1 -C a=2\n--editable=two\n-e ./three ; python_version < '3'\n")
    prefix = terminal.where / "prefix"
    done = terminal.install("--prefix", prefix, "-C", "b=3", "-r", reqs)
    assert installed(done) == {"one-1.0", "two-1.0"}
    site = site_of(prefix)
    assert "SETTINGS = {'a': ['1', '2']}" in (site / "_one_finder.py").read_text()
    assert "SETTINGS = {}" in (site / "_two_finder.py").read_text()


def test_requirements_of_the_editable_hooks(terminal: Terminal) -> None:
    """get_requires_for_build_editable is asked, and what it names is provided or missed."""
    house, prefix = terminal.where / "house", terminal.where / "prefix"
    backend = BACKEND.replace("    name = _tool()", "    import late\n    name = _tool()", 1)
    assert backend != BACKEND
    project = make_own_project(
        terminal.where / "project", "dynamic", dynamic=["late>=2"], backend=backend
    )
    words: Words = ("--prefix", prefix, "--no-index", "-f", house)
    make_wheel(house, "late", "1", {"late.py": ""})
    assert "late>=2" in terminal.refuse(prefix, *words, "-e", project)
    checked = ("--no-build-isolation", "--check-build-dependencies")
    says_it = terminal.refuse(prefix, *words, *checked, "-e", project)
    assert "late>=2" in says_it
    assert "not installed" in says_it
    make_wheel(house, "late", "2", {"late.py": ""})
    terminal.install(*words, "-e", project)


def test_without_isolation(terminal: Terminal) -> None:
    """--no-build-isolation builds with what the target has, as Sage's scripts do."""
    environment = VirtualEnvironment.create(terminal.where / "venv")
    backend = make_wheel(terminal.where, "own_backend", "1", {"own_backend.py": BACKEND})
    project = make_own_project(terminal.where / "project", "open")
    text = (project / "pyproject.toml").read_text().replace('backend-path = ["backend"]\n', "")
    (project / "pyproject.toml").write_text(text)
    words = ["--verbose", "--no-deps", "--no-index", "--no-build-isolation", "--isolated"]
    settings = {"SAGE_VENV": environment.root}
    terminal.install(backend, settings=settings)
    terminal.install(*words, "--editable", ".", cwd=project, settings=settings)
    assert says(environment, "open-tool") == "one"


def test_backend_without_the_hook(terminal: Terminal) -> None:
    """There is nothing to fall back to: one line, and nothing is left."""
    prefix = terminal.where / "prefix"
    project = make_project(terminal.where / "project", in_tree="def build_wheel(*_): return ''\n")
    said = terminal.refuse(prefix, "--prefix", prefix, "-e", project)
    assert f"{project} cannot be installed in editable mode" in said
    assert "no build_editable" in said
    assert "leave out -e" in said
    settings = {"SETUPTOOLS_ENABLE_FEATURES": "legacy-editable"}
    said = terminal.refuse(prefix, "--prefix", prefix, "-e", project, settings=settings)
    assert "take legacy-editable out of SETUPTOOLS_ENABLE_FEATURES" in said


def test_both_ways_at_once(terminal: Terminal) -> None:
    """A directory cannot be installed in both ways by one call."""
    prefix = terminal.where / "prefix"
    project = make_own_project(terminal.where / "project", "twice")
    said = terminal.refuse(prefix, "--prefix", prefix, project, "-e", project)
    assert f"-e {project.as_uri()} are both twice" in said


@pytest.mark.parametrize(
    "word", ["demo-1.0-py3-none-any.whl", "./demo-1.0.tar.gz", "git+file:///x", "https://x/y.zip"]
)
def test_what_cannot_be_edited(terminal: Terminal, word: str) -> None:
    """A wheel, an sdist, and what is elsewhere are refused as wrong usage."""
    for name in ("demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"):
        (terminal.where / name).touch()
    prefix = terminal.where / "prefix"
    assert word in terminal.refuse(prefix, "--prefix", prefix, "-e", word, status=2)


def test_report(terminal: Terminal) -> None:
    """The report has pip's word for it; a dry run builds and installs nothing."""
    project = make_own_project(terminal.where / "project", "told")
    prefix = terminal.where / "prefix"
    words: Words = ("--prefix", prefix, "--dry-run", "--report", "-", "-e", project)
    (entry,) = json.loads(terminal.install(*words).stdout)["install"]
    expected = {"url": project.as_uri(), "dir_info": {"editable": True}}
    assert entry["download_info"] == expected
    assert (entry["is_direct"], entry["requested"]) == (True, True)
    assert not prefix.exists()


def test_other_destinations(terminal: Terminal) -> None:
    """--root and --target get the same files as a prefix."""
    project = make_own_project(terminal.where / "project", "placed")
    root, target = terminal.where / "root", terminal.where / "target"
    environment = VirtualEnvironment.create(terminal.where / "venv")
    done = terminal.install("--python", environment.python, "--root", root, "-e", project)
    assert done.stderr == ""
    (pth,) = root.rglob("*.pth")
    assert pth == root / environment.site.relative_to("/") / "__editable__.placed.pth"
    assert not list(root.rglob(".sagepip"))
    done = terminal.install("--target", target, "-e", project)
    assert (target / "__editable__.placed.pth").exists()
    assert done.stderr.startswith("WARNING: what -e installs into ")


# ------------------------------------------------------------------ what it takes the place of


def test_takes_the_place_of_a_link(bare_site: Destination, terminal: Terminal) -> None:
    """A development installation of old of the same tree gives way, script and line included."""
    project = make_own_project(terminal.where / "tree", "linked")
    other = make_egg_link(bare_site, "other", terminal.where / "other")
    link = make_egg_link(bare_site, "linked", project, "linked-tool", "linked-old")
    done = terminal.install("--prefix", bare_site.scheme.data, "-e", project)
    assert installed(done) == {"linked-1.0"}
    site = Path(bare_site.site)
    assert other.exists()
    assert not link.exists()
    assert (site / EASY_INSTALL).read_text() == f"{terminal.where}/other\n"
    assert os.listdir(bare_site.scheme.scripts) == ["linked-tool"]
    assert "EASY-INSTALL" not in (Path(bare_site.scheme.scripts) / "linked-tool").read_text()
    assert violations_of_g1(site) == []
    assert (project / "linked.egg-info" / "PKG-INFO").exists()
    assert sagepip(bare_site, "doctor").returncode == 0
    sagepip(bare_site, "uninstall", "--yes", "linked")
    assert files(site) == {EASY_INSTALL, "other.egg-link"}


@pytest.mark.parametrize(("last", "kept"), [(".pth", False), (".dist-info", True)])
def test_path_file_comes_last(
    bare_site: Destination, terminal: Terminal, last: str, kept: bool
) -> None:
    """The .pth file comes when what it imports is there, and before the metadata."""
    project = make_own_project(terminal.where / "project", "late")
    program = (
        "import os, signal, sys\nfrom sagepip.cli.main import sagepip\n"
        f"from sagepip.transaction.steps import Place\nkill, really = {KILL}, Place.do\n"
        f"Place.do = lambda one: (kill if one.target.endswith({last!r}) else really)(one)\n"
        "sys.exit(sagepip())"
    )
    command = [sys.executable, "-c", program, "install", "--prefix", bare_site.scheme.data]
    done = subprocess.run(
        [*command, "-e", project], env=terminal.environ, capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr
    site = Path(bare_site.site)
    assert (site / "_late_finder.py").exists()
    assert (Path(bare_site.scheme.scripts) / "late-tool").exists()
    assert (site / "__editable__.late.pth").exists() == kept
    assert versions(site, "late") == []
    assert sagepip(bare_site, "recover").returncode == 0
    assert files(site) == set()


# ------------------------------------------------------------------ --sdist-then-wheel


@pytest.mark.parametrize("isolation", [(), ("--no-build-isolation",)])
def test_by_way_of_an_sdist(terminal: Terminal, isolation: tuple[str, ...]) -> None:
    """The wheel is made of the unpacked sdist alone, stored, and said to be of the directory."""
    backend = BACKEND.replace(
        '    return _wheel(directory, "", files)\n',
        "    files['where.txt'] = os.getcwd()\n    return _wheel(directory, \"\", files)\n",
    )
    assert backend != BACKEND
    project = make_own_project(terminal.where / "project", "packed", backend=backend)
    (project / "src" / "extra.py").touch()
    prefix, spkg = terminal.where / "prefix", terminal.where / "spkg"
    words: Words = ("--prefix", prefix, "--sdist-then-wheel", *isolation)
    done = terminal.install(*words, ".", cwd=project, settings={"SAGE_SPKG_WHEELS": spkg})
    assert (done.stdout, done.stderr) == ("Successfully installed packed-1.0\n", "")
    assert [path.name for path in spkg.iterdir()] == ["packed-1.0-py3-none-any.whl"]
    site = site_of(prefix)
    assert origin(site, "packed") == {"url": project.as_uri(), "dir_info": {}}
    place = (site / "where.txt").read_text()
    assert place.startswith(str(terminal.temporary))
    assert place.endswith("/packed-1.0")
    assert {path.name for path in project.iterdir()} == {*WHOLE}
    assert list(terminal.temporary.iterdir()) == []


def test_sdist_that_lacks_a_file(terminal: Terminal) -> None:
    """It is the build's failure, and said to be that of the sdist."""
    project = make_own_project(terminal.where / "project", "short", sdist=WHOLE[:-1])
    prefix = terminal.where / "prefix"
    terminal.install("--prefix", prefix, project)
    before = snapshot(prefix)
    words = ("--prefix", prefix, "--sdist-then-wheel", project)
    done = terminal.run("sage-pip-install", *words, status=1)
    said = done.stderr.splitlines()[-1]
    assert f"Error: {project} cannot be built from its sdist short-1.0.tar.gz: build_wheel" in said
    assert "the sdist may lack files" in said
    assert "needed.txt is missing" in done.stderr.splitlines()
    assert snapshot(prefix) == before


def test_sdist_that_cannot_be_made(terminal: Terminal) -> None:
    """A backend may refuse; its last word is in the message."""
    project = make_own_project(terminal.where / "project", "never", sdist=())
    prefix = terminal.where / "prefix"
    words = ("--prefix", prefix, "--sdist-then-wheel", project)
    done = terminal.run("sage-pip-install", *words, status=1)
    said = done.stderr.splitlines()[-1]
    assert f"the build backend of {project} cannot make an sdist: " in said
    assert "UnsupportedOperation: no sdist today" in said


def test_archives_are_sdists_already(terminal: Terminal) -> None:
    """An archive is built as ever, beside a directory that is packed first."""
    source = make_own_project(terminal.where / "source", "ready", sdist=())
    archive = make_sdist(terminal.where, source, "ready", "1.0")
    project = make_own_project(terminal.where / "project", "beside")
    wheel = make_wheel(terminal.where, "done", "1", {"done.py": ""})
    words = ("--prefix", terminal.where / "prefix", "--sdist-then-wheel")
    done = terminal.install(*words, archive, project, wheel)
    assert installed(done) == {"ready-1.0", "beside-1.0", "done-1"}


def test_sdist_and_editable_exclude_each_other(terminal: Terminal) -> None:
    """An editable installation is of the directory itself."""
    project = make_own_project(terminal.where / "project", "neither")
    words = ("--prefix", terminal.where / "prefix", "--sdist-then-wheel", "-e", project)
    done = terminal.run("sage-pip-install", *words, status=2)
    assert "exclude each other" in error_line(done)


# ------------------------------------------------------------------ what hooks answer


@pytest.mark.parametrize(
    ("kind", "answer", "match"),
    [
        ("editable", "x.tar.gz", "named a file that is no wheel"),
        ("editable", "x.whl", "did not make what it named"),
        ("sdist", "x.whl", "named a file that is no sdist"),
        ("sdist", "../x.tar.gz", "answered '../x.tar.gz', which is not the name"),
        ("sdist", "x.zip", "named a file that is no sdist"),
        ("sdist", "x.tar.gz", "did not make what it named"),
    ],
)
def test_bad_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, answer: str, match: str
) -> None:
    """Only the plain name of a file of the right kind is taken; the traces are kept."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    hooks = f"def build_{kind}(*_, **__):\n    return {answer!r}\n"
    project = make_project(tmp_path / "project", in_tree=hooks)
    build = build_editable if kind == "editable" else build_sdist
    with pytest.raises(BuildError, match=match) as caught:
        build(str(project), str(tmp_path), python=TargetPython.running(), options=options())
    (kept,) = (tmp_path / "tmp").iterdir()
    assert f"{kept}/build.log" in str(caught.value)
