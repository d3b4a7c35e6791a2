"""Installing, upgrading and uninstalling one wheel."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.environment import Pin, VirtualEnvironment
from bench.performance import checks
from bench.performance.figures import FLOOR, LIMIT, OURS, PIP, UV, Target
from bench.performance.rebuilding import rebuild
from bench.performance.stage import Bench, Row, Stage, Way, files_below
from bench.performance.stopwatch import Cost
from bench.processes import Command

SMALL = (Pin.parse("six==1.17.0"), Pin.parse("attrs==26.1.0"))
LARGE = tuple(
    map(
        Pin.parse,
        (
            "setuptools==84.2.1",
            "networkx==3.6.1",
            "babel==2.18.0",
            "numpy==2.4.6",
            "django==5.2.17",
            "scipy==1.17.1",
            "sympy==1.14.0",
        ),
    )
)
OLDER = {
    pin.name: pin
    for pin in map(
        Pin.parse,
        (
            "six==1.16.0",
            "django==5.2.16",
            "numpy==2.4.5",
            "scipy==1.17.0",
            "setuptools==84.2.0",
        ),
    )
}
"""The version before, most modules of which are the same."""

PINS = (*SMALL, *LARGE, *OLDER.values())

NEW_COMPILED = "new wheel, bytecode"
NEW = "new wheel, no bytecode"
SECOND = "second prefix, bytecode"
REBUILT = "reinstall after a rebuild, bytecode"
UPGRADE = "upgrade, bytecode"
UNINSTALL = "uninstall"
HELD = "lock held"
HELD_SECONDS = {"install": 2.0, "reinstall": 5.0, "upgrade": 5.0, "uninstall": 3.0}

# The command says nowhere for how long it held the lock; the operation does.
_UNINSTALL = """
import sys
from sagepip.cli import dispatch
from sagepip.operations import uninstall
operation = uninstall.uninstall
def told(request):
    report = operation(request)
    with open(sys.argv[1], "w") as stream:
        stream.write(str(report.lock_held_seconds))
    return report
