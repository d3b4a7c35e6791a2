"""Builds keep the cache within its bound by themselves."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sagepip.build import cache_bound, cache_sizes, project
from sagepip.build.cache import Cache
from sagepip.build.cache_bound import VARIABLE, last_pruning
from sagepip.build.cache_contents import list_entries
from sagepip.build.cache_notes import NOTE, noted_size, own_size
from sagepip.build.options import BuildOptions
from sagepip.build.tree_stamps import seal
from sagepip.ground.target_python import TargetPython
from sagepip.operations.cache import cache_info
from sagepip.transaction.owner_mark import seize_directory
from tests.e2e.build_fixtures import make_project, make_tiny_backend, options
from tests.e2e.cache_fixtures import entries, make_house, unfinished, use_cache, using

DAY = 24 * 3600.0


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache of this test's own."""
    cache = use_cache(tmp_path / "cache", monkeypatch)
    monkeypatch.delenv(VARIABLE, raising=False)
    return cache


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse with a backend, and with app and tool, which need lib."""
    make_tiny_backend(tmp_path / "house")
    return make_house(tmp_path / "house")


class Builder:
    """Builds projects with the tiny backend.

    Args:
        place: where they and their wheels lie.
        build_options: how.
    """

    def __init__(self, place: Path, build_options: BuildOptions) -> None:
        self._place = place
        self._options = build_options
        self._number = 0

    def build(self, *requirements: str) -> None:
        """Build a project that needs something besides the backend."""
        self._number += 1
        source = self._place / f"source-{self._number}"
        make_project(source, f"demo{self._number}", requires=("tiny-backend", *requirements))
        built = project.build_wheel(
            str(source),
            str(self._place / "out"),
            python=TargetPython.running(),
            options=self._options,
        )
        assert os.path.exists(built.path)


@pytest.fixture
def builder(tmp_path: Path, house: Path) -> Builder:
    """Builds from the wheelhouse."""
    return Builder(tmp_path, options(house))


def members(cache: Cache) -> list[set[str]]:
    """Return what the environments hold besides the backend and lib, the oldest use first."""
    found = cache_info(os.environ).entries
    return [
        {one.partition(" ")[0] for one in entry.members} & {"app", "tool"}
        for entry in reversed(found)
        if entry.path.startswith(cache.environments)
    ]


def spare(cache: Cache) -> int:
    """Return the size that is noted, and room for half an environment more."""
    sizes = [own_size(str(one)) for one in Path(cache.environments).iterdir()]
    return cache_sizes.NotedSizes(list_entries(cache)).total + min(sizes) // 2


def grow_older(cache: Cache) -> None:
    """Have all entries have been used an hour earlier."""
    for path in entries(cache):
        note = path if os.path.isfile(path) else os.path.join(path, NOTE)
        then = os.stat(note).st_mtime - 3600
        os.utime(note, (then, then))


def test_note_holds_the_size_with_bytecode(
    cache: Cache, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a build adds to the environment that was made for it is noted, too."""
    for variable in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"):
        monkeypatch.delenv(variable, raising=False)
    builder.build("app")
    (environment,) = Path(cache.environments).iterdir()
    assert list(environment.rglob("tiny_backend*.pyc"))
    assert noted_size(str(environment)) == own_size(str(environment)) > 0
    for wheel in Path(cache.wheels).iterdir():
        # Its files have other names by now.
        assert (noted_size(str(wheel)) or 0) > own_size(str(wheel))
    noted = cache_sizes.NotedSizes(list_entries(cache)).total
    directories = 5 * 4096  # of the cache itself
    assert 0 <= cache_info(os.environ).size - noted <= directories


