"""Finds the wheels that the projects of ``make sdists`` need, for ``bench/sdists_list.py``.

``python -m bench.sdists_pins [NAME…]`` builds nothing. For each project pip installs the build
requirements, static and dynamic, from the package index into an environment of their own, and
resolves what the project needs at run time. The versions that pip chose are printed.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from build import ProjectBuilder
from build.env import DefaultIsolatedEnv
from packaging.requirements import Requirement
from pyproject_hooks import quiet_subprocess_runner

from bench.environment import DOWNLOADS_AT_ONCE, Pin, fetch_sdists
from bench.sdists_list import SDISTS, chosen


def needed_to_build(source: Path) -> set[Pin]:
    """Have the build requirements of a project installed and give what that took."""
    with DefaultIsolatedEnv() as env:
        builder = ProjectBuilder.from_isolated_env(env, source, runner=quiet_subprocess_runner)
        env.install(builder.build_system_requires)
        env.install(builder.get_requires_for_build("wheel"))
        sites = [str(site) for site in Path(env.path).glob("lib/python*/site-packages")]
        found = metadata.distributions(path=sites)
        return {Pin.parse(f"{one.name}=={one.version}") for one in found}


def needed_to_run(source: Path) -> set[Pin]:
    """Have pip resolve the runtime requirements that a source archive states."""
    stated = email.message_from_bytes((source / "PKG-INFO").read_bytes())
    requirements = [Requirement(text) for text in stated.get_all("Requires-Dist", [])]
    wanted = [
        str(one) for one in requirements if not one.marker or one.marker.evaluate({"extra": ""})
    ]
    if not wanted:
        return set()
    command = [*(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"), "--report", "-"]
    done = subprocess.run(
        [*command, "--ignore-installed", *wanted],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    items = [one["metadata"] for one in json.loads(done.stdout)["install"]]
    return {Pin.parse(f"{one['name']}=={one['version']}") for one in items}


def needed(archive: Path) -> set[Pin]:
    """What a source archive needs, to be built and to be imported."""
    with tempfile.TemporaryDirectory(prefix="sagepip-pins-") as scratch:
        with tarfile.open(archive) as stream:
            stream.extractall(scratch, filter="data")
        (source,) = Path(scratch).iterdir()
        return needed_to_build(source) | needed_to_run(source)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the pins of the projects that are named, or of all."""
    parser = argparse.ArgumentParser(prog="bench.sdists_pins", description="see the module")
    parser.add_argument("names", metavar="NAME", nargs="*")
    sdists = chosen(parser.parse_args(arguments).names) or SDISTS
    os.environ["PIP_ONLY_BINARY"] = ":all:"
    archives = fetch_sdists(sdist.pin for sdist in sdists)
    pins: set[Pin] = set()
    failed = False
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        jobs = {sdist: pool.submit(needed, archives[sdist.pin]) for sdist in sdists}
        for sdist, job in jobs.items():
            try:
                pins |= job.result()
            except Exception as error:  # Whatever one project does, the others are of use.
                print(f"{sdist.pin}: {error!r}", file=sys.stderr)
                failed = True
    print("\n".join(map(str, sorted(pins))))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
