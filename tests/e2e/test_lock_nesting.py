"""sagepip commands under ``sage-pip-lock``: they know the lock, and still exclude each other."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagepip.ground.errors import LockTimeout
from sagepip.transaction.inherited_lock import HELD
from sagepip.transaction.lock import SiteLock
from tests.e2e.commands import Terminal, error_line
from tests.e2e.locking import (
    INSTALL,
    LOCK,
    end,
    expect,
    hold,
    lock_of,
    needs_flock,
    needs_proc,
    new_site,
    reap,
    start,
    state,
    wait_for_note,
)
from tests.guarantees import violations_of_g1
from tests.wheels import make_wheel

pytestmark = [needs_flock, needs_proc]
CLOSING = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
"""Python: runs a command with all descriptors closed."""
OPERATION = """
import os, sys
from sagepip.transaction.lock import SiteLock
site, log, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
stream = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for _ in range(rounds):
    with SiteLock(site).hold(100):
        os.write(stream, b"in\\n")
        if rounds == 1:
            print("in", flush=True)
            sys.stdin.readline()
        os.sched_yield()
        os.write(stream, b"out\\n")
"""
"""What every command that changes a site does, often, or once until it is told to end."""


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    reap()


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A prefix with a site."""
    new_site(tmp_path / "prefix")
    return tmp_path / "prefix"


@pytest.fixture
def site(prefix: Path) -> Path:
    """The site of that prefix."""
    (found,) = prefix.glob("lib/python*/site-packages")
    return found


@pytest.fixture
def install(tmp_path: Path, prefix: Path) -> list[str]:
    """A command that installs a project into that prefix, and does not wait for the lock."""
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""})
    return [INSTALL, "--prefix", str(prefix), "--no-deps", "--lock-timeout", "0", str(wheel)]


def test_install_under_the_exclusive_lock(
    terminal: Terminal, prefix: Path, site: Path, install: list[str]
) -> None:
    """It goes on at once, does not free the outer lock, and leaves its files and line alone."""
    inner = (
        f"{shlex.join(install)} && cat {lock_of(site)}; flock -n {lock_of(site)} true || echo no"
    )
    done = terminal.run("sage-pip-lock", "-x", prefix, "--", "sh", "-c", inner)
    first, line, no = done.stdout.splitlines()
    assert (first, no) == ("Successfully installed pkg-1", "no")
    assert " sage-pip-lock -x " in line
    assert done.stderr == ""
    assert violations_of_g1(site) == []


@pytest.mark.parametrize("close", [[], ["--close"]])
def test_lost_descriptor(
    terminal: Terminal, prefix: Path, install: list[str], close: list[str]
) -> None:
    """Python closes descriptors: the ancestor that holds the lock is recognised."""
    words = [*close, str(prefix), "--", sys.executable, "-c", CLOSING, *install]
    assert "Successfully installed" in terminal.run("sage-pip-lock", *words).stdout


def test_killed_wrapper(terminal: Terminal, prefix: Path, install: list[str]) -> None:
    """The lock that a command has inherited counts for those below it that have not."""
    python = shlex.join([sys.executable, "-c", CLOSING, *install])
    script = f"echo in; read line; {python}"
    process = start(terminal, LOCK, prefix, "--", "sh", "-c", script)
    expect(process, "in")
    process.kill()
    process.wait()
    out, error = process.communicate("\n", timeout=60)
    assert (out, error) == ("Successfully installed pkg-1\n", "")


def test_install_under_the_shared_lock(
    terminal: Terminal, prefix: Path, site: Path, install: list[str]
) -> None:
    """Whatever needs the exclusive lock is refused at once, with the reason, before any work."""
    for words in (
        [INSTALL, "--prefix", str(prefix), "no-such-project"],
        [*install[:-2], "60", install[-1]],
        [INSTALL.replace("install", "uninstall"), "--prefix", str(prefix), "-y", "pkg"],
        [LOCK, "-x", str(prefix), "--", "true"],
    ):
        done = terminal.run("sage-pip-lock", "-s", prefix, "--", *words, status=1)
        assert "runs under its shared lock" in error_line(done)
        assert "sage-pip-lock -x" in error_line(done)
    assert sorted(os.listdir(site)) == [".sagepip"]
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]


