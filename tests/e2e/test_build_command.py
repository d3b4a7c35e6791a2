"""``sagepip build`` at a terminal: what is built, where it is stored, what is printed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from bench.environment import VirtualEnvironment, console_script

from sagepip.ground.filesystem import identity
from sagepip.staging.checked_archive import check_wheel
from tests.e2e.build_fixtures import (
    TINY_BACKEND,
    make_project,
    make_sdist,
    make_tiny_backend,
    seen,
)
from tests.e2e.commands import Done, Terminal
from tests.guarantees import snapshot
from tests.wheels import make_wheel

# Makes sdists, too; a wheel of it tells whether it was built from one.
SDIST_BACKEND = (
    TINY_BACKEND
    + """
import io, tarfile

build_plain_wheel = build_wheel

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    settings = dict(config_settings or {}, way="sdist" if os.path.exists("packed") else "tree")
    return build_plain_wheel(wheel_directory, settings)

def get_requires_for_build_sdist(config_settings=None):
    return (config_settings or {}).get("sdist-requires", "").split()

def build_sdist(sdist_directory, config_settings=None):
    data = _project()["project"]
    base = f"{data['name']}-{data['version']}"
    with tarfile.open(os.path.join(sdist_directory, base + ".tar.gz"), "w:gz") as archive:
        for name in ("PKG-INFO", "pyproject.toml", "backend"):
            if os.path.exists(name):
                archive.add(name, f"{base}/{name}")
        archive.addfile(tarfile.TarInfo(f"{base}/packed"), io.BytesIO(b""))
    return base + ".tar.gz"
