"""The install commands at a terminal: sources, wheels, files, destinations, eight at once."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment

from tests.e2e.build_fixtures import TINY_BACKEND, make_project, make_sdist, make_tiny_backend
from tests.e2e.commands import Terminal, installed, site_of, state_of
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

DEBIAN = Path("/usr/bin/python3")


def probe(python: Path | str, code: str) -> str:
    """Return what a few lines of code print in another interpreter; empty if it cannot run."""
    done = subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def another_minor() -> str | None:
    """Return an interpreter that pip supports, of another minor version than the running one."""
    names = [f"python3.{minor}" for minor in (12, 13, 14, 10, 11) if minor != sys.version_info[1]]
    found = [path for path in map(shutil.which, names) if path]
    for shim in shutil.which("pyenv"), *found:
        versions_home = Path(shim).resolve().parents[1] / "versions" if shim else None
        if versions_home and versions_home.is_dir():
            found += [str(path) for name in names for path in versions_home.glob(f"*/bin/{name}")]
    return next(
        (path for path in found if probe(path, "import sys; print(sys.version_info[1])")), None
    )


# ---------------------------------------------------------------------- a source directory


def test_dot_is_built_installed_and_stored(terminal: Terminal, venv: VirtualEnvironment) -> None:
    """In a source tree ``.`` is built, its wheel stored as the umask says, and it is installed."""
    backend = make_tiny_backend(terminal.where / "backend").parent
    project = make_project(terminal.where / "project", "dotted")
    spkg = terminal.where / "spkg"
    settings = {"SAGE_VENV": venv.root, "SAGE_SPKG_WHEELS": spkg, "PIP_FIND_LINKS": backend}
    done = terminal.install(".", cwd=project, preexec=lambda: os.umask(0o027), settings=settings)
    assert done.stdout == "Successfully installed dotted-1.0\n"
    assert done.stderr == ""
    (stored,) = spkg.iterdir()
    assert stored.name == "dotted-1.0-py3-none-any.whl"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o640
    assert versions(venv.site, "dotted") == ["1.0"]
    assert stat.S_IMODE((venv.site / "dotted" / "__init__.py").stat().st_mode) == 0o640
    info = venv.site / "dotted-1.0.dist-info"
    assert (info / "INSTALLER").read_text() == "sagepip\n"
    direct_url = {"url": project.as_uri(), "dir_info": {}}
    assert json.loads((info / "direct_url.json").read_text()) == direct_url
    assert violations_of_g1(venv.site) == []
    assert probe(venv.python, "import dotted; print(dotted.__file__)").startswith(str(venv.root))


def test_second_build_replaces_the_first(terminal: Terminal, venv: VirtualEnvironment) -> None:
    """Of one project the wheelhouse holds one wheel, the last built; other projects' stay."""
    make_tiny_backend(terminal.where / "spkg")
    settings = {"SAGE_VENV": venv.root, "SAGE_SPKG_WHEELS": terminal.where / "spkg"}
    for version in ("1.0", "1.1"):
        place = terminal.where / version
        project = make_project(place, "twice", version, in_tree=TINY_BACKEND)
        terminal.install(project, settings=settings)
    assert sorted(os.listdir(terminal.where / "spkg")) == [
        "tiny_backend-1.0-py3-none-any.whl",
        "twice-1.1-py3-none-any.whl",
    ]
    assert versions(venv.site, "twice") == ["1.1"]
    assert violations_of_g1(venv.site) == []


def test_pythonpath_reaches_neither_sagepip_nor_the_build(
    terminal: Terminal, venv: VirtualEnvironment
) -> None:
    """Broken modules on PYTHONPATH and in the working directory are not imported by anybody."""
    broken = terminal.where / "broken"
    broken.mkdir()
    for module in ("packaging", "installer", "build", "filelock", "pip", "tiny_backend"):
        (broken / f"{module}.py").write_text("raise SystemExit('broken module imported')\n")
    (broken / "sitecustomize.py").write_text(
        f"open({str(terminal.where / 'trace')!r}, 'a').write('x')\n"
    )
    backend = make_tiny_backend(terminal.where / "backend").parent
    project = make_project(terminal.where / "project", "clean")
    for module in ("packaging", "installer"):
        shutil.copy(broken / f"{module}.py", project)
    settings = {"SAGE_VENV": venv.root, "PIP_FIND_LINKS": backend, "PYTHONPATH": broken}
    done = terminal.install(".", cwd=project, settings=settings)
    assert installed(done) == {"clean-1.0"}
    seen = json.loads((venv.site / "clean" / "seen.json").read_text())
    assert str(broken) not in seen["path"]
    assert "PYTHONPATH" not in seen["environ"]
    # The interpreter that runs sagepip starts before sagepip can help it: once, and no child.
    assert (terminal.where / "trace").read_text() == "x"