def test_locks_within_locks(terminal: Terminal, prefix: Path, install: list[str]) -> None:
    """Readers nest in readers and writers, writers in writers; too deep is said, not waited for."""

    def nested(*modes: str, command: list[str], status: int = 0) -> str:
        words = [word for mode in modes[1:] for word in (LOCK, mode, str(prefix), "--")]
        done = terminal.run(
            "sage-pip-lock", modes[0], prefix, "--", *words, *command, status=status
        )
        return done.stdout or done.stderr

    run = ["echo", "ran"]
    assert nested("-x", "-s", command=run) == "ran\n"
    assert nested("-s", "-s", "-s", "-s", "-s", command=run) == "ran\n"
    assert nested("-x", "-x", "-x", command=run) == "ran\n"
    assert "Successfully installed" in nested("-x", "-x", command=install)
    assert "shared lock" in nested("-x", "-s", command=install, status=1)
    assert "3 times over" in nested("-x", "-x", "-x", command=install, status=1)
    assert "3 times over" in nested("-x", "-x", "-x", "-s", command=run, status=1)


def test_lock_files_within_themselves(terminal: Terminal) -> None:
    """A lock file that the caller holds already is refused at once, where flock would hang."""
    done = terminal.run("sage-pip-lock", "-x", "f", LOCK, "-x", "f", "true", status=1)
    assert "this command runs under that lock" in error_line(done)
    terminal.run("sage-pip-lock", "-s", "f", LOCK, "-s", "f", "true")


def test_under_flock(terminal: Terminal, site: Path, install: list[str]) -> None:
    """A command that flock(1) runs has inherited the lock: it goes on; shared, it is refused."""
    for mode, expected in (("-s", "shared lock"), ("-x", "Successfully installed")):
        done = subprocess.run(
            ["flock", mode, lock_of(site), *install],
            env=terminal.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert expected in done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["x", "s"])
def test_variable_alone_is_not_believed(
    terminal: Terminal, prefix: Path, site: Path, install: list[str], mode: str
) -> None:
    """What the variable says, a stranger's or our own invention, opens no lock that others hold."""
    holder = hold(terminal, prefix)
    found = lock_of(site).stat()
    pid = lock_of(site).read_text().split()[0]
    descriptors = os.listdir(f"/proc/{pid}/fd")
    told = " ".join(f"{mode}:{found.st_dev}:{found.st_ino}:{one}" for one in descriptors)
    with open(lock_of(site)) as stream:
        # One that refers to the right file, and through which nothing is locked.
        told += f" {mode}:{found.st_dev}:{found.st_ino}:{stream.fileno()}"
        done = subprocess.run(
            install,
            env=terminal.environ | {HELD: told},
            pass_fds=(stream.fileno(),),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 3, done.stderr
    assert f"process {holder.pid}" in done.stderr
    end(holder)


def test_stale_variable_takes_the_lock(terminal: Terminal, site: Path) -> None:
    """Where the variable speaks of a lock that nobody holds any more, it is really taken."""
    found = lock_of(site).stat()
    told = f"nonsense x: x:1:2:3:4 x:{found.st_dev}:{found.st_ino}:0"
    process = start(
        terminal, sys.executable, "-c", OPERATION, site, "log", "1", SAGEPIP_LOCK_HELD=told
    )
    expect(process, "in")
    assert state(lock_of(site)) == "exclusive"
    end(process)


def test_siblings_exclude_each_other(terminal: Terminal, site: Path) -> None:
    """Commands that run at once under one lock, with or without its descriptor, take turns."""
    operation = shlex.join([sys.executable, "-c", OPERATION, str(site), "log", "25"])
    closing = shlex.join([sys.executable, "-c", CLOSING])
    inner = f"{LOCK} -x {site} -- sh -c 'echo in >> log; sleep 0.05; echo out >> log'"
    deep = f"{LOCK} -x {site} -- {operation}"
    script = " & ".join([operation, f"{closing} {operation}", inner, deep, operation]) + " & wait"
    terminal.run("sage-pip-lock", site, "--", "sh", "-c", script)
    lines = (terminal.where / "log").read_text().split()
    assert lines == ["in", "out"] * (4 * 25 + 1)


def test_parallel_installations_under_one_lock(
    terminal: Terminal, prefix: Path, site: Path
) -> None:
    """Make -j8 inside the lock: every installation succeeds."""
    wheels = [
        make_wheel(terminal.where, f"pkg{number}", "1", {f"pkg{number}.py": ""})
        for number in range(8)
    ]
    makefile = terminal.where / "Makefile"
    names = " ".join(wheel.stem for wheel in wheels)
    rule = f"\t{INSTALL} --prefix {prefix} --no-deps $@.whl\n"
    makefile.write_text(f"all: {names}\n{names}:\n{rule}.PHONY: all {names}\n")
    done = terminal.run("sage-pip-lock", prefix, "--", "make", "-s", "-j8", "all")
    assert done.stdout.count("Successfully installed") == 8
    assert sorted(path.name for path in site.glob("*.py")) == [f"pkg{n}.py" for n in range(8)]
    assert violations_of_g1(site) == []
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]


