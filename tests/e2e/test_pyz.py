"""The zip application: on an interpreter without pip, with strangers in the way."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment
from bench.pyz import archive, make

from tests.e2e.commands import Done, Terminal


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyz") / "sagepip.pyz"
    make(path)
    return path


def run(terminal: Terminal, *words: str | Path, **settings: str) -> Done:
    return subprocess.run(
        words,
        cwd=terminal.where,
        env=terminal.environ | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def project(where: Path) -> Path:
    """A project that brings its backend: the build needs no requirement."""
    where.mkdir()
    (where / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "zipped"\nversion = "1"\n'
    )
    (where / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(directory, config_settings=None, metadata_directory=None):\n"
        "    with zipfile.ZipFile(directory + '/zipped-1-py3-none-any.whl', 'w') as wheel:\n"
        "        info = 'zipped-1.dist-info/'\n"
        "        wheel.writestr('zipped.py', '')\n"
        "        wheel.writestr(info + 'METADATA',"
        " 'Metadata-Version: 2.1\\nName: zipped\\nVersion: 1\\n')\n"
        "        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\n'\n"
        "            'Root-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(info + 'RECORD', 'zipped.py,,\\n' + ''.join(\n"
        "            f'{info}{name},,\\n' for name in ('METADATA', 'WHEEL', 'RECORD')))\n"
        "    return 'zipped-1-py3-none-any.whl'\n"
    )
    return where


def test_the_zip_application_builds_installs_and_uninstalls_without_pip(
    terminal: Terminal, tmp_path: Path, pyz: Path
) -> None:
    """On a bare interpreter, under names of its own, whatever PYTHONPATH holds."""
    venv = VirtualEnvironment.create(tmp_path / "venv")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    for name in ("packaging", "build", "pip", "zipfile"):
        (stranger / f"{name}.py").write_text("raise SystemExit('a stranger')\n")
    source = project(tmp_path / "project")
    words = ("install", "--accept-bad-record", "zipped", source)
    done = run(terminal, venv.python, pyz, *words, PYTHONPATH=str(stranger))
    assert done.stdout == "Successfully installed zipped-1\n", done.stderr
    assert run(terminal, venv.python, "-c", "import zipped").returncode == 0
    assert run(terminal, venv.python, "-I", pyz, "verify").returncode == 0
    (wheels := tmp_path / "wheels").mkdir()
    missing = run(terminal, venv.python, "-I", pyz, "install", "-f", wheels, "--no-index", "other")
    assert missing.returncode == 1
    assert "other" in missing.stderr
    assert "No module named" not in missing.stderr
    link = tmp_path / "sage-pip-uninstall"
    link.symlink_to(pyz)
    done = run(terminal, venv.python, link, "-y", "zipped")
    assert done.stdout == "Successfully uninstalled zipped-1\n", done.stderr


def test_the_zip_application_needs_no_cache_and_leaves_nothing(
    terminal: Terminal, pyz: Path, venv: VirtualEnvironment
) -> None:
    """Where the cache cannot be written it unpacks to a directory that goes with the run."""
    nowhere = terminal.where / "file"
    nowhere.write_text("")
    done = run(terminal, venv.python, "-I", pyz, "--version", SAGEPIP_CACHE_DIR=str(nowhere))
    assert done.returncode == 0, done.stderr
    assert "sagepip-pyz-" in done.stdout
    done = run(terminal, venv.python, "-I", pyz, "nonsense", SAGEPIP_CACHE_DIR=str(nowhere))
    assert done.returncode == 2
    assert os.listdir(terminal.temporary) == []


def test_the_zip_application_runs_nothing_that_others_may_write(
    terminal: Terminal, pyz: Path, venv: VirtualEnvironment
) -> None:
    """A cache that others may write to is not used."""
    cache = terminal.where / "open"
    cache.mkdir()
    cache.chmod(0o777)
    done = run(terminal, venv.python, "-I", pyz, "--version", SAGEPIP_CACHE_DIR=str(cache))
    assert "sagepip-pyz-" in done.stdout, done.stderr
    assert os.listdir(cache) == []


def test_the_same_content_gives_the_same_bytes(pyz: Path) -> None:
    """The archive tells neither when nor where it was made."""
    assert archive() == pyz.read_bytes()
