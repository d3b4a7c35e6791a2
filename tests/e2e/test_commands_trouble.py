"""The install commands in trouble: the lock is held, the disk is full, the input is bad."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.e2e.commands import Terminal, error_line, installed, site_of, state_of
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

REPOSITORY = Path(__file__).parents[2]
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def prefix(terminal: Terminal) -> Path:
    """A prefix with something in it."""
    place = terminal.where / "prefix"
    wheel = make_wheel(terminal.where / "first", "pkg", "1", {"pkg/__init__.py": "V = 1\n"})
    terminal.install("--prefix", place, wheel)
    return place


@pytest.fixture
def newer(terminal: Terminal) -> Path:
    """A newer version of what the prefix holds."""
    return make_wheel(terminal.where / "second", "pkg", "2", {"pkg/__init__.py": "V = 2\n"})


@contextmanager
def locked(prefix: Path, holder: str = "") -> Iterator[None]:
    """Hold the lock of a prefix as flock(1) does, or, with a line, as another sagepip does."""
    path = site_of(prefix) / ".sagepip" / "lock"
    with path.open("r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(holder)
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)


def first_line(process: subprocess.Popen[str]) -> str:
    """Return the first line that a process writes to stderr; it must come while it runs."""
    assert process.stderr is not None
    return process.stderr.readline()


# ---------------------------------------------------------------------- the lock


def test_waiting_is_said_and_ends_with_the_lock(
    terminal: Terminal, prefix: Path, newer: Path
) -> None:
    """While another process holds the lock it is said who; once it is free the install goes on."""
    with locked(prefix):
        process = terminal.start("sage-pip-install", "--prefix", prefix, newer)
        site = site_of(prefix).resolve()
        line = f"sagepip: waiting for the lock of {site}, held by "
        # Who took it without writing itself down is known where the kernel tells.
        known = (f"process {os.getpid()}\n", "another process\n")
        assert first_line(process).removeprefix(line) in known
        time.sleep(0.2)
        assert process.poll() is None
        assert versions(site_of(prefix), "pkg") == ["1"]
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "Successfully installed pkg-2\n", "")
    assert violations_of_g1(site_of(prefix)) == []


def test_lock_timeout(terminal: Terminal, prefix: Path, newer: Path) -> None:
    """With --lock-timeout the command gives up with status 3 and says who holds the lock."""
    holder = f"{os.getpid()} here {time.time() - 75:.3f} sage-pip-install numpy\n"
    before = snapshot(prefix)
    with locked(prefix, holder):
        started = time.monotonic()
        done = terminal.run(
            "sagepip", "install", "--lock-timeout", "0.5", "--prefix", prefix, newer, status=3
        )
        assert 0.5 <= time.monotonic() - started < 5
    assert done.stdout == ""
    waiting, error = done.stderr.splitlines()
    who = f"held by process {os.getpid()} on here since"
    assert waiting.startswith("sagepip: waiting for the lock of")
    assert who in waiting
    assert error.startswith("Error: ")
    assert "was not free within 0.5 s" in error
    assert who in error
    assert ": sage-pip-install numpy" in error
    assert snapshot(prefix) == before
    assert list(terminal.temporary.iterdir()) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_while_waiting(
    terminal: Terminal, prefix: Path, newer: Path, signum: signal.Signals
) -> None:
    """A signal ends a waiting command at once, by that signal, and nothing is left of it."""
    before = snapshot(prefix)
    with locked(prefix):
        process = terminal.start("sage-pip-install", "--prefix", prefix, newer)
        assert "waiting" in first_line(process)
        process.send_signal(signum)
        out, err = process.communicate(timeout=10)
    assert process.returncode == -signum
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert snapshot(prefix) == before
    assert list(terminal.temporary.iterdir()) == []
    assert installed(terminal.install("--prefix", prefix, newer)) == {"pkg-2"}


def test_building_needs_no_lock(terminal: Terminal, prefix: Path) -> None:
    """A build runs to its end while another process holds the lock; only the install waits."""
    mark = terminal.where / "built"
    slow = f"""
_quick = build_wheel
def build_wheel(*arguments, **named):
    import time
    wheel = _quick(*arguments, **named)
    time.sleep(0.3)
    open({str(mark)!r}, "w").close()
    return wheel
