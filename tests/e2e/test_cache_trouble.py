"""Caches that are damaged, not ours, not to be read or written, or full."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagepip.build import cache as cache_module
from sagepip.build import environment as environment_module
from sagepip.build import resolution
from sagepip.build.assembly import assemble
from sagepip.build.cache import Cache, find_cache
from sagepip.build.cache_notes import noted_size
from sagepip.build.environment import EnvironmentUse
from sagepip.build.resolution_memory import ResolutionMemory, leads_nowhere
from sagepip.build.sources import PackageSources
from sagepip.build.tree_stamps import MANIFEST, OWN_FILES, Stamp, find_change, seal
from sagepip.build.unpacked_wheels import WheelMember
from sagepip.ground import console
from sagepip.ground.target_python import TargetPython
from sagepip.operations.cache import PruneRequest, cache_info, prune_cache
from tests.e2e.build_fixtures import make_project, make_tiny_backend
from tests.e2e.cache_fixtures import (
    RUNNING,
    entries,
    flaws,
    make_house,
    provide,
    resolve_quickly,
    unfinished,
    use_cache,
)
from tests.e2e.commands import Terminal, error_line
from tests.e2e.test_commands_trouble import without_override
from tests.e2e.test_overlay import mount
from tests.guarantees import snapshot
from tests.wheels import make_wheel

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def cache(tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache of this test's own, the terminal's too."""
    terminal.environ["SAGEPIP_CACHE_DIR"] = str(tmp_path / "cache")
    return use_cache(tmp_path / "cache", monkeypatch)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse: app and tool need lib."""
    return make_house(tmp_path / "house")


@pytest.fixture
def small(tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache on a file system of its own, of one mebibyte."""
    place = tmp_path / "small"
    place.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=1m,mode=700", "none", str(place)):
        pytest.skip("no tmpfs can be mounted here")
    terminal.environ["SAGEPIP_CACHE_DIR"] = str(place)
    use_cache(place, monkeypatch)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def digest_of(path: str) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def refuse(terminal: Terminal, action: str, *words: str) -> str:
    """Run a cache command that must fail; return the one line that it says."""
    done = terminal.run("sagepip", "cache", action, *words, status=1, preexec=without_override)
    assert done.stdout == ""
    return error_line(done)


# ---------------------------------------------------------------------------------------- damage


def test_damaged_manifest_is_never_believed(cache: Cache, house: Path) -> None:
    """Whatever bit is flipped and wherever it is cut off, it counts as damaged."""
    environment = provide(cache, house, "app")
    manifest = Path(environment, MANIFEST)
    data = manifest.read_bytes()
    choice = random.Random(1)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << choice.randrange(8)
        manifest.write_bytes(damaged)
        assert find_change(environment) == MANIFEST, position
    for length in {*range(0, len(data), 101), *range(100), *range(len(data) - 100, len(data))}:
        manifest.write_bytes(data[:length])
        assert find_change(environment) == MANIFEST, length
    manifest.write_bytes(data)
    assert find_change(environment) == ""


@pytest.mark.parametrize("kind", ["environments", "wheels"])
def test_damaged_entry_is_made_anew(cache: Cache, house: Path, kind: str) -> None:
    """A build takes no entry with a damaged manifest, whatever that is now."""
    environment = provide(cache, house, "app")

    def spoil(path: Path, number: int) -> None:
        data = path.read_bytes()
        path.unlink()
        if number == 0:
            path.write_bytes(data[:-2])
        elif number == 1:
            path.write_bytes(data.replace(b"1.0", b"1.1", 1))
        elif number == 2:
            path.mkdir()
        elif number == 3:
            path.symlink_to("nowhere")

    for number in range(5):
        for name in os.listdir(os.path.join(cache.path, kind)):
            spoil(Path(cache.path, kind, name, MANIFEST), number)
        if kind == "wheels":
            shutil.rmtree(environment)
        assert provide(cache, house, "app") == environment
        assert flaws(environment, house, "app") == []
        assert all(find_change(path) == "" for path in entries(cache) if os.path.isdir(path))
        assert unfinished(cache) == []


