"""How a command ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sagepip.cli.ending import run_to_the_end
from sagepip.ground.errors import BuildError, LockTimeout, SagepipError, UsageError

WAITING = """
import os, sys, time
from sagepip.cli.ending import run_to_the_end

def action():
    path = sys.argv[1]
    os.mkdir(path)
    try:
        print("ready", flush=True)
        while True:
            time.sleep(0.1)  # a signal before signal.pause() would be slept through
    finally:
        print("cleaning", flush=True)
        sys.stdin.readline()
        os.rmdir(path)

sys.exit(run_to_the_end(action, debug=False))
"""


def fail(error: BaseException, *, debug: bool = False) -> int:
    """Run a command that raises."""

    def action() -> int:
        raise error

    before = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGHUP)}
    hook = sys.unraisablehook
    try:
        return run_to_the_end(action, debug=debug)
    finally:
        sys.unraisablehook = hook
        for signum, handler in before.items():
            signal.signal(signum, handler)


def program(code: str, *words: str, unbuffered: bool = False) -> subprocess.Popen[str]:
    """Start a Python program with pipes."""
    return subprocess.Popen(
        [sys.executable, *(["-u"] if unbuffered else []), "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
        text=True,
    )


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (SagepipError("it broke: /a\nb", advice="mend it"), 1, "Error: it broke: /a b (mend it)\n"),
        (UsageError("wrong"), 2, "Error: wrong\n"),
        (LockTimeout("late"), 3, "Error: late\n"),
        (BuildError("no wheel", output="cc: boom\n\n"), 1, "cc: boom\nError: no wheel\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "Error: Permission denied: /x\n"),
        (OSError("odd"), 1, "Error: odd\n"),
        (
            ValueError("bad\nnews"),
            1,
            "Error: internal error: ValueError: bad news "
            "(set SAGEPIP_DEBUG=1 to see where, and report it)\n",
        ),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
    ],
)
def test_errors(
    error: Exception, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every exception becomes one line (a build's output above it) and its exit status."""
    assert status == fail(error)
    assert ("", says) == capsys.readouterr()


