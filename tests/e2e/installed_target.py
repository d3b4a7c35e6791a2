"""What the tests of builds from installed distributions share: a target to install into."""

from __future__ import annotations

import compileall
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sagepip.build.cache import Cache
from sagepip.build.environment import BuildEnvironment, EnvironmentUse
from sagepip.build.options import BuildOptions, Isolation
from sagepip.build.provisioning import Provisioner
from sagepip.build.sources import PackageSources
from sagepip.build.tree_stamps import OWN_FILES
from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.target_python import TargetPython
from sagepip.staging.unpack import unpack_wheel
from tests.wheels import make_wheel

RUNNING = TargetPython.running()


@dataclass
class Target:
    """A prefix that the running interpreter takes for its own.

    Attributes:
        prefix: its directory.
        python: the interpreter.
    """

    prefix: Path
    python: TargetPython

    @classmethod
    def at(cls, prefix: Path, *others: Path) -> Target:
        """Make one that sees the sites of others behind its own."""
        scheme = find_destination(RUNNING, prefix=str(prefix)).scheme
        Path(scheme.purelib).mkdir(parents=True, exist_ok=True)
        paths = {
            "purelib": scheme.purelib,
            "platlib": scheme.platlib,
            "include": scheme.headers,
            "scripts": scheme.scripts,
            "data": scheme.data,
        }
        sites = tuple(os.path.realpath(path) for path in (scheme.purelib, *map(str, others)))
        return cls(
            prefix,
            replace(RUNNING, prefix=str(prefix), scheme_paths=paths, site_directories=sites),
        )

    @property
    def destination(self) -> Destination:
        """Where what is installed goes."""
        return find_destination(self.python)

    @property
    def site(self) -> Path:
        """Its site-packages directory."""
        return Path(self.destination.scheme.purelib)

    def install(
        self, name: str, version: str, files: dict[str, bytes | str], **more: Any
    ) -> Target:
        """Install a generated wheel, in place of another version."""
        house = Path(tempfile.mkdtemp(prefix="wheels-", dir=self.prefix.parent))
        self.unpack(make_wheel(house, name, version, files, **more))
        return self

    def unpack(self, wheel: Path) -> None:
        """Install a wheel, and write bytecode that its RECORD does not list."""
        unpack_wheel(str(wheel), self.destination)
        compileall.compile_dir(self.site, quiet=2)

    def moved(self, **paths: Path) -> Target:
        """Return one whose scheme leads elsewhere."""
        scheme = {**self.python.scheme_paths, **{key: str(path) for key, path in paths.items()}}
        return Target(self.prefix, replace(self.python, scheme_paths=scheme))

    def info(self, name: str) -> Path:
        """Return the metadata directory of a distribution."""
        (found,) = self.site.glob(f"{name}-*.dist-info")
        return found


def installed_options(**changes: Any) -> BuildOptions:
    """Return build options that have neither a wheelhouse nor an index."""
    return BuildOptions(
        PackageSources(
            no_index=True, build_constraints=tuple(map(str, changes.pop("constraints", ())))
        ),
        Isolation.INSTALLED,
        **changes,
    )


@contextmanager
def provisioner(
    target: Target, cache: Cache | None, place: Path, **changes: Any
) -> Iterator[Provisioner]:
    """Begin a build of ``x``."""
    workspace = tempfile.mkdtemp(prefix="workspace-", dir=place)
    with EnvironmentUse(cache, workspace, python=target.python, project="x") as use:
        yield Provisioner(
            cache,
            use,
            workspace,
            python=target.python,
            options=installed_options(**changes),
            project="x",
        )


def provide(
    target: Target, cache: Cache | None, place: Path, *requirements: str, **changes: Any
) -> BuildEnvironment:
    """Return the environment that a build with these requirements gets."""
    with provisioner(target, cache, place, **changes) as made:
        return made.provision(requirements)


def tree_of(environment: BuildEnvironment) -> dict[str, str]:
    """Return the files of an environment but for those of every one, and bytecode; their texts."""
    found = {}
    root = Path(environment.path)
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_file() and "__pycache__" not in name and not name.startswith("bin/python"):
            found[name] = path.read_bytes().decode("utf-8", "replace")
    for name in ("pyvenv.cfg", ".gitignore", *OWN_FILES):
        found.pop(name, None)
    return found
