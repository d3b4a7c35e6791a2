"""The sites of a prefix, from the prefix alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagepip.transaction.prefix_sites import own_sites


def test_sites(tmp_path: Path) -> None:
    """Every interpreter's site counts, once, by whatever path; nothing else does."""
    sites = [
        tmp_path / "lib" / "python3" / "dist-packages",
        tmp_path / "lib" / "python3.13t" / "site-packages",
        tmp_path / "lib" / "pypy3.11" / "site-packages",
        tmp_path / "lib32" / "python3.12" / "site-packages",
    ]
    for site in sites:
        site.mkdir(parents=True)
    (tmp_path / "lib64").symlink_to("lib")
    (tmp_path / "lib" / "python3.14").symlink_to("python3.13t")
    (tmp_path / "lib" / "ruby" / "site-packages").mkdir(parents=True)
    (tmp_path / "lib" / "python3.99").mkdir()
    (tmp_path / "lib" / "python2.7").write_text("")
    (tmp_path / "libfile").write_text("")
    found = own_sites(str(tmp_path))
    assert found == sorted(map(str, sites))
    (tmp_path / "link").symlink_to(".")
    assert own_sites(str(tmp_path / "link")) == found


def test_site_elsewhere(tmp_path: Path) -> None:
    """A site that is a link into another directory is that directory."""
    real = tmp_path / "real"
    real.mkdir()
    parent = tmp_path / "prefix" / "lib" / "python3.12"
    parent.mkdir(parents=True)
    (parent / "site-packages").symlink_to(real)
    assert own_sites(str(tmp_path / "prefix")) == [str(real)]


@pytest.mark.parametrize("prefix", ["missing", "empty", "file"])
def test_none(tmp_path: Path, prefix: str) -> None:
    """A prefix need not have a site, nor be there."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert own_sites(str(tmp_path / prefix)) == []


def test_site_itself(tmp_path: Path) -> None:
    """A site directory stands for itself."""
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    site.mkdir(parents=True)
    assert own_sites(str(site)) == [str(site)]
