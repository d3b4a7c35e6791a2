"""Processes that compile: what they answer, what they hold, and how they end."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sagepip.staging.compile_workers import CompileWorkers, worker_count
from sagepip.staging.running_compiler import Job, compile_here, compile_source

SECONDS = 60


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something is so; fail if it never is."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def is_running(process: int) -> bool:
    """Whether there is a process of that number, and it has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def modules(tmp_path: Path) -> list[Job]:
    """Return modules, one in ten of which does not compile."""
    jobs = []
    for number in range(50):
        path = tmp_path / f"m{number}.py"
        path.write_text("print 1\n" if number % 10 == 3 else f"def f{number}(): return {number}\n")
        jobs.append(Job(str(path), f"{path}c", f"/live/{path.name}", ""))
    return jobs


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_code_is_that_of_this_process(modules: list[Job], count: int) -> None:
    """Whoever has compiled it; what does not compile is told from what was not done."""
    with closing(CompileWorkers(count, compile_source)) as workers:
        for job in modules:
            workers.add(job.source, job.embedded)
        workers.finish()
        for job in modules:
            expected = compile_source(job.source, job.embedded)
            assert workers.code(job.source, job.embedded) == (True, expected)
        assert workers.code("/never", "/asked.py") == (False, None)


def test_more_modules_than_a_pipe_holds(tmp_path: Path) -> None:
    """Nobody waits for a worker that waits for him."""
    source = tmp_path / "m.py"
    source.write_text("x = 1\n")
    with closing(CompileWorkers(1, lambda _, embedded: embedded.encode())) as workers:
        for number in range(10_000):
            workers.add(str(source), f"/{number}")
        workers.finish()
        for number in range(10_000):
            assert workers.code(str(source), f"/{number}") == (True, f"/{number}".encode())


def test_what_a_killed_worker_took_is_compiled_here(modules: list[Job]) -> None:
    """Also if it was killed in the middle of it."""
    this = os.getpid()

    def dies(source: str, embedded: str) -> bytes | None:
        if os.getpid() != this:
            os.kill(os.getpid(), signal.SIGKILL)
        return compile_source(source, embedded)

    with closing(CompileWorkers(2, dies)) as workers:
        for job in modules:
            workers.add(job.source, job.embedded)
        compiled = compile_here(modules, None, workers)
    assert len(compiled) == 45
    for job in modules:
        assert Path(job.bytecode).exists() == (job.source in compiled)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
def test_a_worker_holds_nothing_of_its_parent(tmp_path: Path) -> None:
    """Else the lock of a process that was killed would be held on."""
    lock, marker = tmp_path / "lock", tmp_path / "marker"
    this = os.getpid()

    def tells(_source: str, _embedded: str) -> bytes:
        if os.getpid() == this:
            wait_until(marker.exists)  # the worker has done the other
            return b"parent"
        held = [os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")]
        marker.touch()
        return "\n".join(held).encode()

    with open(lock, "w", encoding="utf-8") as stream:
        os.set_inheritable(stream.fileno(), True)
        fcntl.flock(stream, fcntl.LOCK_EX)
        with closing(CompileWorkers(1, tells)) as workers:
            workers.add("a", "a")
            workers.add("b", "b")
            workers.finish()
            answers = [workers.code(one, one)[1] or b"" for one in "ab"]
    (told,) = [one for one in answers if one != b"parent"]
    assert os.devnull.encode() in told
    assert str(tmp_path).encode() not in told
    assert str(Path.cwd()).encode() not in told


_KILLED = """
import os, signal, sys, time
from sagepip.staging.compile_workers import CompileWorkers
def sleeps(source, embedded):
    with open(sys.argv[1] + ".new", "w") as stream:
        stream.write(str(os.getpid()))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    time.sleep(1000)
workers = CompileWorkers(1, sleeps)
workers.add("a", "a")
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends after its module")
def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    """However that ends, and whatever it is doing."""
    told = tmp_path / "worker"
    done = subprocess.run([sys.executable, "-c", _KILLED, told], check=False)
    assert done.returncode == -signal.SIGKILL
    worker = int(told.read_text())
    wait_until(lambda: not is_running(worker))


def test_closing_ends_what_is_at_work(tmp_path: Path) -> None:
    """An error elsewhere must not leave processes behind, nor zombies."""
    told = tmp_path / "worker"

    def sleeps(_source: str, _embedded: str) -> bytes:
        told.with_suffix(".new").write_text(str(os.getpid()))
        told.with_suffix(".new").rename(told)
        time.sleep(1000)
        return b""

    with closing(CompileWorkers(1, sleeps)) as workers:
        workers.add("a", "a")
        wait_until(told.exists)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


@pytest.mark.parametrize("nth", [1, 2])
def test_a_signal_while_a_pipe_is_closed(nth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what comes out of it: no descriptor is closed twice on the way out."""
    close, parent, left = os.close, os.getpid(), [nth]

    def close_and_be_hit(descriptor: int) -> None:
        close(descriptor)
        if os.getpid() == parent:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

    monkeypatch.setattr(os, "close", close_and_be_hit)
    with pytest.raises(KeyboardInterrupt), closing(CompileWorkers(1, lambda *_: b"")) as workers:
        workers.finish()


@pytest.fixture
def one_processor() -> Iterator[None]:
    """Leave this process one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
@pytest.mark.usefixtures("one_processor")
def test_no_workers_on_one_processor() -> None:
    """They would only be in the way."""
    assert worker_count(1 << 40) == 0


def test_few_modules_are_worth_no_worker() -> None:
    """Starting one takes longer than compiling them."""
    assert worker_count(100_000) == 0
