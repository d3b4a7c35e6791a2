"""The ways to reinstall ``setuptools_scm`` that the race compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from bench.environment import (
    Pin,
    PreparationError,
    VirtualEnvironment,
    console_script,
    fetch_wheels,
)
from bench.processes import Command, Finished, ProcessTable

PROJECT = "setuptools_scm"

NEWER = Pin.parse("setuptools_scm==10.3.2")
OLDER = Pin.parse("setuptools_scm==10.3.1")
"""Two versions with the same requirements, entry points and file names, and different modules.

A build reads the entry points first and imports the modules later, so it may read the former
of one version and the latter of the next, whatever an installer does. These two bear that.
"""

SURROUNDINGS = tuple(
    map(Pin.parse, ("setuptools==84.2.1", "vcs_versioning==2.6.0", "packaging==26.3"))
)
"""What else is in the environment: the build backend, and what setuptools_scm requires."""


@dataclass(frozen=True)
class Wheels:
    """The files that the race installs."""

    newer: Path
    older: Path
    surroundings: tuple[Path, ...]

    @classmethod
    def fetch(cls) -> Wheels:
        """Take them from the cache, or from the package index."""
        files = fetch_wheels((NEWER, OLDER, *SURROUNDINGS))
        return cls(files[NEWER], files[OLDER], tuple(files[pin] for pin in SURROUNDINGS))


@dataclass(frozen=True)
class Arena:
    """One environment in which one way is tried.

    Attributes:
        venv: the environment that builds run in and that is installed to.
        scratch: a directory for whatever else is needed.
        wheels: what is installed.
        env: the variables of every command.
        processes: what starts the commands.
    """

    venv: VirtualEnvironment
    scratch: Path
    wheels: Wheels
    env: dict[str, str]
    processes: ProcessTable

    def run(self, command: Command) -> Finished:
        """Run one command of a reinstall."""
        return self.processes.run(command, env=self.env, cwd=self.scratch)

    def must(self, command: Command) -> None:
        """Run a command of the preparations."""
        done = self.run(command)
        if done.returncode != 0:
            raise PreparationError(f"{command[0]} failed:\n{done.last_lines()}")

    def pip_install(self, *arguments: str | Path) -> Command:
        """The command line of pip's that installs wheels and nothing else."""
        return self.venv.pip("install", "--quiet", "--no-deps", "--no-index", *arguments)


Reinstall = Callable[[], Finished]
"""Reinstalls the project once."""


@dataclass(frozen=True)
class Way:
    """A way to reinstall.

    Attributes:
        key: its name on the command line and in the JSON.
        title: its name in the table.
        ours: whether sagepip does it, so that nothing may go wrong.
        versions: whether the version changes each time. An unlocked reader may then list one
            version's metadata, and open it when it is gone: it is told of no entry points. That
            harms no build but one that relies on the project, which is therefore left out.
        prepare: gives what reinstalls once, the project being installed already.
    """

    key: str
    title: str
    ours: bool
    versions: bool
    prepare: Callable[[Arena], Reinstall]


def _stage(arena: Arena) -> Path:
    """Stage the wheel as Sage does, with ``pip install --root``, and give the staged prefix."""
    root = arena.scratch / "staged"
    arena.must(arena.pip_install("--ignore-installed", "--root", root, arena.wheels.newer))
    return root / arena.venv.root.relative_to("/")


def _copy(arena: Arena) -> Reinstall:
    staged = _stage(arena)
    command: Command = ["cp", "-Rp", f"{staged}/.", arena.venv.root]
    return lambda: arena.run(command)


def _uninstall_and_copy(arena: Arena) -> Reinstall:
    copy = _copy(arena)

    def reinstall() -> Finished:
        done = arena.run(arena.venv.pip("uninstall", "--quiet", "--yes", PROJECT))
        return copy() if done.returncode == 0 else done

    return reinstall


def _pip(arena: Arena) -> Reinstall:
    command = arena.pip_install("--force-reinstall", arena.wheels.newer)
    return lambda: arena.run(command)


def _sagepip(arena: Arena, wheel: Path) -> Finished:
    return arena.run(
        [
            *(console_script("sage-pip-install"), "--no-index", "--find-links", wheel.parent),
            *("--python", arena.venv.python, "--no-deps", "--force-reinstall", wheel),
        ]
    )


def _sagepip_same(arena: Arena) -> Reinstall:
    return lambda: _sagepip(arena, arena.wheels.newer)


def _sagepip_versions(arena: Arena) -> Reinstall:
    wheels = cycle((arena.wheels.older, arena.wheels.newer))
    return lambda: _sagepip(arena, next(wheels))


WAYS = (
    Way("uninstall-copy", "pip uninstall, cp -Rp", False, False, _uninstall_and_copy),
    Way("copy", "cp -Rp over it", False, False, _copy),
    Way("pip", "pip --force-reinstall", False, False, _pip),
    Way("sagepip", "sage-pip-install", True, False, _sagepip_same),
    Way("sagepip-versions", "sage-pip-install, up and down", True, True, _sagepip_versions),
)
