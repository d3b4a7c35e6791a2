"""Running a program with its output in a log: what is shown of it, and that nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sagepip.build import log_watch, offspring
from sagepip.build.child_process import run_to_log
from sagepip.build.output_text import clean, tail

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long patience with what does not listen."""
    monkeypatch.setattr(offspring, "_GRACE_SECONDS", 0.3)


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Callable[[], list[int]]]:
    """The processes that wrote their numbers to a file; those that still run are ended."""

    def numbers() -> list[int]:
        path = tmp_path / "pids"
        return [int(one) for one in path.read_text().split()] if path.exists() else []

    yield numbers
    for pid in numbers():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def run(
    tmp_path: Path, script: str, *, time_limit: float | None = None, follow: bool = False
) -> int:
    """Run a Python program; ``note()`` in it writes its process number down."""
    prelude = (
        "import os, subprocess, sys, time\n"
        "def note():\n"
        f"    with open({str(tmp_path / 'pids')!r}, 'a') as stream:\n"
        "        print(os.getpid(), file=stream)\n"
    )
    return run_to_log(
        [sys.executable, "-c", prelude + script],
        what="the program",
        log_path=str(tmp_path / "log"),
        environ=dict(os.environ),
        cwd=str(tmp_path),
        time_limit=time_limit,
        follow=follow,
    )


def runs(pid: int) -> bool:
    """Whether a process is there, zombies included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


FORK = "note()\nif os.fork() == 0:\n    {first}\n    note()\n    time.sleep(60)\ntime.sleep(0.3)\n"
LEFT_BEHIND = {
    "in the group": FORK.format(first="pass"),
    "that ignores SIGTERM": FORK.format(first=STUBBORN),
    "in a group of its own": FORK.format(first="os.setpgid(0, 0)"),
    "in a session of its own": FORK.format(first="os.setsid()"),
    "that is stopped": FORK.format(first="note(); os.setsid(); os.kill(os.getpid(), 19)"),
    "a daemon with a child": FORK.format(
        first="os.setsid(); os.fork() and os._exit(0); os.fork(); os.setsid()"
    ),
}


@on_linux
@pytest.mark.parametrize("case", LEFT_BEHIND)
def test_what_is_left_behind_is_ended(
    tmp_path: Path, children: Callable[[], list[int]], case: str
) -> None:
    """Rule 14: a program that has ended leaves nothing running, wherever it has moved to."""
    assert run(tmp_path, LEFT_BEHIND[case]) == 0
    assert len(children()) >= 2
    assert not [pid for pid in children() if runs(pid)]
    assert offspring.children() == frozenset()


@on_linux
def test_other_children_of_ours_are_left_alone(tmp_path: Path) -> None:
    """What was our child before is no business of the program that is run."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        run(tmp_path, FORK.format(first="os.setsid()"))
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@on_linux
def test_orphans_go_where_they_went_before(tmp_path: Path) -> None:
    """Afterwards we adopt nobody."""
    import ctypes

    run(tmp_path, "")
    answer = ctypes.c_int(7)
    ctypes.CDLL(None).prctl(37, ctypes.byref(answer), 0, 0, 0)
    assert answer.value == 0


@pytest.mark.parametrize(
    "script",
    [
        "print('at work', flush=True); note(); time.sleep(60)",
        f"print('at work', flush=True); note()\n{STUBBORN}time.sleep(60)",
        "print('at work', flush=True); note(); os.kill(os.getpid(), 19)",
    ],
    ids=["sleeps", "ignores SIGTERM", "is stopped"],
)
def test_time_limit_ends_the_program(
    tmp_path: Path, children: Callable[[], list[int]], script: str
) -> None:
    """A program that takes too long is ended, whatever it does."""
    with pytest.raises(subprocess.TimeoutExpired):
        run(tmp_path, script, time_limit=1.0)
    assert not [pid for pid in children() if runs(pid)]
    assert "at work" in (tmp_path / "log").read_text()


def test_time_limit_that_is_kept_changes_nothing(tmp_path: Path) -> None:
    """Within its time a program ends as it likes."""
    assert run(tmp_path, "sys.exit(7)", time_limit=3600) == 7


def test_silence_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who waits is told which program has written nothing for long, and where its log is."""
    monkeypatch.setattr(log_watch, "_SILENCE_SECONDS", 0.2)
    run(tmp_path, "time.sleep(1.5)")
    lines = capfd.readouterr().err.splitlines()
    assert lines
    for line in lines:
        assert line.startswith("sagepip: the program has written nothing for ")
        assert line.endswith(f" and still runs; log: {tmp_path / 'log'}")
    assert len(lines) <= 4, "each time that it has doubled"


def test_who_writes_is_not_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is said of a program that goes on writing, however long it takes."""
    monkeypatch.setattr(log_watch, "_SILENCE_SECONDS", 2.0)
    run(tmp_path, "for _ in range(30):\n    print('.', flush=True); time.sleep(0.1)")
    assert capfd.readouterr().err == ""


def test_program_has_no_terminal(tmp_path: Path) -> None:
    """Nobody can be asked for a password: it would be waited for, for ever."""
    script = (
        "import errno\n"
        "try:\n    os.open('/dev/tty', os.O_RDWR)\n"
        "except OSError as error:\n    sys.exit(0 if error.errno == errno.ENXIO else 1)\n"
        "sys.exit(2)\n"
    )
    assert run(tmp_path, script) == 0


