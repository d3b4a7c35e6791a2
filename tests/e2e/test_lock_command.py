"""``sage-pip-lock``: who is kept out, for how long, and what becomes of the command."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagepip.ground.destination import find_destination
from sagepip.ground.target_python import TargetPython
from sagepip.transaction.lock import SiteLock
from tests.crash.strace import has_strace
from tests.e2e.commands import Terminal, error_line
from tests.e2e.locking import (
    INSTALL,
    LOCK,
    UNTIL_TOLD,
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
from tests.e2e.maintenance import BEFORE, install_killed
from tests.wheels import make_wheel

pytestmark = needs_flock
STATES = {"-x": "exclusive", "-s": "shared"}
SIGNALS = """
import signal, sys
blocked = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
print("in", flush=True)
print(signal.Signals(signal.sigwait(blocked)).name, flush=True)
"""


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


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [("-x", "-x", False), ("-x", "-s", False), ("-s", "-x", False), ("-s", "-s", True)],
)
def test_modes(
    terminal: Terminal, prefix: Path, site: Path, first: str, second: str, together: bool
) -> None:
    """Readers run together; a writer runs alone, and who is inside is told to those outside."""
    holder = hold(terminal, first, prefix)
    assert state(lock_of(site)) == STATES[first]
    words = (second, "--timeout", "0", prefix, "--", "touch", "ran")
    done = terminal.run("sage-pip-lock", *words, status=0 if together else 3)
    assert (terminal.where / "ran").exists() == together
    if not together:
        assert f"process {holder.pid}" in done.stderr
        if first == "-x":
            assert f"sage-pip-lock -x {prefix} -- sh -c" in done.stderr
    end(holder)
    assert state(lock_of(site)) == "free"
    assert lock_of(site).read_bytes() == b""
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]


@pytest.mark.parametrize("mode", ["-x", "-s"])
def test_installing_is_kept_out(terminal: Terminal, prefix: Path, site: Path, mode: str) -> None:
    """An installation waits for the command, and goes on when it has ended."""
    wheel = make_wheel(terminal.where, "pkg", "1", {"pkg.py": ""})
    holder = hold(terminal, mode, prefix)
    words = ("--prefix", prefix, "--no-deps", wheel)
    refused = terminal.run("sage-pip-install", "--lock-timeout", "0", *words, status=3)
    assert f"process {holder.pid}" in refused.stderr
    process = start(terminal, INSTALL, *words)
    assert f"process {holder.pid}" in wait_for_note(process)
    assert not (site / "pkg.py").exists()
    end(holder)
    assert "Successfully installed pkg-1" in end(process)


def test_kept_out_by_installing(terminal: Terminal, prefix: Path, site: Path) -> None:
    """A reader and a writer are kept out by whoever holds the lock for a change."""
    with SiteLock(str(site)).hold():
        for mode in ("-s", "-x"):
            words = (mode, "--lock-timeout", "0", prefix, "--", "true")
            done = terminal.run("sage-pip-lock", *words, status=3)
            assert f"process {os.getpid()}" in error_line(done)


def test_waiting_writer_is_not_starved(terminal: Terminal, prefix: Path) -> None:
    """A reader that comes while a writer waits is let in after it, though others read."""
    reader = hold(terminal, "-s", prefix)
    writer = start(terminal, LOCK, "-x", prefix, "--", "sh", "-c", "echo writer >> log")
    assert f"shared by process {reader.pid}" in wait_for_note(writer)
    late = start(terminal, LOCK, "-s", prefix, "--", "sh", "-c", "echo reader >> log")
    wait_for_note(late)
    end(reader)
    end(writer)
    end(late)
    assert (terminal.where / "log").read_text() == "writer\nreader\n"


@pytest.mark.parametrize("ours", ["-x", "-s"])
@pytest.mark.parametrize("theirs", ["-x", "-s"])
def test_flock_command(
    terminal: Terminal, prefix: Path, site: Path, ours: str, theirs: str
) -> None:
    """flock(1) on the site's lock file and sage-pip-lock know each other, in both modes."""
    holder = start(terminal, "flock", theirs, lock_of(site), *UNTIL_TOLD)
    expect(holder, "in")
    together = ours == theirs == "-s"
    words = (ours, "--timeout", "0", prefix, "--", "true")
    terminal.run("sage-pip-lock", *words, status=0 if together else 3)
    end(holder)
    terminal.run("sage-pip-lock", *words)


