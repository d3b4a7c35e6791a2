"""64 processes at one lock: each is served, and none wakes up before its turn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagepip.transaction.kernel_locks import kernel_locks
from tests.e2e.commands import Terminal
from tests.e2e.locking import (
    INSTALL,
    LOCK,
    end,
    hold,
    needs_proc,
    new_site,
    reap,
    start,
    wait_for_note,
)
from tests.guarantees import versions, violations_of_g1
from tests.wheels import make_wheel

_PROCESSES = 64


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    reap()


def _queue(site: Path) -> int:
    """Return how many processes wait at the gate, the first of the queue included."""
    gate = kernel_locks(str(site / ".sagepip" / "gate"))
    return len(gate.holders) + len(gate.waiters) if gate else 0


def _wakeups(pid: int) -> int:
    """Return how often all threads of a process have given up a processor to wait."""
    return sum(
        int(line.split()[1])
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


@needs_proc
@pytest.mark.parametrize("install_every", [0, 4], ids=["commands", "with installs"])
def test_queue_of_64(terminal: Terminal, tmp_path: Path, install_every: int) -> None:
    """All are served, without waking up before it is their turn (G4).

    Locked commands in the order in which they came. An install that has to plan again comes back
    to the queue; one that arrives at the very moment of a hand-over shuffles it in the kernel.
    """
    prefix = tmp_path / "prefix"
    site = new_site(prefix)
    served = tmp_path / "served"
    served.touch()
    holder = hold(terminal, prefix)
    waiting, expected, installed = [], [], []
    for number in range(_PROCESSES):
        if install_every and number % install_every == 0:
            wheel = make_wheel(tmp_path, f"pkg{number}", "1", {f"pkg{number}.py": ""})
            waiting.append(start(terminal, INSTALL, "--no-index", "--prefix", prefix, wheel))
            installed.append(f"pkg{number}")
        else:
            note = f"echo {number} >> {served}"
            waiting.append(start(terminal, LOCK, prefix, "--", "sh", "-c", note))
            expected.append(str(number))
        deadline = time.monotonic() + 60
        while _queue(site) <= number:
            assert time.monotonic() < deadline, f"{_queue(site)} of {number + 1} wait"
            time.sleep(0.005)
    before = {one.pid: _wakeups(one.pid) for one in waiting}
    time.sleep(1)
    after = {one.pid: _wakeups(one.pid) for one in waiting}
    # One that looks every few milliseconds has hundreds.
    assert {pid: after[pid] - before[pid] for pid in after if after[pid] - before[pid] > 2} == {}
    end(holder)
    for one in waiting:
        _, errors = one.communicate(timeout=60)
        assert one.returncode == 0, errors
    found = served.read_text().split()
    assert sorted(found, key=int) == expected if installed else found == expected
    assert all(versions(site, name) == ["1"] for name in installed)
    assert violations_of_g1(site) == []


@needs_proc
def test_first_installation_waits_for_the_prefix(terminal: Terminal, tmp_path: Path) -> None:
    """Who locks a prefix that has no site yet keeps out the installation that makes its first."""
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""})
    holder = hold(terminal, prefix)
    install = start(terminal, INSTALL, "--no-index", "--prefix", prefix, wheel)
    assert str(prefix) in wait_for_note(install)
    assert not list(prefix.glob("lib/python*/site-packages/pkg*"))
    end(holder)
    _, errors = install.communicate(timeout=60)
    assert install.returncode == 0, errors
    (site,) = prefix.glob("lib/python*/site-packages")
    assert versions(site, "pkg") == ["1"]
    assert not (prefix / ".sagepip" / "journal").is_symlink()
