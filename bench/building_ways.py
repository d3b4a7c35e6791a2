"""The ways to build and install a source directory that ``bench.building`` compares."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

import pip

import sagepip
from bench.building_figures import FLOOR, HOOKS, OURS
from bench.building_trials import Trial
from bench.environment import (
    Pin,
    PreparationError,
    VirtualEnvironment,
    fetch_wheels,
)
from bench.peers_tools import UV
from bench.processes import Command, ProcessTable


@dataclass(frozen=True)
class Way:
    """A way to build and install.

    Attributes:
        key: its name on the command line and in the tables.
        what: what it does.
        has_cache: whether it keeps anything from one build to the next.
        compiles: whether it makes bytecode where that is asked for.
        run: does it; raises ``RunFailed``.
    """

    key: str
    what: str
    has_cache: bool
    compiles: bool
    run: Callable[[Trial], None]


def find_uv(directory: Path, processes: ProcessTable) -> Path:
    """Install uv into an environment of its own.

    Args:
        directory: where to make that environment.
        processes: runs the installation.

    Raises:
        PreparationError: it cannot be had.
    """
    (wheel,) = fetch_wheels([Pin("uv", UV)]).values()
    venv = VirtualEnvironment.create(directory)
    done = processes.run(venv.pip("install", "--quiet", "--no-index", wheel), env={})
    if done.returncode:
        raise PreparationError(f"uv cannot be installed: {done.last_lines(1)}")
    return venv.scripts / "uv"


def ways(uv: Path | None) -> list[Way]:
    """Give all ways, those with uv only if there is one; each round begins with another.

    Args:
        uv: the program.
    """
    found = [
        Way(OURS, "sage-pip-install --python TARGET", True, True, _sagepip),
        Way(
            "sagepip-inside",
            "sagepip install, run by the target itself",
            True,
            True,
            _sagepip_inside,
        ),
        Way("pip", "pip install, run by the target itself", False, True, _pip),
        Way("build-pip", "python -m build, python -m installer", False, True, _build_with_pip),
    ]
    if uv is not None:
        found += [
            Way("uv", "uv pip install", True, True, partial(_uv, uv)),
            Way("build-uv", "build --installer uv, installer", True, True, partial(_build_uv, uv)),
        ]
    return [
        *found,
        Way(FLOOR, "the hook build_wheel alone, unzip", False, False, _floor),
        Way(HOOKS, "get_requires_for_build_wheel, build_wheel, unzip", False, False, _hooks),
        Way("hooks-pyc", "the same, compileall", False, True, _hooks_and_bytecode),
    ]


TOOLS = ("sagepip", "pip", "build", "pyproject_hooks", "installer", "packaging", "filelock")
"""What takes part, from the environment that runs this program."""

UV_WAYS = ("uv", "build-uv")
"""The keys of those that need uv."""


def _sagepip(trial: Trial) -> None:
    trial.run(
        [
            *(trial.workshop.sage_pip_install, "--python", trial.venv.python),
            *_sagepip_options(trial),
        ]
    )


def _sagepip_inside(trial: Trial) -> None:
    # As if it were installed there, and nothing else was.
    (trial.venv.site / "tools.pth").write_text(f"{_tools(trial)}\n")
    trial.run([trial.venv.python, "-I", "-m", "sagepip", "install", *_sagepip_options(trial)])


def _sagepip_options(trial: Trial) -> Command:
    compiling = [] if trial.compiling else ["--no-compile"]
    return [*compiling, "--no-deps", *_offline(trial), trial.directory]


def _pip(trial: Trial) -> None:
    # As pip runs itself for --python, but without the process in between.
    runner = Path(pip.__path__[0]) / "__pip-runner__.py"
    compiling = [] if trial.compiling else ["--no-compile"]
    trial.run(
        [
            *(trial.venv.python, "-I", runner, "install", "--disable-pip-version-check"),
            *compiling,
            "--no-deps",
            *_offline(trial),
            trial.directory,
        ]
    )


def _uv(uv: Path, trial: Trial) -> None:
    compiling = ["--compile-bytecode"] if trial.compiling else []
    trial.run(
        [
            *(uv, "pip", "install", "--python", trial.venv.python, "--no-config", "--offline"),
            *compiling,
            "--no-deps",
            *_offline(trial),
            trial.directory,
        ]
    )


def _offline(trial: Trial) -> Sequence[str | Path]:
    isolation = [] if trial.isolated else ["--no-build-isolation"]
    return [*isolation, "--no-index", "--find-links", trial.workshop.wheelhouse]


def _build_with_pip(trial: Trial) -> None:
    links = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(trial.workshop.wheelhouse)}
    _build(trial, "pip", links | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})


def _build_uv(uv: Path, trial: Trial) -> None:
    # uv has no variable for --no-index.
    settings = trial.root / "uv.toml"
    settings.write_text(
        f"no-index = true\noffline = true\nfind-links = [{str(trial.workshop.wheelhouse)!r}]\n"
    )
    _build(trial, "uv", {"UV": str(uv), "UV_CONFIG_FILE": str(settings)})


def _build(trial: Trial, installer: str, more: dict[str, str]) -> None:
    output = trial.root / "wheel"
    command = [sys.executable, "-I", "-m", "build", "--wheel", "--installer", installer]
    trial.run([*command, "--outdir", output, trial.directory], more)
    (wheel,) = output.glob("*.whl")
    # It would compile twice, with and without assert statements.
    level = "--compile-bytecode=0" if trial.compiling else "--no-compile-bytecode"
    tools = {"PYTHONPATH": str(_tools(trial))}
    trial.run([trial.venv.python, "-m", "installer", level, wheel], tools)


def _tools(trial: Trial) -> Path:
    """Give a directory that holds sagepip, installer and what they need, and nothing else."""
    directory = trial.workshop.root / "tools"
    if not directory.exists():
        directory.mkdir()
        (directory / "sagepip").symlink_to(sagepip.__path__[0])
        for name in TOOLS:
            project = distribution(name)
            for top in {path.parts[0] for path in project.files or () if len(path.parts) > 1}:
                if top != "..":
                    (directory / top).symlink_to(Path(str(project.locate_file(top))))
    return directory


def _floor(trial: Trial) -> None:
    _unzip(trial, trial.hooks.wheel(trial.root / "wheel"))


def _hooks(trial: Trial) -> None:
    trial.hooks.requirements()
    _floor(trial)


def _hooks_and_bytecode(trial: Trial) -> None:
    _hooks(trial)
    if trial.compiling:
        trial.run([trial.venv.python, "-I", "-m", "compileall", "-q", trial.venv.site])


def _unzip(trial: Trial, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(trial.venv.site)