"""
)
WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
def project(terminal: Terminal) -> Path:
    """A project that needs nothing to be built."""
    return make_project(terminal.where / "source", in_tree=SDIST_BACKEND)


def paths(done: Done) -> list[Path]:
    """Return the paths that a command printed, each of a file that is there."""
    assert done.stdout.endswith("\n")
    found = [Path(line) for line in done.stdout.splitlines()]
    assert all(path.is_absolute() and path.is_file() for path in found), done.stdout
    return found


def names(directory: Path) -> list[str]:
    """Return what a directory holds, hidden names included."""
    return sorted(os.listdir(directory))


def built_by(done: Done) -> list[dict[str, Any]]:
    """Return what the JSON document says was built."""
    document: dict[str, Any] = json.loads(done.stdout)
    found: list[dict[str, Any]] = document["built"]
    return found


# ---------------------------------------------------------------------- what is printed


@pytest.mark.parametrize("words", [(), ("-v",), ("-vv",), ("-q",)])
def test_stdout_has_the_path_alone(
    terminal: Terminal, project: Path, words: tuple[str, ...]
) -> None:
    """However much is said: a script can use ``$(sagepip build .)``."""
    done = terminal.run("sagepip", "build", *words, "-w", "out", ".", "-w", "../out", cwd=project)
    assert paths(done) == [terminal.where / "out" / WHEEL]
    assert bool(done.stderr) == ("-v" in "".join(words))
    if done.stderr:
        assert "tiny backend at work" in done.stderr
    assert names(project) == ["PKG-INFO", "backend", "pyproject.toml"]
    assert names(terminal.temporary) == []


def test_path_of_any_bytes(terminal: Terminal) -> None:
    """A script gets the very bytes of a path, in any locale."""
    place = os.fsencode(terminal.where) + b"/caf\xe9 out"
    wheel = make_wheel(terminal.where, "demo", "1.0", {"demo.py": ""})
    for locale in ("C.UTF-8", "C"):
        done = subprocess.run(
            [console_script("sagepip"), "build", "-w", place, wheel],
            env=terminal.environ | {"LC_ALL": locale},
            capture_output=True,
            check=True,
        )
        assert done.stdout == place + b"/" + WHEEL.encode() + b"\n"


def test_stdout_that_cannot_be_written(terminal: Terminal) -> None:
    """The wheel is stored, but a script that would not get its path must not go on."""
    wheel = make_wheel(terminal.where, "demo", "1.0", {"demo.py": ""})
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [console_script("sagepip"), "build", "-w", terminal.where / "out", wheel],
            env=terminal.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: cannot write to standard output: No space left on device\n"
    assert names(terminal.where / "out") == [WHEEL]


def test_json(terminal: Terminal, venv: VirtualEnvironment) -> None:
    """The document says what was made of what, with what, for whom, and how long it took."""
    backend = make_tiny_backend(terminal.where / "backend")
    source = make_project(terminal.where / "source", probes=["tiny_backend"])
    sdist = make_sdist(terminal.where, source, "demo", "1.0")
    other = make_wheel(terminal.where, "other", "2", {"other.py": ""})
    words = ("-f", backend.parent, "-C", "a=1", "-C", "b=2", "-C", "b=3", "--keep-build")
    where = ("-w", "out", "--python", venv.python)
    done = terminal.run("sagepip", "build", "--json", *words, *where, sdist, other)
    document = json.loads(done.stdout)
    assert document["version"] == "1"
    assert document["directory"] == str(terminal.where / "out")
    python = document["python"]
    assert python["executable"] == str(venv.python)
    assert python["version"] == ".".join(map(str, sys.version_info[:3]))
    assert python["tag"].startswith(f"cp{sys.version_info[0]}{sys.version_info[1]}-")
    one, two = document["built"]
    stored = terminal.where / "out" / WHEEL
    digest = hashlib.sha256(backend.read_bytes()).hexdigest()
    total, provisioning = one["seconds"].pop("total"), one["seconds"].pop("provisioning")
    assert total > provisioning > 0
    log = Path(one.pop("log"))
    assert one == {
        "name": "demo",
        "version": "1.0",
        "wheel": str(stored),
        "sha256": hashlib.sha256(stored.read_bytes()).hexdigest(),
        "size": stored.stat().st_size,
        "is_built": True,
        "source": {
            "url": sdist.as_uri(),
            "sha256": hashlib.sha256(sdist.read_bytes()).hexdigest(),
        },
        "seconds": {},
        "build_requirements": [{"name": "tiny_backend", "version": "1.0", "sha256": digest}],
        "config_settings": {"a": "1", "b": ["2", "3"]},
    }
    assert seen(str(stored))["config_settings"] == {"a": "1", "b": ["2", "3"]}
    assert "tiny backend at work" in log.read_text()
    assert str(log) in done.stderr
    assert (two["name"], two["is_built"], two["log"]) == ("other", False, None)
    assert two["build_requirements"] is None
    assert two["source"] == {"url": other.as_uri(), "sha256": two["sha256"]}
    assert two["seconds"] == {"total": 0.0, "provisioning": 0.0}
    shutil.rmtree(log.parent)
    assert names(terminal.temporary) == []


# ---------------------------------------------------------------------- what is built


def test_nothing_is_installed(terminal: Terminal, venv: VirtualEnvironment, project: Path) -> None:
    """The target interpreter builds, and its site stays as it is; SAGE_DESTDIR is not read."""
    before = snapshot(venv.root)
    settings = {"SAGE_VENV": venv.root, "SAGE_DESTDIR": terminal.where / "root"}
    done = terminal.run("sagepip", "build", "-w", "out", project, settings=settings)
    (wheel,) = paths(done)
    assert seen(str(wheel))["version"] == list(sys.version_info[:2])
    assert snapshot(venv.root) == before
    assert not (terminal.where / "root").exists()


def test_kinds_of_targets(terminal: Terminal) -> None:
    """A directory, an sdist, a reference, a file of them, names, a wheel: in their order."""
    where = terminal.where
    for name in ("directory", "packed", "referred", "listed", "source_only", "both"):
        make_project(where / "trees" / name, name, in_tree=SDIST_BACKEND)
    packed = make_sdist(where, where / "trees" / "packed", "packed", "1.0")
    house = where / "house"
    for name in ("source_only", "both"):
        make_sdist(house, where / "trees" / name, name, "1.0")
    make_wheel(house, "both", "0.9", {"both.py": ""})
    make_wheel(house, "ready", "3", {"ready.py": ""}, requires=("nowhere-to-be-had",))
    wheel = make_wheel(where, "given", "1", {"given.py": ""}, requires=("nowhere-to-be-had",))
    (where / "list.txt").write_text(
        f"-f {house}\nboth --config-settings=k=v\nready  # with a dependency\n"
        f"./trees/listed\nnever; python_version < '3'\n"
    )
    referred = f"referred @ {(where / 'trees' / 'referred').as_uri()}"
    targets: list[str | Path]
    targets = ["./trees/directory", packed, wheel, referred, "source.only>=1"]
    done = terminal.run("sagepip", "build", "-w", "out", *targets, "-r", "list.txt")
    assert [path.name.split("-")[0:2] for path in paths(done)] == [
        ["directory", "1.0"],
        ["packed", "1.0"],
        ["given", "1"],
        ["referred", "1.0"],
        ["source_only", "1.0"],
        ["both", "1.0"],
        ["ready", "3"],
        ["listed", "1.0"],
    ]
    assert names(where / "out") == sorted(path.name for path in paths(done))
    assert (where / "out" / wheel.name).read_bytes() == wheel.read_bytes()
    both = where / "out" / "both-1.0-py3-none-any.whl"
    assert seen(str(both))["config_settings"]["k"] == "v"


def test_formats_of_named_requirements(terminal: Terminal, project: Path) -> None:
    """A wheel that is there is taken; --no-binary has it built; constraints hold."""
    house = terminal.where / "house"
    there = make_wheel(house, "demo", "1.0", {"demo.py": ""})
    make_wheel(house, "demo", "2.0", {"demo.py": ""})
    make_sdist(house, project, "demo", "1.0")
    (terminal.where / "c.txt").write_text("demo<2\n")
    words = ("build", "-f", house, "-c", "c.txt", "-w", "out", "--json")
    (one,) = built_by(terminal.run("sagepip", *words, "demo"))
    assert not one["is_built"]
    assert Path(one["wheel"]).read_bytes() == there.read_bytes()
    (two,) = built_by(terminal.run("sagepip", *words, "--no-binary", "demo", "demo"))
    assert two["is_built"]
    assert seen(two["wheel"])["config_settings"] == {"way": "tree"}


def test_named_without_isolation(terminal: Terminal) -> None:
    """A name that only a source satisfies is built against what is installed, as a path is."""
    prefix = VirtualEnvironment.create(terminal.where / "venv")
    house = terminal.where / "house"
    source = make_project(terminal.where / "source", requires=("tiny-backend",))
    make_sdist(house, source, "demo", "1.0")
    backend = make_tiny_backend(terminal.where / "backend")
    terminal.install("--no-index", backend, settings={"SAGE_VENV": prefix.root})
    settings = {"SAGE_VENV": prefix.root, "PIP_FIND_LINKS": house}
    words = ("build", "--no-build-isolation", "--check-build-dependencies", "-w", "out")
    done = terminal.run("sagepip", *words, "--json", "demo", settings=settings)
    (one,) = built_by(done)
    assert one["build_requirements"] is None
    assert Path(seen(one["wheel"])["executable"]).parent == prefix.python.parent
    terminal.install("--no-build-isolation", "demo", settings=settings)


def test_sdist(terminal: Terminal, project: Path) -> None:
    """--sdist makes an sdist, with its own requirements, in the current directory by default."""
    backend = make_tiny_backend(terminal.where / "backend").parent
    settings = {"SAGE_SPKG_WHEELS": terminal.where / "spkg", "PIP_FIND_LINKS": backend}
    done = terminal.run("sagepip", "build", "--sdist", project, settings=settings)
    (sdist,) = paths(done)
    assert sdist == terminal.where / "demo-1.0.tar.gz"
    with tarfile.open(sdist) as archive:
        assert "demo-1.0/packed" in archive.getnames()
    assert not (terminal.where / "spkg").exists()
    words = ("build", "-s", "-o", "out", "--json", "-C", "sdist-requires=tiny-backend")
    document = built_by(terminal.run("sagepip", *words, project, settings=settings))
    assert [(one["name"], one["version"], one["sdist"]) for one in document] == [
        ("demo", "1.0", str(terminal.where / "out" / "demo-1.0.tar.gz"))
    ]
    assert [one["name"] for one in document[0]["build_requirements"]] == ["tiny_backend"]
    done = terminal.run("sagepip", "build", "-w", "out", sdist)
    assert seen(str(paths(done)[0]))["config_settings"] == {"way": "sdist"}
    done = terminal.run("sagepip", "build", "-w", "out", "--sdist-then-wheel", project)
    assert seen(str(paths(done)[0]))["config_settings"] == {"way": "sdist"}
    assert names(terminal.where / "out") == [WHEEL, "demo-1.0.tar.gz"]


def test_bad_sdists(terminal: Terminal) -> None:
    """What is no sdist of the project, or cannot be made, is refused and nothing is stored."""
    lines = {
        "raise SystemExit('out of clay')": "build_sdist of ",
        "return 'demo-1.0.zip'": "named a file that is no sdist: 'demo-1.0.zip'",
        "return '../demo-1.0.tar.gz'": "'../demo-1.0.tar.gz', which is not the name of a file",
        "return 'demo-1.0.tar.gz'": "did not make what it named",
        "name = 'demo-2.0'": "made version 2.0, but the project's is 1.0",
        "open('PKG-INFO', 'w').write('Name: demo\\nVersion: 2')": "its PKG-INFO says demo 2",
        "skip = 'PKG-INFO'": "it holds no demo-1.0/PKG-INFO",
    }
    for number, (line, says) in enumerate(lines.items()):
        backend = f"""
