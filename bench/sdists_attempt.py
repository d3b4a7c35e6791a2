"""Builds one source archive by sagepip, twice, and by pip, and compares what they made."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path

from bench import proof
from bench.environment import VirtualEnvironment, console_script, tool_environment
from bench.processes import Command, Finished, ProcessTable
from bench.sdists_bytes import Tree, tree_of, unlike, unlike_trees
from bench.sdists_compare import Comparison, compare
from bench.sdists_list import Sdist

AT_MOST = 1200
"""Seconds that one build may take."""

EPOCH = "1700000000"
"""``SOURCE_DATE_EPOCH`` of all builds: what generates times takes this one."""

NO_NETWORK = (("unshare", "--net"), ("unshare", "--user", "--map-current-user", "--net"))
"""Commands that run another one where there is no network, not even the machine's own."""

WHEELS = ("first", "second", "third", "pip", "control")
"""Where the wheels go: sagepip's, pip's, and one more of each if any differ.

The second of sagepip's is made with another ``TMPDIR``, the third with that of the first.
"""

WHERE = "import sys, importlib; print(importlib.import_module(sys.argv[1]).__file__)"


@dataclass
class Attempt:
    """What came of one source archive.

    Attributes:
        sdist: which.
        cold: seconds that ``sage-pip-install`` took with an empty cache.
        again: seconds that it took once more.
        pip: seconds that ``pip wheel`` took.
        comparison: of sagepip's wheel with pip's, if there are both.
        unlike: what differs between two wheels of sagepip's; None if there are not two.
        unlike_in_place: what differs between two of sagepip's that were made with one ``TMPDIR``.
        unlike_pip: what differs between two of pip's, if sagepip's differ.
        imported: whether all modules could be imported; None if that was not tried, or is known.
        problems: why it counts as failed.
        notes: what sagepip warned of, and what is known to be found.
        beyond_pip: why pip cannot build it; empty if it can.
    """

    sdist: Sdist
    cold: float | None = None
    again: float | None = None
    pip: float | None = None
    comparison: Comparison | None = None
    unlike: set[str] | None = None
    unlike_in_place: set[str] = field(default_factory=set)
    unlike_pip: set[str] = field(default_factory=set)
    imported: bool | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    beyond_pip: str = ""

    @property
    def likeness(self) -> str:
        """How sagepip's wheel compares with pip's, in a word."""
        if self.comparison is None:
            return ""
        if self.comparison.differences:
            return "differs"
        return "alike" if self.comparison.explained else "same"

    @property
    def repeated(self) -> str:
        """How two wheels of sagepip's compare, as files, in a word or two."""
        if self.unlike is None:
            return ""
        if not self.unlike:
            return "same"
        if self.unlike - self.unlike_pip:
            return "differ"
        return "as pip" if self.unlike_in_place else "in place"

    def settle(self) -> None:
        """Put what is known to be found apart from the problems; it must be found."""
        for text in self.sdist.known:
            found = [problem for problem in self.problems if text in problem]
            if not found:
                self.problems.append(f"was known, but was not found: {text}")
            for problem in found:
                self.problems.remove(problem)
                self.notes.append(f"known: {problem}")
                if problem.startswith("import "):
                    self.imported = None

    @property
    def counts(self) -> bool:
        """Whether it says something of sagepip: it built it, or pip can."""
        return self.cold is not None or not self.beyond_pip

    @property
    def failed(self) -> bool:
        """Whether something is wrong that cannot be laid to the source archive."""
        return self.counts and bool(self.problems)


