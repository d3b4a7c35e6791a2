"""``sagepip spkg`` ended while a package is built: whoever is hit, and by whatever."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bench.environment import console_script

from tests.e2e.commands import Terminal, site_of, state_of
from tests.e2e.locking import wait_until
from tests.e2e.spkg_places import INSTALL, Place, recipe
from tests.guarantees import versions, violations_of_g1

needs_proc = pytest.mark.skipif(
    not os.path.isdir("/proc/self/task"), reason="this system does not tell what runs"
)
MARK = "SAGEPIP_TEST_MARK"
# Once: it tells who it is, has a child in a session of its own, and waits for what never comes.
BLOCK = """
if ! [ -e {where}/seen ]; then
    setsid sleep 600 &
    mkfifo {where}/never
    echo "$$ $PPID" > {where}/part
    mv {where}/part {where}/seen
    cat {where}/never
fi
"""


class Running:
    """A run of ``spkg install`` whose script waits.

    Attributes:
        processes: the process numbers, by role.
    """

    def __init__(self, place: Place, *words: str) -> None:
        self._place = place
        self.mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            [console_script("sagepip"), *place.words("install", *words)],
            cwd=place.terminal.where,
            env=place.terminal.environ | {MARK: self.mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        seen = place.terminal.where / "seen"
        wait_until(lambda: seen.exists() or self._process.poll() is not None)
        script, build = map(int, seen.read_text().split())
        self.processes = {
            "sagepip": self._process.pid,
            "make": _parent(build),
            "build": build,
            "script": script,
            "terminal": -self._process.pid,
        }
        assert _parent(self.processes["make"]) == self._process.pid

    def send(self, role: str, signum: signal.Signals) -> None:
        """Send a signal to one of the processes."""
        os.kill(self.processes[role], signum)

    def end(self) -> tuple[int, str]:
        """Wait for its end; return the exit status and what it said."""
        _, errors = self._process.communicate(timeout=40)
        return self._process.returncode, errors

    def left(self) -> list[str]:
        """Return the command lines of what still runs."""
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended
                if f"{MARK}={self.mark}".encode() in (directory / "environ").read_bytes():
                    found.append((directory / "cmdline").read_text())
        return found

    def kill_all(self) -> None:
        """End all of it, for the sake of the next test."""
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (directory / "environ").read_bytes():
                    os.kill(int(directory.name), signal.SIGKILL)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture
def place(terminal: Terminal) -> Place:
    """Two packages of version 1, installed, and recipes of version 2 of the second."""
    place = Place(terminal)
    recipe(place.recipes, "base", script=INSTALL)
    place.wheel("shown", "1", {"shown/__init__.py": "version = 1\n"})
    (place.recipes / "shown" / "dependencies").write_text("base\n")
    place.spkg("install", "shown")
    place.wheel("shown", "2", {"shown/__init__.py": "version = 2\n"})
    return place


@pytest.fixture
def started() -> Iterator[list[Running]]:
    runs = list[Running]()
    yield runs
    for run in runs:
        run.kill_all()


CASES = [
    ("install", "terminal", signal.SIGINT, -signal.SIGINT),
    ("install", "sagepip", signal.SIGTERM, -signal.SIGTERM),
    ("install", "make", signal.SIGKILL, 1),
    ("install", "build", signal.SIGKILL, 1),
    ("install", "script", signal.SIGKILL, 1),
    ("postinst", "sagepip", signal.SIGINT, -signal.SIGINT),
    ("postinst", "sagepip", signal.SIGKILL, -signal.SIGKILL),
    ("postinst", "build", signal.SIGTERM, 1),
    ("postinst", "make", signal.SIGTERM, 1),
]


@needs_proc
@pytest.mark.parametrize(("step", "role", "signum", "status"), CASES)
def test_whoever_is_ended_nothing_runs_on_and_a_second_run_ends_well(
    place: Place,
    started: list[Running],
    step: str,
    role: str,
    signum: signal.Signals,
    status: int,
) -> None:
    """The prefix is whole, records tell the truth, and only what is missing is built again."""
    script = place.recipes / "shown" / f"spkg-{step}.in"
    before = script.read_text() if script.exists() else ""
    script.write_text(BLOCK.format(where=place.terminal.where) + before)
    base = place.record("base").stat().st_mtime_ns
    run = Running(place, "-j2", "shown")
    started.append(run)
    run.send(role, signum)
    ended, errors = run.end()
    assert ended == status, errors
    assert "Traceback" not in errors
    if role == "sagepip" and signum == signal.SIGKILL:
        wait_until(lambda: not run.left())  # nobody waits for what it left
    assert run.left() == [], errors
    site = site_of(place.prefix)
    assert violations_of_g1(site) == []
    assert place.untrue_claims() == []
    if step == "install":
        assert versions(site, "shown") == ["1"]
        assert place.record("shown").name == "shown-1"
    else:
        assert versions(site, "shown") == ["2"]
        told, _ = place.spkg("check", status=4)
        assert "shown 2: its installation or removal was interrupted (repeat it)" in told
        assert "shown 2 (interrupted)" in place.spkg("list")[0]
    if role in ("build", "script"):
        failed = f"sagepip: shown-2 failed in its step {step}: ended by {signum.name}"
        died = "Error: shown was not built: its process ended"
        assert (failed if role == "script" else died) in errors
    out, _ = place.spkg("install", "-j2", "shown")
    assert out == "Successfully installed shown-2\n"
    assert place.record("base").stat().st_mtime_ns == base, "it was not built again"
    place.spkg("check")
    assert versions(site, "shown") == ["2"]
    assert [one.name for one in (place.prefix / "share/shown").iterdir()] == ["2"]
    state = place.prefix / "var/lib/sage"
    assert list((state / "unfinished").iterdir()) == []
    assert list(state.glob("run-*")) == []
    assert list(Path(f"{place.prefix}.build").iterdir()) == []
    assert state_of(site) == {"lock", "gate"}


@needs_proc
def test_two_runs_at_once_build_a_package_once(place: Place, started: list[Running]) -> None:
    """The second one waits for the first, and takes what that has built."""
    script = place.recipes / "shown" / "spkg-install.in"
    script.write_text(BLOCK.format(where=place.terminal.where) + script.read_text())
    run = Running(place, "shown")
    started.append(run)
    second = place.terminal.start("sagepip", *place.words("install", "shown"))
    assert second.stderr is not None
    assert "waiting for shown: another process" in second.stderr.readline()
    (place.terminal.where / "never").write_text("it came")
    assert run.end()[0] == 0
    out, errors = second.communicate(timeout=40)
    assert second.returncode == 0, errors
    assert out == "Successfully installed shown-2 by another process\n"