"""
    project = make_project(terminal.where / "project", "slow", in_tree=TINY_BACKEND + slow)
    with locked(prefix):
        process = terminal.start("sage-pip-install", "--prefix", prefix, project)
        assert "waiting for the lock" in first_line(process)
        assert mark.exists()
        assert versions(site_of(prefix), "slow") == []
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "Successfully installed slow-1.0\n")


# ---------------------------------------------------------------------- errors


def test_errors_are_one_line_and_change_nothing(
    terminal: Terminal, prefix: Path, newer: Path
) -> None:
    """Each error is one line with what and where, and its exit status; the target is untouched."""
    bad = terminal.where / "bad"
    fine = make_wheel(bad, "fine", "1", {"fine.py": ""})
    (bad / "cut-1-py3-none-any.whl").write_bytes(fine.read_bytes()[:200])
    shutil.copy(fine, bad / "false-1-py3-none-any.whl")
    shutil.copy(newer, bad / "pkg-3-py3-none-any.whl")
    other = make_wheel(bad, "native", "1", {"native.py": ""}, tag="cp27-cp27m-win32")
    thief = make_wheel(bad, "thief", "1", {"thief.py": "", "pkg/__init__.py": "stolen"})
    future = make_wheel(bad, "future", "1", {"f.py": ""}, metadata="Requires-Python: >=9\n")
    (bad / "empty").mkdir()
    cases: list[tuple[int, list[str | Path], str]] = [
        (2, [], "nothing to install"),
        (2, ["--no-such-option", fine], "--no-such-option"),
        (2, ["--prefix", prefix, "--target", prefix, fine], "exclude each other"),
        (2, ["--lock-timeout", "soon", fine], "not a number of seconds"),
        (2, ["-e", fine], "leave out -e"),
        (2, ["git+https://host.invalid/x"], "version control"),
        (1, ["--python", bad / "python", fine], "no such interpreter"),
        (1, ["--prefix", prefix, bad / "none-1-py3-none-any.whl"], "no such file"),
        (1, ["--prefix", prefix, bad / "cut-1-py3-none-any.whl"], "cut-1-py3-none-any.whl"),
        (1, ["--prefix", prefix, bad / "false-1-py3-none-any.whl"], "false"),
        (1, ["--prefix", prefix, bad / "pkg-3-py3-none-any.whl"], "3"),
        (1, ["--prefix", prefix, other], "cp27-cp27m-win32"),
        (1, ["--prefix", prefix, thief], "it belongs to pkg 1"),
        (1, ["--prefix", prefix, future], ">=9"),
        (1, ["--prefix", prefix, bad / "empty"], "neither pyproject.toml nor setup.py"),
        (1, ["--prefix", prefix, "-r", bad / "none.txt"], "none.txt"),
        (1, ["--prefix", prefix, "--no-index", "pkg==3"], "--find-links"),
        (1, ["--prefix", fine, fine], str(fine)),
        (1, ["--prefix", prefix, "--report", bad / "none" / "report", fine], "the report"),
        (1, ["--prefix", prefix, "--report", bad, fine], "the report"),
    ]
    for status, words, says in cases:
        assert says in terminal.refuse(prefix, *words, status=status), words
    # The false name is refused too where what is in the wheel is installed already.
    terminal.install("--prefix", prefix, fine)
    line = terminal.refuse(prefix, "--prefix", prefix, bad / "false-1-py3-none-any.whl")
    assert "false" in line


def test_debug_shows_where(terminal: Terminal) -> None:
    """SAGEPIP_DEBUG=1 puts the traceback above the line."""
    done = terminal.run("sage-pip-install", "./none", status=1, settings={"SAGEPIP_DEBUG": "1"})
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("Error: no such file or directory: ./none")


def test_failed_build(terminal: Terminal, prefix: Path) -> None:
    """A failed build shows the end of its output, one Error line, and where its traces are."""
    hook = (
        "def build_wheel(*_, **__):\n    print('compiling')\n    raise SystemExit('no compiler')\n"
    )
    project = make_project(terminal.where / "project", in_tree=hook)
    before = snapshot(prefix)
    done = terminal.run("sage-pip-install", "--prefix", prefix, project, status=1)
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("Error: ")] == lines[-1:]
    assert "compiling" in lines
    assert "no compiler" in lines
    (kept,) = terminal.temporary.iterdir()
    assert f"{kept}/build.log" in lines[-1]
    assert snapshot(prefix) == before


# ---------------------------------------------------------------------- permissions and space


def without_override() -> None:
    """Give up, from the next exec on, what lets root write where the mode says no."""
    library = ctypes.CDLL(None)
    for capability in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
        library.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.parametrize("case", ["site", "all", "new"])
def test_read_only_site(terminal: Terminal, prefix: Path, newer: Path, case: str) -> None:
    """Where the target cannot be written to, one line says so and nothing has changed."""
    site = site_of(prefix)
    if case == "site":  # staging succeeds, publishing does not
        closed = [site]
    elif case == "all":
        closed = [path for path in [prefix, *prefix.rglob("*")] if path.is_dir()]
    else:
        closed = [prefix]
    for path in closed:
        path.chmod(0o555)
    try:
        tried = subprocess.run(
            ["touch", closed[0] / "x"], preexec_fn=without_override, capture_output=True
        )
        if tried.returncode == 0:
            (closed[0] / "x").unlink()
            pytest.skip("this user writes where the mode says no")
        target = prefix / "new" if case == "new" else prefix
        before = snapshot(prefix)
        done = terminal.run(
            *("sage-pip-install", "--prefix", target, newer), status=1, preexec=without_override
        )
        assert "Permission denied" in error_line(done)
        assert str(target.resolve()) in error_line(done)
        assert snapshot(prefix) == before
        assert list(terminal.temporary.iterdir()) == []
    finally:
        for path in closed:
            path.chmod(0o755)
    assert installed(terminal.install("--prefix", prefix, newer)) == {"pkg-2"}
    assert state_of(site) == {"lock", "gate"}


def fill_the_disk(where: Path, first: int, last: int) -> None:
    """Upgrade with more and more room left; to be run where mounting is nobody's concern.

    Args:
        where: an empty directory.
        first: how many pages to leave free to begin with.
        last: how many at most.
    """
    disk = where / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
    terminal = Terminal(where)
    body = f"# {os.urandom(2500).hex()}\n"
    old, new = (
        make_wheel(where, "pkg", version, {"pkg/__init__.py": body, f"v{version}.py": ""})
        for version in ("1", "2")
    )
    prefix, filler = disk / "prefix", disk / "filler"
    terminal.install("--prefix", prefix, old)
    before = snapshot(prefix)
    outcomes = []
    for pages in range(first, last + 1):
        filler.write_bytes(bytes((os.statvfs(disk).f_bavail - pages) * PAGE))
        process = terminal.start("sage-pip-install", "--prefix", prefix, new)
        out, err = process.communicate(timeout=30)
        filler.unlink()
        outcomes.append(process.returncode)
        if process.returncode == 0:
            assert (out, err) == ("Successfully installed pkg-2\n", "")
            break
        said = f"{pages} free pages: {out}{err}"
        assert (process.returncode, out) == (1, ""), said
        assert err.startswith("Error: "), said
        assert err.count("\n") == 1, said
        assert _no_space(err), said
        assert snapshot(prefix) == before, said
        assert list(terminal.temporary.iterdir()) == [], said
    if outcomes[-1] == 0:
        assert len(outcomes) > 4
        assert versions(site_of(prefix), "pkg") == ["2"]
        assert violations_of_g1(site_of(prefix)) == []
        assert state_of(site_of(prefix)) == {"lock", "gate"}
    # Nothing is left of a prefix that did not come into being.
    filler.write_bytes(bytes((os.statvfs(disk).f_bavail - first) * PAGE))
    done = terminal.run("sage-pip-install", "--prefix", disk / "new", old, status=1)
    assert _no_space(error_line(done))
    assert not (disk / "new").exists()


def _no_space(said: str) -> bool:
    """Whether it was seen that there is too little space, before or when it ran out."""
    return "No space left on device" in said or bool(re.search(r"needs .* free \(make", said))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (1, 60),
        (0, 0),
    ],
)
def test_full_disk(tmp_path: Path, first: int, last: int) -> None:
    """However little space there is, the install is done or fails cleanly, with one line."""
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    mounts: list[str | Path] = [*unshare, "mount", "-t", "tmpfs", "none", tmp_path]
    if not shutil.which("unshare") or subprocess.run(mounts, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    call = "import sys, pathlib\nfrom tests.e2e.test_commands_trouble import fill_the_disk\n"
    call += "fill_the_disk(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))"
    done = subprocess.run(
        [*unshare, sys.executable, "-c", call, tmp_path, str(first), str(last)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