def test_sdist(terminal: Terminal, venv: VirtualEnvironment) -> None:
    """An sdist is built and installed, and direct_url.json names it with its digest."""
    source = make_project(terminal.where / "source", "packed", in_tree=TINY_BACKEND)
    sdist = make_sdist(terminal.where / "dist", source, "packed", "1.0")
    done = terminal.install(sdist, settings={"SAGE_VENV": venv.root})
    assert installed(done) == {"packed-1.0"}
    direct_url = json.loads((venv.site / "packed-1.0.dist-info/direct_url.json").read_text())
    assert direct_url["url"] == sdist.as_uri()
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    assert direct_url["archive_info"]["hashes"] == {"sha256": digest}


def test_path_that_is_no_text(terminal: Terminal) -> None:
    """A wheel in a directory whose name is in no known encoding is installed, in any locale."""
    place = Path(os.fsdecode(os.fsencode(terminal.where) + b"/caf\xe9 \xc3\xa9 %"))
    wheel = make_wheel(place, "latin", "1", {"latin.py": ""})
    for number, locale in enumerate(("C.UTF-8", "C")):
        settings = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        prefix = terminal.where / f"prefix-{number}"
        done = terminal.install("--prefix", prefix, wheel, settings=settings)
        assert installed(done) == {"latin-1"}
        info = site_of(prefix) / "latin-1.dist-info"
        url = json.loads((info / "direct_url.json").read_text())["url"]
        assert url.endswith("/caf%E9%20%C3%A9%20%25/latin-1-py3-none-any.whl")


# ---------------------------------------------------------------------- where to


def test_destdir(terminal: Terminal, venv: VirtualEnvironment) -> None:
    """SAGE_DESTDIR stages below it, --root wins over it, and neither looks at the live site."""
    wheel = make_wheel(
        terminal.where,
        "staged",
        "1",
        {"staged.py": "def main(): pass\n"},
        entry_points="[console_scripts]\nstaged = staged:main\n",
    )
    terminal.install(wheel, settings={"SAGE_VENV": venv.root})
    live = snapshot(venv.root)
    one, two = terminal.where / "one", terminal.where / "two"
    settings = {"SAGE_VENV": venv.root, "SAGE_DESTDIR": one}
    assert installed(terminal.install(wheel, settings=settings)) == {"staged-1"}
    assert installed(terminal.install("--root", two, wheel, settings=settings)) == {"staged-1"}
    assert snapshot(venv.root) == live
    for root in (one, two):
        inside = root / venv.root.relative_to("/")
        assert (inside / "bin/staged").read_text().startswith(f"#!{venv.python.parent}/python")
        assert violations_of_g1(site_of(inside)) == []
        assert list(root.rglob(".sagepip")) == []


def test_several_targets_are_all_or_nothing(terminal: Terminal, venv: VirtualEnvironment) -> None:
    """A wheel, an sdist, a directory and a name in one call: all of them, or none."""
    house = terminal.where / "house"
    make_wheel(house, "multi_name", "1", {"multi_name.py": ""})
    wheel = make_wheel(terminal.where, "multi_wheel", "1", {"multi_wheel.py": ""})
    directory = make_project(terminal.where / "directory", "multi_dir", in_tree=TINY_BACKEND)
    source = make_project(terminal.where / "source", "multi_sdist", in_tree=TINY_BACKEND)
    sdist = make_sdist(terminal.where, source, "multi_sdist", "1.0")
    settings = {"SAGE_VENV": venv.root, "PIP_FIND_LINKS": house}
    targets = (wheel, directory, sdist, "multi-name")
    bad = make_wheel(terminal.where, "bad", "1", {"bad.py": "x"}, replace={"bad.py": "y"})
    line = terminal.refuse(venv.root, *targets, bad, settings=settings)
    assert "bad.py is not what RECORD says" in line
    done = terminal.install(*targets, settings=settings)
    names = {"multi_wheel-1", "multi_dir-1.0", "multi_sdist-1.0", "multi_name-1"}
    assert installed(done) == names
    assert violations_of_g1(venv.site) == []


def test_requirement_file(terminal: Terminal) -> None:
    """-r takes names, ``NAME @ file:///``, comments, markers, continued lines and other files."""
    house = terminal.where / "house"
    direct = make_wheel(house, "req_direct", "1", {"req_direct.py": ""})
    for name in ("req_name", "req_nested", "req_never"):
        make_wheel(house, name, "1", {f"{name}.py": ""})
    (terminal.where / "more").mkdir()
    (terminal.where / "more" / "nested.txt").write_text("req-nested == 1  # pinned\n")
    (terminal.where / "all.txt").write_text(
        f"# what is needed\n\n--find-links house\nreq-direct @ {direct.as_uri()}  # direct\n"
        'req.name \\\n  >= 1\nreq-never; python_version < "3"\n-r more/nested.txt\n'
    )
    prefix = terminal.where / "prefix"
    done = terminal.install("--prefix", prefix, "-r", "all.txt")
    assert installed(done) == {"req_direct-1", "req_name-1", "req_nested-1"}
    info = site_of(prefix)
    assert (info / "req_direct-1.dist-info/direct_url.json").exists()
    assert not (info / "req_name-1.dist-info/direct_url.json").exists()
    with (terminal.where / "all.txt").open("a") as stream:
        stream.write("req-name=1\n")
    line = terminal.refuse(prefix, "--prefix", prefix, "-r", "all.txt", status=2)
    assert "all.txt, line 9" in line
    assert "did you mean ==?" in line


