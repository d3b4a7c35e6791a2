"""``SAGEPIP_LOCK_FILE``: a lock of other programs is taken as well."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.commands import Terminal, error_line, site_of
from tests.e2e.locking import INSTALL, needs_flock
from tests.guarantees import snapshot, versions
from tests.wheels import make_wheel


@pytest.fixture
def wheel(terminal: Terminal) -> Path:
    """A wheel."""
    return make_wheel(terminal.where / "made", "pkg", "1", {"pkg.py": "V = 1\n"})


@pytest.fixture
def other(terminal: Terminal) -> Path:
    """The lock file of other programs; its directory is not there yet."""
    path = terminal.where / "lock" / "pip3.lock"
    terminal.environ["SAGEPIP_LOCK_FILE"] = str(path)
    return path


@pytest.mark.parametrize("change", ["install", "uninstall", "copy", "lock"])
def test_every_change_waits_for_it(
    terminal: Terminal, wheel: Path, other: Path, change: str
) -> None:
    """Who holds the other lock keeps out installs, uninstalls, copies and commands."""
    prefix, staged = terminal.where / "prefix", terminal.where / "staged"
    terminal.install("--prefix", prefix, wheel)
    assert other.exists()
    staged.mkdir()
    (staged / "file").touch()
    newer = make_wheel(terminal.where / "newer", "pkg", "2", {"pkg.py": "V = 2\n"})
    before = snapshot(prefix)
    limit = {"SAGEPIP_LOCK_TIMEOUT": "0"}
    words: dict[str, tuple[str | Path, ...]] = {
        "install": ("--prefix", prefix, newer),
        "uninstall": ("-y", "--prefix", prefix, "pkg"),
        "copy": (staged, prefix),
        "lock": (prefix, "--", "touch", prefix / "touched"),
    }
    with other.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        done = terminal.run("sagepip", change, *words[change], status=3, settings=limit)
        assert f"the lock {other} was not free within 0 s" in error_line(done)
        assert snapshot(prefix) == before
        # A lock that is not named is not waited for.
        limit["SAGEPIP_LOCK_FILE"] = ""
        terminal.run("sagepip", change, *words[change], settings=limit)
    assert snapshot(prefix) != before


def test_the_lock_of_the_site_is_taken_too(terminal: Terminal, wheel: Path, other: Path) -> None:
    """The other lock takes nobody's place: who holds the site's is waited for."""
    prefix = terminal.where / "prefix"
    terminal.install("--prefix", prefix, wheel)
    with (site_of(prefix) / ".sagepip" / "lock").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        words = ("-y", "--prefix", prefix, "--lock-timeout", "0", "pkg")
        done = terminal.run("sage-pip-uninstall", *words, status=3)
    assert str(site_of(prefix)) in error_line(done)


@needs_flock
def test_commands_under_it(terminal: Terminal, wheel: Path, other: Path) -> None:
    """What runs under flock(1) or sage-pip-lock does not wait for its own ancestor."""
    prefix = terminal.where / "prefix"
    other.parent.mkdir()
    install = ("sage-pip-install", "--prefix", prefix, "--lock-timeout", "5", wheel)
    environ = {**os.environ, **terminal.environ}
    environ["PATH"] = f"{Path(INSTALL).parent}{os.pathsep}{environ['PATH']}"
    subprocess.run(["flock", other, *install], env=environ, check=True, capture_output=True)
    assert versions(site_of(prefix), "pkg") == ["1"]
    locked = ("--prefix", prefix, "--", "sage-pip-uninstall", "-y", "--prefix", prefix, "pkg")
    settings = {"PATH": environ["PATH"], "SAGEPIP_LOCK_TIMEOUT": "5"}
    terminal.run("sage-pip-lock", *locked, settings=settings)
    assert versions(site_of(prefix), "pkg") == []
    done = subprocess.run(
        ["flock", "-s", other, *install], env=environ, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"cannot change {other}: this command runs under its shared lock" in done.stderr
    # Nested: the inner one takes what is left to take.
    nested = ("--prefix", prefix, "--", "sage-pip-lock", "--prefix", prefix, "--", "true")
    terminal.run("sage-pip-lock", *nested, settings=settings)
    words = ("-s", *nested[:3], "sage-pip-lock", "-s", *nested[4:])
    terminal.run("sage-pip-lock", *words, settings=settings)


def test_a_path_that_is_relative_is_refused(terminal: Terminal, wheel: Path) -> None:
    """It would be another file in each directory."""
    prefix = terminal.where / "prefix"
    settings = {"SAGEPIP_LOCK_FILE": "pip.lock"}
    said = terminal.refuse(prefix, "--prefix", prefix, wheel, settings=settings)
    assert "SAGEPIP_LOCK_FILE is a relative path: pip.lock (give an absolute one)" in said
