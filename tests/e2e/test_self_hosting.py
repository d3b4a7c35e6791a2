"""sagepip replaces itself and what it needs, under itself, while others use it."""

from __future__ import annotations

import subprocess
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
from bench.environment import Pin, VirtualEnvironment, fetch_wheels
from bench.pyz import LIBRARIES

from tests.e2e.commands import Terminal, installed

ROOT = Path(__file__).parents[2]
BACKEND = Pin("flit-core", "3.12.0")
USE = (
    "import build, filelock, installer, packaging.version, pip, pyproject_hooks\n"
    "import sagepip.cli.install_command, sagepip.operations.install\n"
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of sagepip and of all that it needs; sagepip's last."""
    where = tmp_path_factory.mktemp("own")
    pins = [Pin(name.replace("_", "-"), version(name)) for name in LIBRARIES]
    found = fetch_wheels([*pins, BACKEND])
    options = ("--no-index", "-f", found[BACKEND].parent, "--wheel-dir", where)
    Terminal(where).run("sagepip", "build", *options, ROOT)
    return [*(found[pin] for pin in pins), *where.glob("sagepip-*.whl")]


@pytest.mark.index
def test_sagepip_replaces_and_removes_itself_under_itself(
    terminal: Terminal, tmp_path: Path, wheels: list[Path]
) -> None:
    """At no time does its start, or the import of what it needs, fail for others."""
    venv = VirtualEnvironment.create(tmp_path / "venv")
    terminal.install("--python", venv.python, *wheels)
    failures, rounds, ended = list[str](), list[int](), threading.Event()

    def use() -> None:
        while not ended.is_set():
            commands: tuple[list[Path | str], ...] = (
                [venv.scripts / "sage-pip-install", "--version"],
                [venv.python, "-I", "-c", USE],
            )
            for command in commands:
                done = subprocess.run(
                    command, env=terminal.environ, capture_output=True, text=True, check=False
                )
                if done.returncode != 0:
                    failures.append(done.stderr)
            rounds.append(1)

    user = threading.Thread(target=use)
    user.start()
    try:
        for wheel in wheels:
            # As an upgrade does: all its files are replaced.
            options = ("--force-reinstall", "--no-deps")
            done = subprocess.run(
                [venv.scripts / "sagepip", "install", *options, wheel],
                env=terminal.environ,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert len(installed(done)) == 1
    finally:
        ended.set()
        user.join()
    assert failures == []
    assert rounds
    for name in ("pip", "build", "pyproject_hooks"):  # what uninstalling does without
        done = subprocess.run(
            [venv.scripts / "sagepip", "uninstall", "-y", name],
            env=terminal.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    rest = ["filelock", "packaging", "installer", "sagepip"]
    done = subprocess.run(
        [venv.scripts / "sagepip", "uninstall", "-y", *rest],
        env=terminal.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Successfully uninstalled") == len(rest)
    assert not list(venv.scripts.glob("sage*"))
