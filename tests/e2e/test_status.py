"""``sagepip status`` and ``sagepip recover``, with real processes that hold, wait and die."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.environment import console_script

from sagepip.ground.destination import Destination
from sagepip.operations.recover import recover_site
from sagepip.operations.status import SiteStatus, site_status
from sagepip.transaction.holder import Holder
from sagepip.transaction.lock import SiteLock
from tests.e2e.maintenance import (
    AFTER,
    BEFORE,
    PAUSED_COMMIT,
    PAUSED_STAGED,
    STAGED,
    install_killed,
    install_paused,
    resume,
    sagepip,
)
from tests.guarantees import violations_of_g1
from tests.wheels import make_wheel

WAIT = """
import sys
from sagepip.transaction.lock import SiteLock
with SiteLock(sys.argv[1]).hold():
    pass
"""
needs_kernel_locks = pytest.mark.skipif(
    not os.path.exists("/proc/locks"), reason="this system does not list its locks"
)


def test_nothing_is_made(bare_site: Destination) -> None:
    """A site that sagepip never wrote to is free, and stays as it is."""
    status = site_status(bare_site.site)
    assert (status.lock, status.journal, status.transactions) == ("free", None, ())
    assert sagepip(bare_site, "status").returncode == 0
    done = sagepip(bare_site, "recover")
    assert (done.returncode, done.stdout) == (0, f"{bare_site.site}: nothing to recover\n")
    assert not Path(bare_site.scheme.data).exists()


def test_holder(tmp_path: Path, bare_site: Destination) -> None:
    """Who holds the lock is shown with pid, host, command, time, and whether it is alive."""
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""})
    process = install_paused(bare_site, PAUSED_COMMIT, wheel)
    status = site_status(bare_site.site)
    assert status.lock == "held"
    (holder,) = status.holders
    assert (holder.pid, holder.host, holder.alive) == (process.pid, socket.gethostname(), True)
    assert f"install --prefix {bare_site.scheme.data}" in holder.command
    assert holder.since is not None
    assert 0 <= time.time() - holder.since < 60
    assert status.journal is not None
    assert (status.journal.state, status.journal.what) == ("under way", "install pkg 1")
    assert [one.state for one in status.transactions] == ["in progress"]
    assert not status.needs_recovery
    done = sagepip(bare_site, "status")
    assert done.returncode == 0
    assert f"lock: held by process {process.pid} on" in done.stdout
    assert "alive: -c install" in done.stdout
    resume(process)
    assert site_status(bare_site.site) == SiteStatus(bare_site.site, "free", (), 0, None, ())


def test_transaction_in_progress(tmp_path: Path, bare_site: Destination) -> None:
    """A transaction that is being staged is shown with its owner; the lock is free."""
    process = install_paused(
        bare_site, PAUSED_STAGED, make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""})
    )
    done = sagepip(bare_site, "status", "--json")
    assert done.returncode == 0
    read = json.loads(done.stdout)
    (one,) = read["transactions"]
    assert (read["lock"], one["state"], one["owner"]["pid"]) == (
        "free",
        "in progress",
        process.pid,
    )
    assert sagepip(bare_site, "recover").stdout.endswith(": nothing to recover\n")
    resume(process)
    assert (Path(bare_site.site) / "pkg.py").exists()


@needs_kernel_locks
def test_waiters(bare_site: Destination) -> None:
    """Those who wait are counted, the first at the lock and the others at the gate."""
    lock = SiteLock(bare_site.site)
    with lock.hold():
        assert site_status(bare_site.site).waiters == 0
        waiting = [
            subprocess.Popen(
                [sys.executable, "-c", WAIT, bare_site.site], stderr=subprocess.DEVNULL
            )
            for _ in range(3)
        ]
        _wait_until(lambda: site_status(bare_site.site).waiters == 3)
    for process in waiting:
        assert process.wait() == 0


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock(1) is not here")
@pytest.mark.parametrize("option", ["-x", "-s"])
def test_flock_command(bare_site: Destination, option: str) -> None:
    """A holder that did not write itself down is shown all the same, and no stale line is."""
    with SiteLock(bare_site.site).hold():
        pass
    path = Path(bare_site.site) / ".sagepip" / "lock"
    path.write_bytes(Holder(2**22 + 1, socket.gethostname(), 0.0, "stale").line())
    process = subprocess.Popen(
        ["flock", option, str(path), "sh", "-c", "echo held; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    status = site_status(bare_site.site)
    assert status.lock == {"-x": "held", "-s": "shared"}[option] if status.holders else "held"
    assert "stale" not in str(status)
    if os.path.exists("/proc/locks"):
        assert f"flock {option} {path}" in status.holders[0].command
    process.communicate("\n")
    assert site_status(bare_site.site).lock == "free"


@needs_kernel_locks
def test_readers_and_a_writer_who_waits(tmp_path: Path, bare_site: Destination) -> None:
    """All who share the lock are shown with their commands, and who waits is counted."""
    started = tmp_path / "started"
    command = [
        *(str(console_script("sage-pip-lock")), "-s", "--prefix", bare_site.scheme.data),
        *("--", "sh", "-c", f"echo in >> {started}; read line"),
    ]
    readers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(3)]
    _wait_until(lambda: started.exists() and started.read_text() == "in\n" * 3)
    writer = subprocess.Popen(
        [sys.executable, "-c", WAIT, bare_site.site], stderr=subprocess.DEVNULL
    )
    _wait_until(lambda: site_status(bare_site.site).waiters == 1)
    status = site_status(bare_site.site)
    assert status.lock == "shared"
    assert {one.pid for one in status.holders} == {reader.pid for reader in readers}
    assert all(one.alive and "sage-pip-lock -s" in one.command for one in status.holders)
    done = sagepip(bare_site, "status")
    assert "lock: held by readers: process " in done.stdout
    assert "waiting: 1\n" in done.stdout
    for reader in readers:
        reader.communicate(b"\n")
    assert writer.wait() == 0
    assert site_status(bare_site.site).lock == "free"


@needs_kernel_locks
def test_writer_under_sage_pip_lock(bare_site: Destination) -> None:
    """Who holds the lock for a command is shown with that command."""
    process = subprocess.Popen(
        [
            *(str(console_script("sage-pip-lock")), "--prefix", bare_site.scheme.data),
            *("--", "sh", "-c", "echo in; read line"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    (holder,) = site_status(bare_site.site).holders
    assert (holder.pid, holder.alive) == (process.pid, True)
    assert holder.command.endswith("-- sh -c echo in; read line")
    process.communicate("\n")


def test_stale_line_of_a_free_lock(bare_site: Destination) -> None:
    """A line that a killed holder left does not make the lock held."""
    with SiteLock(bare_site.site).hold():
        pass
    path = Path(bare_site.site) / ".sagepip" / "lock"
    path.write_bytes(Holder.current().line())
    assert site_status(bare_site.site).lock == "free"


@pytest.mark.parametrize(("where", "outcome"), [(BEFORE, "rolled back"), (AFTER, "completed")])
def test_hot_journal(tmp_path: Path, bare_site: Destination, where: str, outcome: str) -> None:
    """A journal whose writer was killed is hot; recover resolves it and says so in one line."""
    install_killed(bare_site, where, make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    done = sagepip(bare_site, "status")
    assert done.returncode == 4
    assert "journal: hot: install pkg 1, by process" in done.stdout
    assert "transaction: interrupted:" in done.stdout
    done = sagepip(bare_site, "recover")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith(f"{bare_site.site}: {outcome} the interrupted install pkg 1 of")
    assert done.stdout.count("\n") == 1
    site = Path(bare_site.site)
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]
    assert (site / "pkg.py").exists() == (where == AFTER)
    assert violations_of_g1(site) == []
    assert sagepip(bare_site, "status").returncode == 0


def test_orphan(tmp_path: Path, bare_site: Destination) -> None:
    """What a killed process staged is an orphan; recover removes it."""
    install_killed(bare_site, STAGED, make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""}))
    done = sagepip(bare_site, "status", "--json")
    assert done.returncode == 4
    read = json.loads(done.stdout)
    assert [one["state"] for one in read["transactions"]] == ["orphaned"]
    assert read["transactions"][0]["owner"]["alive"] is False
    report = recover_site(bare_site.site, None)
    assert str(report) == f"{bare_site.site}: removed 1 orphaned transaction"
    assert sorted(os.listdir(Path(bare_site.site) / ".sagepip")) == ["gate", "lock"]


def test_unreadable_journal(bare_site: Destination) -> None:
    """A journal that cannot be understood is shown; recover fails and keeps it."""
    with SiteLock(bare_site.site).hold():
        pass
    journal = Path(bare_site.site) / ".sagepip" / "journal"
    journal.write_text("nonsense\n")
    done = sagepip(bare_site, "status")
    assert done.returncode == 4
    assert "journal: unreadable: cannot use the journal" in done.stdout
    done = sagepip(bare_site, "recover")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot use the journal")
    assert journal.exists()


def test_recover_times_out(bare_site: Destination) -> None:
    """The limit of --lock-timeout holds."""
    with SiteLock(bare_site.site).hold():
        done = sagepip(bare_site, "recover", "--lock-timeout", "0.2")
    assert done.returncode == 3
    assert "held by process" in done.stderr


def test_usage(bare_site: Destination) -> None:
    """Operands and unknown options are refused; help and version are there."""
    assert sagepip(bare_site, "status", "name").returncode == 2
    assert sagepip(bare_site, "recover", "--fix").returncode == 2
    for command in ("status", "recover", "verify", "doctor"):
        assert f"Usage: sagepip {command} [OPTIONS]" in sagepip(bare_site, command, "-h").stdout
        assert sagepip(bare_site, command, "-V").stdout.startswith("sagepip ")


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)
