"""What commands import: nothing that they have no use for, and nothing while they hold the lock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment, console_script

from tests.e2e.build_fixtures import make_project, make_tiny_backend
from tests.e2e.commands import Terminal
from tests.wheels import make_wheel

# Each takes longer to load than several modules of sagepip's.
COSTLY = {"argparse", "asyncio", "email.message", "inspect", "logging", "random", "socket"}
COSTLY |= {"dataclasses", "ipaddress", "json", "shutil", "subprocess", "tempfile", "threading"}
COSTLY |= {"typing", "hashlib", "csv", "configparser", "importlib.metadata", "importlib.resources"}
COSTLY |= {"packaging.version", "build", "filelock", "installer", "zipfile", "shlex"}
COSTLY |= {
    "contextlib",
    "encodings.cp437",
    "collections",
    "ctypes",
    "functools",
    "importlib",
    "pathlib",
    "types",
    "warnings",
}
PATTERNS = {"enum", "re", "signal"}
# What unpacks a wheel.
INSTALLING = {"installer", "zipfile"}

WATCH = """
import os, sys

held = set()

def heard(event, arguments):
    if event == "import" and held:
        os.write(2, f"IMPORTED {arguments[0]}\\n".encode())
    if event == "fcntl.flock":
        descriptor, operation = arguments
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if name.endswith("/.sagepip/lock"):
            (held.discard if operation & 8 else held.add)(name)
            os.write(2, b"HELD\\n" if held else b"FREE\\n")

sys.addaudithook(heard)
from sagepip.cli import main
sys.argv = sys.argv[1:]
getattr(main, sys.argv[0].replace("-", "_"))()
"""


@pytest.fixture
def venv(tmp_path: Path) -> VirtualEnvironment:
    return VirtualEnvironment.create(tmp_path / "venv")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    files = {
        "thing/__init__.py": "",
        "thing/part.py": "x = 1\n",
        "{data}/scripts/run": "#!python\n",
    }
    points = "[console_scripts]\nthing = thing.part:x\n"
    return make_wheel(tmp_path, "thing", "1", files, entry_points=points)


def staged(directory: Path) -> Path:
    """Make a tree with a distribution, a script and a header, and return it."""
    site = directory / "lib" / "python3" / "site-packages"
    (site / "tree-1.dist-info").mkdir(parents=True)
    (site / "tree.py").write_text("")
    (site / "tree-1.dist-info" / "METADATA").write_text("Name: tree\nVersion: 1\n")
    (site / "tree-1.dist-info" / "RECORD").write_text("tree.py,,\ntree-1.dist-info/RECORD,,\n")
    for name in ("bin/python-tree", "include/tree.h"):
        (directory / name).parent.mkdir()
        (directory / name).write_text("")
    return directory


def imported(terminal: Terminal, *command: str | Path) -> set[str]:
    """Return the modules that a Python program imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        env=terminal.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    told = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in told}


def needless(terminal: Terminal, program: str, *words: str | Path) -> set[str]:
    """Return what a command imports of what is costly, beyond what an empty program does."""
    found = imported(terminal, console_script(program), *words)
    # The script itself may be one that imports re, as older installers write it.
    script = {"re", "enum"} if "import re" in console_script(program).read_text() else set()
    return found & (COSTLY | PATTERNS) - imported(terminal, "-c", "pass") - script


def test_help_imports_little(terminal: Terminal) -> None:
    """It needs the table of options and nothing else."""
    assert needless(terminal, "sage-pip-install", "--help") == set()
    assert needless(terminal, "sagepip", "uninstall", "--help") == set()


def test_removing_and_copying_import_little(
    terminal: Terminal, tmp_path: Path, venv: VirtualEnvironment, wheel: Path
) -> None:
    """Neither installer nor zip files, nor what reads JSON, patterns or annotations."""
    terminal.install("--python", venv.python, wheel)
    words = ("--python", venv.python, "--yes", "thing")
    assert needless(terminal, "sage-pip-uninstall", *words) == set()
    (tmp_path / "tree" / "include").mkdir(parents=True)
    (tmp_path / "tree" / "include" / "a.h").write_text("")
    tree, prefix = tmp_path / "tree", tmp_path / "prefix"
    assert needless(terminal, "sage-staged-copy", "--move", tree, prefix) == set()


