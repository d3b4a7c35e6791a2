"""The import path of a console script."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

import pytest

import sagepip
from sagepip.cli.startup import clean_import_path

STDLIB = os.path.dirname(os.__file__)
SITE = site.getsitepackages()[0]
OWN = os.path.dirname(os.path.dirname(os.path.abspath(sagepip.__file__)))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Return an import path as the interpreter makes it, without anything foreign."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/scripts/sage-pip-install"])
    monkeypatch.setattr(site, "USER_SITE", "/home/user/site")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return list(dict.fromkeys([STDLIB, f"{STDLIB}/lib-dynload", SITE, OWN]))


def cleaned(monkeypatch: pytest.MonkeyPatch, path: list[str]) -> list[str]:
    """Clean a given import path."""
    monkeypatch.setattr(sys, "path", list(path))
    clean_import_path()
    return sys.path


def test_nothing_foreign(plain: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean import path stays as it is."""
    assert plain == cleaned(monkeypatch, plain)


def test_script_and_working_directory(
    plain: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither the script's directory nor the current one, in any spelling, is searched."""
    for foreign in ("/scripts", str(tmp_path), "", "."):
        assert plain == cleaned(monkeypatch, [foreign, *plain])


def test_pythonpath(plain: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Entries of PYTHONPATH go, relative and empty ones too."""
    monkeypatch.setenv("PYTHONPATH", "/a:rel::/b/../c")
    foreign = ["/a", str(tmp_path / "rel"), str(tmp_path), "/c"]
    assert plain == cleaned(monkeypatch, [*foreign, *plain])


def test_pythonpath_names_the_interpreters_own(
    plain: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Site-packages named in PYTHONPATH goes back behind the standard library, which stays."""
    monkeypatch.setenv("PYTHONPATH", f"{SITE}:/a:{STDLIB}")
    found = cleaned(monkeypatch, [SITE, "/a", STDLIB, f"{STDLIB}/lib-dynload", OWN])
    assert "/a" not in found
    assert sorted(plain) == sorted(found)
    assert found.index(STDLIB) < found.index(SITE) or SITE == OWN


def test_pythonpath_that_sagepip_came_from(
    plain: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry that sagepip itself was imported from stays, where it is."""
    monkeypatch.setenv("PYTHONPATH", OWN)
    path = [OWN, *(entry for entry in plain if entry != OWN)]
    assert path == cleaned(monkeypatch, path)


def test_user_site(plain: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The user site goes, with what its .pth files added; what comes after it stays."""
    at = plain.index(SITE)
    user = ["/home/user/site", "/home/user/checkout"]
    assert plain == cleaned(monkeypatch, [*plain[:at], *user, *plain[at:]])
