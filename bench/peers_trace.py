"""Lists the system calls of a program that change a tree, and kills it or lets it fail at one.

For programs of any kind, threaded ones too: a call is told by what it names, with random parts
of names left out, and whether the right one was hit is read from strace's own log.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Finished, ProcessTable

CHANGING = (
    "rename,renameat,renameat2,mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,"
    "open,openat,creat,write,pwrite64,writev,pwritev,truncate,ftruncate,fallocate,sendfile,"
    "copy_file_range,ioctl,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,utimensat,"
    "setxattr,lsetxattr,fsetxattr"
)
"""Whatever can change a name, a file or its attributes."""

_LINE = re.compile(r"^(?P<time>[\d.]+) (?P<name>\w+)\((?P<arguments>.*?)\)? += (?P<result>.*)$")
_PATHS = re.compile(r'"([^"]+)"|<(/[^>]*)>')
_MAKES = re.compile(r"O_CREAT|O_TRUNC")
_RANDOM = re.compile(
    r"(?<=\.tmp)\w{6}"  # uv
    r"|\w{8}(?=\.tmp)"  # pip
    r"|(?<=\.pyc\.)\d+"  # the interpreter's
    r"|(?<=/txn/)\w+|(?<=/exchange-)\w+"  # sagepip
)


@dataclass(frozen=True)
class Call:
    """One line of strace's log.

    Attributes:
        time: when it began.
        name: the system call.
        arguments: as strace prints them.
        result: likewise; ``?`` if the process died in it.
    """

    time: float
    name: str
    arguments: str
    result: str

    @classmethod
    def parse(cls, line: str) -> Call | None:
        """Read a line; None if it is of another kind."""
        match = _LINE.match(line)
        if match is None:
            return None
        return cls(float(match["time"]), match["name"], match["arguments"], match["result"])

    @property
    def paths(self) -> list[str]:
        """What it names, by path or by descriptor."""
        text = self.arguments
        return [quoted or held for quoted, held in _PATHS.findall(text)]

    def changes(self, prefix: Path) -> bool:
        """Whether it changed something below a directory."""
        if self.result.startswith("-1"):
            return False
        if self.name in ("open", "openat") and not _MAKES.search(self.arguments):
            return False
        if self.name == "ioctl" and "FICLONE" not in self.arguments:
            return False
        return any(_is_below(path, prefix) for path in self.paths)

    def signature(self, prefix: Path) -> str:
        """What it does, the same in each run and under each prefix."""
        named = [path for path in self.paths if _is_below(path, prefix) or path[0] != "/"]
        return f"{self.name} {_RANDOM.sub('*', ' '.join(named)).replace(str(prefix), 'PREFIX')}"


@dataclass(frozen=True)
class Point:
    """A call at which a program can be killed, or can fail.

    Attributes:
        name: the system call.
        ordinal: how many of that name, and of that path if it has one, its thread had made.
        path: what is counted, with ``PREFIX`` for the directory; empty to count all.
        signature: by which a hit is known.
    """

    name: str
    ordinal: int
    path: str
    signature: str


@dataclass(frozen=True)
class Shot:
    """One run with a kill or an error.

    Attributes:
        hit: whether that happened at the call meant.
        ended: how the run ended.
    """

    hit: bool
    ended: Finished


@dataclass(frozen=True)
class Tracer:
    """Runs one command under strace.

    Args:
        command: the program and its arguments.
        prefix: the directory in which changes count.
        env: its environment.
        processes: runs it.
    """

    command: Sequence[str]
    prefix: Path
    env: Mapping[str, str]
    processes: ProcessTable

    def points(self) -> list[Point]:
        """Run it to its end, and return the calls that changed something, in their order."""
        ended, threads = self._run(["-e", f"trace={CHANGING}"])
        if ended.returncode:
            raise AssertionError(f"{self.command}: {ended.last_lines()}")
        return find_points(threads, self.prefix)

    def kill(self, point: Point) -> Shot:
        """Run it, killed as it enters a call."""
        # Not stopping at traced calls only: strace then loses signals that it injects.
        ended, threads = self._run(self._injection(point, "signal=SIGKILL"), fast=False)
        return Shot(self._was_hit(threads, point, lambda call: call.result == "?"), ended)

    def fail(self, point: Point, error: str) -> Shot:
        """Run it with one call failing."""
        ended, threads = self._run(self._injection(point, f"error={error}"))
        return Shot(self._was_hit(threads, point, lambda call: "INJECTED" in call.result), ended)

    def _injection(self, point: Point, what: str) -> list[str]:
        only = ["-P", point.path.replace("PREFIX", str(self.prefix))] if point.path else []
        inject = f"inject={point.name}:{what}:when={point.ordinal}"
        return [*only, "-e", f"trace={point.name}", "-e", inject]

    def _was_hit(
        self, threads: Sequence[Sequence[Call]], point: Point, is_it: Callable[[Call], bool]
    ) -> bool:
        return any(
            is_it(call) and call.signature(self.prefix) == point.signature
            for thread in threads
            for call in thread
        )

    def _run(
        self, options: Sequence[str], *, fast: bool = True
    ) -> tuple[Finished, list[list[Call]]]:
        with tempfile.TemporaryDirectory(dir=self.prefix.parent, prefix="strace-") as logs:
            strace = ["strace", "-ff", "-ttt", "-y", "-s", "0", "-o", f"{logs}/log"]
            if fast:
                strace.append("--seccomp-bpf")
            ended = self.processes.run(
                [*strace, *options, *self.command],
                env=self.env,
                cwd=self.prefix.parent,
                timeout=120,
            )
            return ended, [list(_calls(path)) for path in sorted(Path(logs).iterdir())]


def _calls(log: Path) -> Iterator[Call]:
    for line in log.read_text(errors="replace").splitlines():
        if call := Call.parse(line):
            yield call


def find_points(threads: Sequence[Sequence[Call]], prefix: Path) -> list[Point]:
    """Return the calls that changed something below a directory, in their order.

    strace counts the calls of each thread apart, so that an ordinal alone may hit an earlier
    thread. Where it would, and the name that the call changes is no random one, only calls that
    name it count.
    """
    found: list[tuple[float, Point]] = []
    totals = [Counter(call.name for call in calls) for calls in threads]
    for number, calls in enumerate(threads):
        counts: Counter[tuple[str, str]] = Counter()
        for call in calls:
            counts[call.name, ""] += 1
            for path in set(call.paths):
                counts[call.name, path] += 1
            if not call.changes(prefix):
                continue
            ordinal = counts[call.name, ""]
            others = totals[:number] + totals[number + 1 :]
            ambiguous = any(total[call.name] >= ordinal for total in others)
            path = _stable_path(call, prefix) if ambiguous else ""
            short = path.replace(str(prefix), "PREFIX")
            point = Point(call.name, counts[call.name, path], short, call.signature(prefix))
            found.append((call.time, point))
    return [point for _, point in sorted(found, key=lambda item: item[0])]


def _stable_path(call: Call, prefix: Path) -> str:
    path = call.paths[-1]
    return path if _is_below(path, prefix) and not _RANDOM.search(path) else ""


def _is_below(path: str, prefix: Path) -> bool:
    return path.startswith(f"{prefix}/")


def sample(points: Sequence[Point], every: int) -> list[Point]:
    """Take all renames and every n-th of the other calls, in their order."""
    taken: list[Point] = []
    others = 0
    for point in points:
        if not point.name.startswith("rename"):
            others += 1
            if (others - 1) % every:
                continue
        taken.append(point)
    return taken