@pytest.mark.skipif(not DEBIAN.exists(), reason="there is no system Python")
def test_system_python(terminal: Terminal) -> None:
    """The distributor's Python: its own site is refused; a prefix and a DESTDIR are served."""
    if tuple(map(int, (probe(DEBIAN, "import sys; print(*sys.version_info[:2])")).split())) < (
        3,
        10,
    ):
        pytest.skip("pip does not support the system Python")
    wheel = make_wheel(terminal.where, "sysmod", "1", {"sysmod.py": "V = 1\n"})
    marker = "import sysconfig; print(sysconfig.get_path('stdlib') + '/EXTERNALLY-MANAGED')"
    if Path(probe(DEBIAN, marker)).exists():
        line = terminal.refuse(terminal.where / "none", "--python", DEBIAN, wheel)
        assert "externally managed" in line
        assert "--prefix" in line
    prefix, root = terminal.where / "prefix", terminal.where / "root"
    terminal.install("--python", DEBIAN, "--prefix", prefix, wheel)
    site = site_of(prefix)  # site-packages, not Debian's local/…/dist-packages: as pip
    assert violations_of_g1(site) == []
    assert state_of(site) == {"lock", "gate"}
    terminal.install("--python", DEBIAN, "--root", root, wheel)
    own = probe(DEBIAN, "import sysconfig; print(sysconfig.get_path('purelib'))")
    assert (root / own.lstrip("/") / "sysmod.py").exists()
    assert list(root.rglob(".sagepip")) == []


def test_another_python_minor(terminal: Terminal) -> None:
    """For another version of Python the paths and the bytecode are that version's."""
    other = another_minor()
    if other is None:
        pytest.skip("no other version of Python here")
    tag = probe(other, "import sys; print(sys.implementation.cache_tag)")
    xy = probe(other, "import sys; print('%d.%d' % sys.version_info[:2])")
    house = terminal.where / "house"
    make_wheel(house, "other_leaf", "1", {"other_leaf.py": ""})
    make_wheel(house, "for_running", "1", {"for_running.py": ""})
    xy_here = "{}.{}".format(*sys.version_info)
    requires = (
        f'other-leaf; python_version == "{xy}"',
        f'for-running; python_version == "{xy_here}"',
    )
    make_wheel(house, "other", "1", {"other.py": "V = 1\n"}, requires=requires)
    prefix = terminal.where / "prefix"
    done = terminal.install("--python", other, "--prefix", prefix, "-f", house, "other")
    assert installed(done) == {"other-1", "other_leaf-1"}
    site = prefix / "lib" / f"python{xy}" / "site-packages"
    cached = f"__pycache__/other.{tag}.pyc"
    with (site / "other-1.dist-info" / "RECORD").open(newline="") as stream:
        assert [cached, "", ""] in list(csv.reader(stream))
    # The interpreter itself finds the bytecode good: without the source's time it would not.
    code = f"import sys; sys.path.insert(0, {str(site)!r}); sys.dont_write_bytecode = True\n"
    code += "import other; print(other.__cached__)"
    assert probe(other, code) == str(site / cached)
    magic = probe(other, "import importlib.util as u; print(u.MAGIC_NUMBER.hex())")
    assert (site / cached).read_bytes()[:4].hex() == magic


# ---------------------------------------------------------------------- at once


def test_eight_at_once_into_a_new_prefix(terminal: Terminal) -> None:
    """Eight commands find nothing and make the same prefix together: all succeed, G1 holds."""
    prefix = terminal.where / "new" / "prefix"
    wheels = [
        make_wheel(
            terminal.where,
            f"crowd{number}",
            "1",
            {f"crowd{number}/__init__.py": "", f"crowd/part{number}.py": "", f"c{number}.py": ""},
            entry_points=f"[console_scripts]\ncrowd{number} = c{number}:main\n",
        )
        for number in range(8)
    ]
    running = [terminal.start("sage-pip-install", "--prefix", prefix, one) for one in wheels]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out.startswith("Successfully installed crowd")
        assert all(line.startswith("sagepip: waiting") for line in err.splitlines()), err
    site = site_of(prefix)
    assert len(list(site.glob("crowd*-1.dist-info"))) == 8
    assert len(list((site / "crowd").glob("*.py"))) == 8
    assert violations_of_g1(site) == []
    assert state_of(site) == {"lock", "gate"}
