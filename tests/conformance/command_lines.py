"""Command lines of distributions, and what each must come to: data only.

The word that calls pip, build or installer is replaced by sagepip's; placeholders are filled with
names of the directory that :mod:`tests.conformance.test_command_lines` makes. What a row does not
name must be as it is without any option.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WHEEL = "dist/demo-1.0-py3-none-any.whl"
HERE = "dir:."
DEMO = f"wheel:{WHEEL}"
# What stands in a request where a row says "verbose"; three, as in -vvv, is more.
VERBOSE = {"verbosity": 1}


@dataclass(frozen=True)
class Line:
    """One command line.

    Attributes:
        user: whose it is.
        text: the words, as a shell reads them, globs among them.
        does: the fields of the request that are not as without options; see :func:`describe` in
            the test.
        environ: variables that are set.
        refused: what the one line says (a regular expression) where it must be refused.
        without_effect: the options that are said to have none, under -v.
    """

    user: str
    text: str
    does: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    without_effect: tuple[str, ...] = ()


_OFFLINE = {"find_links": ("house",), "no_index": True, "index_allowed": False}
# A line of a file has settings of its own, be they none.
_LISTED = {"targets": ("name:listed",), "own_config_settings": {"name:listed": {}}}
_QUIET = "--disable-pip-version-check --isolated --no-cache-dir"
_SAGE = f"--verbose --no-index --find-links=house {_QUIET}"
_SAID = ("--disable-pip-version-check", "--isolated", "--no-cache-dir")
_CI = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "house"}

SAGE = (
    Line(
        "Sage, sdh_pip_install",
        f"sage-pip-install {_SAGE} {WHEEL}",
        {"targets": (DEMO,), "missing": "warn", **VERBOSE, **_OFFLINE},
        without_effect=_SAID,
    ),
    Line(
        "Sage, with pip's subcommand left in place",
        f"sage-pip-install install {_SAGE} -r req.txt",
        {"missing": "warn", **_LISTED, **VERBOSE, **_OFFLINE},
        without_effect=_SAID,
    ),
    Line(
        "Sage, configure",
        f"sagepip install {_SAGE} --no-deps --ignore-installed {WHEEL}",
        {
            "targets": (DEMO,),
            "no_deps": True,
            "ignore_installed": True,
            **VERBOSE,
            **_OFFLINE,
        },
    ),
    Line(
        "Sage, second try",
        f"sage-pip-install {_SAGE} --no-deps --ignore-installed --ignore-requires-python {WHEEL}",
        {
            "targets": (DEMO,),
            "missing": "warn",
            "no_deps": True,
            "ignore_installed": True,
            "ignore_requires_python": True,
            **VERBOSE,
            **_OFFLINE,
        },
    ),
    Line(
        "Sage, staged for sudo",
        f"sage-pip-install {_SAGE} --root=stage --no-warn-script-location {WHEEL}",
        {"targets": (DEMO,), "missing": "warn", "root": "stage", **VERBOSE, **_OFFLINE},
        without_effect=("--no-warn-script-location",),
    ),
    Line(
        "Sage, staged by its variable",
        "sage-pip-install .",
        {"targets": (HERE,), "missing": "warn", "root": "stage"},
        {"SAGE_DESTDIR": "{here}/stage"},
    ),
    Line(
        "Sage, wheelhouse by its variable",
        "sage-pip-install --no-deps .",
        {
            "targets": (HERE,),
            "missing": "warn",
            "no_deps": True,
            "find_links": ("house",),
            "index_allowed": False,
            "stored_wheels": "house",
        },
        {"SAGE_SPKG_WHEELS": "{here}/house"},
    ),
    Line(
        "Sage, flags by its variable",
        "sage-pip-install .",
        {"targets": (HERE,), "missing": "warn", "no_deps": True, "isolation": "none"},
        {"SAGE_PIP_INSTALL_FLAGS": "--no-deps --no-build-isolation"},
    ),
    Line(
        "Sage, helper options of a package script",
        "sage-pip-install --sdist-then-wheel --no-deps --build-isolation -C a=1 .",
        {
            "targets": (HERE,),
            "missing": "warn",
            "no_deps": True,
            "sdist_then_wheel": True,
            "config_settings": {"a": "1"},
        },
    ),
    Line(
        "Sage, matplotlib",
        "sage-pip-install -C setup-args=-Da=false -C setup-args=-Db=true .",
        {
            "targets": (HERE,),
            "missing": "warn",
            "config_settings": {"setup-args": ["-Da=false", "-Db=true"]},
        },
    ),
    Line(
        "Sage, python_igraph",
        'sage-pip-install --no-build-isolation --config-settings "--global-option=--use-pkg-config"'
        " .",
        {
            "targets": (HERE,),
            "missing": "warn",
            "isolation": "none",
            "config_settings": {"--global-option": "--use-pkg-config"},
        },
    ),
    Line(
        "Sage, pillow",
        "sage-pip-install -C debug=true -C jpeg=disable -C webp=disable .",
        {
            "targets": (HERE,),
            "missing": "warn",
            "config_settings": {"debug": "true", "jpeg": "disable", "webp": "disable"},
        },
    ),
    Line(
        "Sage, editable",
        "sage-pip-install --verbose --no-deps --no-index --no-build-isolation --isolated "
        "--editable .",
        {
            "targets": ("editable:.",),
            "missing": "warn",
            "no_deps": True,
            "isolation": "none",
            "no_index": True,
            "index_allowed": False,
            **VERBOSE,
        },
    ),
    Line(
        "Sage, packages of type pip",
        "sagepip --disable-pip-version-check install -r req.txt",
        {**_LISTED},
    ),
    Line(
        "Sage, uninstall",
        "sage-pip-uninstall --isolated --disable-pip-version-check --yes --no-input demo other",
        {"names": ("demo", "other")},
    ),
    Line(
        "Sage, uninstall with pip's subcommand left in place",
        "sage-pip-uninstall uninstall --isolated --disable-pip-version-check -y --no-input "
        "-r req.txt",
        {"names": ("listed",)},
    ),
    Line(
        "Sage, uninstall without --yes",
        "sage-pip-uninstall demo",
        {"names": ("demo",), "asks": True},
    ),
    Line(
        "Sage, build of a wheel",
        "sagepip build --wheel --outdir=dist --config-setting=a=1 .",
        {"targets": (HERE,), "directory": "dist", "config_settings": {"a": "1"}, **_OFFLINE},
        _CI,
    ),
    Line(
        "Sage, build of a wheel without isolation",
        "sagepip build --wheel --outdir=dist --no-isolation --skip-dependency-check .",
        {"targets": (HERE,), "directory": "dist", "isolation": "none", **_OFFLINE},
        {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "file://{here}/house"},
    ),
    Line(
        "Sage, build from sources alone",
        "sagepip build --wheel --outdir=dist .",
        {"targets": (HERE,), "directory": "dist", "no_binary": (":all:",)},
        {"PIP_NO_BINARY": ":all:"},
    ),
    Line(
        "Sage, build of an sdist",
        "sagepip build --sdist --no-isolation --skip-dependency-check --outdir up .",
        {"targets": (HERE,), "directory": "up", "isolation": "none", "sdist": True},
    ),
)

DISTRIBUTIONS = (
    Line(
        "Spack",
        "sagepip -vvv --no-input --no-cache-dir --disable-pip-version-check install --no-deps "
        "--ignore-installed --no-build-isolation --no-warn-script-location --no-index --prefix=p "
        "--config-settings=builddir=b --config-settings=compile-args=-v .",
        {
            "targets": (HERE,),
            "no_deps": True,
            "ignore_installed": True,
            "isolation": "none",
            "no_index": True,
            "index_allowed": False,
            "prefix": "p",
            "config_settings": {"builddir": "b", "compile-args": "-v"},
            "verbosity": 3,
        },
        without_effect=("--no-input", "--no-cache-dir", "--no-warn-script-location"),
    ),
    Line(
        "Spack, old packages",
        "sage-pip-install --no-deps --global-option=build_ext .",
        refused=r"--global-option is not supported \(.*use --config-settings\)",
    ),
    Line(
        "Spack, old packages",
        "sage-pip-install --no-deps --install-option=--x .",
        refused=r"--install-option is not supported \(.*use --config-settings\)",
    ),
    Line(
        "EasyBuild",
        "sagepip install --prefix=p --verbose --no-deps --ignore-installed --no-index "
        "--no-build-isolation .",
        {
            "targets": (HERE,),
            "prefix": "p",
            "no_deps": True,
            "ignore_installed": True,
            "isolation": "none",
            "no_index": True,
            "index_allowed": False,
            **VERBOSE,
        },
    ),
    Line(
        "EasyBuild, pip check",
        "sagepip --disable-pip-version-check check",
        {"python_path": ("house", "dist")},
        {"PYTHONPATH": "{here}/house:{here}/dist"},
        without_effect=("--disable-pip-version-check",),
    ),
    Line(
        "Fedora, %pyproject_wheel",
        "sagepip build --wheel-dir whl --no-deps --use-pep517 --no-build-isolation "
        "--disable-pip-version-check --no-clean --progress-bar off --verbose .",
        {
            "targets": (HERE,),
            "directory": "whl",
            "isolation": "none",
            "keep_build": True,
            **VERBOSE,
        },
        without_effect=("--no-deps", "--use-pep517", "--progress-bar"),
    ),
    Line(
        "Fedora, %pyproject_install",
        "sagepip install --root r --no-deps --disable-pip-version-check --progress-bar off "
        "--verbose --ignore-installed --no-warn-script-location --no-index --no-cache-dir "
        "--find-links house demo==1.0",
        {
            "targets": ("name:demo==1.0",),
            "root": "r",
            "no_deps": True,
            "ignore_installed": True,
            **VERBOSE,
            **_OFFLINE,
        },
        {"TMPDIR": "{here}"},
    ),
    Line(
        "Void, build",
        "sagepip build --no-deps --use-pep517 --no-clean --no-build-isolation .",
        {"targets": (HERE,), "isolation": "none", "keep_build": True},
    ),
    Line(
        "Void, install",
        "sage-pip-install --use-pep517 --prefix /usr --root r --no-deps --no-build-isolation "
        f"--no-clean {WHEEL}",
        {
            "targets": (DEMO,),
            "missing": "warn",
            "prefix": "/usr",
            "root": "r",
            "no_deps": True,
            "isolation": "none",
            "keep_build": True,
        },
    ),
    Line(
        "Homebrew",
        "sagepip install --verbose --no-deps --no-binary=:all: --ignore-installed --no-compile "
        "--prefix=p --no-build-isolation .",
        {
            "targets": (HERE,),
            "no_deps": True,
            "no_binary": (":all:",),
            "ignore_installed": True,
            "compile": False,
            "prefix": "p",
            "isolation": "none",
            **VERBOSE,
        },
    ),
    Line(
        "Homebrew, with a date",
        "sagepip install --no-deps --uploaded-prior-to=2026-01-01T00:00:00Z .",
        refused=r"--uploaded-prior-to is not supported \(set PIP_UPLOADED_PRIOR_TO, which pip",
    ),
    Line(
        "conda-forge",
        "sagepip install . -vv --no-deps --no-build-isolation",
        {"targets": (HERE,), "no_deps": True, "isolation": "none", "verbosity": 2},
    ),
    Line(
        "conda-forge, by its builder's variables",
        "sagepip install .",
        {
            "targets": (HERE,),
            "no_deps": True,
            "isolation": "none",
            "ignore_installed": True,
            "no_index": True,
            "index_allowed": False,
        },
        # The sense of PIP_NO_BUILD_ISOLATION is pip's: False is what switches it off.
        {
            "PIP_NO_INDEX": "True",
            "PIP_NO_DEPENDENCIES": "True",
            "PIP_NO_BUILD_ISOLATION": "False",
            "PIP_IGNORE_INSTALLED": "True",
            "PIP_CACHE_DIR": "{here}/cache",
        },
    ),
    Line(
        "Termux, build",
        "sagepip build -n -x --config-setting builddir=d .",
        {"targets": (HERE,), "isolation": "none", "config_settings": {"builddir": "d"}},
    ),
    Line(
        "Termux, build with build's -w",
        "sagepip build -w -n -x --config-setting builddir=d .",
        {
            "targets": (HERE,),
            "directory": "dist",
            "isolation": "none",
            "config_settings": {"builddir": "d"},
        },
        without_effect=("--skip-dependency-check",),
    ),
    Line(
        "Termux, install",
        f"sage-pip-install --no-deps --prefix=p --force-reinstall {WHEEL}",
        {
            "targets": (DEMO,),
            "missing": "warn",
            "no_deps": True,
            "prefix": "p",
            "force_reinstall": True,
        },
    ),
    Line(
        "Termux, cross",
        "sage-pip-install --no-build-isolation --no-deps .",
        {"targets": (HERE,), "missing": "warn", "isolation": "none", "no_deps": True},
    ),
    Line(
        "OpenWrt",
        "sage-pip-install --no-binary :all: --progress-bar off --require-hashes demo",
        {
            "targets": ("name:demo",),
            "missing": "warn",
            "no_binary": (":all:",),
            "hash_checking": "required",
        },
    ),
    Line(
        "OpenWrt, without hashes",
        "sage-pip-install --no-binary :all: --progress-bar off demo",
        {"targets": ("name:demo",), "missing": "warn", "no_binary": (":all:",)},
        {
            "PIP_CACHE_DIR": "{here}/cache",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        },
    ),
    Line(
        "Yocto, build",
        "sagepip build --no-isolation --wheel --outdir d . -C a=b",
        {
            "targets": (HERE,),
            "isolation": "none",
            "directory": "d",
            "config_settings": {"a": "b"},
        },
    ),
    Line(
        "Yocto, install",
        f"sage-pip-install --compile-bytecode=0 --interpreter '/usr/bin/env python3' --prefix=p "
        f"--destdir=d {WHEEL}",
        {
            "targets": (DEMO,),
            "missing": "warn",
            "prefix": "p",
            "root": "d",
            "interpreter": "/usr/bin/env python3",
            "force_reinstall": True,
        },
    ),
    Line(
        "Yocto, install with bytecode of other levels",
        f"sage-pip-install --compile-bytecode=1 --destdir=d {WHEEL}",
        refused=r"--compile-bytecode 1: no such choice \(one of 0",
    ),
    Line(
        "Yocto, install without bytecode",
        f"sage-pip-install --no-compile-bytecode --destdir=d {WHEEL}",
        {"targets": (DEMO,), "missing": "warn", "root": "d", "compile": False},
    ),
    Line(
        "an interpreter that is no path",
        f"sage-pip-install --interpreter python3 {WHEEL}",
        refused=r"not an interpreter: --interpreter python3 \(",
    ),
    Line(
        "Yocto, install, bytecode chosen as by pip",
        f"sage-pip-install --no-compile --prefix=p --destdir=d {WHEEL}",
        {"targets": (DEMO,), "missing": "warn", "prefix": "p", "root": "d", "compile": False},
    ),
    Line(
        "Buildroot, build",
        "sagepip build -n -w",
        {"targets": (HERE,), "directory": "dist", "isolation": "none"},
    ),
    Line(
        "Buildroot, build of a project that is named",
        "sagepip build -n -w ./sub",
        {"targets": ("dir:sub",), "directory": "sub/dist", "isolation": "none"},
    ),
    Line(
        "Buildroot, build in a bundle",
        "sagepip build -nw",
        {"targets": (HERE,), "directory": "dist", "isolation": "none"},
    ),
    Line(
        "Buildroot, build in another bundle",
        "sagepip build -wn .",
        refused=r"-w takes one, as in pip wheel",
    ),
    Line(
        "Buildroot, its own installer",
        "sage-pip-install --purelib /usr/lib/python3/site-packages --script-kind posix "
        f"--headers /usr/include {WHEEL}",
        refused=r"--purelib is not supported \(give --root STAGED --prefix /usr: all",
    ),
    Line(
        "Arch, FreeBSD: build",
        "sagepip build --wheel --no-isolation",
        {"targets": (HERE,), "directory": "dist", "isolation": "none"},
    ),
    Line(
        "Arch, FreeBSD: install",
        "sage-pip-install --destdir pkg dist/*.whl",
        {"targets": (DEMO,), "missing": "warn", "root": "pkg"},
    ),
    Line(
        "Arch, FreeBSD: install",
        "sage-pip-install --destdir=pkg --prefix /usr/local dist/*.whl",
        {"targets": (DEMO,), "missing": "warn", "root": "pkg", "prefix": "/usr/local"},
    ),
    Line(
        "Arch, by installer's short options",
        "sage-pip-install -d pkg -p /usr dist/*.whl",
        {"targets": (DEMO,), "missing": "warn", "root": "pkg", "prefix": "/usr"},
    ),
    Line(
        "Nix",
        "sage-pip-install --no-deps --prefix out dist/*.whl",
        {"targets": (DEMO,), "missing": "warn", "prefix": "out", "no_deps": True},
    ),
    Line(
        "Debian",
        "sagepip build --skip-dependency-check --no-isolation --wheel --outdir d",
        {"targets": (HERE,), "isolation": "none", "directory": "d"},
        {"FLIT_NO_NETWORK": "1"},
        without_effect=("--skip-dependency-check",),
    ),
    Line(
        "Gentoo, Alpine: build",
        'sagepip build --wheel-dir d --config-json \'{"a": ["1", "2"]}\' -n .',
        {
            "targets": (HERE,),
            "isolation": "none",
            "directory": "d",
            "config_settings": {"a": ["1", "2"]},
        },
    ),
    Line(
        "Gentoo, Alpine: build by gpep517's options",
        "sagepip build --wheel-dir d --backend flit_core.buildapi --output-fd 3 .",
        refused=r"--backend is not supported \(leave it out: the backend is the one that pyproject",
    ),
    Line(
        "Gentoo: build for another root",
        "sagepip build --wheel-dir d --sysroot /s .",
        refused=r"--sysroot is not supported \(leave it out: give the interpreter to build for",
    ),
    Line(
        "Gentoo, Alpine: build by gpep517's whole line",
        "sagepip build --prefix /usr --backend flit_core.buildapi --output-fd 3 --wheel-dir d",
        refused=r"--prefix is not supported \(build installs nothing",
    ),
    Line(
        "Gentoo, Alpine: install",
        f"sage-pip-install --destdir d --prefix /usr --optimize all {WHEEL}",
        refused=r"--optimize is not supported \(give --compile, and run python -m compileall -o",
    ),
    Line(
        "passagemath, CI",
        "sage-pip-install --force-reinstall -v demo",
        {
            "targets": ("name:demo",),
            "missing": "warn",
            "force_reinstall": True,
            "find_links": ("house", "dist"),
            "index_allowed": False,
            "prefer_binary": True,
            "constraints": ("c.txt",),
            "build_constraints": ("b.txt",),
            **VERBOSE,
        },
        {
            "PIP_FIND_LINKS": "{here}/house file://{here}/dist",
            "PIP_PREFER_BINARY": "1",
            "PIP_CONSTRAINT": "c.txt",
            "PIP_BUILD_CONSTRAINT": "b.txt",
        },
    ),
    Line(
        "fromager",
        "sage-pip-install --upgrade --only-binary :all: -c c.txt -i https://index.invalid/simple "
        "setuptools wheel",
        {
            "targets": ("name:setuptools", "name:wheel"),
            "missing": "warn",
            "upgrade": True,
            "only_binary": (":all:",),
            "constraints": ("c.txt",),
            "index_url": "https://index.invalid/simple",
        },
    ),
    Line(
        "fromager, by uv's name of the option",
        "sage-pip-install --index https://index.invalid/simple setuptools",
        refused=r"unknown option: --index \(did you mean",
    ),
)

# One each of the options and variables that no row above has.
ACCEPTED = (
    *(
        Line(
            "accepted without effect",
            f"sage-pip-install {words} .",
            {**_PLAIN},
            without_effect=(words.split()[0],),
        )
        for _PLAIN in ({"targets": (HERE,), "missing": "warn"},)
        for words in (
            "--cache-dir c",
            "--no-warn-conflicts",
            "--root-user-action ignore",
            "--exists-action w",
            "--retries 3",
            "--timeout 15",
            "--no-python-version-warning",
        )
    ),
    Line("user scheme", "sage-pip-install --user .", refused=r"--user is not supported \("),
    *(
        Line("another platform", f"sage-pip-install {words} demo", refused=r"with --python\)")
        for words in (
            "--platform any",
            "--python-version 3.12",
            "--implementation cp",
            "--abi abi3",
        )
    ),
    Line(
        "a repository",
        "sage-pip-install git+https://host.invalid/demo.git",
        refused=r"git\+https",
    ),
    Line(
        "a log",
        "sage-pip-install --log log.txt .",
        {"targets": (HERE,), "missing": "warn"},
    ),
    Line(
        "compiling by pip's variable, whose sense is odd",
        "sage-pip-install .",
        {"targets": (HERE,), "missing": "warn", "compile": False},
        {"PIP_NO_COMPILE": "0"},
    ),
    Line(
        "isolation by pip's variable, whose sense is odd",
        "sage-pip-install .",
        {"targets": (HERE,), "missing": "warn"},
        {"PIP_NO_BUILD_ISOLATION": "1", "PIP_NO_COMPILE": "1"},
    ),
    Line(
        "places by pip's variables",
        "sage-pip-install .",
        {
            "targets": (HERE,),
            "missing": "warn",
            "root": "r",
            "prefix": "p",
            "config_settings": {"k": "a b"},
            "only_binary": (":all:",),
            "break_system_packages": True,
            "verbosity": 2,
        },
        {
            "PIP_ROOT": "r",
            "PIP_PREFIX": "p",
            "PIP_CONFIG_SETTINGS": "k=a b",
            "PIP_ONLY_BINARY": ":all:",
            "PIP_BREAK_SYSTEM_PACKAGES": "1",
            "PIP_VERBOSE": "2",
        },
    ),
    Line(
        "a directory of its own",
        "sagepip install --target t --report report.json --dry-run -U .",
        {
            "targets": (HERE,),
            "target": "t",
            "report": "report.json",
            "dry_run": True,
            "upgrade": True,
        },
    ),
    Line(
        "the end of options",
        "sage-pip-install --no-deps -- ./sub",
        {"targets": ("dir:sub",), "missing": "warn", "no_deps": True},
    ),
    Line("no option of pip's", "sage-pip-install --no-dep .", refused=r"did you mean --no-deps\?"),
    Line("nothing", "sage-pip-install --no-deps", refused=r"nothing to install \("),
)

LINES = (*SAGE, *DISTRIBUTIONS, *ACCEPTED)
