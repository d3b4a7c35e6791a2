"""Kill a real process at a chosen file-changing system call, with strace."""

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
_CALL = re.compile(r"^(?:\d+\s+)?(\w+)\((.*)$")


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


@cache
def has_strace() -> bool:
    """Whether strace is here and may trace."""
    path = shutil.which("strace")
    if path is None:
        return False
    done = subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, check=False)
    return done.returncode == 0


def list_points(
    command: Sequence[str], environment: Mapping[str, str], log: Path, below: Path
) -> list[Point]:
    """Run a command to its end and return the calls that change something below a directory.

    Calls on descriptors count from the first that names the directory on.
    """
    subprocess.run(
        ["strace", "-o", str(log), "-e", f"trace={CHANGING}", "-s", "200", *command],
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
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
        if points or str(below) in text:
            points.append(Point(name, counts[name], text[:160]))
    return points


def kill_at(point: Point, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command that is killed when it enters a system call; return how it ended."""
    return _inject("signal=SIGKILL", point, command, environment).returncode


def fail_at(
    point: Point, error: str, command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run a command one system call of which fails with an error (``ENOSPC``)."""
    return _inject(f"error={error}", point, command, environment)


def _inject(
    what: str, point: Point, command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    inject = f"inject={point.name}:{what}:when={point.ordinal}"
    return subprocess.run(
        ["strace", "-o", os.devnull, "-e", f"trace={point.name}", "-e", inject, *command],
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )


def sagepip_command(*arguments: str) -> list[str]:
    """Return the command that runs sagepip in one process, without a wrapper script."""
    return [sys.executable, "-I", "-m", "sagepip", *arguments]


def clean_environment() -> dict[str, str]:
    """Return an environment without what would change sagepip's or Python's ways."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PIP_", "PYTHON", "SAGE"))
    }
    # Bytecode then holds hashes instead of times, so that trees can be compared byte for byte.
    return kept | {"SOURCE_DATE_EPOCH": "1600000000", "PYTHONHASHSEED": "0"}