def test_signal_while_the_program_is_started_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: Callable[[], list[int]]
) -> None:
    """An interrupt that comes between the start and our knowing of it ends the program too."""
    started: list[int] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **keywords: object) -> None:
            super().__init__(*args, **keywords)  # type: ignore[call-overload]
            started.append(self.pid)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "time.sleep(60)")
    (pid,) = started
    assert not runs(pid)


def test_stubborn_children_are_killed(tmp_path: Path, children: Callable[[], list[int]]) -> None:
    """A group that ignores SIGTERM is killed after a little patience, interrupts or not."""
    log = tmp_path / "log"

    class Impatience(BaseException):
        pass

    def lose_patience(*_: object) -> None:
        if b"ready" in log.read_bytes():
            raise Impatience

    before = signal.signal(signal.SIGINT, lose_patience)
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        with pytest.raises(Impatience):
            run(tmp_path, f"{STUBBORN}note(); print('ready', flush=True); time.sleep(60)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, before)
    (pid,) = children()
    with suppress(ChildProcessError):  # there may have been the patience to reap it
        os.waitpid(pid, 0)
    assert not runs(pid)


def test_passed_descriptors_work_in_the_child(tmp_path: Path) -> None:
    """A child writes into the job server's pipe under the same number."""
    read, write = os.pipe()
    try:
        status = run_to_log(
            [sys.executable, "-c", f"import os; os.write({write}, b'+')"],
            what="the program",
            log_path=str(tmp_path / "log"),
            environ=dict(os.environ),
            cwd=str(tmp_path),
            pass_fds=(write,),
        )
        assert status == 0
        assert os.read(read, 1) == b"+"
    finally:
        os.close(read)
        os.close(write)


def test_followed_output_is_complete_and_clean(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is copied is all there, unfinished lines too, and cannot play with the terminal."""
    script = (
        "w = sys.stdout.buffer\n"
        "w.write(b'asks: '); w.flush(); time.sleep(0.5); w.write(b'\\x1b[1mbold\\x1b[0m\\n')\n"
        "w.write(b'\\xff \\xc3'); w.flush(); time.sleep(0.5); w.write(b'\\xa4\\n')\n"
        "w.write(b'x' * 300000 + b'\\nthe end'); w.flush()\n"
    )
    run(tmp_path, script, follow=True)
    text = capfd.readouterr().err
    assert text == "asks: bold\n\N{REPLACEMENT CHARACTER} ä\n" + "x" * 300000 + "\nthe end"


def test_closed_stderr_does_not_end_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody to tell: the program runs to its end, and its limit is kept."""
    monkeypatch.setattr(log_watch, "_SILENCE_SECONDS", 0.1)
    with open(os.devnull, "w") as closed:
        monkeypatch.setattr(sys, "stderr", closed)
    assert run(tmp_path, "print('x'); time.sleep(0.5)", follow=True) == 0
    with pytest.raises(subprocess.TimeoutExpired):
        run(tmp_path, "print('x', flush=True); time.sleep(60)", follow=True, time_limit=0.5)


def test_text_is_made_fit_for_a_terminal() -> None:
    """No escape sequence reaches the terminal; what else is not to be printed is made visible."""
    assert clean("plain ä\ttab\n") == "plain ä\ttab\n"
    assert clean("\x1b[31mred\x1b[0m \x1b[2J\x1b[?25l.") == "red ."
    assert clean("\x1b]0;title\x07a\x1b]8;;file:///x\x1b\\b\x1bPq\x1b\\c\x1b(Bd") == "abcd"
    assert clean("\x9b31mred") == "red"
    assert clean("over\rwritten\r\nline\n") == "over\nwritten\nline\n"
    assert clean("bell\a nul\0 \N{RIGHT-TO-LEFT OVERRIDE}") == "bell\\x07 nul\\x00 \\u202e"
    assert "\x1b" not in clean("\x1b]never ended")


def test_tail_of_a_log(tmp_path: Path) -> None:
    """The end of a log comes without what an earlier hook wrote, bad bytes replaced."""
    log = tmp_path / "log"
    log.write_bytes(b"before\nbad \xff\n" + b"".join(b"%d\n" % n for n in range(100)))
    assert tail(str(log), lines=2) == "98\n99"
    assert tail(str(log), lines=200, start=7).startswith("bad \N{REPLACEMENT CHARACTER}\n0\n")
    assert tail(str(log), lines=2, start=1 << 20) == "98\n99", "truncated since"
    assert tail(str(tmp_path / "absent"), lines=2) == ""
    log.write_text("a" * 50_000 + "b\nlast\n")
    long, last = tail(str(log), lines=2).splitlines()
    assert last == "last"
    assert len(long) < 2_000
    assert long.endswith("ab")
    assert "characters ..." in long


def test_program_whose_end_nobody_tells_is_killed() -> None:
    """A hook may stop the process that waits for it: it has gone then, but nothing says so."""
    gone = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    gone.wait()

    class Untold:
        """What has ended without our knowledge."""

        pid = gone.pid
        status: int | None = None

        def poll(self) -> int | None:
            """Return the status, once it is known."""
            return self.status

        def kill(self) -> None:
            """Make it known."""
            self.status = -signal.SIGKILL

        def wait(self) -> int:
            """Return it; waiting for what never comes would take for ever."""
            assert self.status is not None
            return self.status

    one = offspring.Offspring()
    one.leader = leader = Untold()
    assert one.end()
    assert leader.status == -signal.SIGKILL
    assert not one.end()
