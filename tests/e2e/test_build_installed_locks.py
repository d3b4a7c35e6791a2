"""Build environments copied from a site that others change: the lock, and what happens without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from bench.environment import VirtualEnvironment

from sagepip.build import installed_member, installed_site
from sagepip.build.cache import Cache, find_cache
from sagepip.build.environment import BuildEnvironment, EnvironmentUse
from sagepip.build.installed_files import Layout
from sagepip.build.installed_member import InstalledMember
from sagepip.build.installed_requirements import InstalledProject
from sagepip.build.members import Member
from sagepip.ground.errors import BuildError, LockTimeout, RecoveryError
from sagepip.ground.file_content import copy_bytes
from sagepip.transaction.journal import journal_path
from sagepip.transaction.lock import SiteLock
from sagepip.transaction.lock_files import LockFiles
from sagepip.transaction.lock_view import look_at_lock
from sagepip.transaction.site_view import SiteView
from tests.e2e.build_fixtures import TINY_BACKEND, make_project, make_tiny_backend, seen
from tests.e2e.commands import Terminal, installed
from tests.e2e.installed_target import Target, provide, tree_of
from tests.e2e.locking import (
    INSTALL,
    NOBODY,
    needs_flock,
    needs_root,
    public_directory,
    wait_until,
)
from tests.e2e.maintenance import AFTER, BEFORE, install_killed
from tests.wheels import make_wheel

Files = dict[str, bytes | str]
LIB: Files = {"lib/__init__.py": "", "lib/data.txt": "data"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache, for this test alone."""
    monkeypatch.setenv("SAGEPIP_CACHE_DIR", str(tmp_path / "cache"))
    found = find_cache(os.environ)
    assert found is not None
    return found


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A target with lib, whose lock is there."""
    target = Target.at(tmp_path / "target").install("lib", "1.0", LIB)
    LockFiles.of_site(target.destination.site).make()
    return target


def data_of(environment: BuildEnvironment) -> str:
    """Return the contents of lib's data."""
    (found,) = Path(environment.path).rglob("lib/data.txt")
    return found.read_text()


# ------------------------------------------------------------------------------- the lock is held


def test_writer_is_waited_for(tmp_path: Path, cache: Cache, target: Target) -> None:
    """Nothing is read of a site that somebody changes; the time limit is the lock's."""
    with SiteLock(target.destination.site).hold(), pytest.raises(LockTimeout, match="not free"):
        provide(target, cache, tmp_path, "lib", lock_timeout=0)
    assert os.listdir(cache.wheels) == []
    assert data_of(provide(target, cache, tmp_path, "lib", lock_timeout=0)) == "data"


def test_writer_of_another_site_is_waited_for(tmp_path: Path, cache: Cache, target: Target) -> None:
    """Every site that the interpreter sees is locked: what it sees there may be needed."""
    seeing = Target.at(tmp_path / "seeing", target.site)
    with SiteLock(target.destination.site).hold(), pytest.raises(LockTimeout, match="not free"):
        provide(seeing, cache, tmp_path, "lib", lock_timeout=0)
    assert data_of(provide(seeing, cache, tmp_path, "lib", lock_timeout=0)) == "data"


