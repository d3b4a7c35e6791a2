"""``sagepip cache dir``, ``info`` and ``prune`` on caches that builds have made."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sagepip.build import cache as cache_module
from sagepip.build import cache_pruning
from sagepip.build.cache import Cache, write_file
from sagepip.build.cache_contents import list_entries
from sagepip.build.cache_notes import NOTE
from sagepip.build.cache_pruning import Policy, Pruner
from sagepip.build.cache_sizes import MeasuredSizes
from sagepip.build.tree_stamps import MANIFEST, find_change
from sagepip.ground.filesystem import publish_file
from sagepip.operations.cache import PruneRequest, prune_cache
from sagepip.transaction.owner_mark import seize_directory
from tests.e2e.cache_fixtures import entries, flaws, make_house, provide, unfinished, use_cache
from tests.e2e.cache_fixtures import using as using_environment
from tests.e2e.commands import Done, Terminal, error_line
from tests.guarantees import snapshot

HOUR = 3600.0
ENVIRONMENT, WHEEL, RESOLUTION = "environment", "unpacked wheel", "resolution"
HOLD = """
import sys
from sagepip.transaction.owner_mark import seize_directory, share_directory
locks = {"share": share_directory, "seize": seize_directory}
assert locks[sys.argv[1]](sys.argv[2]) >= 0
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def cache(tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache of this test's own, the terminal's too."""
    terminal.environ["SAGEPIP_CACHE_DIR"] = str(tmp_path / "cache")
    return use_cache(tmp_path / "cache", monkeypatch)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse: app and tool need lib."""
    return make_house(tmp_path / "house")


def tell(terminal: Terminal, *words: str, status: int = 0) -> Any:
    """Return what a cache command tells as JSON."""
    return json.loads(terminal.run("sagepip", "cache", *words, "--json", status=status).stdout)


def prune(terminal: Terminal, *words: str) -> Done:
    """Prune, which must succeed."""
    return terminal.run("sagepip", "cache", "prune", *words)


def used_ago(path: str, hours: float) -> None:
    """Have an entry have been used some hours ago."""
    then = time.time() - hours * HOUR
    os.utime(path if os.path.isfile(path) else os.path.join(path, NOTE), (then, then))


def paths(found: list[dict[str, Any]], kind: str | None = None) -> list[str]:
    """Return the paths of entries that were told, of one kind."""
    return sorted(one["path"] for one in found if kind in (None, one["kind"]))


def disk_usage(cache: Cache) -> int:
    """Return what du says where nothing is compressed."""
    seen: dict[tuple[int, int], int] = {}
    for path in (Path(cache.path), *Path(cache.path).rglob("*")):
        found = path.lstat()
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        seen[found.st_dev, found.st_ino] = max(size, found.st_blocks * 512)
    return sum(seen.values())


# ------------------------------------------------------------------------------------------- dir


def test_dir_is_where_the_variable_says(terminal: Terminal, tmp_path: Path) -> None:
    """It prints what SAGEPIP_CACHE_DIR would have to be, and makes nothing."""
    for settings, expected in (
        ({"SAGEPIP_CACHE_DIR": tmp_path / "given"}, tmp_path / "given"),
        ({"XDG_CACHE_HOME": tmp_path / "base"}, tmp_path / "base/sagepip"),
        ({"XDG_CACHE_HOME": ""}, tmp_path / "home/.cache/sagepip"),
    ):
        done = terminal.run("sagepip", "cache", "dir", settings=settings)
        assert done.stdout == f"{expected}\n"
        assert not expected.exists()


# ------------------------------------------------------------------------------------------ info


def test_info_of_no_cache_is_no_error(terminal: Terminal, cache: Cache) -> None:
    """A cache that is missing is an empty one; neither info nor prune makes it."""
    shutil.rmtree(os.path.dirname(cache.path))
    told = tell(terminal, "info")
    assert (told["size"], told["entries"], told["unfinished"]) == (0, [], [])
    assert "environments: 0\n" in terminal.run("sagepip", "cache", "info").stdout
    for words in ((), ("--all",), ("--dry-run",)):
        assert "nothing to remove" in prune(terminal, *words).stdout
    assert not os.path.exists(os.path.dirname(cache.path))


def test_info_counts_as_du_does(terminal: Terminal, cache: Cache, house: Path) -> None:
    """The size is that on disk, links counted once; what is an entry's own is not the others'."""
    app, tool = provide(cache, house, "app"), provide(cache, house, "tool")
    told = tell(terminal, "info")
    assert told["size"] == disk_usage(cache)
    assert told["path"] == os.path.dirname(cache.path)
    assert told["bound"] == 4 << 30
    assert told["problem"] == ""
    assert paths(told["entries"]) == sorted(entries(cache))
    assert paths(told["entries"], ENVIRONMENT) == sorted([app, tool])
    by_path = {one["path"]: one for one in told["entries"]}
    assert by_path[app]["members"] == ["app 1.0", "lib 1.0"]
    assert not by_path[app]["in_use"]
    assert abs(by_path[tool]["last_used"] - time.time()) < HOUR
    # data.txt has 8000 bytes, which belong to the wheel and to both environments.
    assert 0 < by_path[app]["size"] < sum(one["size"] for one in told["entries"]) < told["size"]
    before = told["size"]
    prune(terminal, "--all")
    left = tell(terminal, "info")
    assert left["size"] == disk_usage(cache)
    assert left["size"] < before - 8000


def test_info_for_people(terminal: Terminal, cache: Cache, house: Path) -> None:
    """Each environment is one line; -v shows wheels, resolutions and what is unfinished as well."""
    with using_environment(cache, house, "app") as environment:
        Path(cache.environments, f".{'1' * 32}.making").mkdir()
        done = terminal.run("sagepip", "cache", "info")
        more = terminal.run("sagepip", "cache", "info", "-v")
    lines = done.stdout.splitlines()
    assert f"cache: {os.path.dirname(cache.path)}" in lines
    assert "environments: 1, 1 in use" in lines
    assert "unpacked wheels: 2" in lines
    assert any(line.startswith("unfinished: 1 left by processes") for line in lines)
    (line,) = [line for line in lines if line.startswith("environment ")]
    assert line.startswith(f"environment {environment.path}: ")
    assert line.endswith(", in use: app 1.0, lib 1.0")
    assert len([line for line in more.stdout.splitlines() if line.startswith(WHEEL + " ")]) == 2
    assert f".{'1' * 32}.making: " in more.stdout
    assert done.stderr == more.stderr == ""


# ----------------------------------------------------------------------------------------- prune


def test_least_recently_used_goes_first(terminal: Terminal, cache: Cache, house: Path) -> None:
    """Only what must go for the bound goes, and a wheel not before its environments."""
    app, tool = provide(cache, house, "app"), provide(cache, house, "tool")
    for path in entries(cache):
        used_ago(path, 9)
    used_ago(app, 5)
    used_ago(tool, 1)
    for resolution in Path(cache.resolutions).iterdir():
        used_ago(str(resolution), 0)
    size = tell(terminal, "info")["size"]
    told = tell(terminal, "prune", "--max-size", str(size))
    assert told["removed"] == []
    told = tell(terminal, "prune", "--max-size", str(size - 1))
    assert paths(told["removed"]) == [app]
    assert told["size_before"] - told["size_after"] == told["freed"] > 0
    assert told["size_after"] == tell(terminal, "info")["size"] == disk_usage(cache)
    told = tell(terminal, "prune", "--max-size", str(told["size_after"] - 1))
    (wheel,) = told["removed"]
    assert wheel["kind"] == WHEEL
    assert len(os.listdir(cache.wheels)) == 2, "lib and tool, which an environment holds, stay"
    assert flaws(tool, house, "tool") == []
    told = tell(terminal, "prune", "--max-size", "1")
    assert paths(told["removed"], ENVIRONMENT) == [tool]
    assert entries(cache) == []


def test_older_than(terminal: Terminal, cache: Cache, house: Path) -> None:
    """What was not used for so many days goes, and what that alone held."""
    old, new = provide(cache, house, "app"), provide(cache, house, "tool")
    for path in entries(cache):
        used_ago(path, 50)
    used_ago(new, 40)
    assert tell(terminal, "prune", "--older-than", "3")["removed"] == []
    told = tell(terminal, "prune", "--older-than", "2", "--dry-run")
    assert paths(told["removed"], ENVIRONMENT) == [old]
    told = tell(terminal, "prune", "--older-than", "1.75")
    assert paths(told["removed"], ENVIRONMENT) == [old]
    assert len(paths(told["removed"], WHEEL)) == 1
    assert os.listdir(cache.environments) == [os.path.basename(new)]
    assert len(os.listdir(cache.wheels)) == 2


@pytest.mark.parametrize("words", [["--all"], ["--max-size", "20K"], ["--older-than", "0"]])
def test_dry_run_tells_what_would_go(
    terminal: Terminal, cache: Cache, house: Path, words: list[str]
) -> None:
    """It changes nothing, and is right."""
    for wish in ("app", "tool"):
        provide(cache, house, wish)
    Path(cache.environments, f".{'1' * 32}.making").mkdir()
    Path(provide(cache, house, "lib"), MANIFEST).write_text("damaged")
    before = snapshot(Path(cache.path))
    foretold = tell(terminal, "prune", *words, "--dry-run")
    assert snapshot(Path(cache.path)) == before
    assert "would free" in prune(terminal, *words, "--dry-run").stdout
    told = tell(terminal, "prune", *words)
    assert len(foretold["removed"]) > 3
    assert foretold == {**told, "dry_run": True}


def test_what_is_in_use_stays(terminal: Terminal, cache: Cache, house: Path) -> None:
    """An environment that a build holds, and a wheel that one is made from, are never removed."""
    tool = provide(cache, house, "tool")
    wheel = max(
        (path for path in entries(cache) if path.startswith(cache.wheels)),
        key=lambda path: len(snapshot(Path(path))),
    )
    maker = subprocess.Popen(
        [sys.executable, "-I", "-c", HOLD, "share", wheel],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert maker.stdout is not None
    assert maker.stdout.readline() == "held\n"
    with using_environment(cache, house, "app") as environment:
        for words in (["--all"], ["--max-size", "1"], ["--older-than", "0"]):
            done = prune(terminal, *words)
            assert f"left, as it is in use: {environment.path}\n" in done.stdout
            assert f"left, as it is in use: {wheel}\n" in done.stdout or words[0] == "--max-size"
            assert flaws(environment.path, house, "app") == []
        assert find_change(environment.path) == ""
        assert find_change(wheel) == ""
        assert not os.path.exists(tool)
    maker.communicate("\n")
    assert "in use" not in prune(terminal, "--all").stdout
    assert entries(cache) == []


def test_unfinished_goes_unless_somebody_is_at_it(
    terminal: Terminal, cache: Cache, house: Path
) -> None:
    """What killed processes left goes; what living ones make, remove and write stays."""
    provide(cache, house, "app")
    whole = entries(cache)
    names = {
        cache.environments: (f".{'1' * 32}.making", f".trash-{'2' * 32}"),
        cache.wheels: (f".{'3' * 32}.making", f".trash-{'4' * 32}"),
    }
    trees = [os.path.join(place, name) for place, found in names.items() for name in found]
    for tree in trees:
        (Path(tree) / "tree").mkdir(parents=True)
        (Path(tree) / "tree" / "half").write_text("half")
    part = os.path.join(cache.resolutions, f".{'5' * 32}.part")
    Path(part).write_text("half")
    holders = []
    for how, path in (
        *(("seize", tree) for tree in trees[:2]),
        ("share", cache.resolutions),
    ):
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", HOLD, how, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        holders.append(process)
    told = tell(terminal, "info")
    assert {one["path"]: one["in_use"] for one in told["unfinished"]} == {
        **dict.fromkeys((*trees[:2], part), True),
        **dict.fromkeys(trees[2:], False),
    }
    told = tell(terminal, "prune")
    assert paths(told["removed"]) == sorted(trees[2:])
    assert sorted(told["in_use"]) == sorted([*trees[:2], part])
    for process in holders:
        process.communicate("\n")
    told = tell(terminal, "prune")
    assert paths(told["removed"]) == sorted([*trees[:2], part])
    assert unfinished(cache) == []
    assert entries(cache) == whole


def test_what_is_being_written_stays(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is written to the cache while somebody prunes it is not removed half-way."""

    def prune_and_publish(temporary: str, final: str) -> None:
        report = prune_cache(os.environ, PruneRequest(everything=True))
        assert report.in_use == (temporary,)
        publish_file(temporary, final)

    monkeypatch.setattr(cache_module, "publish_file", prune_and_publish)
    path = os.path.join(cache.resolutions, "1" * 32)
    write_file(path, b"text")
    assert Path(path).read_bytes() == b"text"


def test_what_was_used_meanwhile_stays(
    cache: Cache, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the removal an entry may be used, or made anew: then it stays."""
    app, tool = provide(cache, house, "app"), provide(cache, house, "tool")
    for path in entries(cache):
        used_ago(path, 1)
    pruner = Pruner(cache, list_entries(cache), MeasuredSizes(cache))
    used_ago(app, 0)
    pruner.remove_by(Policy(bound=1))
    assert os.listdir(cache.environments) == [os.path.basename(app)]
    assert app in pruner.in_use
    assert not os.path.exists(tool)

    looks = [MANIFEST]
    monkeypatch.setattr(
        cache_pruning, "find_change", lambda path: looks.pop() if looks else find_change(path)
    )
    Pruner(cache, list_entries(cache), MeasuredSizes(cache)).remove_damaged()
    assert looks == []
    assert os.listdir(cache.environments) == [os.path.basename(app)]


def test_pruners_wait_for_each_other(terminal: Terminal, cache: Cache, house: Path) -> None:
    """One at a time prunes; a second one says what it waits for."""
    provide(cache, house, "app")
    descriptor = seize_directory(cache.path)
    process = terminal.start("sagepip", "cache", "prune", "--all")
    assert process.stderr is not None
    waiting = process.stderr.readline()
    assert waiting == f"sagepip: waiting for {cache.path}: another process is pruning it\n"
    assert len(os.listdir(cache.environments)) == 1
    os.close(descriptor)
    assert "freed" in process.communicate()[0]
    assert (process.returncode, entries(cache)) == (0, [])


def test_damaged_and_dead_entries_go(terminal: Terminal, cache: Cache, house: Path) -> None:
    """What is not as it was made goes, and what was remembered of wheels that have gone."""
    app, tool = provide(cache, house, "app"), provide(cache, house, "tool")
    (script,) = Path(app).glob("bin/lib-program")
    script.write_text("other")
    for place in (cache.environments, cache.wheels):
        Path(place, "0" * 32).write_text("a file")
        Path(place, "1" * 32).symlink_to(tool)
    Path(cache.resolutions, "2" * 32).write_text("{}")
    (house / "tool-1.0-py3-none-any.whl").write_bytes(b"another")
    told = tell(terminal, "prune")
    reasons = {os.path.relpath(one["path"], cache.path): one["reason"] for one in told["removed"]}
    assert reasons.pop(f"environments/{os.path.basename(app)}").startswith("bin/lib-program is not")
    for place in ("environments", "wheels"):
        for name in ("0", "1"):
            assert reasons.pop(f"{place}/{name * 32}") == f"{name * 32} is not as it was made"
    assert len(reasons) == 2
    assert all(name.startswith("resolutions/") for name in reasons)
    assert tool in entries(cache)
    assert len(os.listdir(cache.resolutions)) == 1
    assert tell(terminal, "prune")["removed"] == []


def test_other_formats_and_foreign_files_are_left_alone(
    terminal: Terminal, cache: Cache, house: Path
) -> None:
    """Of another version's cache, and of files of the user's own, nothing is touched."""
    provide(cache, house, "app")
    top = Path(cache.path).parent
    for name in ("v0/environments/old", "v27/wheels/new", "notes/text"):
        (top / name).mkdir(parents=True)
    Path(cache.environments, "mine").mkdir()
    Path(cache.environments, ".hidden").mkdir()
    told = tell(terminal, "info")
    assert told["others"] == ["v0", "v27"]
    prune(terminal, "--all")
    assert entries(cache) == []
    assert sorted(os.listdir(cache.environments)) == [".hidden", "mine"]
    assert sorted(os.listdir(top)) == ["CACHEDIR.TAG", "notes", "v0", "v1", "v27"]
    assert (top / "v27/wheels/new").is_dir()


# ----------------------------------------------------------------------------------- wrong usage


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["clear"],
        ["info", "dir"],
        ["info", "--all"],
        ["dir", "--dry-run"],
        ["dir", "--json"],
        ["prune", "--all", "--max-size", "1G"],
        ["prune", "--all", "--older-than", "1"],
        ["prune", "--max-size", "lots"],
        ["prune", "--max-size", "-1"],
        ["prune", "--max-size", ""],
        ["prune", "--older-than", "soon"],
        ["prune", "--older-than", "-1"],
        ["prune", "--older-than", "nan"],
        ["prune", "--lock-timeout", "1"],
    ],
)
def test_wrong_usage(terminal: Terminal, cache: Cache, house: Path, words: list[str]) -> None:
    """One line says what is wrong, and nothing is removed."""
    provide(cache, house, "lib")
    before = snapshot(Path(cache.path))
    error_line(terminal.run("sagepip", "cache", *words, status=2))
    assert snapshot(Path(cache.path)) == before


def test_bound_that_is_no_size(terminal: Terminal, cache: Cache) -> None:
    """The variable is read by the commands that need it."""
    settings = {"SAGEPIP_CACHE_MAX_SIZE": "lots"}
    for action in ("info", "prune"):
        line = error_line(terminal.run("sagepip", "cache", action, status=2, settings=settings))
        assert "SAGEPIP_CACHE_MAX_SIZE is no size: lots" in line
    terminal.run("sagepip", "cache", "prune", "--max-size", "1G", settings=settings)
