"""A cache with small environments in it, made as builds make it, but without asking pip."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from sagepip.build import resolution
from sagepip.build.cache import Cache, find_cache
from sagepip.build.environment import BuildEnvironment, EnvironmentUse
from sagepip.build.options import BuildOptions
from sagepip.build.provisioning import Provisioner
from sagepip.build.resolution import ResolvedFile
from sagepip.build.sources import PackageSources
from sagepip.ground.target_python import TargetPython
from sagepip.staging.wheel import read_wheel_metadata
from tests.wheels import make_wheel

RUNNING = TargetPython.running()
# Two environments of three; lib is in both of its users'.
WISHES: tuple[tuple[str, ...], ...] = (("app",), ("tool",), ("lib",), ("app", "tool"))


def make_house(directory: Path) -> Path:
    """Write a wheelhouse: app and tool need lib, which has a script."""
    code = {"lib/__init__.py": "", "lib/data.txt": "data" * 2000, "lib/sub/more.py": "x = 1"}
    make_wheel(
        directory, "lib", "1.0", code, entry_points="[console_scripts]\nlib-program = lib:main\n"
    )
    make_wheel(directory, "app", "1.0", {"app.py": "one = 1"}, requires=("lib>=1",))
    make_wheel(directory, "tool", "1.0", {"tool.py": "two = 2"}, requires=("lib",))
    return directory


def use_cache(path: Path, patch: pytest.MonkeyPatch) -> Cache:
    """Have builds use a cache of the test's own, and have what they resolve not need pip."""
    patch.setenv("SAGEPIP_CACHE_DIR", str(path))
    patch.setattr(resolution, "resolve", resolve_quickly)
    found = find_cache(os.environ)
    assert found is not None
    return found


def resolve_quickly(
    requirements: Sequence[str], *, sources: PackageSources, **_: Any
) -> list[ResolvedFile]:
    """Choose the one wheel of each project that there is."""
    (house,) = sources.find_links
    waiting, found = [Requirement(one).name for one in requirements], dict[str, ResolvedFile]()
    while waiting:
        name = waiting.pop().replace("-", "_")
        if name in found:
            continue
        (path,) = Path(house).glob(f"{name}-*.whl")
        metadata = read_wheel_metadata(str(path))
        version, url = metadata.version, path.as_uri()
        found[name] = ResolvedFile(name, version, str(path), None, url, True, False, {})
        needs = metadata.headers.get_all("Requires-Dist")
        waiting += [Requirement(one).name for one in needs]
    return [found[name] for name in sorted(found)]


@contextmanager
def using(cache: Cache | None, house: Path, *requirements: str) -> Iterator[BuildEnvironment]:
    """Use the environment that a build with these requirements gets."""
    with tempfile.TemporaryDirectory(prefix="workspace-", dir=house.parent) as workspace:
        options = BuildOptions(PackageSources(find_links=(str(house),)))
        with EnvironmentUse(cache, workspace, python=RUNNING, project="x") as use:
            provisioner = Provisioner(
                cache, use, workspace, python=RUNNING, options=options, project="x"
            )
            yield provisioner.provision(requirements)


def provide(cache: Cache, house: Path, *requirements: str) -> str:
    """Return the path of the environment that a build with these requirements had."""
    with using(cache, house, *requirements) as environment:
        return environment.path


def flaws(environment: str, house: Path, *requirements: str) -> list[str]:
    """Return what of the wheels is not in an environment as it should be."""
    found = []
    sources = PackageSources(find_links=(str(house),))
    (site,) = Path(environment).glob("lib/python*/site-packages")
    for file in resolve_quickly(requirements, sources=sources):
        with zipfile.ZipFile(file.path) as archive:
            for name in archive.namelist():
                path = site / name
                if not path.is_file():
                    found.append(f"{path} is missing")
                elif not name.endswith("RECORD") and path.read_bytes() != archive.read(name):
                    found.append(f"{path} is not the wheel's")
    if not os.access(os.path.join(environment, "bin", "python"), os.X_OK):
        found.append(f"{environment} has no interpreter")
    if not os.access(os.path.join(environment, "bin", "lib-program"), os.X_OK):
        found.append(f"{environment} has no lib-program")
    return found


def unfinished(cache: Cache) -> list[str]:
    """Return the paths in the cache of what is not an entry."""
    return [path for path in _contents(cache) if len(os.path.basename(path)) != 32]


def entries(cache: Cache) -> list[str]:
    """Return the paths of the entries of the cache, by the look of it."""
    return [path for path in _contents(cache) if len(os.path.basename(path)) == 32]


def _contents(cache: Cache) -> list[str]:
    places = (cache.environments, cache.wheels, cache.resolutions)
    return [
        os.path.join(place, name)
        for place in places
        if os.path.isdir(place)
        for name in sorted(os.listdir(place))
    ]