def test_installing_imports_what_it_needs(
    terminal: Terminal, venv: VirtualEnvironment, tmp_path: Path
) -> None:
    """The library is loaded to unpack something, without what it brings in."""
    wheel = make_wheel(tmp_path, "plain", "1.0", {"plain.py": ""})
    words = ("--python", venv.python, "--no-index", "--no-deps", wheel)
    found = needless(terminal, "sage-pip-install", *words)
    assert found <= INSTALLING | {"warnings"}  # which the compiler might have
    assert "installer" in found
    again = needless(terminal, "sage-pip-install", *words)
    assert "installer" not in again


def test_building_imports_what_it_needs(
    terminal: Terminal, venv: VirtualEnvironment, tmp_path: Path
) -> None:
    """Plain requirements are resolved without packaging, small files hashed without OpenSSL."""
    house = make_tiny_backend(tmp_path / "house").parent
    make_wheel(house, "other", "2.0", {}, requires=('more>=1; python_version < "3"',))
    source = make_project(tmp_path / "source", requires=["tiny_backend>=1,<2", "other>=2.0"])
    words = ("--python", venv.python, "--no-deps", "--no-index", "--find-links", house, source)
    needed = {"build", "subprocess", "threading", *INSTALLING}
    needed |= {"importlib", "types", "warnings"}  # of these
    more = {"datetime", "locale", "packaging.requirements", "packaging.specifiers", "selectors"}
    # Those of the backend, the first time.
    of_scripts = {"configparser", "shlex", "collections", "enum", "functools", "re"}
    for scripts in (of_scripts, set[str]()):
        found = imported(terminal, console_script("sage-pip-install"), *words)
        extra = found & (COSTLY | PATTERNS | more) - imported(terminal, "-c", "pass")
        assert extra <= needed | scripts
        assert "build" in found


def watched(terminal: Terminal, program: str, *words: str | Path) -> list[str]:
    """Run a command, and return what happened with locks and what was imported under them."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, program, *words],
        env=terminal.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [one for one in done.stderr.splitlines() if one in ("HELD", "FREE") or "IMPORTED" in one]


def changes(
    tmp_path: Path, venv: VirtualEnvironment, wheel: Path
) -> Iterable[tuple[str | Path, ...]]:
    python = ("--python", venv.python)
    yield ("sage-pip-install", *python, "--no-index", wheel)
    yield ("sage-pip-install", *python, "--no-index", "--force-reinstall", wheel)
    newer = make_wheel(tmp_path, "thing", "2.0a1", {"thing/__init__.py": "", "other.py": ""})
    yield ("sage-pip-install", *python, "--no-index", newer)
    yield ("sage-pip-install", "--no-index", "--prefix", tmp_path / "absent", wheel)
    yield ("sage-pip-uninstall", *python, "--yes", "thing")
    for number, options in enumerate([(), (), ("--move",)]):
        tree = staged(tmp_path / f"tree{number}")
        yield ("sage-staged-copy", *options, tree, tmp_path / "prefix")


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a descriptor is")
def test_nothing_is_imported_under_the_lock(
    terminal: Terminal, tmp_path: Path, venv: VirtualEnvironment, wheel: Path
) -> None:
    """What is needed is there before: sagepip may be replacing itself."""
    for change in changes(tmp_path, venv, wheel):
        program, *words = change
        told = watched(terminal, str(program), *words)
        assert set(told) == {"HELD", "FREE"}, (change, told)
        assert told[-1] == "FREE"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a descriptor is")
def test_nothing_is_imported_to_recover(
    terminal: Terminal, tmp_path: Path, venv: VirtualEnvironment, wheel: Path
) -> None:
    """What reads a journal is loaded before the lock is taken, too."""
    stop = WATCH.replace(
        "from sagepip.cli import main\n",
        "from sagepip.cli import main\nfrom sagepip.transaction import commit\n"
        "commit.remove_journal = lambda site: os._exit(9)\n",
    )
    words = ("sage-pip-install", "--python", venv.python, wheel)
    done = subprocess.run(
        [sys.executable, "-c", stop, *words], env=terminal.environ, capture_output=True, check=False
    )
    assert done.returncode == 9
    assert (venv.site / ".sagepip" / "journal").exists()
    told = watched(terminal, "sage-pip-uninstall", "--python", venv.python, "absent")
    assert told == ["HELD", "FREE"]
    assert not (venv.site / ".sagepip" / "journal").exists()