uninstall.uninstall = told
sys.exit(dispatch.run("sage-pip-uninstall", "uninstall", sys.argv[2:]))
"""

_FLOOR_WORK = Path(__file__).with_name("floor_work.py")


def floor_command(work: str, *paths: Path) -> Command:
    """The command that does the least work."""
    return [sys.executable, "-I", "-S", _FLOOR_WORK, work, *paths]


@dataclass(frozen=True)
class Tool:
    """What installs and uninstalls in a uniform manner.

    Attributes:
        key: its name.
        bench: what all runs share.
    """

    key: str
    bench: Bench

    def install(
        self,
        venv: VirtualEnvironment,
        wheel: Path,
        *,
        compiled: bool,
        force: bool = False,
        report: Path | None = None,
    ) -> Command:
        """The command that installs a wheel."""
        peers = self.bench.peers
        if self.key == OURS:
            options: list[str | Path] = [] if compiled else ["--no-compile"]
            options += ["--force-reinstall"] if force else []
            options += ["--report", report] if report else []
            return peers.sagepip_install(venv, [wheel], *options)
        if self.key == PIP:
            words = ["--compile" if compiled else "--no-compile"]
            words += ["--force-reinstall"] if force else []
            return peers.pip_install(venv, [wheel], *words)
        if self.key == UV:
            words = ["--compile-bytecode"] if compiled else []
            words += ["--reinstall"] if force else []
            return peers.uv_install(venv, [wheel], *words)
        if self.key == "installer":
            level = "--compile-bytecode=0" if compiled else "--no-compile-bytecode"
            return [peers.installer, "-m", "installer", "--prefix", venv.root, level, wheel]
        optimize = ["--optimize", "0"] if compiled else []
        place = ("--destdir", "/", "--prefix", venv.root)
        return [peers.gpep517, "install-wheel", *place, *optimize, wheel]

    def uninstall(self, venv: VirtualEnvironment, name: str) -> Command:
        """The command that uninstalls a project."""
        peers = self.bench.peers
        if self.key == OURS:
            return peers.sagepip_uninstall(venv, name)
        if self.key == PIP:
            return peers.pip_uninstall(venv, name)
        return peers.uv_uninstall(venv, name)

    def with_installed(self, stage: Stage, pin: Pin) -> tuple[VirtualEnvironment, set[str]]:
        """Give an environment in which this tool has installed a wheel with bytecode.

        Returns:
            It, and the files it had before.
        """
        wheel = self.bench.wheels[pin]
        if self.key == OURS:
            # What it remembers may know files by more than their content: no copies.
            venv = stage.environment()
            before = files_below(venv.root)
            stage.time(self.install(venv, wheel, compiled=True))
            return venv, before

        def make(directory: Path) -> None:
            other = Stage.set_up(self.bench, directory)
            other.time(self.install(other.environment(), wheel, compiled=True))

        made = self.bench.once(f"{self.key} {pin}", make)
        before = files_below(self.bench.template.root)
        venv = stage.environment(like=made / "venv")
        root = str(self.bench.template.root)
        return venv, {str(venv.root) + path.removeprefix(root) for path in before}


def _finish(
    stage: Stage,
    venv: VirtualEnvironment,
    pin: Pin,
    before: set[str],
    way: str,
    *,
    compiled: bool,
) -> None:
    checks.check_installed(venv, pin, before, way, compiled=compiled)
    if way == OURS:
        checks.check_no_temporary_files(stage.root / "home")


def new(tool: Tool, pin: Pin, *, compiled: bool) -> Way:
    """Install a wheel that nobody has seen."""

    def run(stage: Stage) -> Cost:
        venv = stage.environment()
        before = files_below(venv.root)
        wheel = tool.bench.wheels[pin]
        cost = stage.time(tool.install(venv, wheel, compiled=compiled))
        _finish(stage, venv, pin, before, tool.key, compiled=compiled)
        return cost

    return Way(tool.key, run)


def second(tool: Tool, pin: Pin) -> Way:
    """Install a wheel that has been installed into another environment."""

    def run(stage: Stage) -> Cost:
        wheel = tool.bench.wheels[pin]
        if tool.key != PIP:  # It remembers nothing of local wheels.
            stage.time(tool.install(stage.environment("first"), wheel, compiled=True))
        venv = stage.environment()
        before = files_below(venv.root)
        cost = stage.time(tool.install(venv, wheel, compiled=True))
        _finish(stage, venv, pin, before, tool.key, compiled=True)
        return cost

    return Way(tool.key, run)


def rebuilt(tool: Tool, pin: Pin) -> Way:
    """Install a wheel of the same content over the one that is there."""

    def run(stage: Stage) -> Cost:
        venv, before = tool.with_installed(stage, pin)
        if tool.key == UV:  # Its cache is to know the first wheel.
            other = stage.environment("first")
            stage.time(tool.install(other, tool.bench.wheels[pin], compiled=False))
        wheel = rebuild(tool.bench.wheels[pin], stage.root / "rebuilt")
        cost = stage.time(tool.install(venv, wheel, compiled=True, force=True))
        _finish(stage, venv, pin, before, tool.key, compiled=True)
        return cost

    return Way(tool.key, run)


def upgrade(tool: Tool, pin: Pin) -> Way:
    """Install the next version."""

    def run(stage: Stage) -> Cost:
        venv, before = tool.with_installed(stage, OLDER[pin.name])
        wheel = tool.bench.wheels[pin]
        cost = stage.time(tool.install(venv, wheel, compiled=True))
        _finish(stage, venv, pin, before, tool.key, compiled=True)
        return cost

    return Way(tool.key, run)


def uninstall(tool: Tool, pin: Pin) -> Way:
    """Uninstall what the same tool installed."""

    def run(stage: Stage) -> Cost:
        venv, before = tool.with_installed(stage, pin)
        cost = stage.time(tool.uninstall(venv, pin.name))
        checks.check_uninstalled(venv, before, tool.key)
        return cost

    return Way(tool.key, run)


def held(bench: Bench, pin: Pin, what: str, key: str = OURS) -> Way:
    """For how long the lock is held."""
    tool = Tool(OURS, bench)

    def run(stage: Stage) -> Cost:
        report = stage.root / "report.json"
        if what == "install":
            venv = stage.environment()
            before = files_below(venv.root)
        else:
            installed = OLDER[pin.name] if what == "upgrade" else pin
            venv, before = tool.with_installed(stage, installed)
        if what == "uninstall":
            words: Command = ["--python", venv.python, "-y", pin.name]
            cost = stage.time([bench.peers.sagepip.python, "-I", "-c", _UNINSTALL, report, *words])
            checks.check_uninstalled(venv, before, OURS)
            return replace(cost, held=float(report.read_text()))
        force = what == "reinstall"
        wheel = bench.wheels[pin]
        cost = stage.time(tool.install(venv, wheel, compiled=True, force=force, report=report))
        _finish(stage, venv, pin, before, OURS, compiled=True)
        seconds = json.loads(report.read_text())["sagepip"]["lock_held_seconds"]
        return replace(cost, held=float(seconds))

    return Way(key, run)


def floor(bench: Bench, pin: Pin, *, compiled: bool) -> Way:
    """Unpack, hash and write, and compile in the same process."""

    def run(stage: Stage) -> Cost:
        venv = stage.environment()
        work = "unpack-compile" if compiled else "unpack"
        cost = stage.time(floor_command(work, bench.wheels[pin], venv.site))
        checks.check_bytecode(venv.site, compiled=compiled)
        return cost

    return Way(FLOOR, run)


def least(bench: Bench, pin: Pin, work: str) -> Way:
    """The least work in an interpreter that imports what installs, and hashes all of it.

    Args:
        bench: what all runs share.
        pin: the wheel.
        work: ``unpack``, ``unpack-compile``, ``unpack-take`` (bytecode from a tree that is
            ready) or ``compare`` (the tree that is to stay).
    """

    def run(stage: Stage) -> Cost:
        venv = stage.environment("least")
        words: Command = [bench.wheels[pin], venv.site]
        site = venv.site
        if work in ("unpack-take", "compare"):
            ready, _ = Tool(PIP, bench).with_installed(stage, pin)
            site = ready.site if work == "compare" else site
            words = [site] if work == "compare" else [*words, ready.site]
        head: Command = [bench.peers.sagepip.python, "-I", _FLOOR_WORK, "limit", work]
        cost = stage.time([*head, *words])
        checks.check_bytecode(site, compiled=work != "unpack")
        return cost

    return Way(LIMIT, run)


def least_removal(bench: Bench, pin: Pin) -> Way:
    """Remove all files of a tree, in an ordinary interpreter."""

    def run(stage: Stage) -> Cost:
        ready, _ = Tool(PIP, bench).with_installed(stage, pin)
        return stage.time([bench.peers.sagepip.python, "-I", _FLOOR_WORK, "remove", ready.site])

    return Way(LIMIT, run)


def floor_link(bench: Bench, pin: Pin) -> Way:
    """Make hard links to a tree that is ready."""

    def run(stage: Stage) -> Cost:
        ready, _ = Tool(PIP, bench).with_installed(stage, pin)
        venv = stage.environment("linked")
        cost = stage.time(floor_command("link", ready.site, venv.site))
        checks.check_bytecode(venv.site, compiled=True)
        return cost

    return Way(FLOOR, run)


def floor_remove(bench: Bench, pin: Pin) -> Way:
    """Remove all files of a tree."""

    def run(stage: Stage) -> Cost:
        ready, _ = Tool(PIP, bench).with_installed(stage, pin)
        return stage.time(floor_command("remove", ready.site))

    return Way(FLOOR, run)


def _cpu(pip: float | None, uv: float | None, wall_to_pip: float | None = None) -> list[Target]:
    found = [Target("cpu", uv, UV)] if uv is not None else []
    found += [Target("cpu", pip, PIP)] if pip is not None else []
    return found + ([Target("wall", wall_to_pip, PIP)] if wall_to_pip is not None else [])


_WITHOUT: dict[str, tuple[float | None, float]] = {
    "babel": (None, 1.0),
    "numpy": (0.5, 1.3),
    "scipy": (0.5, 1.3),
}


def rows(bench: Bench) -> Iterator[Row]:
    """Give all rows about single wheels."""
    ours, pip, uv = (Tool(key, bench) for key in (OURS, PIP, UV))
    three = (ours, pip, uv)
    more = (*three, Tool("installer", bench), Tool("gpep517", bench))
    for compiled, group in ((True, NEW_COMPILED), (False, NEW)):
        for pin in LARGE:
            if compiled:
                limit = 1.0 if pin.name in ("scipy", "sympy") else 0.75
                targets = _cpu(limit, 1.0, 0.5)
            else:
                targets = _cpu(*_WITHOUT.get(pin.name, (0.3, 0.7)))
            ways = [new(tool, pin, compiled=compiled) for tool in more]
            ways.append(floor(bench, pin, compiled=compiled))
            ways.append(least(bench, pin, "unpack-compile" if compiled else "unpack"))
            quick = pin.name in ("setuptools", "networkx", "numpy")
            yield Row(group, pin.name, ways, [*targets, Target("peak", 80)], quick)
        for pin in SMALL:
            ways = [new(tool, pin, compiled=compiled) for tool in more]
            ways.append(floor(bench, pin, compiled=compiled))
            ways.append(least(bench, pin, "unpack-compile" if compiled else "unpack"))
            targets = [*_cpu(0.25, None), Target("peak", 80)]
            yield Row(group, pin.name, ways, targets, pin.name == "six")
    known: list[tuple[str, Callable[[Tool, Pin], Way]]] = [(SECOND, second), (REBUILT, rebuilt)]
    for group, make in known:
        work = "unpack-take" if group == SECOND else "compare"
        for pin in (*LARGE, *SMALL):
            ways = [*(make(tool, pin) for tool in three), floor_link(bench, pin)]
            ways.append(least(bench, pin, work))
            yield Row(group, pin.name, ways, _cpu(0.1, 0.2), pin.name == "setuptools")
    for pin in LARGE:
        if pin.name in OLDER:
            ways = [*(upgrade(tool, pin) for tool in three), floor_link(bench, pin)]
            yield Row(UPGRADE, pin.name, ways, _cpu(0.35, 0.5), pin.name == "setuptools")
    for pin in (*LARGE, *SMALL):
        ways = [*(uninstall(tool, pin) for tool in three), floor_remove(bench, pin)]
        ways.append(least_removal(bench, pin))
        yield Row(UNINSTALL, pin.name, ways, _cpu(0.15, 1.0), pin.name in ("six", "setuptools"))
    six = SMALL[0]
    django = next(pin for pin in LARGE if pin.name == "django")
    for what, limit in HELD_SECONDS.items():
        yield Row(HELD, f"six, {what}", [held(bench, six, what)], [Target("held", limit)], True)
        ways = [held(bench, django, what), held(bench, six, what, "six")]
        targets = [Target("held", limit), Target("held", 3.0, "six")]
        yield Row(HELD, f"django, {what}", ways, targets, what == "install")
