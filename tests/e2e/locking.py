"""What the tests of ``sage-pip-lock`` share: real processes that hold a lock until told to end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.environment import console_script

from tests.e2e.commands import Terminal

needs_flock = pytest.mark.skipif(shutil.which("flock") is None, reason="flock(1) is not here")
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can act for several users",
)
needs_proc = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fdinfo"), reason="this system does not tell who holds locks"
)
UNTIL_TOLD = ("sh", "-c", "echo in; read line")
"""A command that says that it runs, and ends with its standard input."""
LOCK = str(console_script("sage-pip-lock"))
INSTALL = str(console_script("sage-pip-install"))
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


_STARTED: list[subprocess.Popen[str]] = []


def reap() -> None:
    """End what a test that failed has left running."""
    while _STARTED:
        with _STARTED.pop() as process:
            if process.poll() is None:
                process.kill()


def new_site(prefix: Path) -> Path:
    """Make a prefix with a site for the running interpreter, its lock there and free."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = prefix / "lib" / version / "site-packages"
    (site / ".sagepip").mkdir(parents=True)
    (site / ".sagepip" / "lock").touch()
    (site / ".sagepip" / "gate").touch()
    return site


def lock_of(site: Path) -> Path:
    """Return the lock file of a site."""
    return site / ".sagepip" / "lock"


def start(terminal: Terminal, *words: str | Path, **more: str) -> subprocess.Popen[str]:
    """Start a command whose streams are all ours."""
    process = subprocess.Popen(
        [str(word) for word in words],
        cwd=terminal.where,
        env=terminal.environ | more,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _STARTED.append(process)
    return process


def hold(terminal: Terminal, *words: str | Path, **more: str) -> subprocess.Popen[str]:
    """Start ``sage-pip-lock WORDS -- COMMAND`` and return once the command runs."""
    process = start(terminal, LOCK, *words, "--", *UNTIL_TOLD, **more)
    expect(process, "in")
    return process


def expect(process: subprocess.Popen[str], line: str) -> None:
    """Read one line from a process."""
    assert process.stdout is not None
    found = process.stdout.readline()
    if found != f"{line}\n":
        process.kill()
        pytest.fail(f"{found}{process.communicate()}")


def wait_for_note(process: subprocess.Popen[str]) -> str:
    """Return what a process says when it begins to wait for a lock."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "waiting for the lock" in line, line
    return line


def end(process: subprocess.Popen[str], status: int = 0) -> str:
    """Tell a process to end; return what it printed meanwhile."""
    out, error = process.communicate("\n", timeout=60)
    assert process.returncode == status, error
    return out


def state(path: Path) -> str:
    """Return ``free``, ``shared`` or ``exclusive``, as flock(1) finds a lock file."""

    def can(option: str) -> bool:
        return subprocess.run(["flock", "-n", option, path, "true"], check=False).returncode == 0

    if can("-x"):
        return "free"
    return "shared" if can("-s") else "exclusive"


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes bring about."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


@contextmanager
def public_directory() -> Iterator[Path]:
    """Make a directory that other users can look into, unlike pytest's."""
    directory = Path(tempfile.mkdtemp(prefix="sagepip-test-"))
    try:
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory)
