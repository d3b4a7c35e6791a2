"""Kill whoever makes or prunes the cache of builds; look at it, then build and prune again.

``python -m tests.crash.cache_crash`` kills at every file-changing call; the tests run a sample.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from sagepip.build.cache import find_cache
from sagepip.build.tree_stamps import find_change
from sagepip.operations.cache import PruneRequest, prune_cache
from tests.crash.strace import (
    Command,
    Point,
    clean_environment,
    kill_at,
    list_points,
    sagepip_command,
)
from tests.e2e.cache_fixtures import (
    entries,
    flaws,
    make_house,
    provide,
    unfinished,
    use_cache,
)

WISHES = (("app",), ("tool",))
# What pip chose is remembered: nobody asks it.
_MAKER = """
import os, sys
from sagepip.build.cache import find_cache
from sagepip.build.environment import EnvironmentUse
from sagepip.build.options import BuildOptions
from sagepip.build.provisioning import Provisioner
from sagepip.build.sources import PackageSources
from sagepip.ground.target_python import TargetPython
house, workspace, wish = sys.argv[1:]
python, cache = TargetPython.running(), find_cache(os.environ)
options = BuildOptions(PackageSources(find_links=(house,)))
with EnvironmentUse(cache, workspace, python=python, project="x") as use:
    Provisioner(
        cache, use, workspace, python=python, options=options, project="x"
    ).provision([wish])
"""


class CacheCrash:
    """One cache, brought back to where it was for each kill.

    Args:
        work: a private directory.
        patch: sets the environment of this process.
    """

    def __init__(self, work: Path, patch: pytest.MonkeyPatch) -> None:
        self._work = work
        self._top = work / "cache"
        self._base = work / "base"
        self._house = make_house(work / "house")
        self._cache = use_cache(self._top, patch)
        for wish in WISHES:
            provide(self._cache, self._house, *wish)

    def maker(self) -> Command:
        """Have nothing but what pip chose in the cache; return the command that makes the rest."""
        for path in (self._cache.environments, self._cache.wheels):
            shutil.rmtree(path)
        (self._top / "CACHEDIR.TAG").unlink()
        workspace = self._work / "workspace"
        workspace.mkdir()
        words = [str(self._house), str(workspace), WISHES[0][0]]
        return self._command([sys.executable, "-I", "-c", _MAKER, *words])

    def pruner(self) -> Command:
        """Have something of each kind that goes in the cache; return the command that prunes."""
        cache, house = self._cache, make_house(self._work / "short-lived")
        provide(cache, house, "tool", "lib")
        shutil.rmtree(house)
        damaged = provide(cache, self._house, "lib")
        with open(os.path.join(damaged, "bin", "lib-program"), "a") as script:
            script.write("#")
        for place, name in (
            (cache.environments, f".{'0' * 32}.making"),
            (cache.wheels, f".trash-{'0' * 32}"),
        ):
            shutil.copytree(entries(cache)[0], Path(place, name, "tree"), symlinks=True)
        Path(cache.resolutions, f".{'0' * 32}.part").write_text("half")
        return self._command(sagepip_command("cache", "prune", "--all"))

    def points(self, command: Command) -> list[Point]:
        """Keep the cache as it is now to begin from; return where the command can be killed."""
        shutil.rmtree(self._base, ignore_errors=True)
        subprocess.run(["cp", "-a", self._top, self._base], check=True)
        return list_points(command, self._work / "strace.log", self._top)

    def kill(self, point: Point, command: Command) -> list[str]:
        """Kill the command at a system call; return what is wrong then, and what does not heal."""
        shutil.rmtree(self._top)
        subprocess.run(["cp", "-a", self._base, self._top], check=True)
        damaged = set(self._damaged())
        kill_at(point, command)
        problems = [f"half an entry: {one}" for one in self._damaged() if one not in damaged]
        assert find_cache(os.environ) == self._cache  # as each build begins
        for wish in WISHES:
            path = provide(self._cache, self._house, *wish)
            problems += flaws(path, self._house, *wish)
            if not path.startswith(self._cache.environments):
                problems.append(f"{path} is not in the cache")
        report = prune_cache(os.environ, PruneRequest())
        problems += [*map(str, report.failed), *report.in_use]
        problems += [f"left over: {one}" for one in unfinished(self._cache)]
        problems += [f"damaged: {one}" for one in self._damaged()]
        places = {"environments", "wheels", "resolutions", "bytecode", "last-pruned"}
        problems += [f"left over: {one}" for one in {*os.listdir(self._cache.path)} - places]
        if os.path.getsize(self._top / "CACHEDIR.TAG") == 0:
            problems.append("CACHEDIR.TAG is empty")
        return [f"{point}: {one}" for one in problems]

    def kills(self, points: Sequence[Point], command: Command) -> list[str]:
        """Kill the command at some system calls; return what was wrong."""
        return [problem for point in points for problem in self.kill(point, command)]

    def _damaged(self) -> list[str]:
        trees = [one for one in entries(self._cache) if os.path.isdir(one)]
        return [f"{one}: {changed}" for one in trees if (changed := find_change(one))]

    def _command(self, words: Sequence[str]) -> Command:
        return Command(words, clean_environment() | {"SAGEPIP_CACHE_DIR": str(self._top)})


def main() -> int:
    """Run all of it; print what was wrong."""
    status = 0
    for scenario in (CacheCrash.maker, CacheCrash.pruner):
        with (
            pytest.MonkeyPatch.context() as patch,
            tempfile.TemporaryDirectory(prefix="sagepip-crash-") as work,
        ):
            crash = CacheCrash(Path(work), patch)
            command = scenario(crash)
            points = crash.points(command)
            problems = crash.kills(points, command)
            summary = f"{scenario.__name__}: {len(points)} kills, {len(problems)} problems"
            sys.stdout.write("\n".join([summary, *problems, ""]))
            status |= bool(problems)
    return status


if __name__ == "__main__":
    sys.exit(main())