def test_least_recently_used_goes_when_another_is_made(
    cache: Cache, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the bound is reached each new environment replaces the one that is used least."""
    builder.build("app")
    grow_older(cache)
    builder.build("tool")
    assert members(cache) == [{"app"}, {"tool"}]
    monkeypatch.setenv(VARIABLE, str(spare(cache)))
    monkeypatch.delattr(cache_sizes, "MeasuredSizes")  # takes too long for a build
    grow_older(cache)
    builder.build("app")  # makes nothing
    assert members(cache) == [{"tool"}, {"app"}]
    builder.build("app", "tool")
    assert members(cache) == [{"app"}, {"app", "tool"}]
    assert unfinished(cache) == []


def test_zero_is_no_bound(cache: Cache, builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing whole goes by itself then."""
    monkeypatch.setenv(VARIABLE, "0")
    builder.build("app")
    grow_older(cache)
    builder.build("tool")
    assert members(cache) == [{"app"}, {"tool"}]


def test_what_is_in_use_stays(
    cache: Cache, house: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that goes on keeps its environment, however little the cache may take."""
    builder.build("tool")
    monkeypatch.setenv(VARIABLE, "1")
    with using(cache, house, "tiny-backend", "tool") as environment:
        builder.build("app")
        assert os.listdir(cache.environments) == [os.path.basename(environment.path)]
    builder.build("lib")
    assert entries(cache) == []


def test_daily_sweep(cache: Cache, builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a day a build that makes an environment removes what killed processes left."""
    builder.build("app")
    stamp = last_pruning(cache)
    assert stamp is not None

    def leave(age: float) -> None:
        Path(cache.environments, f".{'1' * 32}.making").mkdir(exist_ok=True)
        then = time.time() - age
        os.utime(os.path.join(cache.path, "last-pruned"), (then, then))

    leave(DAY / 2)
    builder.build("tool")
    assert unfinished(cache) != []
    leave(DAY * 2)
    builder.build("tool")  # makes nothing
    assert unfinished(cache) != []
    builder.build("app", "tool")
    assert unfinished(cache) == []
    leave(-DAY)  # the clock was wrong
    builder.build("lib")
    assert unfinished(cache) == []


def test_one_at_a_time(cache: Cache, builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody prunes a build does not wait for him."""
    monkeypatch.setenv(VARIABLE, "1")
    descriptor = seize_directory(cache.path)
    try:
        builder.build("app")
        assert len(os.listdir(cache.environments)) == 1
    finally:
        os.close(descriptor)
    builder.build("tool")
    assert entries(cache) == []


def test_rest_waits_for_another_build(
    cache: Cache, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If there is much to remove a build does a part of it."""
    for wish in (("app",), ("tool",), ("lib",)):
        builder.build(*wish)
    count = len(entries(cache))
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setattr(cache_bound, "_SECONDS_AT_ONCE", -1.0)
    builder.build("app", "tool")
    assert len(entries(cache)) > count


def test_failure_is_none_of_the_builds_business(
    cache: Cache,
    builder: Builder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A bound that is none is told, and a cache that cannot be pruned is not; both builds work."""
    monkeypatch.setenv(VARIABLE, "lots")
    builder.build("app")
    assert "SAGEPIP_CACHE_MAX_SIZE is no size: lots" in capsys.readouterr().err

    def fail(_: Cache) -> None:
        raise PermissionError(13, "Permission denied", cache.path)

    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setattr(cache_bound, "list_entries", fail)
    builder.build("tool")
    assert capsys.readouterr().err == ""


def test_seal_notes_the_size(tmp_path: Path) -> None:
    """The size that is found along with the stamps is that of the whole tree."""
    tree = tmp_path / "tree"
    (tree / "lib/__pycache__").mkdir(parents=True)
    for name, size in (("lib/a.py", 5000), ("lib/__pycache__/a.pyc", 9000), ("b", 1)):
        (tree / name).write_bytes(b"x" * size)
    (tree / "also").hardlink_to(tree / "b")
    seal(str(tree), {})
    assert noted_size(str(tree)) == own_size(str(tree)) > 0
