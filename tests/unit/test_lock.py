"""The lock of a site: exclusive, fair, bounded, and open to flock(1)."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagepip.ground.errors import LockError, LockTimeout
from sagepip.transaction import inherited_lock
from sagepip.transaction.flock import try_lock, unlock
from sagepip.transaction.holder import Holder
from sagepip.transaction.inherited_lock import HELD, Inherited, announcement, find_inherited
from sagepip.transaction.kernel_locks import tells_descriptors
from sagepip.transaction.lock import SiteLock
from sagepip.transaction.lock_files import LockFiles
from sagepip.transaction.owner_mark import OwnerMark, directory_lock
from sagepip.transaction.stand_in_lock import stand_in_lock

HOLD = """
import sys
from sagepip.transaction.lock import SiteLock
with SiteLock(sys.argv[1]).hold():
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder(site: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(site)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_lock_file_stays_and_is_empty_when_free(tmp_path: Path) -> None:
    """After use, .sagepip holds lock and gate and nothing else; the lock names no holder."""
    lock = SiteLock(str(tmp_path / "site"))
    with lock.hold():
        assert lock.holder() is not None
    assert sorted(os.listdir(lock.directory)) == ["gate", "lock"]
    assert (tmp_path / "site" / ".sagepip" / "lock").read_bytes() == b""


def test_timeout_names_the_holder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Waiting is explained at once, and a timeout says who holds the lock and what to do."""
    process = holder(tmp_path)
    with process, pytest.raises(LockTimeout) as caught, SiteLock(str(tmp_path)).hold(0.3):
        pytest.fail("the lock was had twice")
    assert f"process {process.pid} on" in str(caught.value)
    assert "--lock-timeout" in str(caught.value)
    assert f"waiting for the lock of {tmp_path}, held by process {process.pid}" in (
        capfd.readouterr().err
    )


def test_timeout_at_the_gate(tmp_path: Path) -> None:
    """The limit holds for those who queue at the gate too."""
    with holder(tmp_path):
        results: list[float] = []

        def wait() -> None:
            started = time.monotonic()
            with pytest.raises(LockTimeout), SiteLock(str(tmp_path)).hold(0.5):
                pass
            results.append(time.monotonic() - started)

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 3
        assert min(results) >= 0.5


def test_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    """The kernel frees the lock of a process that is killed."""
    with holder(tmp_path) as process:
        process.kill()
    lock = SiteLock(str(tmp_path))
    with lock.hold(5):
        current = lock.holder()
        assert current is not None
        assert current.pid == os.getpid()


def test_queue_is_served_in_order(tmp_path: Path) -> None:
    """Those who come first are served first: the gate is the kernel's queue."""
    order: list[int] = []
    threads: list[threading.Thread] = []
    gate = str(tmp_path / ".sagepip" / "gate")

    def wait(number: int) -> None:
        with SiteLock(str(tmp_path)).hold():
            order.append(number)

    with holder(tmp_path) as holding:
        for number in range(5):
            thread = threading.Thread(target=wait, args=(number,))
            thread.start()
            threads.append(thread)
            _wait_until(lambda: _waiters(gate) >= len(threads) - 1)
        assert holding.stdin is not None
        holding.stdin.close()
        for thread in threads:
            thread.join()
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock(1) is not here")
def test_flock_command_excludes_sagepip(tmp_path: Path) -> None:
    """A command under flock(1) on the lock file keeps sagepip out."""
    with SiteLock(str(tmp_path)).hold():
        pass
    path = str(tmp_path / ".sagepip" / "lock")
    command = ["flock", path, "sh", "-c", "echo in; cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        with pytest.raises(LockTimeout), SiteLock(str(tmp_path)).hold(0.2):
            pass
    with SiteLock(str(tmp_path)).hold(5):
        code = subprocess.run(["flock", "-n", path, "true"], check=False).returncode
    assert code == 1


def test_discarded_lock_is_noticed_by_waiters(tmp_path: Path) -> None:
    """Who waited for a lock file that was removed meanwhile takes the new one."""
    first, second = SiteLock(str(tmp_path)), SiteLock(str(tmp_path))
    got = threading.Event()

    def wait() -> None:
        with second.hold(10):
            got.set()
            assert os.path.exists(os.path.join(second.directory, "lock"))

    thread = threading.Thread(target=wait)
    with first.hold():
        thread.start()
        time.sleep(0.1)
        first.discard()
        assert not os.path.exists(first.directory)
    thread.join(10)
    assert got.is_set()


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock(1) is not here")
def test_lock_file_that_was_moved_away_is_noticed(tmp_path: Path) -> None:
    """Who waited for a file that bears another name by now takes the one that bears the name."""
    first, second = SiteLock(str(tmp_path)), SiteLock(str(tmp_path))
    path = Path(first.directory) / "lock"
    got = threading.Event()

    def wait() -> None:
        with second.hold(10):
            assert path.exists()
            got.set()

    thread = threading.Thread(target=wait)
    with first.hold():
        thread.start()
        _wait_until(lambda: not _is_free(Path(first.directory) / "gate"))
        path.rename(path.with_name("moved"))
    thread.join(10)
    assert got.is_set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_site_is_a_clear_error(tmp_path: Path) -> None:
    """A site that cannot be written is reported with what to do, and no traceback."""
    tmp_path.chmod(0o555)
    with pytest.raises(LockError, match="is the target writable"), SiteLock(str(tmp_path)).hold():
        pass


def test_site_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    """A file where the site should be is reported as such."""
    site = tmp_path / "file"
    site.write_text("")
    with pytest.raises(LockError, match="cannot lock"), SiteLock(str(site)).hold():
        pass


def test_owner_mark_tells_whether_the_owner_lives(tmp_path: Path) -> None:
    """A mark can be taken over only once its owner has let go."""
    path = str(tmp_path / "owner")
    mark, other = OwnerMark(path), OwnerMark(path)
    assert mark.take()
    assert not other.take_over()
    mark.drop()
    assert other.take_over()
    other.drop()


def test_directory_lock_excludes(tmp_path: Path) -> None:
    """Two users of one directory wait for each other, and no file is left in it."""
    inside = threading.Event()
    order: list[str] = []

    def second() -> None:
        inside.wait()
        with directory_lock(str(tmp_path), "testing"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with directory_lock(str(tmp_path), "testing"):
        inside.set()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert os.listdir(tmp_path) == []


HOLD_DIRECTORY = """
import errno, fcntl, os, stat, sys
real = fcntl.flock
def as_on_nfs(descriptor, operation):
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return real(descriptor, operation)
fcntl.flock = as_on_nfs
from sagepip.transaction.owner_mark import directory_lock
with directory_lock(sys.argv[1], "testing"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_directory_lock_where_directories_cannot_be_locked(tmp_path: Path) -> None:
    """As on NFS: another lock stands in, by whatever path the directory is named."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "tree")
    environ = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}

    def start(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", HOLD_DIRECTORY, tmp_path / name],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with start("tree") as first, start("link") as second:
        assert first.stdout and first.stdin and first.stderr
        assert second.stdout and second.stdin and second.stderr
        winner, other = (first, second)
        # Whichever comes second says so, and is let in when the first one has gone.
        ready, _, _ = select.select([first.stderr, second.stderr], [], [], 30)
        if ready == [first.stderr]:
            winner, other = second, first
        assert winner.stdout and winner.stdin and other.stdout and other.stdin and other.stderr
        assert winner.stdout.readline() == "held\n"
        assert "another process is testing" in other.stderr.readline()
        winner.stdin.close()
        assert other.stdout.readline() == "held\n"
        other.stdin.close()
    assert (first.returncode, second.returncode) == (0, 0)
    assert os.listdir(tmp_path / "tree") == []


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_stand_in_of_others_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """A directory for stand-in locks that others may write to is not used."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = tmp_path / f"sagepip-locks-{os.geteuid()}"
    place.mkdir()
    place.chmod(mode)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with (
            pytest.raises(LockError, match="not this user's own"),
            stand_in_lock(descriptor, lambda: None),
        ):
            pass
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("data", [b"", b"\n", b"x", b"1 h x cmd", b"\xff\xfe", b"1 host 2.5\n"])
def test_nonsense_in_the_lock_file_is_no_holder(data: bytes) -> None:
    """Whatever another program wrote into the lock file, reading it does not fail."""
    assert Holder.parse(data) is None


def test_holder_line_round_trip() -> None:
    """What a holder writes is what a waiter reads."""
    current = Holder.current()
    read = Holder.parse(current.line())
    assert read is not None
    assert (read.pid, read.host, read.command) == (current.pid, current.host, current.command)


@pytest.fixture
def inherited_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, str]]:
    """A descriptor that was left to us and is announced as held exclusively; nothing locks it."""
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.set_inheritable(descriptor, True)
    monkeypatch.setenv(HELD, announcement(descriptor, shared=False))
    yield descriptor, str(path)
    os.close(descriptor)


@pytest.mark.parametrize("has_proc", [True, False])
@pytest.mark.parametrize("held", ["", "s", "x", "another's"])
def test_what_is_inherited(
    inherited_file: tuple[int, str],
    monkeypatch: pytest.MonkeyPatch,
    has_proc: bool,
    held: str,
) -> None:
    """What is announced counts as far as it is true, and finding out changes no lock."""
    if not has_proc:
        monkeypatch.setattr(inherited_lock, "tells_descriptors", lambda: False)
    elif not tells_descriptors():
        pytest.skip("this system does not tell who holds locks")
    descriptor, path = inherited_file
    with open(path) as stream:
        if held == "another's":
            assert try_lock(stream.fileno(), shared=False)
        elif held:
            assert try_lock(descriptor, shared=held == "s")
        found = find_inherited(LockFiles.of_file(path))
        expected = {"x": Inherited(1, shared=False), "s": Inherited(1, shared=True)}
        if not has_proc:
            del expected["s"]  # a wrong announcement is not looked into: the lock is waited for
        assert found == expected.get(held, Inherited())
        if held != "another's":
            assert try_lock(stream.fileno(), shared=False) == (not held)
            unlock(stream.fileno())
            assert try_lock(stream.fileno(), shared=True) == (held != "x")


def test_own_lock_is_not_inherited(tmp_path: Path) -> None:
    """A lock that this process itself took is no reason for another of its threads to go on."""
    lock, files = SiteLock(str(tmp_path)), LockFiles.of_site(str(tmp_path))
    with lock.hold():
        assert find_inherited(files) == Inherited()


def _is_free(path: Path) -> bool:
    return subprocess.run(["flock", "-n", path, "true"], check=False).returncode == 0


def _waiters(path: str) -> int:
    """Return how many processes or threads wait for a flock on a file."""
    inode = f":{os.stat(path).st_ino} "
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in line and inode in line for line in lines)


def _wait_until(condition: object) -> None:
    assert callable(condition)
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within 5 s")
