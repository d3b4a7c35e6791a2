"""One run of ``bench.building``: what it starts from, and whether it did what it should have."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from packaging.utils import canonicalize_name

from bench import proof
from bench.building_sources import Hooks, Prepared, RunFailed, Workshop
from bench.environment import VirtualEnvironment, tool_environment
from bench.processes import Command

# What a backend needs to be imported is not installed with it, but is where it is built.
_IMPORT = """
import importlib, sys
sys.path.append(sys.argv[2])
assert importlib.import_module(sys.argv[1]).__file__.startswith(sys.prefix)
"""


@dataclass(frozen=True)
class Trial:
    """What one run starts from: everything but the caches is new.

    Attributes:
        source: what is built.
        directory: a copy of its tree; one of its modules ends with a mark.
        venv: an empty environment, the target.
        root: a private directory.
        env: the variables of all commands.
        workshop: where the wheelhouse is, and what runs commands.
        compiling: whether bytecode is asked for.
        mark: the line that tells this copy of the source from all others.
        isolated: whether builds are; if not, the target holds all build requirements.
    """

    source: Prepared
    directory: Path
    venv: VirtualEnvironment
    root: Path
    env: dict[str, str]
    workshop: Workshop
    compiling: bool
    mark: str
    isolated: bool = True

    @classmethod
    def lay_out(
        cls,
        source: Prepared,
        root: Path,
        caches: Path,
        workshop: Workshop,
        *,
        compiling: bool,
        isolated: bool = True,
    ) -> Trial:
        """Copy the source and make the environment.

        Args:
            source: what is built.
            root: a directory that does not exist yet.
            caches: where tools keep their caches.
            workshop: see above.
            compiling: see above.
            isolated: see above.
        """
        directory = root / f"{source.name}-{source.version}"
        shutil.copytree(source.directory, directory, symlinks=True)
        mark = f"# {root.name}"
        with (directory / source.marked).open("a", encoding="utf-8") as stream:
            stream.write(f"\n{mark}\n")
        if isolated:
            venv = VirtualEnvironment.create(root / "venv")
        else:
            shutil.copytree(source.ready.root, root / "venv", symlinks=True)
            venv = VirtualEnvironment((root / "venv").resolve())
        env = private_environment(root / "home", caches)
        if not isolated:
            # As in an environment that was activated: meson is a program.
            env = {**env, "PATH": f"{venv.scripts}{os.pathsep}{env['PATH']}"}
        return cls(source, directory, venv, root, env, workshop, compiling, mark, isolated)

    @property
    def hooks(self) -> Hooks:
        """The hooks of the source in its environment that is ready."""
        return Hooks(self.directory, self.source.ready, self.workshop, self.env)

    def run(self, command: Command, more: Mapping[str, str] | None = None) -> str:
        """Run a command of the way; raises :class:`RunFailed`."""
        return self.workshop.run(command, {**self.env, **(more or {})}, self.root)

    def measure(self, body: Callable[[Trial], object]) -> tuple[float, float]:
        """Give the seconds by the clock and of the processors that something takes."""
        cpu, start = _cpu_seconds(), time.perf_counter()
        body(self)
        return time.perf_counter() - start, _cpu_seconds() - cpu

    def check(self, *, compiled: bool) -> None:
        """Look at the result with nothing of the tools; raises :class:`RunFailed`.

        Args:
            compiled: whether all modules must have bytecode; otherwise none may have.
        """
        site = self.venv.site
        installed = proof.metadata_directories(site)
        if not self.isolated:
            there = {info.name for info in proof.metadata_directories(self.source.ready.site)}
            installed = [info for info in installed if info.name not in there]
        found = [tuple(info.name.removesuffix(".dist-info").split("-")) for info in installed]
        expected = (self.source.name, self.source.version)
        if [(canonicalize_name(one[0]), *one[1:]) for one in found] != [expected]:
            raise RunFailed(f"{[info.name for info in installed]} is installed, not {expected}")
        paths = [Path(path) for path, _, _ in proof.record_rows(installed[0])]
        if lost := [str(path) for path in paths if not path.exists()]:
            raise RunFailed(f"RECORD lists what is not there: {lost[:3]}")
        if self.mark not in (site / self.source.module).read_text(encoding="utf-8").splitlines():
            raise RunFailed("what is installed was not built from this copy of the source")
        modules = [path for path in paths if path.suffix == ".py" and site in path.parents]
        odd = [path for path in modules if Path(cache_from_source(path)).exists() != compiled]
        if odd:
            raise RunFailed(f"{odd[0].name} has {'no ' if compiled else ''}bytecode")
        for module in self.source.modules:
            self.run([self.venv.python, "-I", "-B", "-c", _IMPORT, module, self.source.ready.site])

    def remove(self) -> None:
        """Remove everything of this run but the caches."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.root)


def private_environment(home: Path, caches: Path) -> dict[str, str]:
    """The variables of all commands, with no cache of the user's."""
    env = {key: value for key, value in tool_environment(home).items() if key[:3] != "UV_"}
    for variable, name in (
        ("SAGEPIP_CACHE_DIR", "sagepip"),
        ("UV_CACHE_DIR", "uv"),
        ("PIP_CACHE_DIR", "pip"),
    ):
        env[variable] = str(caches / name)
    return env | {"PATH": env.get("PATH", os.defpath)}


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