def test_what_took_the_place_of_a_directory_is_no_obstacle(cache: Cache, house: Path) -> None:
    """An environment in which a directory has become a file is made anew."""
    environment = provide(cache, house, "app")
    (inner,) = Path(environment).glob("lib/python*/site-packages/lib")
    for _ in range(2):
        shutil.rmtree(inner)
        inner.write_text("a file")
        assert "site-packages/lib" in find_change(environment)
        assert provide(cache, house, "app") == environment
        assert flaws(environment, house, "app") == []


def test_damaged_resolution_is_never_believed(
    cache: Cache, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever bit of it is flipped, pip is asked again; and it is of no use to anybody."""
    provide(cache, house, "app")
    (path,) = Path(cache.resolutions).iterdir()
    data = path.read_bytes()
    assert not leads_nowhere(str(path), ())
    choice = random.Random(1)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << choice.randrange(8)
        path.write_bytes(damaged)
        assert leads_nowhere(str(path), ()), position
    asked = []

    def counted(*words: object, **named: object) -> object:
        asked.append(words)
        return resolve_quickly(*words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(resolution, "resolve", counted)
    provide(cache, house, "app")
    provide(cache, house, "app")
    assert len(asked) == 1
    assert path.read_bytes() == data


def test_links_that_lead_nowhere_hide_nothing(cache: Cache, house: Path) -> None:
    """A wheelhouse with dangling links is observed as a whole: any change has pip asked again."""
    for number in range(40):  # in whatever order they are listed
        (house / f"lib-0.{number}-py3-none-any.whl").symlink_to("nowhere")
    sources = PackageSources(find_links=(str(house),))
    memory = ResolutionMemory(cache, ["app"], sources, "interpreter")
    seen = [memory.observe()]
    for name in ("app", "lib"):
        os.utime(house / f"{name}-1.0-py3-none-any.whl", (1, 1))
        seen.append(memory.observe())
    assert seen[0] != seen[1] != seen[2]


def test_wheel_that_changes_while_it_is_used_is_noticed(
    cache: Cache, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a build does to files that are being linked from does not get into another's seal."""
    provide(cache, house, "lib")
    left = [b"spoilt"]

    def assemble_and_spoil(
        tree: str, final: str, unpacked: list[str], python: TargetPython
    ) -> dict[str, Stamp]:
        linked = assemble(tree, final, unpacked, python)
        if left:
            (data,) = Path(tree).rglob("lib/data.txt")
            data.write_bytes(left.pop())
        return linked

    monkeypatch.setattr(environment_module, "assemble", assemble_and_spoil)
    app = provide(cache, house, "app")
    assert left == []
    assert flaws(app, house, "app") == []
    assert app.startswith(cache.environments)
    lib = provide(cache, house, "lib")
    assert flaws(lib, house, "lib") == []
    assert unfinished(cache) == []


def lose(tree: Path) -> None:
    next(tree.rglob("lib/data.txt")).unlink()


def gain(tree: Path) -> None:
    (next(tree.rglob("lib/data.txt")).parent / "more.py").write_text("")


def become_a_directory(tree: Path) -> None:
    lose(tree)
    (next(tree.rglob("lib")) / "data.txt").mkdir()


def change_a_script(tree: Path) -> None:
    (script,) = tree.glob("bin/*")
    script.write_bytes(script.read_bytes() + b"# spoilt\n")


def lose_its_seal(tree: Path) -> None:
    (tree / MANIFEST).unlink()


@pytest.mark.parametrize("is_private", [False, True])
@pytest.mark.parametrize("spoil", [lose, gain, become_a_directory, change_a_script, lose_its_seal])
def test_wheel_that_changes_before_it_is_linked_is_unpacked_anew(
    cache: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    is_private: bool,
) -> None:
    """What it has become after it was looked at does not get into an environment."""
    house = tmp_path / "house"
    points = "[console_scripts]\nlib = lib:main\n"
    wheel = make_wheel(
        house, "lib", "1.0", {"lib/__init__.py": "", "lib/data.txt": "x"}, entry_points=points
    )
    member = WheelMember("lib", "1.0", digest_of(str(wheel)), str(wheel))
    left, taken = [spoil], []

    def spoil_and_assemble(
        tree: str, final: str, unpacked: list[str], python: TargetPython
    ) -> dict[str, Stamp]:
        taken.append(unpacked)
        if left:
            left.pop()(Path(unpacked[0]))
        return assemble(tree, final, unpacked, python)

    monkeypatch.setattr(environment_module, "assemble", spoil_and_assemble)
    place = str(tmp_path / "workspace")
    use = EnvironmentUse(None if is_private else cache, place, python=RUNNING, project="x")
    with use:
        made = Path(use.environment([member]).path)
        assert len(taken) == 2
        (site,) = made.glob("lib/python*/site-packages")
        assert (site / "lib" / "data.txt").read_text() == "x"
        assert sorted(os.listdir(site / "lib")) == ["__init__.py", "__pycache__", "data.txt"]
        assert not (made / "bin" / "lib").read_bytes().endswith(b"# spoilt\n")
        assert find_change(str(made)) == find_change(taken[1][0]) == ""


def test_seal_of_links_is_that_of_a_look_at_each(
    cache: Cache, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written down of an environment from its parts is what it is."""
    sealed = []

    def seal_twice(root: str, about: dict[str, object], linked: dict[str, Stamp]) -> None:
        seal(root, about, linked)
        sealed.append((linked, Path(root, MANIFEST).read_text(), noted_size(root)))
        for name in OWN_FILES:
            os.unlink(os.path.join(root, name))
        seal(root, about)
        sealed.append(({}, Path(root, MANIFEST).read_text(), noted_size(root)))

    monkeypatch.setattr(environment_module, "seal", seal_twice)
    provide(cache, house, "app")
    (linked, quick, size), (_, slow, measured) = sealed
    assert any(name.endswith("lib/data.txt") for name in linked)
    assert size == measured
    # But for the top, to which its own files came anew.
    told = [json.loads(one.splitlines()[2]) for one in (quick, slow)]
    for one in told:
        del one["directories"][""]
    assert told[0] == told[1]


def test_hook_that_spoils_a_private_environment(house: Path, tmp_path: Path) -> None:
    """Without a cache, too, the environment of the next hook is as it should be."""
    use = EnvironmentUse(None, str(tmp_path / "workspace"), python=RUNNING, project="x")
    sources = PackageSources(find_links=(str(house),))
    files = resolve_quickly(["app"], sources=sources)
    members = [WheelMember(one.name, one.version, digest_of(one.path), one.path) for one in files]
    with use:
        first = use.environment(members[1:])
        (data,) = Path(first.path).rglob("lib/data.txt")
        data.write_text("spoilt")
        second = use.environment(members)
        assert first.path != second.path
        assert flaws(second.path, house, "app") == []


# --------------------------------------------------------------------- places that are not usable


def test_no_directory(terminal: Terminal, tmp_path: Path) -> None:
    """Where a file is in the way, one line says which."""
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/v1").write_text("")
    for place, named in ((file, file), (file / "x", file), (tmp_path / "cache", "cache/v1")):
        terminal.environ["SAGEPIP_CACHE_DIR"] = str(place)
        for action in ("info", "prune"):
            line = refuse(terminal, action)
            assert str(named) in line
            assert "not a directory" in line.lower()
    assert file.read_text() == ""


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home directory there is no cache; the error says what to do."""
    from sagepip.ground.errors import CacheError
    from sagepip.operations.cache import cache_directory

    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    for action in (cache_directory, cache_info, lambda environ: prune_cache(environ, ALL)):
        with pytest.raises(CacheError, match=r"no home directory.*SAGEPIP_CACHE_DIR"):
            action({})


ALL = PruneRequest(everything=True)


def test_others_may_write(terminal: Terminal, cache: Cache, house: Path) -> None:
    """A cache that builds do not use is shown, and why; it is not pruned."""
    provide(cache, house, "app")
    top = Path(cache.path).parent
    top.chmod(0o777)
    before = snapshot(top)
    assert f"not used by builds: others may write to {top}" in (
        terminal.run("sagepip", "cache", "info").stdout
    )
    assert f"others may write to {top}" in refuse(terminal, "prune", "--all")
    assert snapshot(top) == before


@as_root
def test_somebody_elses(terminal: Terminal, cache: Cache, house: Path) -> None:
    """Root, too, leaves the cache of another user alone."""
    provide(cache, house, "app")
    top = Path(cache.path).parent
    os.chown(top, 65534, -1)
    before = snapshot(top)
    assert "not used by builds:" in terminal.run("sagepip", "cache", "info").stdout
    line = error_line(terminal.run("sagepip", "cache", "prune", "--all", status=1))
    assert f"{top} belongs to user 65534" in line
    assert snapshot(top) == before


def test_unreadable(terminal: Terminal, cache: Cache, house: Path) -> None:
    """What may not be read is named; what may not be removed, too, and the rest goes."""
    environment = provide(cache, house, "app")
    provide(cache, house, "tool")
    closed = Path(cache.environments)
    closed.chmod(0)
    try:
        tried = subprocess.run(["ls", closed], preexec_fn=without_override, capture_output=True)
        if tried.returncode == 0:
            pytest.skip("this user reads where the mode says no")
        for action in ("info", "prune"):
            line = refuse(terminal, action)
            assert line.startswith(f"Error: cannot read the cache {closed}: Permission denied")
        closed.chmod(0o555)
        done = terminal.run(
            "sagepip", "cache", "prune", "--all", status=1, preexec=without_override
        )
        assert error_line(done).startswith(f"Error: cannot remove {closed}/")
        assert error_line(done).endswith("Permission denied, nor 1 others")
        assert [path for path in entries(cache) if not path.startswith(str(closed))] == []
        assert flaws(environment, house, "app") == []
    finally:
        closed.chmod(0o755)
    terminal.run("sagepip", "cache", "prune", "--all")
    assert entries(cache) == unfinished(cache) == []


@as_root
def test_read_only(terminal: Terminal, small: Path, house: Path) -> None:
    """On a read-only file system info works, prune says why it does not, a build does without."""
    cache = Cache(str(small / "v1"))
    provide(cache, house, "app")
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    before = snapshot(small)
    assert "environments: 1\n" in terminal.run("sagepip", "cache", "info").stdout
    assert "would free" in terminal.run("sagepip", "cache", "prune", "--all", "--dry-run").stdout
    line = error_line(terminal.run("sagepip", "cache", "prune", "--all", status=1))
    assert "Read-only file system" in line
    assert find_cache(os.environ) is None
    assert snapshot(small) == before


def test_no_locks(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where directories cannot be locked builds do without the cache, and say so."""

    def fail(_: str) -> int:
        raise OSError(errno.EBADF, "Bad file descriptor")

    said: list[str] = []
    monkeypatch.setattr(console, "warn", said.append)
    monkeypatch.setattr(cache_module, "seize_directory", fail)
    assert find_cache(os.environ) is None
    (line,) = said
    assert line.endswith(f"{os.path.dirname(cache.path)} cannot be locked: Bad file descriptor")


# ------------------------------------------------------------------------------------ a full disk


@as_root
def test_full_disk(terminal: Terminal, small: Path, house: Path) -> None:
    """A build that finds the disk full says so in one line; prune works there, then the build."""
    cache = Cache(str(small / "v1"))
    provide(cache, house, "app")
    make_tiny_backend(house)
    project = make_project(terminal.where / "project")
    words = ("--prefix", terminal.where / "prefix", "--no-index", "-f", house, project)
    filler = os.open(small / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(filler, b"x" * 4096)
    os.close(filler)
    for _ in range(2):
        done = terminal.run("sage-pip-install", *words, status=1)
        assert "No space left" in error_line(done)
        assert "SAGEPIP_CACHE_DIR" in error_line(done)
        assert unfinished(cache) == []
    terminal.run("sagepip", "cache", "info")
    assert "freed" in terminal.run("sagepip", "cache", "prune", "--all").stdout
    assert entries(cache) == unfinished(cache) == []
    os.unlink(small / "filler")
    terminal.run("sage-pip-install", *words)
    assert len(os.listdir(cache.environments)) == 1