@pytest.mark.parametrize("mode", ["-x", "-s"])
def test_killed_wrapper(terminal: Terminal, prefix: Path, site: Path, mode: str) -> None:
    """The command has inherited the lock: it holds it to its end, though its parent is killed."""
    holder = hold(terminal, mode, prefix)
    holder.kill()
    holder.wait()
    assert state(lock_of(site)) == STATES[mode]
    holder.communicate("\n")
    subprocess.run(["flock", lock_of(site), "true"], check=True, timeout=60)


@needs_proc
def test_status_after_the_wrapper_was_killed(terminal: Terminal, prefix: Path) -> None:
    """Who holds a lock that was inherited is shown, though who took it has gone."""
    process = start(terminal, LOCK, "-s", prefix, "--", "sh", "-c", "echo $$; read line")
    assert process.stdout is not None
    inner = process.stdout.readline().strip()
    process.kill()
    process.wait()
    done = terminal.run("sagepip", "status", "--prefix", prefix)
    assert f"lock: held by readers: process {inner} on" in done.stdout
    process.communicate("\n")


def test_killed_wrapper_that_kept_the_lock(terminal: Terminal, prefix: Path, site: Path) -> None:
    """With --close the lock is the wrapper's alone, and ends with it."""
    holder = hold(terminal, "-x", "--close", prefix)
    assert state(lock_of(site)) == "exclusive"
    holder.kill()
    holder.wait()
    assert state(lock_of(site)) == "free"
    holder.communicate("\n")


def test_both_killed(terminal: Terminal, prefix: Path, site: Path) -> None:
    """The kernel frees the lock of the killed; the next holder's name is not theirs."""
    process = start(terminal, LOCK, prefix, "--", "sh", "-c", "echo $$; read line")
    assert process.stdout is not None
    inner = int(process.stdout.readline())
    process.kill()
    process.wait()
    os.kill(inner, signal.SIGKILL)
    subprocess.run(["flock", lock_of(site), "true"], check=True, timeout=60)
    process.communicate()
    again = hold(terminal, "-x", prefix)
    assert lock_of(site).read_text().startswith(f"{again.pid} ")
    end(again)


@pytest.mark.parametrize("close", [False, True])
def test_daemon(terminal: Terminal, prefix: Path, site: Path, close: bool) -> None:
    """A process that the command leaves behind goes on holding the lock; not with --close."""
    fifo = terminal.where / "fifo"
    os.mkfifo(fifo)
    ending = os.open(fifo, os.O_RDWR)
    # Opened before the command ends: an open that came after our close would wait for ever.
    script = f"exec 3<{fifo}; cat <&3 >/dev/null 2>&1 &"
    words = ["--close"] * close + [str(prefix), "--", "sh", "-c", script]
    terminal.run("sage-pip-lock", *words)
    assert state(lock_of(site)) == ("free" if close else "exclusive")
    os.close(ending)
    subprocess.run(["flock", lock_of(site), "true"], check=True, timeout=60)


def test_exit_status(terminal: Terminal, prefix: Path, site: Path) -> None:
    """The exit status is the command's, or says that it could not be run; the lock is freed."""
    ends = {"exit 0": 0, "exit 7": 7}
    ends |= {f"kill -{name} $$": -signal.Signals[f"SIG{name}"] for name in ("TERM", "PIPE", "KILL")}
    for script, status in ends.items():
        done = terminal.run("sage-pip-lock", prefix, "--", "sh", "-c", script, status=status)
        assert done.stderr == ""
    done = terminal.run("sage-pip-lock", prefix, "--", "no-such-command", status=127)
    assert error_line(done).startswith("Error: cannot run no-such-command: No such file")
    plain = terminal.where / "plain"
    plain.write_text("echo plain $1\n")
    done = terminal.run("sage-pip-lock", prefix, "--", plain, status=126)
    assert error_line(done) == f"Error: cannot run {plain}: Permission denied"
    plain.chmod(0o755)
    done = terminal.run("sage-pip-lock", prefix, "--", plain, "words")
    assert done.stdout == "plain words\n"
    assert state(lock_of(site)) == "free"