import os, tarfile
def build_sdist(sdist_directory, config_settings=None):
    name, skip = "demo-1.0", ""
    {line}
    with tarfile.open(os.path.join(sdist_directory, name + ".tar.gz"), "w:gz") as archive:
        for one in {{"PKG-INFO", "pyproject.toml"}} - {{skip}}:
            archive.add(one, name + "/" + one)
    return name + ".tar.gz"
"""
        source = make_project(terminal.where / f"source-{number}", in_tree=backend)
        done = terminal.run("sagepip", "build", "--sdist", "-w", "out", source, status=1)
        last = done.stderr.splitlines()[-1]
        assert last.startswith("Error: "), done.stderr
        assert says in last, line
        assert f"{source}" in last
        assert not (terminal.where / "out").exists()


def test_no_clean_keeps_what_was_built(terminal: Terminal, project: Path) -> None:
    """--no-clean, pip's name, keeps log and environment, for install as well, and says where."""
    prefix = terminal.where / "prefix"
    for words in (
        ("build", "--no-clean", "-w", "out"),
        ("install", "--no-clean", "--prefix", prefix),
    ):
        done = terminal.run("sagepip", *words, project)
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"sagepip: kept of the build of {project}: log: ")
        log = Path(line.partition("log: ")[2].partition(";")[0])
        assert "tiny backend at work" in log.read_text()
        environment = Path(line.partition("build environment: ")[2])
        assert (environment / "bin" / "python").exists()
        shutil.rmtree(log.parent)
    assert names(terminal.temporary) == []


