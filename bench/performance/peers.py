"""The tools that are compared, each installed into an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import bench
from bench.environment import Pin, PreparationError, VirtualEnvironment, fetch_wheels
from bench.peers_tools import PIP, UV
from bench.processes import Command

INSTALLER = "1.1.0"
GPEP517 = "23"

LIBRARIES = ("build", "filelock", "installer", "packaging", "pip", "pyproject_hooks")
"""What sagepip needs, in the versions of the environment that runs this program."""


@dataclass(frozen=True)
class Peers:
    """All tools.

    Attributes:
        sagepip: the environment that holds it, as a wheel made from this source tree.
        pip: the file that runs pip in the interpreter that reads it.
        uv: the program.
        installer: the interpreter of an environment that holds installer.
        gpep517: the program.
        versions: of all.
    """

    sagepip: VirtualEnvironment
    pip: Path
    uv: Path
    installer: Path
    gpep517: Path
    versions: dict[str, str]

    def sagepip_install(
        self, target: VirtualEnvironment, wheels: Iterable[Path], *options: str | Path
    ) -> Command:
        """The command that installs wheels by sagepip."""
        script = self.sagepip.scripts / "sage-pip-install"
        head = (script, "--python", target.python, "--no-index", "--no-deps")
        return [*head, *options, *wheels]

    def sagepip_uninstall(self, target: VirtualEnvironment, name: str) -> Command:
        """The command that uninstalls a project by sagepip."""
        return [self.sagepip.scripts / "sage-pip-uninstall", "--python", target.python, "-y", name]

    def pip_install(
        self, target: VirtualEnvironment, wheels: Iterable[Path], *options: str
    ) -> Command:
        """The command that installs wheels by pip, run by the target."""
        # As pip runs itself for --python, but without the process in between.
        head = (target.python, "-I", self.pip, "install", "--disable-pip-version-check")
        return [*head, "--no-index", "--no-deps", *options, *wheels]

    def pip_uninstall(self, target: VirtualEnvironment, name: str) -> Command:
        """The command that uninstalls a project by pip."""
        options = ("--disable-pip-version-check", "--yes", name)
        return [target.python, "-I", self.pip, "uninstall", *options]

    def uv_install(
        self, target: VirtualEnvironment, wheels: Iterable[Path], *options: str
    ) -> Command:
        """The command that installs wheels by uv."""
        head = (self.uv, "pip", "install", "--python", target.python, "--no-config", "--offline")
        return [*head, "--no-index", "--no-deps", *options, *wheels]

    def uv_uninstall(self, target: VirtualEnvironment, name: str) -> Command:
        """The command that uninstalls a project by uv."""
        options = ("--python", target.python, "--no-config", "--offline", name)
        return [self.uv, "pip", "uninstall", *options]


def install_peers(directory: Path) -> Peers:
    """Install all of them, with bytecode.

    Args:
        directory: where to make their environments.

    Raises:
        PreparationError: one cannot be had.
    """
    directory.mkdir()
    ours = [Pin(name.replace("_", "-"), version(name)) for name in LIBRARIES]
    pip, uv = Pin("pip", PIP), Pin("uv", UV)
    installer, gpep517 = Pin("installer", INSTALLER), Pin("gpep517", GPEP517)
    files = fetch_wheels({*ours, pip, uv, installer, gpep517})
    needed = [files[pin] for pin in ours]
    sagepip = _environment(directory / "sagepip", [_own_wheel(directory / "wheel"), *needed])
    with_pip = _environment(directory / "pip", [files[pip]])
    with_uv = _environment(directory / "uv", [files[uv]])
    with_installer = _environment(directory / "installer", [files[installer]])
    with_gpep517 = _environment(directory / "gpep517", [files[gpep517], files[installer]])
    versions = {"python": sys.version.split()[0], "sagepip": version("sagepip")}
    versions |= {pin.name: pin.version for pin in (*ours, uv, gpep517)}
    return Peers(
        sagepip,
        with_pip.site / "pip" / "__pip-runner__.py",
        with_uv.scripts / "uv",
        with_installer.python,
        with_gpep517.scripts / "gpep517",
        versions,
    )


def _environment(root: Path, wheels: list[Path]) -> VirtualEnvironment:
    venv = VirtualEnvironment.create(root)
    _run([*venv.pip("install", "--quiet", "--no-index", "--no-deps", *wheels)])
    return venv


def _own_wheel(directory: Path) -> Path:
    checkout = Path(bench.__path__[0]).parent
    options = ("--quiet", "--no-deps", "--disable-pip-version-check", "--wheel-dir", directory)
    _run([sys.executable, "-m", "pip", "wheel", *options, checkout])
    (wheel,) = directory.glob("*.whl")
    return wheel


def _run(command: Command) -> None:
    # pip's settings stay: the build backend comes from the package index.
    done = subprocess.run(
        command,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PreparationError(f"the tools cannot be installed: {done.stderr[-500:]}")