def test_left_behind(terminal: Terminal, site: Path) -> None:
    """A command whose lock was lost with its killed ancestor still keeps all of us out."""
    operation = [sys.executable, "-c", OPERATION, str(site), "log", "1"]
    process = start(terminal, LOCK, "--close", site, "--", *operation)
    expect(process, "in")
    process.kill()
    process.wait()
    assert state(lock_of(site)) == "free"
    for mode in ("-x", "-s"):
        done = terminal.run("sage-pip-lock", mode, "--timeout", "0", site, "--", "true", status=3)
        assert "held by another command under sage-pip-lock" in done.stderr
    with pytest.raises(LockTimeout), SiteLock(str(site)).hold(0):
        pass
    process.communicate("\n")
    with SiteLock(str(site)).hold(60):
        pass


def test_nested_command_waits_and_says_so(terminal: Terminal, site: Path) -> None:
    """A command under the lock that waits for another one under it says so."""
    driver = f"""
import subprocess, sys
pipe = subprocess.PIPE
first = subprocess.Popen({[sys.executable, "-c", OPERATION, str(site), "log", "1"]},
                         stdin=pipe, stdout=pipe, text=True)
first.stdout.readline()
second = subprocess.Popen({[LOCK, "-x", str(site), "--", "true"]}, stderr=pipe, text=True)
print(second.stderr.readline())
first.communicate("")
second.communicate()
sys.exit(second.returncode)
"""
    done = terminal.run("sage-pip-lock", site, "--", sys.executable, "-c", driver)
    assert "held by another command under sage-pip-lock" in done.stdout


def test_discarding_under_a_lock(terminal: Terminal, site: Path) -> None:
    """The files of a lock that an ancestor holds are not removed, for a DESTDIR either."""
    script = (
        "import sys\nfrom sagepip.transaction.lock import SiteLock\nlock = SiteLock(sys.argv[1])\n"
        "with lock.hold():\n    lock.discard()\nSiteLock(sys.argv[1]).discard()\n"
    )
    python = [sys.executable, "-c", script, str(site)]
    terminal.run("sage-pip-lock", site, "--", *python)
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]
    subprocess.run(python, env=terminal.environ, check=True)
    assert not (site / ".sagepip").exists()


def test_second_site(terminal: Terminal, tmp_path: Path, site: Path, install: list[str]) -> None:
    """The lock of one site says nothing about another's."""
    other = new_site(tmp_path / "other")
    holder = hold(terminal, site)
    terminal.run("sage-pip-lock", other, "--", *install, status=3)
    end(holder)
    waiting = start(terminal, LOCK, other, "--", LOCK, site, "--", "echo", "both")
    assert end(waiting) == "both\n"


def test_waiter_is_told_of_the_outer_command(terminal: Terminal, site: Path, prefix: Path) -> None:
    """While a command works under the lock, those outside are told of the lock's holder."""
    operation = [sys.executable, "-c", OPERATION, str(site), "log", "1"]
    process = start(terminal, LOCK, "-x", site, "--", *operation)
    expect(process, "in")
    outside = start(terminal, LOCK, prefix, "--", "true")
    assert f"held by process {process.pid}" in wait_for_note(outside)
    end(process)
    end(outside)
