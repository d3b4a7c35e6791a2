"""What setuptools is told beyond the user's config settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagepip.build.setuptools_settings import settings_for

SETUPTOOLS = ["setuptools.build_meta", "setuptools.build_meta:__legacy__"]
OWN = ["build", "--build-base=/private"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("backend", SETUPTOOLS)
def test_setuptools_builds_elsewhere(backend: str) -> None:
    """A build directory of its own, beside what the user says in whatever form."""
    assert settings_for(backend, {}, "/private") == {"--build-option": OWN}
    given: dict[str, str | list[str]] = {"--build-option": "--plat-name 'a b'", "x": "y"}
    found = settings_for(backend, given, "/private")
    assert found == {"--build-option": ["--plat-name", "a b", *OWN], "x": "y"}
    listed: dict[str, str | list[str]] = {"--build-option": ["--plat-name", "a b"]}
    assert settings_for(backend, listed, "/private")["--build-option"] == [
        *listed["--build-option"],
        *OWN,
    ]


@pytest.mark.parametrize(
    "option", ["--build-base=build", "build --build-base build", "build --build-lib=x"]
)
def test_users_own_build_directory_is_used(option: str) -> None:
    """Who wants to build in the tree again and again says so."""
    given: dict[str, str | list[str]] = {"--build-option": option}
    assert settings_for(SETUPTOOLS[0], given, "/private") == given


def test_user_configuration_is_left_out_where_there_is_some(home: Path) -> None:
    """~/.pydistutils.cfg is not read; without one, nothing is said that old setuptools refuses."""
    assert "--global-option" not in settings_for(SETUPTOOLS[0], {}, "/private")
    (home / ".pydistutils.cfg").touch()
    given: dict[str, str | list[str]] = {"--global-option": "--quiet"}
    found = settings_for(SETUPTOOLS[0], given, "/private")
    assert found["--global-option"] == ["--no-user-cfg", "--quiet"]


@pytest.mark.parametrize("backend", ["flit_core.buildapi", "mesonpy", "own_backend", ""])
def test_other_backends_get_what_the_user_says(home: Path, backend: str) -> None:
    """No other backend is told what it may not know."""
    (home / ".pydistutils.cfg").touch()
    assert settings_for(backend, {"--build-option": "x"}, "/private") == {"--build-option": "x"}
