"""Where runs take place: everything that one run starts from is new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.building_trials import private_environment
from bench.environment import Pin, VirtualEnvironment
from bench.performance.figures import Target
from bench.performance.peers import Peers
from bench.performance.stopwatch import Cost, Stopwatch
from bench.processes import Command, ProcessTable


@dataclass
class Bench:
    """What all runs share.

    Attributes:
        root: a private directory, on the file system that is measured.
        processes: runs what is not timed.
        stopwatch: runs what is.
        peers: the tools.
        wheels: what was downloaded.
        template: an empty virtual environment, which is copied.
    """

    root: Path
    processes: ProcessTable
    stopwatch: Stopwatch
    peers: Peers
    wheels: dict[Pin, Path]
    template: VirtualEnvironment
    _made: dict[str, Path] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """Give a directory that is made once.

        Args:
            name: tells it from others.
            make: makes it.
        """
        if name not in self._made:
            directory = self.root / "shared" / f"{len(self._made)}"
            directory.parent.mkdir(exist_ok=True)
            make(directory)
            self._made[name] = directory
        return self._made[name]


@dataclass(frozen=True)
class Stage:
    """One run's own directory and variables.

    Attributes:
        bench: what all runs share.
        root: a directory of its own.
        env: the variables of all its commands; caches are its own, too, and empty.
    """

    bench: Bench
    root: Path
    env: dict[str, str]

    @classmethod
    def set_up(cls, bench: Bench, root: Path) -> Stage:
        """Make the directory."""
        root.mkdir()
        return cls(bench, root, private_environment(root / "home", root / "caches"))

    def environment(self, name: str = "venv", like: Path | None = None) -> VirtualEnvironment:
        """Make a virtual environment.

        Args:
            name: below the directory.
            like: what it is a copy of; by default one with nothing in it.
        """
        source = like or self.bench.template.root
        shutil.copytree(source, self.root / name, symlinks=True)
        return VirtualEnvironment(self.root / name)

    def time(self, *commands: Command) -> Cost:
        """Run commands, all at once, and give what they used; raises ``RunFailed``."""
        return self.bench.stopwatch.time(commands, self.env, self.root)

    def remove(self) -> None:
        """Remove everything of the run."""
        shutil.rmtree(self.root)


@dataclass(frozen=True)
class Way:
    """One way of doing what a row is about.

    Attributes:
        key: its name in tables.
        run: prepares, runs the command, and looks at what it did; raises ``RunFailed``.
    """

    key: str
    run: Callable[[Stage], Cost]


@dataclass(frozen=True)
class Row:
    """One kind of work with one package.

    Attributes:
        group: the kind of work.
        name: the package, or what tells rows of a group apart.
        ways: how it is done.
        targets: what sagepip may use.
        quick: whether the short run has it.
    """

    group: str
    name: str
    ways: Sequence[Way]
    targets: Sequence[Target] = ()
    quick: bool = False

    @property
    def title(self) -> str:
        """How it is called on the command line."""
        return f"{self.group}: {self.name}"


def files_below(root: Path) -> set[str]:
    """The absolute paths of everything below a directory that is no directory."""
    return {os.path.join(base, name) for base, _, names in os.walk(root) for name in names}