def test_streams_environment_and_descriptors(terminal: Terminal, prefix: Path) -> None:
    """The command has our standard streams, environment and descriptors (make's jobserver)."""
    read, write = os.pipe()
    script = f"cat; echo $GREETING >&2; echo more >/dev/fd/{write}"
    done = subprocess.run(
        [LOCK, prefix, "--", "sh", "-c", script],
        input="text",
        env=terminal.environ | {"GREETING": "hello"},
        capture_output=True,
        text=True,
        pass_fds=(write,),
        check=True,
    )
    os.close(write)
    with open(read) as stream:
        assert stream.read() == "more\n"
    assert (done.stdout, done.stderr) == ("text", "hello\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_are_passed_on(terminal: Terminal, prefix: Path, site: Path, name: str) -> None:
    """The command decides what a signal to the wrapper means; the wrapper waits for its end."""
    process = start(terminal, LOCK, prefix, "--", sys.executable, "-c", SIGNALS)
    expect(process, "in")
    process.send_signal(signal.Signals[name])
    assert end(process) == f"{name}\n"
    deadly = hold(terminal, prefix)
    deadly.send_signal(signal.Signals[name])
    assert deadly.wait() == -signal.Signals[name]
    deadly.communicate()
    subprocess.run(["flock", lock_of(site), "true"], check=True, timeout=60)


def test_ignored_signal_stays_so(terminal: Terminal, prefix: Path) -> None:
    """Under nohup the wrapper does not end with the terminal, nor tell the command of it."""
    script = 'trap "" HUP; exec "$@"'
    command = (LOCK, prefix, "--", sys.executable, "-c", SIGNALS)
    process = start(terminal, "sh", "-c", script, "sh", *command)
    expect(process, "in")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGUSR1)
    assert end(process) == "SIGUSR1\n"


def test_interrupt_from_the_terminal_is_not_passed_on(terminal: Terminal, prefix: Path) -> None:
    """What is typed at a terminal reaches the command from there, and not from us too."""
    # In a process group of its own the command gets nothing from the terminal.
    script = f"import os\nos.setpgid(0, 0)\n{SIGNALS}"
    command = [LOCK, str(prefix), "--", sys.executable, "-c", script]
    process, terminal_side = pty.fork()
    if process == 0:
        os.execve(command[0], command, terminal.environ)
    with open(terminal_side, "r+b", buffering=0, closefd=True) as stream:
        _read_until(stream.fileno(), b"in\r\n")
        stream.write(b"\x03")
        _read_until(stream.fileno(), b"^C")  # the terminal says so once it has sent the signal
        os.kill(process, signal.SIGUSR1)
        _read_until(stream.fileno(), b"SIGUSR1\r\n")
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_killed_while_waiting(terminal: Terminal, prefix: Path) -> None:
    """Who is told to end while it waits dies by that signal; the command is not run."""
    holder = hold(terminal, prefix)
    waiting = start(terminal, LOCK, prefix, "--", "touch", "ran")
    wait_for_note(waiting)
    waiting.terminate()
    assert waiting.wait() == -signal.SIGTERM
    waiting.communicate()
    end(holder)
    assert not (terminal.where / "ran").exists()


def test_discarded_lock_is_noticed(terminal: Terminal, prefix: Path, site: Path) -> None:
    """Who waited for lock files that were removed meanwhile takes the new ones."""
    lock = SiteLock(str(site))
    with lock.hold():
        waiting = start(terminal, LOCK, prefix, "--", *UNTIL_TOLD)
        wait_for_note(waiting)
        lock.discard()
    expect(waiting, "in")
    assert state(lock_of(site)) == "exclusive"
    end(waiting)


