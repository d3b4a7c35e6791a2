"""sagepip replaces itself and what it needs, under itself, while others use it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from bench.environment import Pin, VirtualEnvironment, fetch_wheels
from bench.pyz import LIBRARIES

import sagepip
from tests.e2e.commands import Done, Terminal, installed, state_of
from tests.guarantees import violations_of_g1
from tests.wheels import make_wheel

ROOT = Path(__file__).parents[2]
BACKEND = Pin("flit-core", "3.12.0")
# As far from each other as sagepip's own bounds allow; of installer there is one such version.
OLDER = [
    *(Pin("pip", "26.2"), Pin("build", "1.6.0"), Pin("packaging", "26.0")),
    *(Pin("filelock", "4.2.0"), Pin("pyproject-hooks", "1.2.0")),
]
# What began with one version of a library and goes on with another may fail, whoever installs it.
USE = """
import os, sys
site = next(one for one in sys.path if one.endswith("site-packages"))
names = ("build", "filelock", "installer", "packaging", "pip", "pyproject_hooks", "sagepip")
def versions():
    found = [os.stat(os.path.join(site, name)) for name in names]
    return sorted(os.listdir(site)), [(one.st_ino, one.st_mtime_ns) for one in found]
before = versions()
try:
    import build, filelock, installer, packaging.version, pip, pyproject_hooks
    import sagepip.cli.install_command, sagepip.operations.install
except Exception:
    if versions() == before:
        raise
"""


@dataclass(frozen=True)
class Wheels:
    """The wheels of sagepip and of all that it needs; sagepip's last.

    Attributes:
        now: the versions that the tests run with.
        older: other versions.
    """

    now: list[Path]
    older: list[Path]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    where = tmp_path_factory.mktemp("own")
    pins = [Pin(name.replace("_", "-"), version(name)) for name in LIBRARIES]
    found = fetch_wheels([*pins, *OLDER, BACKEND])
    older = where / "source"
    shutil.copytree(ROOT / "src", older / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, older)
    package = older / "src" / "sagepip" / "__init__.py"
    package.write_text(package.read_text().replace(sagepip.__version__, "0.0.9"))
    options = ("--no-index", "-f", found[BACKEND].parent, "--wheel-dir")
    terminal = Terminal(where)
    terminal.run("sagepip", "build", *options, where / "now", ROOT)
    terminal.run("sagepip", "build", *options, where / "older", older)
    return Wheels(
        [*(found[pin] for pin in pins), *(where / "now").glob("sagepip-*.whl")],
        [*(found[pin] for pin in OLDER), *(where / "older").glob("sagepip-0.0.9-*.whl")],
    )


def run(terminal: Terminal, command: Sequence[str | Path]) -> Done:
    return subprocess.run(
        command, env=terminal.environ, capture_output=True, text=True, check=False
    )


@contextmanager
def used(terminal: Terminal, venv: VirtualEnvironment) -> Iterator[None]:
    """Use the commands and the libraries all the time during the body; nothing may fail."""
    small = make_wheel(terminal.where, "small", "1", {"small.py": ""})
    commands: list[list[str | Path]] = [
        [venv.scripts / "sage-pip-install", "--version"],
        [venv.python, "-I", "-c", USE],
        [
            *(venv.scripts / "sage-pip-install", "--no-index", "--force-reinstall"),
            *("--prefix", terminal.where / "elsewhere", small),
        ],
    ]
    failures, rounds, ended = list[str](), [0] * len(commands), threading.Event()

    def use(number: int) -> None:
        while not ended.is_set():
            done = run(terminal, commands[number])
            if done.returncode != 0:
                failures.append(f"{commands[number]}: {done.stderr}")
            rounds[number] += 1

    users = [threading.Thread(target=use, args=[one]) for one in range(len(commands))]
    for user in users:
        user.start()
    try:
        yield
    finally:
        ended.set()
        for user in users:
            user.join()
    assert failures == []
    assert all(rounds)


@pytest.mark.index
def test_versions_change_under_sagepip_and_nobody_sees_it_broken(
    terminal: Terminal, tmp_path: Path, wheels: Wheels
) -> None:
    """It downgrades itself and each library, runs with that, and upgrades them again."""
    venv = VirtualEnvironment.create(tmp_path / "venv")
    terminal.install("--python", venv.python, *wheels.now)
    with used(terminal, venv):
        for wheel in [*wheels.older, *wheels.now]:
            name, _, wanted = wheel.name.partition("-")
            before = versions_of(venv, name)
            done = run(terminal, [venv.scripts / "sagepip", "install", "--no-deps", wheel])
            assert done.returncode == 0, done.stderr
            assert versions_of(venv, name) == [wanted.partition("-")[0]]
            assert bool(installed(done)) == (before != versions_of(venv, name))
            assert violations_of_g1(venv.site) == []
    assert state_of(venv.site) == {"lock", "gate"}


def versions_of(venv: VirtualEnvironment, name: str) -> list[str]:
    return [one.stem.partition("-")[2] for one in venv.site.glob(f"{name}-*.dist-info")]


@pytest.mark.index
def test_sagepip_replaces_and_removes_itself_under_itself(
    terminal: Terminal, tmp_path: Path, wheels: Wheels
) -> None:
    """At no time does its start, or the import of what it needs, fail for others."""
    venv = VirtualEnvironment.create(tmp_path / "venv")
    terminal.install("--python", venv.python, *wheels.now)
    with used(terminal, venv):
        for wheel in wheels.now:
            # As an upgrade does: all its files are replaced.
            options = ("--force-reinstall", "--no-deps")
            done = run(terminal, [venv.scripts / "sagepip", "install", *options, wheel])
            assert done.returncode == 0, done.stderr
            assert len(installed(done)) == 1
    for name in ("pip", "build", "pyproject_hooks"):  # what uninstalling does without
        done = run(terminal, [venv.scripts / "sagepip", "uninstall", "-y", name])
        assert done.returncode == 0, done.stderr
    rest = ["filelock", "packaging", "installer", "sagepip"]
    done = run(terminal, [venv.scripts / "sagepip", "uninstall", "-y", *rest])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Successfully uninstalled") == len(rest)
    assert not list(venv.scripts.glob("sage*"))