class Workshop:
    """Where source archives are tried, one after the other.

    Args:
        scratch: a directory; each archive gets one in it.
        wheelhouse: the directory of the wheels.
        processes: what starts commands.
        keep: whether to leave behind what each attempt made.
    """

    def __init__(
        self, scratch: Path, wheelhouse: Path, processes: ProcessTable, *, keep: bool
    ) -> None:
        self._scratch = scratch
        self._wheelhouse = wheelhouse
        self._processes = processes
        self._keep = keep

    @cached_property
    def without_network(self) -> Sequence[str]:
        """The words before each command; empty where the kernel allows none of them."""
        for words in NO_NETWORK:
            if shutil.which(words[0]):
                done = subprocess.run([*words, "true"], capture_output=True, check=False)
                if done.returncode == 0:
                    return words
        return ()

    def attempt(self, sdist: Sdist, archive: Path) -> Attempt:
        """Build, install, compare and import one of them."""
        place = self._scratch / sdist.pin.name
        place.mkdir()
        shutil.copy(archive, place)
        result = Attempt(sdist)
        one = _OneAttempt(self, result, place / archive.name)
        before = self._stamps(one.archive)
        result.problems += one.by_sagepip()
        result.problems += _changes(before, self._stamps(one.archive))
        one.by_pip()
        result.problems += one.differences()
        result.settle()
        if not self._keep:
            shutil.rmtree(place)
        return result

    def run(self, command: Command, env: dict[str, str], cwd: Path) -> tuple[Finished, float]:
        """Run a command without the network; give how it ended and the seconds it took."""
        start = time.monotonic()
        done = self._processes.run(
            [*self.without_network, *command], env=env, cwd=cwd, timeout=AT_MOST
        )
        return done, time.monotonic() - start

    @property
    def where_from(self) -> Command:
        """The options that name the wheelhouse, the same for sagepip and pip."""
        return ["--no-index", "--find-links", self._wheelhouse]

    def _stamps(self, archive: Path) -> dict[str, tuple[int, ...]]:
        # The time of the last change (ctime) cannot be put back by whoever changed a file.
        found: dict[str, tuple[int, ...]] = {}
        for path in [archive, *self._wheelhouse.iterdir()]:
            stat = path.stat()
            found[path.name] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        return found


