"""Sites with many distributions, many installations at once, and the start of the commands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench import proof
from bench.environment import PreparationError, VirtualEnvironment
from bench.performance import checks
from bench.performance.figures import FLOOR, LIMIT, OURS, PIP, UV, Target
from bench.performance.small_wheels import fill_site, make_small_wheel
from bench.performance.stage import Bench, Row, Stage, Way
from bench.performance.stopwatch import Cost, RunFailed
from bench.performance.wheel_rows import SMALL, Tool, floor_command
from bench.processes import Command

MANY, FEW = 3000, 10
AT_ONCE = 32
_ASKED = 5

MANY_GROUP = f"six, in a site of {MANY} distributions"
AT_ONCE_GROUP = f"{AT_ONCE} installs at once"
START = "start of the command"

_IMPORT = "import sagepip.staging.installer_library"
_LIBRARIES = "import packaging.version, packaging.tags, installer.sources, filelock"


def _site_of(count: int, tool: Tool) -> VirtualEnvironment:
    """Give an environment with many distributions; it stays: to make it takes longer than all."""
    bench = tool.bench

    def make(directory: Path) -> None:
        shutil.copytree(bench.template.root, directory, symlinks=True)
        fill_site(VirtualEnvironment(directory).site, count)

    return VirtualEnvironment(bench.once(f"site of {count} for {tool.key}", make))


def _in_site(tool: Tool, count: int, *, installing: bool, key: str) -> Way:
    bench, six = tool.bench, SMALL[0]

    def run(stage: Stage) -> Cost:
        venv = _site_of(count, tool)
        first = stage.time(tool.install(venv, bench.wheels[six], compiled=True))
        checks.check_present(venv.site, six.name, installed=True, count=count + 1)
        second = stage.time(tool.uninstall(venv, six.name))
        checks.check_present(venv.site, six.name, installed=False, count=count)
        return first if installing else second

    return Way(key, run)


def _asking_all(tool: Tool, in_few: Way) -> Way:
    """An uninstallation in a small site, and the least that it takes to ask a large one.

    Each RECORD may list the files that go, since somebody looked at it last: so each has to be
    looked at again. What an interpreter takes to start is taken off: there is one already.
    """

    def least(stage: Stage, *command: str | Path) -> float:
        return min(stage.time(command).cpu for _ in range(_ASKED))

    def run(stage: Stage) -> Cost:
        few = in_few.run(stage)
        asking = least(stage, *floor_command("ask", _site_of(MANY, tool).site))
        return replace(few, cpu=few.cpu + asking - least(stage, *floor_command("nothing")))

    return Way(LIMIT, run)


def _at_once(tool: Tool) -> Way:
    names = [f"small{number}" for number in range(AT_ONCE)]

    def make(directory: Path) -> None:
        directory.mkdir()
        for name in names:
            make_small_wheel(directory, name)

    def run(stage: Stage) -> Cost:
        venv = stage.environment()
        wheels = tool.bench.once("small wheels", make)
        commands = [
            tool.install(venv, wheels / f"{name}-1-py3-none-any.whl", compiled=True)
            for name in names
        ]
        if tool.key == PIP:
            flock = shutil.which("flock")
            if flock is None:
                raise PreparationError("there is no flock(1)")
            commands = [[flock, stage.root / "lock", *command] for command in commands]
        cost = stage.time(*commands)
        for one in (
            proof.prove_installed(venv.site, [(name, "1") for name in names]),
            proof.prove_records(venv.site),
        ):
            if not one.holds:
                raise RunFailed(f"not so: {one.claim}: {'; '.join(one.problems[:3])}")
        checks.check_bytecode(venv.site, compiled=True)
        return cost

    return Way(tool.key, run)


def _imports_at_once(bench: Bench) -> Way:
    """As many interpreters that import what installs, and do nothing with it."""
    command: Command = [bench.peers.sagepip.python, "-I", "-c", _IMPORT]
    return Way(LIMIT, lambda stage: stage.time(*[command] * AT_ONCE))


def _start(key: str, *words: str | Path) -> Way:
    return Way(key, lambda stage: stage.time(words))


def rows(bench: Bench) -> Iterator[Row]:
    """Give all rows about sites and starts."""
    ours, pip, uv = (Tool(key, bench) for key in (OURS, PIP, UV))
    few = f"in {FEW}"
    for installing, name in ((True, "install"), (False, "uninstall")):
        ways = [_in_site(tool, MANY, installing=installing, key=tool.key) for tool in (ours, pip)]
        ways += [_in_site(uv, MANY, installing=installing, key=UV)]
        ways += [_in_site(ours, FEW, installing=installing, key=few)]
        if not installing:  # an installation of what is absent asks nobody
            ways += [_asking_all(ours, ways[-1])]
        yield Row(MANY_GROUP, name, ways, [Target("cpu", 1.3, few)], installing)
    targets = [Target("wall", 0.5, UV), Target("wall", 0.1, PIP)]
    ways = [*(_at_once(tool) for tool in (ours, pip, uv)), _imports_at_once(bench)]
    yield Row(AT_ONCE_GROUP, "small wheels", ways, targets)
    python = bench.peers.sagepip.python
    for option in ("--version", "--help"):
        ways = [
            _start(OURS, bench.peers.sagepip.scripts / "sage-pip-install", option),
            _start(PIP, python, "-I", bench.peers.pip, option),
            _start(UV, bench.peers.uv, option),
            _start(FLOOR, python, "-c", "pass"),
            _start("bare", python, "-I", "-S", "-c", "pass"),
            _start("libraries", python, "-I", "-c", _LIBRARIES),
        ]
        yield Row(START, option, ways, [Target("cpu", 2.0, FLOOR)], True)
