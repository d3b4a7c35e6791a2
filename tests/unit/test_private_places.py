"""Where the files of a wheel go in a build environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagepip.build.virtual_environment import destination_inside
from sagepip.ground.errors import TargetError
from sagepip.ground.target_python import TargetPython
from sagepip.staging.private_places import PrivatePlaces


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An empty directory."""
    return tmp_path / "environment"


@pytest.fixture
def places(environment: Path) -> PrivatePlaces:
    """The places in it."""
    environment.mkdir()
    inside = destination_inside(str(environment), "/python", TargetPython.running())
    return PrivatePlaces("w.whl", inside)


def test_each_place_is_free(environment: Path, places: PrivatePlaces) -> None:
    """Directories are made; what was given before, or was there, is not written to."""
    script = environment / "bin" / "run"
    script.parent.mkdir()
    script.write_text("of another")
    other = environment / "other"
    os.link(script, other)
    assert places.path(str(script)) == str(script)
    assert not script.exists()
    assert other.read_text() == "of another"
    site = environment / "lib" / f"python{'.'.join(map(str, TargetPython.running().version[:2]))}"
    module = site / "site-packages" / "package" / "module.py"
    for text in ("first", "second"):
        assert places.path(str(module)) == str(module)
        with module.open("x") as stream:
            stream.write(text)
    # Another name, or the same, as the file system will have it.
    Path(places.path(str(module.with_name("MODULE.py")))).open("x").close()


def test_what_lies_outside(environment: Path, places: PrivatePlaces) -> None:
    """Nothing is made or removed out of the environment."""
    beside = environment.parent / "beside"
    beside.write_text("")
    with pytest.raises(TargetError, match="outside the environment"):
        places.path(str(beside))
    with pytest.raises(TargetError, match="outside the environment"):
        places.path(str(environment) + "-too/lib/x.py")
    assert beside.exists()
    assert sorted(one.name for one in environment.parent.iterdir()) == ["beside", "environment"]