def test_lock_is_shared_and_held_for_a_look_alone(
    tmp_path: Path, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metadata and lists of files are read under the lock; files are copied without."""
    site = target.destination.site
    states: list[tuple[str, bool | None]] = []

    def looking(*words: Any, **named: Any) -> SiteView:
        view = look_at_lock(site)
        states.append(("look", view.held and view.shared))
        return SiteView(*words, **named)

    def copying(stream: BinaryIO, name: str) -> None:
        states.append(("copy", look_at_lock(site).held))
        copy_bytes(stream, name)

    monkeypatch.setattr(installed_site, "SiteView", looking)
    monkeypatch.setattr(installed_member, "copy_bytes", copying)
    provide(target, cache, tmp_path, "lib")
    assert states[0] == ("look", True)
    assert set(states[1:]) == {("copy", False)}
    assert len(states) > 4
    states.clear()
    provide(target, cache, tmp_path, "lib")
    assert states == [("look", True)], "what is in the cache is not copied again"


def test_lock_that_comes_meanwhile_is_noticed(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site without a lock was never changed by sagepip; once it has one it is looked at again."""
    target = Target.at(tmp_path / "target").install("lib", "1.0", LIB)
    site = target.destination.site
    looks = []

    def looking(*words: Any, **named: Any) -> SiteView:
        looks.append(look_at_lock(site).held)
        if len(looks) > 1:
            return SiteView(*words, **named)
        # What the first install of another process ever does, its commit half done.
        with SiteLock(site).hold():
            target.info("lib").rename(target.site / "away")
            found = SiteView(*words, **named)
        (target.site / "away").rename(target.site / "lib-1.0.dist-info")
        return found

    monkeypatch.setattr(installed_site, "SiteView", looking)
    assert data_of(provide(target, cache, tmp_path, "lib")) == "data"
    assert looks == [False, True]


@pytest.mark.parametrize(("where", "expected"), [(BEFORE, "data"), (AFTER, "new")])
def test_interrupted_change_is_resolved_first(
    tmp_path: Path, cache: Cache, target: Target, where: str, expected: str
) -> None:
    """Never is a site copied from that has a hot journal."""
    newer = make_wheel(tmp_path / "newer", "lib", "2.0", LIB | {"lib/data.txt": "new"})
    install_killed(target.destination, where, newer)
    assert os.path.exists(journal_path(target.destination.site))
    assert data_of(provide(target, cache, tmp_path, "lib")) == expected
    assert not os.path.exists(journal_path(target.destination.site))


def test_change_that_cannot_be_resolved_is_refused(
    tmp_path: Path, cache: Cache, target: Target
) -> None:
    """A journal that makes no sense is kept, and nothing is copied."""
    journal = Path(journal_path(target.destination.site))
    journal.write_text("nonsense")
    with pytest.raises(RecoveryError, match="cannot use the journal"):
        provide(target, cache, tmp_path, "lib")
    assert journal.read_text() == "nonsense"
    assert os.listdir(cache.wheels) == []


def test_under_locks_of_ones_own(tmp_path: Path, terminal: Terminal) -> None:
    """A build inside sage-pip-lock copies from the site that is locked around it."""
    venv = VirtualEnvironment.create(tmp_path / "venv")
    house = tmp_path / "house"
    terminal.install("--python", venv.root, "--no-index", make_tiny_backend(house))
    project = make_project(tmp_path / "demo", probes=["tiny_backend"])
    words = ("--python", venv.root, "--no-index", "--build-isolation=installed")
    command = (INSTALL, *words, project)
    done = terminal.run("sage-pip-lock", "-x", "--python", venv.root, "--", *command)
    assert installed(done) == {"demo-1.0"}
    done = terminal.run(
        "sage-pip-lock", "-s", "--python", venv.root, "--", *command, "--dry-run", "-I"
    )
    assert "Would install demo-1.0" in done.stdout


@needs_flock
def test_interrupted_change_under_somebodys_shared_lock(
    tmp_path: Path, terminal: Terminal, target: Target
) -> None:
    """It cannot be resolved there, which is said; nothing is built from half a change."""
    newer = make_wheel(tmp_path / "newer", "lib", "2.0", LIB)
    install_killed(target.destination, BEFORE, newer)
    lock = target.site / ".sagepip" / "lock"
    program = textwrap.dedent(
        """
        import sys
        from sagepip.transaction.shared_reading import read_undisturbed
        read_undisturbed([sys.argv[1]], None, lambda: print("looked"))
        """
    )
    done = subprocess.run(
        ["flock", "-s", lock, sys.executable, "-c", program, target.destination.site],
        env=terminal.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"LockError: {target.destination.site} has an interrupted change" in done.stderr
    assert "this command runs under its shared lock" in done.stderr
    assert done.stdout == ""
    assert os.path.exists(journal_path(target.destination.site))


# -------------------------------------------------------------------- what changes without a lock


Change = Callable[[Target], object]


def _replace_in_disguise(target: Target) -> None:
    """Put another file of the same size and time in a file's place, as ``cp -p`` would."""
    path = target.site / "lib" / "data.txt"
    found = path.stat()
    new = path.with_name("new")
    new.write_text("DATA")
    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
    new.replace(path)


def _replace_by_pipe(target: Target) -> None:
    (target.site / "lib" / "data.txt").unlink()
    os.mkfifo(target.site / "lib" / "data.txt")


CHANGES: dict[str, Change] = {
    "edited": lambda one: (one.site / "lib/data.txt").write_text("DATA"),
    "replaced": _replace_in_disguise,
    "gone": lambda one: (one.site / "lib/data.txt").unlink(),
    "a pipe now": _replace_by_pipe,
    "directory gone": lambda one: shutil.rmtree(one.site / "lib"),
}


class Meddler:
    """Changes a site between the look at it and the copy."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, meddle: Callable[[], object]) -> None:
        self.calls = 0
        really = EnvironmentUse.environment

        def environment(use: EnvironmentUse, members: Sequence[Member]) -> BuildEnvironment:
            self.calls += 1
            meddle()
            return really(use, members)

        monkeypatch.setattr(EnvironmentUse, "environment", environment)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_change_between_look_and_copy_is_noticed(
    tmp_path: Path,
    cache: Cache,
    target: Target,
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is copied is what was seen, or it is looked at again."""
    changes = [lambda: change(target)]
    meddler = Meddler(monkeypatch, lambda: changes and changes.pop()())
    environment = provide(target, cache, tmp_path, "lib")
    assert meddler.calls == 2
    live = target.site / "lib" / "data.txt"
    copies = list(Path(environment.path).rglob("lib/data.txt"))
    assert [one.read_text() for one in copies] == (["DATA"] if live.is_file() else [])
    assert not [name for name in os.listdir(cache.wheels) if name.startswith(".")]


def test_change_during_the_copy_is_noticed(
    tmp_path: Path, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is written to while it is copied is copied again."""
    live = target.site / "lib" / "data.txt"
    changes = ["DATA"]

    def copying(stream: BinaryIO, name: str) -> None:
        copy_bytes(stream, name)
        if name.endswith("lib/data.txt") and changes:
            live.write_text(changes.pop())

    monkeypatch.setattr(installed_member, "copy_bytes", copying)
    assert data_of(provide(target, cache, tmp_path, "lib")) == "DATA"


def test_metadata_that_goes_during_the_look_is_looked_for_again(
    tmp_path: Path, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip does it, which takes no lock: it ends in a whole distribution or in a clear error."""
    away = target.site / "away"
    looks = []

    def looking(project: InstalledProject, layout: Layout) -> InstalledMember:
        looks.append(project.name)
        if len(looks) == 1:
            target.info("lib").rename(away)
        try:
            return really(project, layout)
        finally:
            if away.exists() and not len(looks) > 1:
                away.rename(target.site / "lib-1.0.dist-info")

    really = InstalledMember.look
    monkeypatch.setattr(InstalledMember, "look", looking)
    assert data_of(provide(target, cache, tmp_path, "lib")) == "data"
    assert looks == ["lib", "lib"]


def test_site_that_never_rests_is_copied_under_the_lock(
    tmp_path: Path, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two tries nobody may change it until it is copied."""
    site = target.destination.site
    held = []

    def meddle() -> None:
        view = look_at_lock(site)
        held.append(view.held and view.shared)
        if not view.held:
            (target.site / "lib/data.txt").write_text(f"data {len(held)}")

    Meddler(monkeypatch, meddle)
    assert data_of(provide(target, cache, tmp_path, "lib")) == "data 2"
    assert held == [False, False, True]


def test_who_takes_no_lock_and_never_rests_is_an_error(
    tmp_path: Path, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against such a writer there is no help, but no wrong build either."""
    count = iter(range(100))
    Meddler(monkeypatch, lambda: (target.site / "lib/data.txt").write_text(f"{next(count)}"))
    with pytest.raises(BuildError, match=r"data\.txt changes while x is built \(wait for"):
        provide(target, cache, tmp_path, "lib")
    assert os.listdir(cache.wheels) == []


# --------------------------------------------------------------------------------- real processes

RIVAL = """
import os, sys
from sagepip.cli.dispatch import run
prefix, stop, *wheels = sys.argv[1:]
here = ["-q", "--prefix", prefix]
rounds = 0
while not os.path.exists(stop):
    for pair in (wheels[:2], wheels[2:]):
        assert run("sagepip", "install", [*here, "--no-index", "--no-deps", "-I", *pair]) == 0
        rounds += 1
        print(rounds, flush=True)
    if rounds % 6 == 0:
        assert run("sagepip", "uninstall", ["-y", *here, "one", "two"]) == 0
"""


def _pair(house: Path, version: str) -> list[Path]:
    return [
        make_wheel(
            house,
            name,
            version,
            {f"{name}/{number}.txt": version for number in range(60)},
            requires=(f"{other}=={version}",),
        )
        for name, other in (("one", "two"), ("two", "one"))
    ]


def test_pairs_are_never_torn(tmp_path: Path, cache: Cache) -> None:
    """Two distributions that change together are copied from one moment, each of them whole."""
    target, stop = Target.at(tmp_path / "target"), tmp_path / "stop"
    wheels = [*_pair(tmp_path / "house", "1"), *_pair(tmp_path / "house", "2")]
    command = [sys.executable, "-c", RIVAL, *map(str, (target.prefix, stop, *wheels))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    provided = 0
    try:
        assert process.stdout is not None
        while provided < 8:
            assert process.stdout.readline(), "it goes on all the time"
            try:
                found = tree_of(provide(target, cache, tmp_path, "one"))
            except BuildError as error:
                assert "one (not installed)" in error.problem
                continue  # after an uninstallation
            provided += 1
            texts = [text for name, text in found.items() if name.endswith(".txt")]
            assert len(texts) == 120
            assert len(set(texts)) == 1
        stop.touch()
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


WAITING = """
import time as _time
_tiny_requires = get_requires_for_build_wheel
def get_requires_for_build_wheel(config_settings=None):
    open({asked!r}, "w").close()
    while not os.path.exists({told!r}):
        _time.sleep(0.02)
    return _tiny_requires(config_settings)
"""


def test_build_is_the_same_whatever_becomes_of_the_site(
    tmp_path: Path, cache: Cache, terminal: Terminal
) -> None:
    """G7: everything is uninstalled, and something else installed, while a build goes on."""
    asked, told = tmp_path / "asked", tmp_path / "told"
    venv = VirtualEnvironment.create(tmp_path / "venv")
    backend = TINY_BACKEND + WAITING.format(asked=str(asked), told=str(told))
    good = [
        make_wheel(tmp_path / "good", "tiny_backend", "1.0", {"tiny_backend.py": backend}),
        make_wheel(tmp_path / "good", "lib", "1.0", LIB),
    ]
    wrong = "raise SystemExit('this is not what the build began with')"
    added = make_wheel(tmp_path / "added", "added", "1.0", {"added.py": ""})
    bad = [
        make_wheel(tmp_path / "bad", "tiny_backend", "9.0", {"tiny_backend.py": wrong}),
        make_wheel(tmp_path / "bad", "lib", "9.0", {"lib/__init__.py": wrong}),
        added,
    ]
    here = ("--python", venv.root)
    project = make_project(
        tmp_path / "source",
        requires=["tiny-backend", "lib"],
        dynamic=["added", "lib<9"],
        probes=["tiny_backend", "lib", "added"],
    )
    saw = []
    for is_disturbed in (False, True):
        terminal.install(*here, "--no-index", added, *good)
        asked.unlink(missing_ok=True)
        told.unlink(missing_ok=True)
        build = terminal.start(
            "sage-pip-install",
            *(*here, "--no-index", "--no-deps", "-I", "--build-isolation=installed", project),
            settings={"SAGE_SPKG_WHEELS": tmp_path / "built"},
        )
        wait_until(asked.exists)
        if is_disturbed:
            terminal.run("sage-pip-uninstall", "-y", *here, "tiny-backend", "lib", "added")
            terminal.install(*here, "--no-index", *bad)
        told.touch()
        _, error = build.communicate()
        assert build.returncode == 0, error
        one = seen(str(tmp_path / "built" / "demo-1.0-py3-none-any.whl"))
        saw.append({key: one[key] for key in ("found", "version", "executable", "path")})
    assert saw[0]["found"] == ["tiny_backend", "lib", "added"]
    # The second environment is made of another installation of the same.
    for one in saw:
        one["path"] = [
            path.replace(one["executable"].split("/bin/")[0], "") for path in one["path"]
        ]
        del one["executable"]
    assert saw[0] == saw[1]


# ------------------------------------------------------------------------------- several users


@needs_root
def test_reader_without_rights(terminal: Terminal) -> None:
    """Who may only read a site can copy from it, if its lock, where there is one, is readable."""
    program = textwrap.dedent(
        """
        import sys
        from sagepip.ground.errors import SagepipError
        from sagepip.transaction.lock_view import look_at_lock
        from sagepip.transaction.shared_reading import read_undisturbed
        site = sys.argv[1]
        try:
            print("held:", read_undisturbed([site], 0, lambda: look_at_lock(site).held))
        except SagepipError as error:
            print(f"{type(error).__name__}: {error}")
        """
    )
    with public_directory() as directory:
        site = directory / "site"
        site.mkdir()
        files = LockFiles.of_site(str(site))

        def read() -> str:
            command = [*NOBODY, sys.executable, "-Ic", program, str(site)]
            done = subprocess.run(command, cwd="/", capture_output=True, check=True, text=True)
            return done.stdout.strip()

        assert read() == "held: False"
        assert os.listdir(site) == []
        files.make()
        assert read() == "held: True"
        with SiteLock(str(site)).hold():
            assert "LockTimeout" in read()
        os.unlink(files.gate)
        assert read() == "held: True", "without the gate, too"
        os.chmod(files.lock, 0o600)
        assert f"LockError: cannot lock {files.lock}: Permission denied" in read()
        os.chmod(files.lock, 0o644)
        journal = Path(journal_path(str(site)))
        journal.write_text("nonsense")
        assert f"LockError: {site} has an interrupted change, which must be resolved" in read()


def test_file_that_may_not_be_read(
    tmp_path: Path, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, with its distribution; root may read everything, so it is refused by hand."""
    really = os.open

    def refuse(path: str, *words: Any, **named: Any) -> int:
        if str(path).endswith("site-packages/lib/data.txt"):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *words, **named)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BuildError, match=r"cannot read .*data\.txt of lib 1\.0: Permission"):
        provide(target, cache, tmp_path, "lib")
    assert os.listdir(cache.wheels) == []
