"""``sagepip build`` in trouble: several at once, no space, no permission, bad targets, signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sagepip.ground.errors import TargetError
from sagepip.staging.checked_archive import check_wheel
from sagepip.transaction.owner_mark import directory_lock
from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.e2e.commands import Terminal, error_line
from tests.guarantees import snapshot
from tests.wheels import make_wheel

REPOSITORY = Path(__file__).parents[2]
# Says when it works on a tree, and waits to be let go.
WAITING_BACKEND = (
    TINY_BACKEND
    + """
import time

build_plain_wheel = build_wheel

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open("../diary", "a") as diary:
        diary.write("begin\\n")
    for _ in range(3000):
        if os.path.exists("../go"):
            break
        time.sleep(0.02)
    else:
        raise SystemExit("was not let go")
    made = build_plain_wheel(wheel_directory, config_settings)
    with open("../diary", "a") as diary:
        diary.write("end\\n")
    return made
"""
)


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} does not come")


# ---------------------------------------------------------------------- at once


def test_one_tree_is_built_by_one_at_a_time(terminal: Terminal) -> None:
    """Who comes second says that it waits; all of them end with the same wheel."""
    project = make_project(terminal.where / "source", in_tree=WAITING_BACKEND)
    words = ("build", "--no-build-isolation", "-w", "out", project)
    first = terminal.start("sagepip", *words)
    wait_for(terminal.where / "diary")
    others = [terminal.start("sagepip", *words) for _ in range(2)]
    for one in others:
        assert one.stderr is not None
        line = one.stderr.readline()
        assert line == f"sagepip: waiting for {project}: another process is building it\n"
    (terminal.where / "go").touch()
    stored = f"{terminal.where}/out/demo-1.0-py3-none-any.whl\n"
    for one in (first, *others):
        out, err = one.communicate(timeout=60)
        assert (one.returncode, out, err) == (0, stored, "")
    assert (terminal.where / "diary").read_text() == "begin\nend\n" * 3
    assert os.listdir(terminal.where / "out") == ["demo-1.0-py3-none-any.whl"]


def test_stores_at_once_with_a_reader(terminal: Terminal) -> None:
    """Many store versions of one project: whoever looks finds one, whole; one is left at last."""
    house = terminal.where / "house"
    settings = {"SAGE_SPKG_WHEELS": house}
    body = os.urandom(1_200_000)
    wheels = [
        make_wheel(terminal.where / "w", "demo", f"{n}", {"demo.bin": body}) for n in range(8)
    ]
    terminal.run("sagepip", "build", wheels[0], settings=settings)
    finished = threading.Event()
    found: list[str] = []
    looks = 0

    def read() -> None:
        nonlocal looks
        while not finished.is_set():
            seen = [name for name in os.listdir(house) if name.endswith(".whl")]
            if not seen:
                found.append("absent")
            for name in seen:
                try:
                    check_wheel(str(house / name))
                except TargetError as error:
                    # It may have been superseded since the directory was listed.
                    if "No such file" not in str(error):
                        found.append(str(error))
            looks += 1

    reader = threading.Thread(target=read)
    reader.start()
    with directory_lock(str(house), "testing"):
        running = [terminal.start("sagepip", "build", one, settings=settings) for one in wheels[1:]]
        for process in running:
            # All are there before the first may go on.
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line == f"sagepip: waiting for {house}: another process is storing a wheel\n"
    for process, wheel in zip(running, wheels[1:], strict=True):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out == f"{house}/{wheel.name}\n"
    finished.set()
    reader.join()
    assert found == []
    assert looks > 0
    (left,) = os.listdir(house)
    assert (house / left).read_bytes() == (terminal.where / "w" / left).read_bytes()


def test_signal_during_a_build(terminal: Terminal) -> None:
    """It dies by the signal, and leaves neither a wheel nor a directory made for it."""
    project = make_project(terminal.where / "source", in_tree=WAITING_BACKEND)
    for signum in (signal.SIGTERM, signal.SIGINT):
        process = terminal.start("sagepip", "build", "-n", "-w", "new/out", project)
        wait_for(terminal.where / "diary")
        (terminal.where / "diary").unlink()
        process.send_signal(signum)
        out, err = process.communicate(timeout=60)
        assert process.returncode == -signum, err
        assert out == ""
        assert err.startswith("Error: "), err
        assert err.count("\n") == 1, err
        assert not (terminal.where / "new").exists()
        assert list(terminal.temporary.iterdir()) == []


# ---------------------------------------------------------------------- bad input


def test_bad_targets(terminal: Terminal) -> None:
    """One line, before anything is built where that can be; nothing is stored, nothing left."""
    where = terminal.where
    project = make_project(where / "source", in_tree=TINY_BACKEND)
    again = make_project(where / "again", "Demo", "2.0", in_tree=TINY_BACKEND)
    wheel = make_wheel(where, "demo", "3", {"demo.py": ""})
    altered = make_wheel(where, "bad", "1", {"bad.py": ""}, replace={"bad.py": "altered"})
    for path in ("none", "x.whl"):
        (where / path).mkdir()
    os.mkfifo(where / "y.whl")
    (where / "torn-1-py3-none-any.whl").write_bytes(wheel.read_bytes()[:200])
    (where / "file").write_text("")
    demanding = TINY_BACKEND.replace(
        'Version: {version}\\n"', 'Version: {version}\\nRequires-Python: >=99\\n"'
    )
    newer = make_project(where / "newer", "newer", in_tree=demanding)
    cases: list[tuple[int, str, list[str | Path]]] = [
        (2, "nothing to build (give a TARGET or -r FILE", []),
        (1, "no project in the directory ./none", ["./none"]),
        (1, "no such file or directory: ./gone", ["./gone"]),
        (1, "a directory, not a file: x.whl", ["x.whl"]),
        (1, "not a regular file: y.whl", ["y.whl"]),
        (1, "torn-1-py3-none-any.whl: ", ["torn-1-py3-none-any.whl"]),
        (1, "bad.py", [project, altered]),
        (1, f"{project} and {again} are both Demo", [project, again]),
        (1, f"{wheel} and {project} are both demo", [project, wheel]),
        (1, f"the requirement demo and {wheel} are both demo", ["demo", wheel]),
        (1, f"{project} is demo 1.0, not other", [f"other @ {project.as_uri()}"]),
        (1, f"{wheel} is demo 3, not other", [f"other @ {wheel.as_uri()}"]),
        (1, "nothing satisfies nowhere", ["nowhere"]),
        (1, "requires Python >=99", [newer]),
        (2, "--sdist needs a source directory, not demo", ["--sdist", "demo"]),
        (2, f"--sdist needs a source directory, not {wheel}", ["--sdist", project, wheel]),
        (2, "--sdist and --sdist-then-wheel exclude", ["-s", "--sdist-then-wheel", project]),
        (1, f"not a directory: {where}/file", ["-w", "file", project]),
        (1, f"not a directory: {where}/file", ["-w", "file/new", project]),
        (2, "--root is not supported (build installs nothing", ["--root", "x", project]),
        (2, "-e is not supported (give the directory", ["-e", project]),
        (2, "--config-json is not JSON", ["--config-json", "{", project]),
        (2, "--config-json is no object", ["--config-json", '{"a": 1}', project]),
        (2, "--config-json and -C exclude", ["--config-json", "{}", "-C", "a=b", project]),
    ]
    for status, says, words in cases:
        out = [] if "-w" in words else ["-w", "out"]
        options = ("build", "--no-index", "-f", where / "house", "-q", "-n")
        done = terminal.run("sagepip", *options, *out, *words, status=status)
        assert done.stdout == ""
        assert says in error_line(done), words
        assert not (where / "out").exists(), words
        assert list(terminal.temporary.iterdir()) == [], words
    assert (where / "file").read_text() == ""


def test_ignored_requires_python(terminal: Terminal) -> None:
    """--ignore-requires-python builds all the same."""
    wheel = make_wheel(
        terminal.where, "demo", "1", {"demo.py": ""}, metadata="Requires-Python: >=99\n"
    )
    # A wheel is stored as it is: it may be for another interpreter.
    terminal.run("sagepip", "build", "-w", "out", wheel)
    words = ("build", "--no-index", "-f", "out", "-w", "other", "demo")
    assert "demo" in error_line(terminal.run("sagepip", *words, status=1))
    terminal.run("sagepip", *words, "--ignore-requires-python")
    assert os.listdir(terminal.where / "other") == [wheel.name]


def fill_the_disk(where: Path) -> None:
    """Store with less and less room; to be run where mounting is nobody's concern.

    Args:
        where: a private directory.
    """
    terminal = Terminal(where)
    disk = where / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
    old = make_wheel(where, "demo", "1", {"demo.bin": os.urandom(100_000)})
    new = make_wheel(where, "demo", "2", {"demo.bin": os.urandom(300_000)})
    other = make_wheel(where, "other", "1", {"other.bin": os.urandom(100_000)})
    settings = {"SAGE_SPKG_WHEELS": disk / "house"}
    terminal.run("sagepip", "build", old, settings=settings)
    before = snapshot(disk)
    for room in (0, 4096, 200_000, 350_000):
        filler = disk / "filler"
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
        filler.write_bytes(bytes(free - room))
        # Both or none: there is room for the first of them, at last.
        for call in ("build", "build -w new/deep"):
            words = call.replace("new/", f"{disk}/new/").split()
            done = terminal.run("sagepip", *words, other, new, settings=settings, status=1)
            assert done.stdout == ""
            assert "No space left on device" in error_line(done)
        filler.unlink()
        assert snapshot(disk) == before, room
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    done = terminal.run("sagepip", "build", new, settings=settings, status=1)
    assert error_line(done).startswith(f"Error: cannot write to the directory {disk}/house")
    # What is there already needs no writing.
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    terminal.run("sagepip", "build", new, settings=settings)
    assert os.listdir(disk / "house") == [new.name]
    assert list(terminal.temporary.iterdir()) == []


def test_full_and_read_only_disk(tmp_path: Path) -> None:
    """Where there is no room, or no writing, one line says so and nothing is changed."""
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    mounts: list[str | Path] = [*unshare, "mount", "-t", "tmpfs", "none", tmp_path]
    if not shutil.which("unshare") or subprocess.run(mounts, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    call = "import sys, pathlib\nfrom tests.e2e.test_build_command_trouble import fill_the_disk\n"
    call += "fill_the_disk(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [*unshare, sys.executable, "-c", call, tmp_path],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
