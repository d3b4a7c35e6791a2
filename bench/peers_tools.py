"""pip, uv and sagepip as ``bench.peers_crash`` runs them: the same commands on like trees."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.environment import Pin, PreparationError, VirtualEnvironment, fetch_wheels
from bench.processes import ProcessTable

PIP = "26.3"
UV = "0.13.9"


@dataclass(frozen=True)
class Tool:
    """An installer; ``{prefix}`` in a command stands for the virtual environment.

    Attributes:
        name: the tool's name.
        version: and its version.
        install: the command that installs the wheels that are appended.
        uninstall: the command that uninstalls the projects that are appended.
        force: the option that installs what counts as installed already.
    """

    name: str
    version: str
    install: tuple[str, ...]
    uninstall: tuple[str, ...]
    force: str

    def installing(self, prefix: Path, wheels: Iterable[Path], *, force: bool = False) -> list[str]:
        """Return the command that installs wheels."""
        options = [self.force] if force else []
        return [*self._filled(self.install, prefix), *options, *map(str, wheels)]

    def uninstalling(self, prefix: Path, projects: Iterable[str]) -> list[str]:
        """Return the command that uninstalls projects."""
        return [*self._filled(self.uninstall, prefix), *projects]

    @staticmethod
    def _filled(words: Iterable[str], prefix: Path) -> list[str]:
        return [word.replace("{prefix}", str(prefix)) for word in words]


def prepare_tools(
    directory: Path, processes: ProcessTable, *, pip: str = PIP, uv: str = UV
) -> list[Tool]:
    """Install pip and uv into an environment of their own, and return all three tools.

    Args:
        directory: where to make that environment.
        processes: runs the installation.
        pip: the version of pip.
        uv: the version of uv.

    Raises:
        PreparationError: they could not be had.
    """
    pins = [Pin("pip", pip), Pin("uv", uv)]
    wheels = fetch_wheels(pins)
    venv = VirtualEnvironment.create(directory)
    done = processes.run(venv.pip("install", "--quiet", "--no-index", *wheels.values()), env={})
    if done.returncode:
        raise PreparationError(f"pip and uv could not be installed:\n{done.last_lines()}")
    return [_pip(venv, pip), _uv(venv, uv), _sagepip()]


def _pip(venv: VirtualEnvironment, version: str) -> Tool:
    # As pip runs itself for --python, but without the process in between, which a kill would hit.
    runner = venv.site / "pip" / "__pip-runner__.py"
    head = ("{prefix}/bin/python", "-I", str(runner))
    quiet = "--disable-pip-version-check"
    return Tool(
        "pip",
        version,
        (*head, "install", quiet, "--no-index", "--no-deps"),
        (*head, "uninstall", quiet, "--yes"),
        "--force-reinstall",
    )


def _uv(venv: VirtualEnvironment, version: str) -> Tool:
    head = (str(venv.scripts / "uv"), "pip")
    options = ("--python", "{prefix}/bin/python", "--no-config", "--offline")
    return Tool(
        "uv",
        version,
        (*head, "install", *options, "--no-index", "--no-deps"),
        (*head, "uninstall", *options),
        "--reinstall",
    )


def _sagepip() -> Tool:
    head = (sys.executable, "-I", "-m", "sagepip")
    return Tool(
        "sagepip",
        version("sagepip"),
        (*head, "install", "--prefix", "{prefix}", "--no-index", "--no-deps"),
        (*head, "uninstall", "--prefix", "{prefix}", "--yes"),
        "--force-reinstall",
    )