class _OneAttempt:
    """One source archive in a directory of its own."""

    def __init__(self, workshop: Workshop, result: Attempt, archive: Path) -> None:
        self.archive = archive
        self._workshop = workshop
        self._result = result
        self._place = archive.parent
        self._venv = VirtualEnvironment.create(self._place / "venv")
        self._wheels = {name: self._place / name for name in WHEELS}

    def by_sagepip(self) -> Iterator[str]:
        """Install twice and look at the result; give what is wrong."""
        before = proof.files_below(self._venv.root)
        env = _environment(self._place / "home")
        elsewhere = self._place / "home" / "another-directory-for-temporary-files"
        elsewhere.mkdir()
        trees: list[Tree] = []
        for name in ("first", "second"):
            other = {"TMPDIR": str(elsewhere)} if name == "second" else {}
            done, seconds = self._install(env | other, name)
            if done.returncode != 0:
                yield f"the {name} sage-pip-install failed:\n{done.last_lines(30)}"
                return
            if name == "first":
                self._result.cold = seconds
            else:
                self._result.again = seconds
            warnings = [line for line in done.output.splitlines() if line.startswith("WARNING: ")]
            self._result.notes += [line for line in warnings if line not in self._result.notes]
            trees.append(tree_of(self._venv.root, before))
        found = self._result.unlike = unlike(self._wheel("first"), self._wheel("second"))
        if found:
            done, _ = self._install(env, "third")
            if done.returncode != 0:
                yield f"the third sage-pip-install failed:\n{done.last_lines(30)}"
                return
            self._result.unlike_in_place = unlike(self._wheel("first"), self._wheel("third"))
        for name in unlike_trees(trees[0], trees[1], found):
            yield f"installed twice, {name} differs"
        for one in (
            proof.prove_records(self._venv.site),
            proof.prove_nothing_stray(self._venv.root, self._venv.site, before),
            proof.prove_nothing_left(self._venv.site),
            proof.prove_no_temporary_files(self._place / "home" / "tmp"),
            proof.prove_no_temporary_files(elsewhere),
        ):
            yield from one.problems
        command: Command = [
            console_script("sagepip"),
            "verify",
            "-q",
            "--python",
            self._venv.python,
        ]
        done, _ = self._workshop.run(command, env, self._place)
        if done.returncode != 0:
            yield from (f"sagepip verify: {line}" for line in done.output.splitlines())
        failures = list(self._imports(env))
        self._result.imported = not failures
        yield from failures

    def by_pip(self) -> None:
        """Have pip build a wheel, and compare."""
        done, seconds = self._build("pip")
        if done.returncode != 0:
            self._result.beyond_pip = done.last_lines(12)
            return
        self._result.pip = seconds
        if self._result.cold is not None:
            self._result.comparison = compare(self._wheel("first"), self._wheel("pip"))

    def differences(self) -> Iterator[str]:
        """Give what differs from one wheel to the other, but does not from pip's to pip's."""
        beside, ours = self._result.comparison or Comparison(), self._result.unlike or set()
        if self._result.pip and (beside.differences or ours):
            done, _ = self._build("control")
            if done.returncode == 0:
                control = self._wheel("control")
                beside.excuse(compare(control, self._wheel("pip")))
                self._result.unlike_pip = unlike(control, self._wheel("pip"))
        yield from (
            f"built twice, {text} differs" for text in sorted(ours - self._result.unlike_pip)
        )
        yield from (f"the wheel {text}" for text in beside.differences)

    def _build(self, name: str) -> tuple[Finished, float]:
        env = _environment(self._place / f"home-of-{name}")
        command = self._venv.pip("wheel", "--no-deps", "--no-cache-dir", "--wheel-dir")
        command = [*command, self._wheels[name], *self._workshop.where_from, self.archive]
        return self._workshop.run(command, env, self._place)

    def _install(self, env: dict[str, str], name: str) -> tuple[Finished, float]:
        stored = self._place / "stored"
        command: Command = [
            *(console_script("sage-pip-install"), *self._workshop.where_from),
            *("--python", self._venv.python, "--no-deps", self.archive),
        ]
        done, seconds = self._workshop.run(
            command, env | {"SAGE_SPKG_WHEELS": str(stored)}, self._place
        )
        if stored.exists():
            # The second run finds what the first one found: nothing.
            stored.rename(self._wheels[name])
        return done, seconds

    def _wheel(self, name: str) -> Path:
        (wheel,) = self._wheels[name].glob("*.whl")
        return wheel

    def _imports(self, env: dict[str, str]) -> Iterator[str]:
        """Import the modules, after pip has added what the project needs at run time."""
        (installed,) = metadata.distributions(path=[str(self._venv.site)])
        if installed.requires:
            pin = str(self._result.sdist.pin)
            command = self._venv.pip("install", *self._workshop.where_from, pin)
            done, _ = self._workshop.run(command, env, self._place)
            if done.returncode != 0:
                yield f"pip cannot install what it needs at run time:\n{done.last_lines()}"
        for module in self._result.sdist.modules:
            command = [self._venv.python, "-I", "-B", "-c", WHERE, module]
            done, _ = self._workshop.run(command, env, self._place)
            if done.returncode != 0:
                yield f"import {module}: {done.last_lines(3)}"
            elif not done.output.startswith(str(self._venv.site)):
                yield f"import {module} took it from {done.output.strip()}"


def _environment(home: Path) -> dict[str, str]:
    env = tool_environment(home) | {"SOURCE_DATE_EPOCH": EPOCH}
    # The compiler of Rust is found through the user's home directory, which this is not.
    rustup = Path.home() / ".rustup"
    if rustup.is_dir():
        env.setdefault("RUSTUP_HOME", str(rustup))
    return env


def _changes(
    before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]
) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name} was changed, though it is input"
