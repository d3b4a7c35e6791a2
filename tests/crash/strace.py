"""Run a real process with strace: killed, ended by a signal, or failed at a chosen system call."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Whatever changes a name, a file or its attributes; openat only where it makes or opens to write.
CHANGING = (
    "rename,renameat,renameat2,mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,"
    "write,pwrite64,writev,ftruncate,chmod,fchmod,fchmodat,openat,flock,utimensat"
)
_CALL = re.compile(r"^(\w+)\((.*)$")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Command:
    """A command line and what it runs in.

    Attributes:
        arguments: the command line.
        environment: its environment.
        missing: a system call that its kernel does not have (ENOSYS at every call); or empty.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    missing: str = ""


@dataclass(frozen=True)
class Point:
    """One system call of a run.

    Attributes:
        name: the system call.
        ordinal: how many of that name the process had made, this one included.
        text: its arguments, for messages.
    """

    name: str
    ordinal: int
    text: str

    @property
    def is_rename(self) -> bool:
        """Whether it gives something another name."""
        return self.name.startswith("rename")

    @property
    def paths(self) -> list[str]:
        """The paths among its arguments."""
        return _QUOTED.findall(self.text)

    def __str__(self) -> str:
        """Return it for a message."""
        return f"{self.name} #{self.ordinal} ({self.text[:160]})"


@cache
def has_strace() -> bool:
    """Whether strace is here and may trace."""
    path = shutil.which("strace")
    if path is None:
        return False
    done = subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, check=False)
    return done.returncode == 0


def run(command: Command) -> subprocess.CompletedProcess[bytes]:
    """Run a command undisturbed."""
    if command.missing:
        return _strace(command, os.devnull, [f"trace={command.missing}"])
    return _run(command.arguments, command)


def list_points(command: Command, log: Path, below: Path) -> list[Point]:
    """Run a command to its end and return the calls that change something below a directory.

    Calls on descriptors count from the first that names the directory on. A call that is missing
    changes nothing.
    """
    done = _strace(command, str(log), [f"trace={CHANGING}"])
    if done.returncode:
        raise AssertionError(f"{command.arguments}: {done.stderr.decode()}")
    counts: Counter[str] = Counter()
    points: list[Point] = []
    for line in log.read_text(errors="replace").splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        name, text = match.groups()
        counts[name] += 1
        if name == "openat" and not re.search(r"O_(CREAT|WRONLY|RDWR|TRUNC)", text):
            continue
        if name != command.missing and (points or str(below) in text):
            points.append(Point(name, counts[name], text))
    return points


def kill_at(point: Point, command: Command) -> int:
    """Run a command that is killed when it enters a system call; return how it ended."""
    return _inject("signal=SIGKILL", point, command).returncode


def terminate_at(point: Point, command: Command) -> subprocess.CompletedProcess[bytes]:
    """Run a command that gets SIGTERM when it enters a system call."""
    return _inject("signal=SIGTERM", point, command)


def fail_at(point: Point, error: str, command: Command) -> subprocess.CompletedProcess[bytes]:
    """Run a command one system call of which fails with an error (``ENOSPC``)."""
    return _inject(f"error={error}", point, command)


def _inject(what: str, point: Point, command: Command) -> subprocess.CompletedProcess[bytes]:
    assert point.name != command.missing  # strace knows one rule a call
    traced = ",".join(one for one in (point.name, command.missing) if one)
    inject = f"inject={point.name}:{what}:when={point.ordinal}"
    return _strace(command, os.devnull, [f"trace={traced}", inject])


def _strace(
    command: Command, log: str, expressions: Sequence[str]
) -> subprocess.CompletedProcess[bytes]:
    if command.missing:
        expressions = [*expressions, f"inject={command.missing}:error=ENOSYS"]
    options = [option for one in expressions for option in ("-e", one)]
    return _run(["strace", "-o", log, "-s", "1000", *options, *command.arguments], command)


def _run(arguments: Sequence[str], command: Command) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        arguments,
        env=command.environment,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )


def sagepip_command(*arguments: str, python: str = sys.executable) -> list[str]:
    """Return the command that runs sagepip in one process, without a wrapper script."""
    return [python, "-I", "-m", "sagepip", *arguments]


def clean_environment() -> dict[str, str]:
    """Return an environment without what would change sagepip's or Python's ways."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PIP_", "PYTHON", "SAGE"))
    }
    # Bytecode then holds hashes instead of times, so that trees can be compared byte for byte.
    return kept | {"SOURCE_DATE_EPOCH": "1600000000", "PYTHONHASHSEED": "0"}
