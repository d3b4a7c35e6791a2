"""Have GNU make build packages in the order of their dependencies."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

from sagepip.ground.errors import BuildError, TargetError
from sagepip.ground.filesystem import remove_file
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.timing import phase
from sagepip.operations.command_process import run_command
from sagepip.operations.spkg_build import own_command
from sagepip.operations.spkg_recipe import PYTHON, Recipe, closure
from sagepip.operations.spkg_tree import SpkgTree


@dataclass(frozen=True)
class SpkgRequest:
    """One call of ``spkg install``.

    Attributes:
        names: the packages asked for; all that they need comes with them.
        recipes: the directory of the recipes.
        tree: where to.
        jobs: how many at a time; None leaves it to the make in which we run.
        force: build also those that are installed.
        keep_going: after a failure go on with what does not depend on it.
        index: whether upstream files may be fetched.
    """

    names: tuple[str, ...]
    recipes: str
    tree: SpkgTree
    jobs: int | None
    force: bool = False
    keep_going: bool = False
    index: bool = True


def install_packages(request: SpkgRequest) -> list[str]:
    """Build and publish packages and what they need.

    Args:
        request: what, where and how.

    Returns:
        The names and versions of those that were built.

    Raises:
        BuildError: some failed, each of which has said so.
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    tree = request.tree
    names = [one for one in request.names if one != PYTHON]
    packages = closure(request.recipes, names)
    tree.make()
    path = os.path.join(tree.state, f"Makefile.{os.getpid()}")
    forced = set(names) if request.force else set()
    before = _stamps(tree, packages.values())
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(makefile(request, packages, forced))
        command = ["make", "-s", "-f", path, "--no-print-directory"]
        command += [f"-j{request.jobs}"] if request.jobs is not None else []
        command += ["-k"] if request.keep_going else []
        with phase("command", "make"):
            ended = run_command(command, os.environ)
    finally:
        remove_file(path)
    if ended.problem:
        raise TargetError(f"cannot run GNU make: {ended.problem}", advice="install make")
    after = _stamps(tree, packages.values())
    built = [one.full_name for one in packages.values() if after[one.name] != before[one.name]]
    if ended.status:
        done = f"{len(built)} of {len(packages)} packages were built"
        raise BuildError(
            f"not everything was built in {tree.prefix}; {done}",
            advice="a second run goes on where this one ended",
        )
    return built


def makefile(request: SpkgRequest, packages: dict[str, Recipe], forced: set[str]) -> str:
    """Return the Makefile for some packages, whose targets are their installation records."""
    tree = request.tree
    records = {
        name: os.path.join(tree.records, recipe.full_name) for name, recipe in packages.items()
    }
    lines = [f"all: {' '.join(_quoted(records[one]) for one in packages)}"]
    lines += [".PHONY: all force", ".PRECIOUS: %", ".DELETE_ON_ERROR:", "force:"]
    words = ["spkg", "build", "--prefix", tree.prefix, "--recipes", request.recipes]
    words += ["--upstream", tree.upstream, "--wheels", tree.wheels]
    words += [] if request.index else ["--no-index"]
    run = shlex.join([*own_command("sagepip"), *words]).replace("$", "$$")
    for name, recipe in packages.items():
        if name in forced and os.path.exists(records[name]):
            # What it needs is there; nothing waits for its new build.
            needs, only_there = ["force"], list[str]()
        else:
            needs = [_quoted(records[one]) for one in recipe.needs if one in records]
            only_there = [
                _quoted(records[one]) for one in recipe.needs_only_there if one in records
            ]
        lines.append(f"{_quoted(records[name])}: {' '.join(needs)} | {' '.join(only_there)}")
        lines.append(f"\t+{run} {shlex.quote(name)}")
    return "\n".join(lines) + "\n"


def _quoted(path: str) -> str:
    if any(one in path for one in "\n:;%="):
        raise TargetError(f"make cannot have a target in {path}", advice="use another --prefix")
    return path.replace("$", "$$").replace("#", "\\#").replace(" ", "\\ ")


def _stamps(tree: SpkgTree, packages: Iterable[Recipe]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for one in packages:
        try:
            found[one.name] = os.stat(os.path.join(tree.records, one.full_name)).st_mtime_ns
        except OSError:
            found[one.name] = None
    return found
