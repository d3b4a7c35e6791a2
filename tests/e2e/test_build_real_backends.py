"""Builds with the backends that projects really use, offline once their wheels were fetched."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from sagepip.build.project import build_wheel
from sagepip.build.wheelhouse import candidates
from sagepip.ground.errors import BuildError
from sagepip.ground.target_python import TargetPython
from tests.e2e.build_fixtures import make_project, options

pytestmark = pytest.mark.index

BACKENDS = ["setuptools", "flit_core", "hatchling", "hatch-vcs", "poetry-core", "setuptools_scm"]
PROJECT = '[project]\nname = "demo"\nversion = "1.0"\ndescription = "a demonstration"\n'
MODULE = '"""A demonstration."""\n__version__ = "1.0"\n'
C_SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "demo", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_demo(void) { return PyModule_Create(&module); }
"""
SOURCES: dict[str, Mapping[str, str]] = {
    # No pyproject.toml at all: the legacy backend, setup.py sees its own directory.
    "legacy": {
        "setup.py": "from setuptools import setup\nimport helper\n"
        "setup(name='demo', version=helper.version, py_modules=['demo'])\n",
        "helper.py": "version = '1.0'\n",
        "demo.py": MODULE,
    },
    "setuptools": {
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=61"]\n'
        'build-backend = "setuptools.build_meta"\n'
        + PROJECT
        + '[tool.setuptools]\npy-modules = ["demo"]\n',
        "demo.py": MODULE,
    },
    "extension": {
        "setup.py": "from setuptools import Extension, setup\n"
        "setup(name='demo', version='1.0', ext_modules=[Extension('demo', ['demo.c'])])\n",
        "demo.c": C_SOURCE,
    },
    "flit": {
        "pyproject.toml": '[build-system]\nrequires = ["flit_core>=3"]\n'
        'build-backend = "flit_core.buildapi"\n' + PROJECT,
        "demo.py": MODULE,
    },
    # A plugin of the backend, found through its entry point, and a backend of the next in turn.
    "hatch plugin": {
        "pyproject.toml": '[build-system]\nrequires = ["hatchling", "hatch-vcs"]\n'
        'build-backend = "hatchling.build"\n'
        '[project]\nname = "demo"\ndynamic = ["version"]\n'
        '[tool.hatch.version]\nsource = "vcs"\n'
        '[tool.hatch.build.targets.wheel]\ninclude = ["demo.py"]\n',
        "demo.py": MODULE,
    },
    "poetry": {
        "pyproject.toml": '[build-system]\nrequires = ["poetry-core"]\n'
        'build-backend = "poetry.core.masonry.api"\n' + PROJECT,
        "demo/__init__.py": MODULE,
    },
    "setuptools_scm": {
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=61", "setuptools_scm>=8"]\n'
        'build-backend = "setuptools.build_meta"\n'
        '[project]\nname = "demo"\ndynamic = ["version"]\n'
        '[tool.setuptools]\npy-modules = ["demo"]\n[tool.setuptools_scm]\n',
        "demo.py": MODULE,
    },
}


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse with the common backends, fetched once."""
    house = tmp_path_factory.mktemp("backends")
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(house), *BACKENDS], check=True)
    return house


@pytest.mark.parametrize("kind", SOURCES)
def test_common_backends_build_offline(
    tmp_path: Path, backends: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Every usual way to describe a project gives its wheel, from the wheelhouse alone."""
    monkeypatch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION", "1.0")
    for name, text in SOURCES[kind].items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    built = build_wheel(
        str(tmp_path / "source"),
        str(tmp_path / "out"),
        python=TargetPython.running(),
        options=options(backends),
    )
    assert Path(built.path).name.startswith("demo-1.0-")
    with zipfile.ZipFile(built.path) as archive:
        names = archive.namelist()
    assert any(name.startswith("demo") and ".dist-info/" not in name for name in names)
    assert any(name.endswith(".so") for name in names) == (kind == "extension")


def test_failing_compiler_is_reported(tmp_path: Path, backends: Path) -> None:
    """The compiler's own words are in what is shown of a failed build."""
    source = tmp_path / "source"
    source.mkdir()
    for name, text in SOURCES["extension"].items():
        (source / name).write_text(text + ("\n#error deliberate\n" if name == "demo.c" else ""))
    with pytest.raises(BuildError, match="build_wheel of") as caught:
        build_wheel(
            str(source),
            str(tmp_path / "out"),
            python=TargetPython.running(),
            options=options(backends),
        )
    assert "#error deliberate" in caught.value.output


def test_backend_that_there_is_only_an_sdist_of(tmp_path: Path, backends: Path) -> None:
    """A backend that builds itself is built from its sdist, then used."""
    house = tmp_path / "house"
    house.mkdir()
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(house)]
    subprocess.run([*command, "--no-binary", "flit_core", "flit_core"], check=True)
    (sdist,) = candidates("flit-core", [str(house)])
    assert tarfile.is_tarfile(sdist)
    project = make_project(
        tmp_path / "source", requires=["flit_core"], backend="flit_core.buildapi"
    )
    (project / "demo.py").write_text(MODULE)
    (project / "pyproject.toml").write_text(SOURCES["flit"]["pyproject.toml"])
    built = build_wheel(
        str(project),
        str(tmp_path / "out"),
        python=TargetPython.running(),
        options=options(house),
    )
    assert Path(built.path).name.startswith("demo-1.0-py")
