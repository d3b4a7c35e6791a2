"""The lock of a site that several users have to do with; each test acts as root and nobody."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagepip.ground.destination import find_destination
from sagepip.ground.target_python import TargetPython
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import begin_transaction
from tests.e2e.commands import Terminal, error_line
from tests.e2e.locking import (
    INSTALL,
    LOCK,
    NOBODY,
    end,
    expect,
    hold,
    lock_of,
    needs_flock,
    needs_proc,
    needs_root,
    new_site,
    public_directory,
    reap,
    start,
    state,
)
from tests.wheels import make_wheel

pytestmark = [needs_root, needs_flock]
UNTIL_TOLD = ("sh", "-c", "echo in; read line")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    reap()


@pytest.fixture
def site() -> Iterator[Path]:
    """A site that all users can look into, and root can write to."""
    with public_directory() as directory:
        yield new_site(directory / "prefix")


def as_nobody(
    terminal: Terminal, *words: str | Path, status: int = 0, program: str = LOCK, tmp: str = ""
) -> str:
    """Run a command as nobody; return what it said."""
    done = subprocess.run(
        [*NOBODY, program, *words],
        cwd="/",
        env=terminal.environ | ({"TMPDIR": tmp} if tmp else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return error_line(done) if status else done.stdout


def test_reader_without_rights(terminal: Terminal, site: Path) -> None:
    """Who may only read the site shares its lock, with the gate or without; and cannot write."""
    for _ in range(2):
        reader = start(terminal, *NOBODY, LOCK, "-s", site, "--", *UNTIL_TOLD)
        expect(reader, "in")
        assert state(lock_of(site)) == "shared"
        end(reader)
        writer = hold(terminal, "-x", site)
        assert f"process {writer.pid}" in as_nobody(
            terminal, "-s", "--timeout", "0", site, "--", "true", status=3
        )
        end(writer)
        (site / ".sagepip" / "gate").unlink(missing_ok=True)
    said = as_nobody(terminal, "-x", site, "--", "true", status=1)
    assert f"cannot lock {lock_of(site)}: Permission denied" in said


def test_nothing_to_lock(terminal: Terminal, site: Path) -> None:
    """A site without a lock, where none can be made, is an error in both modes."""
    shutil.rmtree(site / ".sagepip")
    said = as_nobody(terminal, "-s", site, "--", "true", status=1)
    assert f"{site} has no lock yet, and this user cannot make one" in said
    assert "Permission denied" in as_nobody(terminal, "-x", site, "--", "true", status=1)


def test_lock_of_another_user(terminal: Terminal, site: Path) -> None:
    """A lock file that cannot be read is an error that names its owner."""
    lock_of(site).chmod(0o600)
    for mode in ("-s", "-x"):
        said = as_nobody(terminal, mode, site, "--", "true", status=1)
        assert f"cannot lock {lock_of(site)}: Permission denied (it belongs to user 0" in said


@pytest.mark.parametrize("first", ["root", "nobody"])
@pytest.mark.parametrize("mode", [0o775, 0o2775, 0o777])
def test_shared_site(terminal: Terminal, site: Path, first: str, mode: int) -> None:
    """Who may write to the site may lock it, whoever was first and whatever their umask."""
    shutil.rmtree(site / ".sagepip")
    if mode != 0o777:
        os.chown(site, -1, 65534)
    site.chmod(mode)
    words = ("-x", site, "--", "true")
    if first == "root":
        terminal.run("sage-pip-lock", *words, preexec=lambda: os.umask(0o077))
    as_nobody(terminal, *words)
    terminal.run("sage-pip-lock", *words)
    as_nobody(terminal, *words)
    found = lock_of(site).stat()
    assert stat.S_IMODE(found.st_mode) & 0o020 or found.st_mode & 0o002


def test_second_user_stages_beside_the_first(terminal: Terminal, site: Path) -> None:
    """While a user's transaction is under way another may begin one in a site that both share."""
    shutil.rmtree(site / ".sagepip")
    site.chmod(0o777)
    wheel = make_wheel(site.parent, "pkg", "1", {"pkg.py": ""})
    temporary = site.parent / "tmp"
    temporary.mkdir(mode=0o777)
    temporary.chmod(0o777)
    destination = find_destination(TargetPython.running(), target=str(site))
    before = os.umask(0o077)
    try:
        with begin_transaction(str(site), Territory.of(destination)):
            words = ("--no-index", "--target", site, wheel)
            as_nobody(terminal, *words, program=INSTALL, tmp=str(temporary))
    finally:
        os.umask(before)
    assert (site / "pkg.py").exists()
    assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]


def test_private_site_stays_private(terminal: Terminal, site: Path) -> None:
    """The lock of a site that only its owner may write to is made as the umask says."""
    shutil.rmtree(site / ".sagepip")
    terminal.run("sage-pip-lock", site, "--", "true", preexec=lambda: os.umask(0o027))
    assert stat.S_IMODE(lock_of(site).stat().st_mode) == 0o640
    assert stat.S_IMODE((site / ".sagepip").stat().st_mode) == 0o750


@needs_proc
def test_ancestor_of_another_user(terminal: Terminal, site: Path) -> None:
    """A command that has changed its user is still known to run under the lock."""
    shutil.rmtree(site / ".sagepip")
    site.chmod(0o777)
    inner = [*NOBODY, LOCK, "-x", "--timeout", "0", str(site), "--", "echo", "ran"]
    script = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    done = terminal.run("sage-pip-lock", site, "--", sys.executable, "-c", script, *inner)
    assert done.stdout == "ran\n"


def test_read_only_file_system(terminal: Terminal, tmp_path: Path) -> None:
    """On a file system that cannot be written to the lock can be shared, and nothing else."""
    mount = tmp_path / "mount"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", mount], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        site = new_site(mount / "prefix")
        bare = mount / "bare"
        bare.mkdir()
        subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
        assert terminal.run("sage-pip-lock", "-s", site, "--", "echo", "ran").stdout == "ran\n"
        done = terminal.run("sage-pip-lock", "-x", site, "--", "true", status=1)
        assert "Read-only file system" in error_line(done)
        done = terminal.run("sage-pip-lock", "-s", bare, "--", "true", status=1)
        assert "has no lock yet" in error_line(done)
    finally:
        subprocess.run(["umount", mount], check=True)
