"""``sage-staged-copy`` among others: locks, changes at the wrong moment, kills, errors, readers."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.environment import console_script
from bench.observer import observe
from bench.observing import sizes_of

from sagepip.ground.errors import CommitError
from sagepip.operations.staged_copy import CopyRequest, staged_copy
from tests.crash.strace import clean_environment, has_strace
from tests.e2e.commands import Done, Terminal, error_line
from tests.e2e.maintenance import PAUSED_COMMIT, PAUSED_STAGED
from tests.e2e.staged_trees import SITE, distribution, faults, has_program, write
from tests.e2e.test_overlay import mount
from tests.guarantees import snapshot, versions
from tests.wheels import make_wheel

COPY = "sage-staged-copy"
COPIES = int(os.environ.get("READER_COPIES", "40"))
# Sorts before and after that of the running interpreter: the first one has the journal.
EARLIER, LATER = "lib/python3.0/site-packages", "lib/python3.99/site-packages"
moving = pytest.mark.parametrize("words", [[], ["--move"]], ids=["copy", "move"])
needs_flock = pytest.mark.skipif(not has_program("flock"), reason="needs flock(1)")
_START = "import errno, os, signal, sys\nfrom sagepip.cli.main import sage_staged_copy\n"
_END = "sys.exit(sage_staged_copy())"
KILLED_AT_PLACE = """
from sagepip.transaction.steps import Place
really, left = Place.do, [{number}]
def do(self):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    really(self)
Place.do = do
"""
KILLED_BEFORE_JOURNAL = """
from sagepip.transaction import journal
journal.publish_file = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
ONCE_PLANNED = """
from pathlib import Path
from sagepip.transaction import transaction
really = transaction.format_journal
def format_journal(*arguments, **more):
    transaction.format_journal = really
    happen()
    return really(*arguments, **more)
transaction.format_journal = format_journal
"""
DURING_COMMIT = """
from pathlib import Path
from sagepip.transaction.steps import Place, Swap
really = Place.do
def do(self):
    Place.do = really
    happen()
    really(self)
Place.do = do
"""


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """Return where to stage."""
    return tmp_path / "D" / "staged"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Return where to publish; nothing is there yet."""
    return tmp_path / "prefix"


def scripted(where: str, *words: str | Path) -> Done:
    """Run the command in a process that something is done to."""
    return subprocess.run(
        [sys.executable, "-c", _START + where + _END, *words],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def put(staged: Path, prefix: Path) -> None:
    """Copy in this process, to be quick."""
    staged_copy(CopyRequest(str(staged), str(prefix)))


def paused(where: str, *words: str | Path) -> subprocess.Popen[str]:
    """Start the command, and return it when it waits for a line on stdin."""
    process = subprocess.Popen(
        [sys.executable, "-c", _START + where + _END, *words],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the lock of a site or prefix with flock(1)."""
    state = home / ".sagepip"
    state.mkdir(parents=True, exist_ok=True)
    (state / "lock").touch()
    command: list[str | Path] = ["flock", state / "lock", "sh", "-c", "echo in; read line"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        try:
            yield
        finally:
            holder.communicate("\n")


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Wait until a process says something on stderr."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"it ended and never said {word!r}")


def published(prefix: Path) -> dict[str, tuple[int, bytes | str | None]]:
    """Return what there is in a prefix, sagepip's own and empty directories aside."""
    return {
        name: one
        for name, one in snapshot(prefix).items()
        if ".sagepip" not in name and one[1] is not None
    }


# ---------------------------------------------------------------------- locks


@needs_flock
@pytest.mark.parametrize(
    ("there", "tree", "locks"),
    [
        ([], [], ["."]),
        ([], [SITE], [".", SITE]),
        ([SITE], [], [SITE]),
        ([SITE], [LATER], [SITE, LATER]),
        ([EARLIER, LATER], [], [EARLIER, LATER]),
        ([], [f"var/venv/{SITE}"], [".", f"var/venv/{SITE}"]),
    ],
)
def test_waits_for_each_lock(
    there: list[str],
    tree: list[str],
    locks: list[str],
    terminal: Terminal,
    staged: Path,
    prefix: Path,
) -> None:
    write(staged, {"lib/libx.so": "1"})
    for number, site in enumerate(tree):
        distribution(staged, f"pkg{number}", "1", {f"pkg{number}.py": ""}, site=site)
    for site in there:
        (prefix / site).mkdir(parents=True)
    for number, home in enumerate(locks):
        with locked(prefix / home):
            if number == 0:
                words: list[str | Path] = ["--lock-timeout", "0", staged, prefix]
                before = published(prefix), snapshot(staged)
                line = error_line(terminal.run(COPY, "--move", *words, status=3))
                assert str(prefix / home / ".sagepip/lock") in line
                assert (published(prefix), snapshot(staged)) == before
            process = terminal.start(COPY, staged, prefix)
            wait_for(process, "waiting for the lock")
            assert not number or published(prefix)
            if number == 0:
                assert published(prefix) == {}
        assert process.wait() == 0
        process.communicate()
    assert (prefix / "lib/libx.so").exists()
    assert faults(prefix) == []
    held = {str(one.parent.parent.relative_to(prefix)) for one in prefix.rglob(".sagepip/gate")}
    assert held == set(locks)


@needs_flock
def test_sites_that_appear(staged: Path, prefix: Path) -> None:
    """The lock of a prefix is that of its site as soon as it has one."""
    write(staged, {"share/x": "1"})
    process = paused(PAUSED_STAGED, staged, prefix)
    with locked(prefix / SITE):
        assert process.stdin is not None
        process.stdin.write("\n\n\n\n")
        process.stdin.flush()
        wait_for(process, f"waiting for the lock of {prefix / SITE}")
        assert published(prefix) == {}
    process.communicate()
    assert process.returncode == 0
    assert (prefix / "share/x").exists()


@pytest.mark.parametrize("attempts", [1, 5])
def test_sites_that_appear_before_the_plan(attempts: int, staged: Path, prefix: Path) -> None:
    """Also where the plan is made under the lock, as in a prefix that is never still."""
    write(staged, {"lib/libx.so": "1"})
    where = f"""
from sagepip.staging.tree_staging import TreeStaging
from sagepip.transaction import transaction
transaction._ATTEMPTS = {attempts}
really = TreeStaging.copy
def copy(self):
    os.makedirs({str(prefix / SITE)!r}, exist_ok=True)
    really(self)
TreeStaging.copy = copy
"""
    done = scripted(where, staged, prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert (prefix / SITE / ".sagepip/gate").exists()
    assert (prefix / "lib/libx.so").exists()


def test_one_at_a_time_however_it_is_named(terminal: Terminal, staged: Path, prefix: Path) -> None:
    """Of two copies of different trees, one waits; both are there in the end."""
    distribution(staged / "a", "a", "1", {"a.py": "", "space/a.py": "", "../../../bin/a": ""})
    distribution(staged / "b", "b", "1", {"b.py": "", "space/b.py": "", "../../../bin/b": ""})
    alias = prefix.with_name("alias")
    alias.symlink_to("prefix")
    first = paused(PAUSED_COMMIT, staged / "a", prefix)
    second = terminal.start(COPY, staged / "b", alias)
    wait_for(second, "waiting for the lock")
    assert not list((prefix / SITE).glob("b*"))
    assert "held" in terminal.run("sagepip", "status", "--prefix", alias).stdout
    first.communicate("\n")
    second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert {one.name for one in (prefix / SITE / "space").iterdir()} == {"a.py", "b.py"}
    assert {one.name for one in (prefix / "bin").iterdir()} == {"a", "b"}
    assert faults(prefix) == []


def test_many_at_once(terminal: Terminal, staged: Path, prefix: Path) -> None:
    for name in "abcd":
        files = {f"{name}.py": "", f"space/{name}.py": "", f"../../../share/x/{name}": ""}
        distribution(staged / name, name, "1", files)
    copies = [terminal.start(COPY, staged / name, prefix) for name in "abcd"]
    for one in copies:
        _, said = one.communicate()
        assert one.returncode == 0, said
    assert len(list(prefix.rglob("*.dist-info"))) == 4
    assert len(list((prefix / "share/x").iterdir())) == 4
    assert faults(prefix) == []


def test_under_the_lock(terminal: Terminal, staged: Path, prefix: Path) -> None:
    """A copy that a locked command runs does not wait for it."""
    distribution(staged, "a", "1", {"a.py": ""})
    for _ in range(2):
        copy: list[str | Path] = [console_script(COPY), "--lock-timeout", "5", staged, prefix]
        terminal.run("sage-pip-lock", prefix, "--", *copy)
    assert faults(prefix) == []


# ---------------------------------------------------------------------- at the wrong moment


@moving
@pytest.mark.parametrize("when", [ONCE_PLANNED, DURING_COMMIT], ids=["planned", "commit"])
def test_what_appears_meanwhile(
    when: str, words: list[str], terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """Directories, bytecode, another's files beside: they do not make it fail, and stay."""
    for version in ("1", "2"):
        distribution(
            staged / version, "pkg", version, {"pkg/__init__.py": version, "pkg/m.py": version}
        )
    put(staged / "1", prefix)
    new = staged / "2"
    write(new, {f"{SITE}/pkg/sub/__pycache__/m.pyc": "", "share/new/deep/x": "", "lib/libx.so": ""})
    write(new, {f"{SITE}/pkg/__pycache__/m.cpython-311.pyc": "ours"})
    happen = f"""
def happen():
    prefix, site = Path({str(prefix)!r}), Path({str(prefix / SITE)!r})
    for one in ("__pycache__", "sub/__pycache__"):
        (site / "pkg" / one).mkdir(parents=True, exist_ok=True)
        (site / "pkg" / one / "m.cpython-311.pyc").write_text("theirs")
    (prefix / "share/new/deep").mkdir(parents=True)
    (prefix / "share/new/deep/theirs").write_text("")
    (prefix / "lib/libx.so").write_text("theirs")
"""
    done = scripted(happen + when, *words, new, prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert versions(prefix / SITE, "pkg") == ["2"]
    assert (prefix / SITE / "pkg/m.py").read_text() == "2"
    assert (prefix / "lib/libx.so").read_text() == ""
    assert {one.name for one in (prefix / "share/new/deep").iterdir()} == {"theirs", "x"}
    # Written over ours in the middle of the commit it may stay: it is of the same module.
    bytecode = (prefix / SITE / "pkg/__pycache__/m.cpython-311.pyc").read_text()
    assert bytecode == "ours" or when == DURING_COMMIT
    assert (prefix / SITE / "pkg/sub/__pycache__/m.pyc").exists()
    assert faults(prefix) == []
    assert not words or list(new.iterdir()) == []


def test_what_comes_just_before_a_directory_is_exchanged(
    terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """It does not go with the old directory."""
    write(staged, {"share/a/x": "new", "share/a/deep/y": "new"})
    put(staged, prefix)
    old = (prefix / "share/a").stat().st_ino
    happen = f"""
def happen():
    for one in ("share/theirs", "share/a/deep/theirs"):
        (Path({str(prefix)!r}) / one).write_text("theirs")
"""
    when = DURING_COMMIT.replace("Place.do", "Swap.do")
    done = scripted(happen + when, staged, prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert (prefix / "share/a").stat().st_ino != old
    for one in ("share/theirs", "share/a/deep/theirs"):
        assert (prefix / one).read_text() == "theirs"
    assert faults(prefix) == []


# ---------------------------------------------------------------------- killed


def two_sites(tree: Path, version: str, sites: tuple[str, str]) -> Path:
    """Stage a version of a project for each of two Pythons."""
    for site in sites:
        files = {"pkg/__init__.py": version, f"only{version}.py": "", f"../../../bin/{version}": ""}
        distribution(tree, "pkg", version, files, site=site)
    return write(tree, {"lib/libx.so": version})


@pytest.mark.parametrize("number", [3, 4])
@pytest.mark.parametrize("other", [EARLIER, LATER], ids=["second", "first"])
def test_killed_between_two_sites(
    other: str, number: int, terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """Whoever comes to either site brings both to the old or both to the new state."""
    sites = (other, SITE)
    put(two_sites(staged / "1", "1", sites), prefix)
    old = published(prefix)
    two_sites(staged / "2", "2", sites)
    done = scripted(KILLED_AT_PLACE.format(number=number), staged / "2", prefix)
    assert done.returncode == -signal.SIGKILL
    seen = {tuple(versions(prefix / site, "pkg")) for site in sites}
    assert seen == ({("1",)} if number == 3 else {("1",), ("1", "2")})
    for site in sites:
        assert os.path.lexists(prefix / site / ".sagepip/journal")
    assert [one for one in faults(prefix, hashes=False) if "is left" not in one] == []
    said = terminal.run("sagepip", "recover", "--prefix", prefix).stdout
    assert ("rolled back" if number == 3 else "completed") in said
    assert faults(prefix) == []
    recovered = published(prefix)
    put(staged / "2", prefix)
    assert recovered == (old if number == 3 else published(prefix))
    assert old.keys() & published(prefix).keys() == {
        *("lib/libx.so", f"{other}/pkg/__init__.py", f"{SITE}/pkg/__init__.py")
    }


def test_killed_and_found_by_an_installation(
    terminal: Terminal, staged: Path, prefix: Path
) -> None:
    put(two_sites(staged / "1", "1", (EARLIER, SITE)), prefix)
    old = published(prefix)
    scripted(
        KILLED_AT_PLACE.format(number=3),
        two_sites(staged / "2", "2", (EARLIER, SITE)),
        prefix,
    )
    assert "hot" in terminal.run("sagepip", "status", "--prefix", prefix, status=4).stdout
    wheel = make_wheel(staged, "other", "1", {"other.py": ""})
    done = terminal.install("--prefix", prefix, wheel)
    assert "rolled back" in done.stderr
    assert {name: one for name, one in published(prefix).items() if "other" not in name} == old
    assert faults(prefix) == []


def test_killed_before_the_journal(terminal: Terminal, staged: Path, prefix: Path) -> None:
    """A link to a journal that never was leads nowhere, and goes."""
    sites = (EARLIER, SITE)
    put(two_sites(staged / "1", "1", sites), prefix)
    old = published(prefix)
    new = two_sites(staged / "2", "2", sites)
    assert scripted(KILLED_BEFORE_JOURNAL, new, prefix).returncode == -signal.SIGKILL
    link = prefix / SITE / ".sagepip/journal"
    assert link.is_symlink() and not link.exists()
    for subcommand in ("status", "verify"):
        terminal.run("sagepip", subcommand, "--prefix", prefix)
    # Another change, of the site that the link leads to, is none of the second site's.
    third = distribution(staged / "3", "third", "1", {"third.py": ""}, site="")
    scripted(KILLED_AT_PLACE.format(number=0), third, prefix / EARLIER)
    assert (prefix / EARLIER / ".sagepip/journal").is_file() and link.is_symlink()
    terminal.run("sagepip", "recover", "--prefix", prefix)
    assert (prefix / EARLIER / ".sagepip/journal").is_file() and not os.path.lexists(link)
    assert published(prefix) == old
    put(new, prefix)
    assert versions(prefix / SITE, "pkg") == versions(prefix / EARLIER, "pkg") == ["2"]
    assert faults(prefix) == []


@moving
def test_library_killed_in_the_middle(
    words: list[str], terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """The old state, also if the prefix has got a site before anybody came to look."""
    names = ["bin/x", "lib/libx.so", "share/x"]
    write(prefix, {f"{name[:3]}/there": "" for name in names})
    write(prefix, {f"{os.path.dirname(name)}/there": "" for name in names})
    old = published(prefix)
    write(staged, dict.fromkeys(names, "1"))
    done = scripted(KILLED_AT_PLACE.format(number=2), *words, staged, prefix)
    assert done.returncode == -signal.SIGKILL
    assert len(published(prefix)) == len(old) + 2
    terminal.install("--prefix", prefix, make_wheel(staged.parent, "w", "1", {"w.py": ""}))
    put(write(staged.parent / "next", {"share/next": ""}), prefix)
    now = {name: one for name, one in published(prefix).items() if "/lib" not in f"/{name[:3]}"}
    assert now.keys() - old.keys() == {"share/next"}
    assert not (prefix / "lib/libx.so").exists()
    assert faults(prefix) == []


# ---------------------------------------------------------------------- errors


@pytest.mark.skipif(not has_strace(), reason="needs strace")
@moving
@pytest.mark.parametrize(("error", "number"), [("ENOSPC", 2), ("EACCES", 9), ("ENOSPC", 13)])
def test_errors_are_rolled_back(
    error: str, number: int, words: list[str], terminal: Terminal, staged: Path, prefix: Path
) -> None:
    """The prefix and the staged tree are as they were, or it was done all the same."""
    sites = (EARLIER, SITE)
    for version in ("1", "2"):
        two_sites(staged / version, version, sites)
    put(staged / "1", prefix)
    before = published(prefix), snapshot(staged / "2")
    inject = f"inject=renameat2:error={error}:when={number}"
    command: list[str | Path] = [console_script(COPY), *words, staged / "2", prefix]
    done = subprocess.run(
        ["strace", "-f", "-o", os.devnull, "-e", "trace=renameat2", "-e", inject, *command],
        env=terminal.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert faults(prefix) == []
    if done.returncode:
        assert "nothing was changed" in error_line(done)
        assert (published(prefix), snapshot(staged / "2")) == before
    else:
        assert versions(prefix / SITE, "pkg") == versions(prefix / EARLIER, "pkg") == ["2"]
        assert not words or list((staged / "2").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@moving
def test_full_disk(words: list[str], terminal: Terminal, staged: Path, prefix: Path) -> None:
    prefix.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=1m", "none", str(prefix)):
        pytest.skip("no tmpfs can be mounted here")
    try:
        write(prefix, {"lib/old": "old"})
        write(staged, {"lib/a": "a", "lib/big": b"x" * (2 << 20), "lib/old": "new"})
        before = snapshot(staged)
        line = error_line(terminal.run(COPY, *words, staged, prefix, status=1))
        assert f"a copy of {staged} needs 2.0 MiB; {prefix}/lib has" in line
        assert line.endswith("free (make space)")
        assert published(prefix) == {"lib/old": (0o100644, b"old")}
        assert snapshot(staged) == before
        (staged / "lib/big").unlink()
        terminal.run(COPY, *words, staged, prefix)  # from another mount
        assert published(prefix).keys() == {"lib/old", "lib/a"}
        assert not words or list(staged.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", prefix], check=True)


def test_space_that_goes_meanwhile(
    staged: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the file, which the kernel's copying does not in its error."""

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", fail, raising=False)
    write(staged, {"lib/a": b"a" * (1 << 20)})  # small ones are not copied by that call
    with pytest.raises(
        CommitError, match=rf"^cannot stage {staged}/lib/a: No space left on device"
    ):
        staged_copy(CopyRequest(str(staged), str(prefix)))
    assert not prefix.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_staged_on_several_mounts(terminal: Terminal, staged: Path, prefix: Path) -> None:
    """What cannot be renamed is copied."""
    (staged / "share").mkdir(parents=True)
    if not mount("-t", "tmpfs", "none", str(staged / "share")):
        pytest.skip("no tmpfs can be mounted here")
    try:
        write(staged, {"share/deep/x": "x", "bin/x": "x"})
        done = terminal.run(COPY, "--move", staged, prefix)
        assert published(prefix).keys() == {"share/deep/x", "bin/x"}
        assert "share cannot be removed" in done.stderr
        assert [one.name for one in staged.rglob("*")] == ["share"]
    finally:
        subprocess.run(["umount", "--lazy", staged / "share"], check=True)


def test_ended_while_it_waits(staged: Path, prefix: Path) -> None:
    """What was moved is moved back when a signal ends the command."""
    distribution(staged, "pkg", "1", {"pkg/__init__.py": ""})
    write(staged, {"share/x/y": ""})
    before = snapshot(staged)
    process = paused(PAUSED_STAGED, "--move", staged, prefix)
    assert not (staged / "share").exists()
    process.terminate()
    process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert snapshot(staged) == before
    assert not prefix.exists()


# ---------------------------------------------------------------------- readers


def test_reader_never_sees_it_torn_or_absent(tmp_path: Path, prefix: Path) -> None:
    """Whatever is copied over whatever, each instant has one version that is whole (G1, G2)."""
    shared = {"pkg/same.py": "S = 1\n", "pkg/deep/er/x.py": "", "space/pkg.py": ""}
    one = make_wheel(tmp_path, "pkg", "1", {**shared, "pkg/__init__.py": "1", "pkg/gone.py": ""})
    two = make_wheel(tmp_path, "pkg", "2", {**shared, "pkg/__init__.py": "22", "two.py": ""})
    neighbour = make_wheel(tmp_path, "beside", "1", {"space/beside.py": ""})
    trees = []
    for wheel in (neighbour, one, two):
        trees.append(tmp_path / wheel.stem)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(trees[-1] / SITE)
    loop = """
from sagepip.operations.staged_copy import CopyRequest, staged_copy
prefix, count, *trees = sys.argv[1:]
for number in range(int(count)):
    staged_copy(CopyRequest(trees[number % len(trees)], prefix))
"""
    command = [sys.executable, "-c", _START + loop, str(prefix)]
    environment = clean_environment()
    subprocess.run([*command, "2", *map(str, trees[:2])], env=environment, check=True)
    sizes, names = sizes_of([one, two])
    torn: Counter[str] = Counter()
    looks = 0
    words = [str(COPIES), str(trees[2]), str(trees[1])]
    with subprocess.Popen([*command, *words], env=environment) as changer:
        while changer.poll() is None:
            looks += 1
            for one_torn in observe(prefix / SITE, "pkg", sizes=sizes, known=names).torn:
                torn[f"{one_torn.kind}: {one_torn.detail}"] += 1
    assert changer.returncode == 0
    assert torn == Counter()
    assert looks > COPIES
    assert faults(prefix) == []