def test_time_limit_from_the_environment(terminal: Terminal, prefix: Path) -> None:
    """SAGEPIP_LOCK_TIMEOUT holds; --timeout and --lock-timeout win."""
    holder = hold(terminal, prefix)
    words = (prefix, "--", "true")
    done = terminal.run(
        "sage-pip-lock", *words, status=3, settings={"SAGEPIP_LOCK_TIMEOUT": "0.01"}
    )
    assert "was not free within 0.01 s" in done.stderr
    assert "was not free within 0.02 s" in (
        terminal.run(
            "sage-pip-lock",
            "--timeout=0.02",
            *words,
            status=3,
            settings={"SAGEPIP_LOCK_TIMEOUT": "0.01"},
        ).stderr
    )
    assert "not a number of seconds" in (
        terminal.run("sage-pip-lock", "--timeout", "soon", *words, status=2).stderr
    )
    end(holder)


def test_which_locks(terminal: Terminal, prefix: Path, site: Path) -> None:
    """A prefix stands for all its sites, or for itself; a site is itself; -- may be left out."""
    other = prefix / "lib" / "python3.99" / "site-packages"
    other.mkdir(parents=True)
    show = ("sh", "-c", "echo $SAGEPIP_LOCK_HELD")
    done = terminal.run("sage-pip-lock", prefix, "--", *show)
    held = [word.split(":")[:3] for word in done.stdout.split()]
    by_number = sorted(lock_of(one).stat().st_ino for one in (site, other))
    assert sorted(int(inode) for _, _, inode in held) == by_number
    assert lock_of(other).exists()
    bare = terminal.where / "bare"
    terminal.run("sage-pip-lock", bare, "--", "true")
    assert sorted(os.listdir(bare)) == [".sagepip"]
    terminal.run("sage-pip-lock", "-x", bare, *show, "--", "of the command")
    holder = hold(terminal, site)
    assert state(lock_of(site)) == "exclusive"
    assert state(lock_of(other)) == "free"
    refused = terminal.run(
        "sage-pip-lock", "--timeout", "0", "--prefix", prefix, "--", "x", status=3
    )
    assert str(site) in refused.stderr
    end(holder)


def test_default_is_that_of_other_commands(terminal: Terminal, tmp_path: Path) -> None:
    """Without a prefix the lock is that of the site that sage-pip-install would change."""
    from bench.environment import VirtualEnvironment

    venv = VirtualEnvironment.create(tmp_path / "venv")
    holder = hold(terminal, "-x", SAGE_VENV=str(venv.root))
    (site,) = venv.root.glob("lib/python*/site-packages")
    assert state(lock_of(site)) == "exclusive"
    end(holder)


def test_site_that_appears_meanwhile(terminal: Terminal, tmp_path: Path) -> None:
    """A prefix that gets a site while its own lock is waited for is locked with that site."""
    bare = tmp_path / "bare"
    bare.mkdir()
    holder = hold(terminal, bare)
    waiting = start(terminal, LOCK, bare, "--", *UNTIL_TOLD)
    wait_for_note(waiting)
    site = new_site(bare)
    end(holder)
    expect(waiting, "in")
    assert state(lock_of(site)) == "exclusive"
    assert state(bare / ".sagepip" / "lock") == "exclusive"
    end(waiting)


def test_lock_file(terminal: Terminal, prefix: Path, site: Path) -> None:
    """As sage-flock: LOCK may be a file, which is made with its directories and never emptied."""
    path = terminal.where / "var" / "lock" / "some.lock"
    done = terminal.run("sage-pip-lock", "-x", path, "echo", "-n", "word")
    assert done.stdout == "word"
    assert path.is_file()
    path.write_text("kept")
    for mode in ("-x", "-s"):
        holder = hold(terminal, mode, path)
        assert state(path) == STATES[mode]
        terminal.run("sage-pip-lock", "-x", "--timeout", "0", path, "true", status=3)
        end(holder)
    assert path.read_text() == "kept"
    assert os.listdir(path.parent) == ["some.lock"]
    holder = hold(terminal, lock_of(site))
    assert lock_of(site).read_text().startswith(f"{holder.pid} ")
    end(holder)


def test_descriptor(terminal: Terminal) -> None:
    """As sage-flock and flock(1): a number is an open descriptor, locked for the calling shell."""
    script = f"""
    exec 9<>some.lock
    {LOCK} -x 9; flock -n some.lock true && echo free || echo held
    {LOCK} -u 9; flock -n some.lock true && echo free || echo held
    {LOCK} -s 9; flock -n -s some.lock true && echo shared || echo held
    """
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=terminal.where,
        env=terminal.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("held\nfree\nshared\n", "")
    assert "descriptor 77 is not open" in terminal.run("sage-pip-lock", "77", status=2).stderr
    terminal.run("sage-pip-lock", "1", "--", "true", status=2)
    terminal.run("sage-pip-lock", "-u", "file", status=2)


