"""Sites with many distributions: what is looked at, when, and what is noticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagepip.ground import mounts
from sagepip.ground.destination import Destination
from sagepip.ground.removing import KnownDirectory, remove_known
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from sagepip.operations.uninstall import UninstallRequest, uninstall
from sagepip.transaction import observation
from sagepip.transaction.locks import SiteLocks
from sagepip.transaction.observation import SiteLook, SiteObservation
from sagepip.transaction.territory import Territory
from tests.wheels import make_wheel


def put(destination: Destination, *wheels: Path) -> None:
    """Install wheels."""
    targets = tuple(WheelFile(str(wheel)) for wheel in wheels)
    install(InstallRequest(targets, destination, no_deps=True))


def age(path: str, seconds: int = 1_000_000_000) -> None:
    """Make a directory look as if it had not changed for long."""
    os.utime(path, (seconds, seconds))


def publish(site: str, name: str, rows: str) -> None:
    """Put the metadata of another distribution into a site."""
    info = Path(site, f"{name}-1.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "RECORD").write_text(rows)


def test_change_within_the_clock_tick_is_noticed(tmp_path: Path) -> None:
    """A look at a site that has just changed is not relied on: its time may not tell the next."""
    assert not SiteLook([str(tmp_path)]).still_holds()
    age(str(tmp_path))
    look = SiteLook([str(tmp_path)])
    assert look.still_holds()
    (tmp_path / "other").mkdir()
    assert not look.still_holds()


def test_large_site_is_not_looked_through_under_the_lock(
    tmp_path: Path, bare_site: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it has changed the lock is let go, and what is new is looked at without it."""
    put(bare_site, make_wheel(tmp_path / "wheels", "mine", "1", {"mine.py": ""}))
    monkeypatch.setattr(observation, "_MOST_UNDER_LOCK", 0)
    age(bare_site.site)
    seen = SiteObservation(bare_site.metadata_directories, ["mine"], Territory.of(bare_site))
    assert seen.still_current(seen.old)
    publish(bare_site.site, "other", "other.py,,\n")
    age(bare_site.site, 1_000_000_001)
    with monkeypatch.context() as patched:
        patched.delattr(observation, "scan_metadata")
        assert not seen.still_current(seen.old)
        assert seen.is_outdated
    assert seen.renew(seen.old)
    assert seen.still_current(seen.old)
    publish(bare_site.site, "rival", "mine.py,,\n")
    assert not seen.still_current(seen.old)
    assert not seen.renew(seen.old)


@pytest.mark.parametrize(("rows", "stays"), [("other.py,,\n", False), ("mine.py,,\n", True)])
def test_neighbour_of_a_large_site_that_comes_before_the_lock(
    tmp_path: Path,
    bare_site: Destination,
    monkeypatch: pytest.MonkeyPatch,
    rows: str,
    stays: bool,
) -> None:
    """What is published between the plan and the lock is heard, and its files stay."""
    put(bare_site, make_wheel(tmp_path / "wheels", "mine", "1", {"mine.py": "", "more.py": ""}))
    monkeypatch.setattr(observation, "_MOST_UNDER_LOCK", 0)
    site, hold = bare_site.site, SiteLocks.hold
    held: list[int] = []

    def holding(self: SiteLocks, timeout: float | None = None) -> object:
        if not held:
            publish(site, "other", rows)
        held.append(1)
        return hold(self, timeout)

    monkeypatch.setattr(SiteLocks, "hold", holding)
    report = uninstall(UninstallRequest(("mine",), bare_site))
    assert report.removed == (("mine", "1"),)
    assert len(held) > 1
    assert os.path.exists(os.path.join(site, "mine.py")) is stays
    assert not os.path.exists(os.path.join(site, "more.py"))


def test_what_is_not_known_stays(tmp_path: Path) -> None:
    """Known contents are removed; what came meanwhile, and what a link leads to, is not."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "a").touch()
    trash = tmp_path / "trash"
    (trash / "deep").mkdir(parents=True)
    for path in (trash / "a", trash / "deep" / "b", trash / "deep" / "new"):
        path.touch()
    (trash / "link").symlink_to(kept)
    inner = [KnownDirectory("deep", ["b"], []), KnownDirectory("link", ["a"], [])]
    remove_known(str(trash), KnownDirectory("trash", ["a"], inner))
    assert (kept / "a").exists()
    assert not (trash / "deep" / "b").exists()
    assert (trash / "deep" / "new").exists()


def test_mounts_below_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mount points are compared as paths, whatever characters they hold; no file, no answer."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / /srv/a\\040b/c rw - tmpfs none rw\n"
    )
    monkeypatch.setattr(mounts, "_MOUNTS", str(table))
    assert mounts.is_mounted_below("/srv/a b")
    assert mounts.is_mounted_below("/srv/a b/c") is False
    assert mounts.is_mounted_below("/srv/a") is False
    table.unlink()
    assert mounts.is_mounted_below("/srv/a b") is None
