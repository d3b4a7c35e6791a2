"""The names in a site: which count, and when what was seen before is relied on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sagepip.ground import site_names
from sagepip.ground.site_names import CLOCK_TICK_SECONDS, SiteNames
from sagepip.transaction import observation
from sagepip.transaction.installed import find_installed
from sagepip.transaction.metadata_names import scan_metadata
from sagepip.transaction.observation import SiteLook


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the directories that are listed, as they are; changes show however quick they are."""
    found: list[str] = []
    listed = site_names._listed

    def listing(directory: str) -> SiteNames:
        found.append(directory)
        return listed(directory)

    monkeypatch.setattr(site_names, "_listed", listing)
    monkeypatch.setattr(site_names, "_known", {})
    return found


def settle() -> None:
    """Wait until the next change of a directory shows in its times."""
    time.sleep(2 * CLOCK_TICK_SECONDS)


def names(directory: Path) -> set[str]:
    """Return the names of the metadata in a directory."""
    return {name for name, _ in site_names.site_names(str(directory)).metadata}


def test_which_names_count(tmp_path: Path) -> None:
    """Metadata of all kinds, and what the interpreter may run at its start; nothing else."""
    metadata = {"a-1.dist-info", "b.egg-info", "c.egg-link", ".dist-info", "sitecustomize.egg-info"}
    startup = {"x.pth", "~y.pth", ".z.pth", "sitecustomize.py", "sitecustomize"}
    others = {"a", "a.py", "~d-1.dist-info", "dist-info", "xdist-info", "a.pth.old", "A.DIST-INFO"}
    others |= {"v1.xegg-info", "sub.d", "usercustomize.py"}
    for name in (*metadata, *startup, *others):
        (tmp_path / name).mkdir()
    found = site_names.site_names(str(tmp_path))
    assert {name for name, _ in found.metadata} == metadata
    assert set(found.startup) == startup
    assert dict(found.metadata)["b.egg-info"] == (tmp_path / "b.egg-info").stat().st_ino


def test_listed_once_while_nothing_happens(tmp_path: Path, listings: list[str]) -> None:
    """What a command asks at several places is asked of the file system once."""
    (tmp_path / "a-1.dist-info").mkdir()
    site = os.path.realpath(tmp_path)
    settle()
    for _ in range(2):
        (known,) = scan_metadata([site])
        assert [name for name, _ in known.entries] == ["a-1.dist-info"]
        assert [one.name for one in find_installed([site], ["a"])] == ["a"]
        assert SiteLook([site]).still_holds()
    (tmp_path / "a-1.dist-info" / "RECORD").touch()  # in it, not in the site
    scan_metadata([site])
    assert listings == [site]


@pytest.mark.parametrize("change", ["add", "remove", "rename", "replace", "turn back the time"])
def test_change_is_seen(tmp_path: Path, listings: list[str], change: str) -> None:
    """Whatever happened in the directory, and whatever time it was given afterwards."""
    site = tmp_path / "site"
    (site / "a-1.dist-info").mkdir(parents=True)
    settle()
    before = site.stat()
    assert names(site) == {"a-1.dist-info"}
    if change == "add":
        (site / "b-1.dist-info").mkdir()
    elif change == "remove":
        (site / "a-1.dist-info").rmdir()
    elif change == "rename":
        (site / "a-1.dist-info").rename(site / "a-2.dist-info")
    elif change == "replace":
        site.rename(tmp_path / "old")
        (site / "c-1.dist-info").mkdir(parents=True)
        os.utime(site, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        (site / "b-1.dist-info").mkdir()
        os.utime(site, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(site) == {path.name for path in site.iterdir()}
    assert len(listings) == 2


def test_another_of_the_same_name_is_seen(tmp_path: Path, listings: list[str]) -> None:
    """An exchange leaves the names as they were, not what they stand for."""
    site = tmp_path / "site"
    for path in (site / "a-1.dist-info", tmp_path / "new"):
        path.mkdir(parents=True)
    settle()
    before = site_names.site_names(str(site)).metadata
    os.rename(tmp_path / "new", site / "a-1.dist-info")  # an empty one may be replaced
    after = site_names.site_names(str(site)).metadata
    assert [name for name, _ in before] == [name for name, _ in after]
    assert before != after


def test_young_directory_is_listed_again(
    tmp_path: Path, listings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change within the clock tick of the last one need not show in the times."""
    monkeypatch.setattr(site_names, "CLOCK_TICK_SECONDS", 1e6)
    names(tmp_path)
    names(tmp_path)
    assert len(listings) == 2


def test_time_to_come_is_not_relied_on(tmp_path: Path, listings: list[str]) -> None:
    """Whoever's clock that is, what it gives the next change may be the same time."""
    settle()
    os.utime(tmp_path, (2**33, 2**33))
    settle()
    names(tmp_path)
    names(tmp_path)
    assert len(listings) == 2


def test_no_directory(tmp_path: Path) -> None:
    """What is not there, is no directory, or is one no longer, is an error each time."""
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError):
        site_names.site_names(str(tmp_path / "none"))
    with pytest.raises(NotADirectoryError):
        site_names.site_names(str(tmp_path / "file"))
    site = tmp_path / "site"
    site.mkdir()
    settle()
    assert names(site) == set()
    site.rmdir()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            names(site)
        assert scan_metadata([str(site)]) == []


def test_what_happens_while_a_site_is_listed_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that is young when it is looked at is young, however long the look takes."""

    def scan_slowly(directories: list[str]) -> object:
        found = scan_metadata(directories)
        settle()
        return found

    monkeypatch.setattr(observation, "scan_metadata", scan_slowly)
    (tmp_path / "a-1.dist-info").mkdir()
    assert not SiteLook([str(tmp_path)]).still_holds()