def test_descriptor_times_out(terminal: Terminal) -> None:
    """A time limit holds for a descriptor too, and the message names the file."""
    path = terminal.where / "some.lock"
    holder = start(terminal, LOCK, path, *UNTIL_TOLD)
    expect(holder, "in")
    with open(path) as stream:
        done = subprocess.run(
            [LOCK, "--timeout", "0", str(stream.fileno())],
            env=terminal.environ,
            pass_fds=(stream.fileno(),),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert str(path) in done.stderr
    assert f"process {holder.pid}" in done.stderr
    end(holder)


def test_usage(terminal: Terminal, prefix: Path) -> None:
    """Help and version are there, under both names; what makes no sense is refused."""
    assert terminal.run("sage-pip-lock", "--version").stdout.startswith("sagepip ")
    assert terminal.run("sage-pip-lock", "-s", "--version").stdout.startswith("sagepip ")
    shown = terminal.run("sage-pip-lock", "--help").stdout
    assert shown.startswith("Usage: sage-pip-lock [OPTIONS] [LOCK] [--] COMMAND")
    assert "Usage: sagepip lock" in terminal.run("sagepip", "lock", "-h").stdout
    assert terminal.run("sagepip", "lock", prefix, "--", "echo", "-h").stdout == "-h\n"
    for words in (
        (),
        ("-x",),
        (prefix,),
        (prefix, "--"),
        ("-s", "-x", prefix, "true"),
        ("--unknown", prefix, "true"),
        ("--prefix", prefix, prefix, "--", "true"),
    ):
        assert error_line(terminal.run("sage-pip-lock", *words, status=2))


def test_interrupted_change_is_resolved_first(terminal: Terminal, tmp_path: Path) -> None:
    """The command sees no half of a change whose process was killed."""
    prefix = tmp_path / "prefix"
    destination = find_destination(TargetPython.running(), prefix=str(prefix))
    wheel = make_wheel(tmp_path, "pkg", "1", {"pkg.py": ""})
    for mode in ("-x", "-s"):
        install_killed(destination, BEFORE, wheel)
        journal = Path(destination.site) / ".sagepip" / "journal"
        assert journal.exists()
        done = terminal.run("sage-pip-lock", mode, prefix, "--", "test", "!", "-e", journal)
        assert "rolled back the interrupted install pkg 1" in done.stderr


def test_unusable_journal_is_no_obstacle(terminal: Terminal, prefix: Path, site: Path) -> None:
    """A journal that cannot be used is told of, and may be looked into under the lock."""
    (site / ".sagepip" / "journal").write_text("nonsense\n")
    done = terminal.run("sage-pip-lock", prefix, "--", "echo", "ran")
    assert done.stdout == "ran\n"
    assert "WARNING:" in done.stderr
    assert "interrupted change" in done.stderr


@pytest.mark.skipif(not has_strace(), reason="strace is not here")
@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS"])
@pytest.mark.parametrize("mode", ["-x", "-s"])
def test_file_system_without_flock(terminal: Terminal, prefix: Path, error: str, mode: str) -> None:
    """Where the kernel refuses flock nothing is run, and what to do is said."""
    inject = ["strace", "-f", "-o", os.devnull, "-e", "trace=flock"]
    inject += ["-e", f"inject=flock:error={error}"]
    for lock in (prefix, terminal.where / "file"):
        done = subprocess.run(
            [*inject, LOCK, mode, lock, "touch", "ran"],
            cwd=terminal.where,
            env=terminal.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "has no flock" in error_line(done)
        assert "local file system" in error_line(done)
    assert not (terminal.where / "ran").exists()


def _read_until(descriptor: int, wanted: bytes) -> None:
    seen = b""
    while not seen.endswith(wanted):
        assert b"SIGINT" not in seen
        seen += os.read(descriptor, 4096)