# ---------------------------------------------------------------------- where it is stored


def test_where_wheels_go(terminal: Terminal) -> None:
    """-w, or the wheelhouse, which alone keeps one wheel a project, or the current directory."""
    old, new = (make_wheel(terminal.where / "w", "demo", v, {"demo.py": v}) for v in ("1", "2"))
    here, spkg = terminal.where / "here", terminal.where / "spkg"
    here.mkdir()
    both = sorted((old.name, new.name))
    house = {"SAGE_SPKG_WHEELS": spkg}
    for wheel in (old, new):
        assert paths(terminal.run("sagepip", "build", wheel, cwd=here)) == [here / wheel.name]
        done = terminal.run("sagepip", "build", wheel, settings=house)
        assert paths(done) == [spkg / wheel.name]
        assert names(spkg) == [wheel.name]
        # An explicit directory is not the wheelhouse.
        done = terminal.run("sagepip", "build", "--outdir", "out", wheel, settings=house)
        assert paths(done) == [terminal.where / "out" / wheel.name]
        terminal.run("sagepip", "build", wheel, settings={**house, "PIP_WHEEL_DIR": "variable"})
    assert names(here) == both
    assert names(terminal.where / "out") == both
    assert names(terminal.where / "variable") == both
    # However it is named, the wheelhouse is one.
    (terminal.where / "link").symlink_to(spkg)
    terminal.run("sagepip", "build", "-w", "link", old, settings=house)
    assert names(spkg) == [old.name]


def test_same_wheel_again_changes_nothing(terminal: Terminal) -> None:
    """Storing what is there, byte for byte, touches no file, in place as well."""
    wheel = make_wheel(terminal.where, "demo", "1", {"demo.py": ""})
    settings = {"SAGE_SPKG_WHEELS": terminal.where / "spkg"}
    (stored,) = paths(terminal.run("sagepip", "build", wheel, settings=settings))
    os.utime(stored, (1000, 1000))
    before = identity(str(stored))
    for target in (wheel, stored, "demo"):
        done = terminal.run("sagepip", "build", target, settings=settings)
        assert paths(done) == [stored]
        assert identity(str(stored)) == before


def test_dry_run_of_install_stores_nothing(terminal: Terminal, project: Path) -> None:
    """What would be installed has to be built to be known, and that is all."""
    settings = {"SAGE_SPKG_WHEELS": terminal.where / "spkg"}
    words = ("install", "--dry-run", "--prefix", terminal.where / "prefix", project)
    done = terminal.run("sagepip", *words, settings=settings)
    assert done.stdout == "Would install demo-1.0\n"
    assert not (terminal.where / "spkg").exists()
    assert not (terminal.where / "prefix").exists()


def test_everything_is_stored_or_nothing(terminal: Terminal, project: Path) -> None:
    """A build that fails keeps those before it from being stored, too."""
    settings = {"SAGE_SPKG_WHEELS": terminal.where / "spkg"}
    wheel = make_wheel(terminal.where, "other", "1", {"other.py": ""})
    terminal.run("sagepip", "build", wheel, settings=settings)
    before = snapshot(terminal.where / "spkg")
    bad = make_project(terminal.where / "bad", "bad", in_tree="raise SystemExit('no backend')")
    done = terminal.run("sagepip", "build", project, bad, settings=settings, status=1)
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert snapshot(terminal.where / "spkg") == before
    good = terminal.run("sagepip", "build", project, settings=settings)
    check_wheel(str(paths(good)[0]))
