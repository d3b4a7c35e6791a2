"""Have GNU make build packages in the order of their dependencies."""

from __future__ import annotations

import os
import shlex

from sagepip.ground import console
from sagepip.ground.errors import BuildError, TargetError
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.timing import phase
from sagepip.operations.spkg_change import sweep
from sagepip.operations.spkg_checks import Checks
from sagepip.operations.spkg_environment import own_command
from sagepip.operations.spkg_recipe import PYTHON, Recipe, closure
from sagepip.operations.spkg_run import Failure, new_run
from sagepip.operations.spkg_tree import SpkgTree, end_of_log

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_SHOWN = 5
"""How many names, or ends of logs, an error shows."""


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
        checks: whose test suites are run.
    """

    names: tuple[str, ...]
    recipes: str
    tree: SpkgTree
    jobs: int | None
    force: bool = False
    keep_going: bool = False
    index: bool = True
    checks: Checks = Checks()


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
    packages = closure(request.recipes, names, request.checks)
    tree.make()
    sweep(tree)
    forced = set(names) if request.force else set()
    before = _stamps(tree, packages.values())
    with new_run(tree.state) as run, _own_stderr() as stderr:
        path = os.path.join(run.directory, "Makefile")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(makefile(request, packages, forced, run.directory, stderr))
        command = ["make", "-s", "-f", path, "--no-print-directory"]
        command += [f"-j{request.jobs}"] if request.jobs is not None else []
        command += ["-k"] if request.keep_going else []
        with phase("command", "make"):
            status = run.make(command)
        targets = {
            _record(tree, one): (one.name, tree.log(one.full_name)) for one in packages.values()
        }
        failures = run.failures(targets) if status else []
        messages = run.messages()
    after = _stamps(tree, packages.values())
    built = [one for one in packages if after[one] is not None and after[one] != before[one]]
    if status:
        missing = [one for one in packages if after[one] is None]
        wanted = len({*built, *missing, *(one.name for one in failures)})
        raise _unfinished(request, wanted, built, missing, failures, messages)
    return [packages[one].full_name for one in built]


def _unfinished(
    request: SpkgRequest,
    count: int,
    built: Sequence[str],
    missing: Sequence[str],
    failures: Sequence[Failure],
    messages: str,
) -> BuildError:
    """Return the error of a run that did not build all: what failed, and what follows from it."""
    failed = [one.name for one in failures]
    waiting = [one for one in missing if one not in failed]
    output = [end_of_log(one.log) for one in failures[:_SHOWN] if one.log]
    output += [f"Error: {one.problem}" for one in failures]
    # What make says of itself is of no use beside that.
    output += [] if failures else [messages]
    problem = f"only {len(built)} of {count} packages were built in {request.tree.prefix}"
    problem += f"; failed: {_some(failed)}" if failed else ""
    problem += f"; not begun: {_some(waiting)}" if waiting else ""
    begun = "a second run goes on where this one ended"
    return BuildError(problem, advice=begun, output="\n".join(one for one in output if one))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


@contextmanager
def _own_stderr() -> Iterator[int]:
    """Lend a descriptor that leads to our stderr to the children of make."""
    descriptor = os.dup(2)
    os.set_inheritable(descriptor, True)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def makefile(
    request: SpkgRequest, packages: Mapping[str, Recipe], forced: set[str], run: str, stderr: int
) -> str:
    """Return the Makefile for some packages, whose targets are their installation records.

    Args:
        request: what, where and how.
        packages: all of them, by name.
        forced: those that are built though they are installed.
        run: the directory in which children write down what failed.
        stderr: the descriptor that their messages go to.
    """
    tree = request.tree
    records = {name: _record(tree, recipe) for name, recipe in packages.items()}
    # A record is written last, complete: an interrupted make must not take it for half a file.
    lines = [f"all: {' '.join(_quoted(records[one]) for one in packages)}"]
    lines += [".PHONY: all force", f".PRECIOUS: {' '.join(map(_quoted, records.values()))}"]
    lines += ["SHELL := bash", "force:"]
    words = ["spkg", "build", "--prefix", tree.prefix, "--recipes", request.recipes]
    words += ["--upstream", tree.upstream, "--wheels", tree.wheels, "--run", run]
    words += [] if request.index else ["--no-index"]
    words += ["-v"] * console.verbosity
    command = shlex.join([*own_command("sagepip"), *words]).replace("$", "$$")
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
        check = request.checks.of(name)
        lines.append(f"\t+exec {command} --check {check} {shlex.quote(name)} 2>&{stderr}")
    return "\n".join(lines) + "\n"


def _record(tree: SpkgTree, recipe: Recipe) -> str:
    return os.path.join(tree.records, recipe.full_name)


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