@pytest.mark.parametrize("error", [UsageError("wrong"), ValueError("bad"), OSError("odd")])
def test_debug_shows_where(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """With debugging the traceback stands above the line, for every kind of error."""
    fail(error, debug=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("Error: ")
    assert "SAGEPIP_DEBUG" not in lines[-1]


def test_success() -> None:
    """The exit status of the command is that of the process."""
    hook = sys.unraisablehook
    assert run_to_the_end(lambda: 4, debug=False) == 4
    sys.unraisablehook = hook


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_clean_up_and_kill(tmp_path: Path, name: str) -> None:
    """A signal unwinds the command, and then the process dies by that very signal."""
    signum = getattr(signal, name)
    staged = tmp_path / "staged"
    with program(WAITING, str(staged)) as process:
        assert process.stdout and process.stdin and process.stderr
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signum)
        assert process.stdout.readline() == "cleaning\n"
        if name != "SIGINT":
            # More of them must not break the cleaning up.
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGHUP)
        said = process.communicate("\n", timeout=30)[1]
    assert -signum == process.returncode
    assert not staged.exists()
    assert said.startswith("Error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("error", ["SagepipError", "OSError", "ValueError", "ImportError"])
def test_an_error_on_the_way_out(name: str, error: str) -> None:
    """What goes wrong while a signal unwinds the command is told, and it dies by the signal."""
    code = f"""
import os, signal, sys
from sagepip.cli.ending import run_to_the_end
from sagepip.ground.errors import SagepipError
def action():
    try:
        try:
            os.kill(os.getpid(), signal.{name})
        finally:
            raise OSError("it broke")
    except OSError as error:
        raise {error}("it broke") from None
sys.exit(run_to_the_end(action, debug=False))
"""
    with program(code) as process:
        said = process.communicate(timeout=30)[1].splitlines()
    assert process.returncode == -getattr(signal, name)
    assert "it broke" in said[0]
    assert said[1:] == ["Error: interrupted" if name == "SIGINT" else f"Error: ended by {name}"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("how", ["weakref.finalize(thing, kill)", "weakref.ref(thing, kill)"])
def test_a_signal_while_an_object_is_let_go_of(name: str, how: str) -> None:
    """What is raised there goes nowhere; the signal comes again."""
    code = f"""
import os, signal, sys, time, weakref
from sagepip.cli.ending import run_to_the_end
class Thing:
    pass
def kill(*_):
    os.kill(os.getpid(), signal.{name})
def action():
    thing = Thing()
    kept = {how}
    del thing
    time.sleep(60)
    return 0
sys.exit(run_to_the_end(action, debug=False))
"""
    with program(code) as process:
        said = process.communicate(timeout=30)[1]
    assert process.returncode == -getattr(signal, name), said
    assert said == ("Error: interrupted\n" if name == "SIGINT" else f"Error: ended by {name}\n")


def test_what_else_is_lost_is_told() -> None:
    """As ever: it is an error of ours."""
    code = """
import sys
from sagepip.cli.ending import run_to_the_end
class Thing:
    def __del__(self):
        raise ValueError("lost")
def action():
    Thing()
    return 0
sys.exit(run_to_the_end(action, debug=False))
"""
    with program(code) as process:
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert "ValueError: lost" in said


def test_a_shell_sees_143(tmp_path: Path) -> None:
    """What a shell, or make, gets as the exit status is 128 and the signal's number."""
    kill = "import os, signal\n" + WAITING.replace(
        "time.sleep(0.1)", "os.kill(os.getpid(), signal.SIGTERM)"
    )
    done = subprocess.run(
        ["sh", "-c", '"$@" </dev/null; echo $?', "sh", sys.executable, "-c", kill, tmp_path / "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "143"


def test_an_ignored_signal_stays_ignored() -> None:
    """Under nohup SIGHUP is ignored when the command starts, and it stays so."""
    code = """
import os, signal, sys
from sagepip.cli.ending import run_to_the_end
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.exit(run_to_the_end(lambda: os.kill(os.getpid(), signal.SIGHUP) or 0, debug=False))
"""
    with program(code) as process:
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("unbuffered", [False, True])
def test_nobody_reads_the_result(unbuffered: bool) -> None:
    """A reader that went away does not turn what was done into a failure, nor into a message."""
    code = """
import sys
from sagepip.cli import messages
from sagepip.cli.ending import run_to_the_end
from sagepip.operations.report import InstallReport, UnchangedEntry
report = InstallReport((), (UnchangedEntry("a", "1", "/site"),), "/site")
sys.stdin.readline()
sys.exit(run_to_the_end(lambda: messages.print_result(report, to_stderr=False) or 0, debug=False))
"""
    with program(code, unbuffered=unbuffered) as process:
        assert process.stdout and process.stdin and process.stderr
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_the_result_cannot_be_written() -> None:
    """A full disk behind stdout is an error, in one line."""
    code = (
        "import sys; from sagepip.cli.ending import run_to_the_end; "
        "sys.exit(run_to_the_end(lambda: print('done') or 0, debug=False))"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: cannot write to standard output: No space left on device\n"


IMPORTING = """
import sys
from sagepip.cli.ending import run_to_the_end

def action():
    path, module, wanted = sys.argv[1:]
    with open(path, "a+") as runs:
        runs.write("x")
        runs.seek(0)
        if len(runs.read()) < int(wanted):
            raise ImportError("cannot import name 'new'", name=module)
    print("done")
    return 0

sys.exit(run_to_the_end(action, debug=False))
"""


@pytest.mark.parametrize(
    ("module", "wanted", "runs", "status"),
    [
        ("packaging.version", 3, 3, 0),
        ("sagepip", 9, 4, 1),  # three times, and no more
        ("numpy", 2, 1, 1),
    ],
)
def test_a_library_that_is_replaced_under_us_lets_the_command_begin_anew(
    module: str, wanted: int, runs: int, status: int, tmp_path: Path
) -> None:
    """Only where the import of one of sagepip's own libraries fails, and not for ever."""
    with program(IMPORTING, str(tmp_path / "runs"), module, str(wanted)) as process:
        out, errors = process.communicate()
    assert process.returncode == status, errors
    assert out == ("done\n" if not status else "")
    assert ("internal error: ImportError" in errors) == bool(status)
    assert len((tmp_path / "runs").read_text()) == runs
