"""The contract of the commands (the design's section "Commands"), sentence by sentence: data only.

Each row has its words of the contract, and what must be so. Where the contract names an option or a
variable, its row stands here and nowhere else: what is not here is not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.conformance.command_lines import DEMO, HERE, VERBOSE, WHEEL, Line

# | Command | What it does |
PROGRAMS = {
    "sage-pip-install": "install",
    "sage-pip-uninstall": "uninstall",
    "sage-staged-copy": "copy",
    "sage-pip-lock": "lock",
    "sagepip": "",
}
# sagepip SUBCOMMAND is the same as those, and there are more.
SUBCOMMANDS = (
    *("install", "uninstall", "copy", "lock"),
    *("build", "verify", "doctor", "status", "recover", "spkg", "trace", "cache"),
)
# What the contract does not name, and why it is there.
MORE_SUBCOMMANDS = {
    "adopt": "puts sagepip in the place of pip in a Sage tree",
    "check": "EasyBuild runs pip check",
}

WARNS = {"missing": "warn"}
_PROJECT = {"targets": (HERE,), **WARNS}

# "sage-staged-copy [--move] [--manifest FILE] STAGED PREFIX", and the TARGETs.
SYNOPSES = (
    Line("copy", "sage-staged-copy a b", {"staged": "a", "prefix": "b"}),
    Line(
        "copy",
        "sage-staged-copy --move --manifest f a b",
        {"staged": "a", "prefix": "b", "move": True, "manifest": "f"},
    ),
    Line("copy", "sagepip copy a b", {"staged": "a", "prefix": "b"}),
    Line("copy", "sage-staged-copy a", refused=r"takes two operands, not 1"),
    Line("a source directory", "sage-pip-install .", _PROJECT),
    Line("an sdist", "sage-pip-install ./demo-1.0.tar.gz", {"targets": ("sdist:demo-1.0.tar.gz",)}),
    Line("a wheel", f"sage-pip-install {WHEEL}", {"targets": (DEMO,), **WARNS}),
    Line(
        "NAME @ file:///",
        f"sage-pip-install 'demo @ file://{{here}}/{WHEEL}'",
        {"targets": (DEMO,), **WARNS},
    ),
    Line(
        "-r FILE",
        "sage-pip-install -r req.txt",
        {"targets": ("name:listed",), "own_config_settings": {"name:listed": {}}, **WARNS},
    ),
    Line("-e DIRECTORY", "sage-pip-install -e sub", {"targets": ("editable:sub",), **WARNS}),
    Line("a requirement", "sage-pip-install 'a[b]>=1'", {"targets": ("name:a[b]>=1",), **WARNS}),
)


@dataclass(frozen=True)
class Accepted:
    """An option that means what pip's means.

    Attributes:
        spellings: as the contract has them, with a value where it takes one.
        does: what it changes in the request of ``install .``.
        variables: pip's variables that come to the same.
        in_request: whether it changes the request at all; else it is seen elsewhere.
    """

    spellings: tuple[str, ...]
    does: Mapping[str, object]
    variables: tuple[str, ...] = ()
    in_request: bool = True


_LISTED = {"targets": (HERE, "name:listed"), "own_config_settings": {"name:listed": {}}}
_HOUSE = {"find_links": ("house",), "index_allowed": False}
_NO_INDEX = {"no_index": True, "index_allowed": False}
_INDEX = "https://index.invalid/simple"

# Options follow pip's names and meaning wherever pip has one.
INSTALL_OPTIONS = (
    Accepted(("-r req.txt", "--requirement=req.txt"), _LISTED, ("PIP_REQUIREMENT=req.txt",)),
    Accepted(
        ("-c c.txt", "--constraint c.txt"), {"constraints": ("c.txt",)}, ("PIP_CONSTRAINT=c.txt",)
    ),
    Accepted(
        ("-c c.txt -c b.txt",), {"constraints": ("c.txt", "b.txt")}, ("PIP_CONSTRAINT=c.txt b.txt",)
    ),
    Accepted(
        ("--build-constraint b.txt",),
        {"build_constraints": ("b.txt",)},
        ("PIP_BUILD_CONSTRAINT=b.txt",),
    ),
    Accepted(
        ("--no-deps", "--no-dependencies"),
        {"no_deps": True},
        ("PIP_NO_DEPS=1", "PIP_NO_DEPENDENCIES=yes"),
    ),
    Accepted(("--no-index",), _NO_INDEX, ("PIP_NO_INDEX=1", "PIP_NO_INDEX=true")),
    Accepted(
        (f"-i {_INDEX}", f"--index-url={_INDEX}"),
        {"index_url": _INDEX},
        (f"PIP_INDEX_URL={_INDEX}",),
    ),
    Accepted(
        ("-f house", "--find-links=house", "--find-links=file://{here}/house"),
        _HOUSE,
        ("PIP_FIND_LINKS=house", "PIP_FIND_LINKS=file://{here}/house"),
    ),
    Accepted(
        ("-f house --find-links file://{here}/dist",),
        {"find_links": ("house", "dist"), "index_allowed": False},
        ("PIP_FIND_LINKS={here}/house  file://{here}/dist",),
    ),
    Accepted(
        ("--no-build-isolation",),
        {"isolation": "none"},
        ("PIP_NO_BUILD_ISOLATION=0", "PIP_NO_BUILD_ISOLATION=false"),  # pip's inverted sense
    ),
    Accepted(
        ("--build-isolation", "--compile"),
        {},
        ("PIP_NO_BUILD_ISOLATION=1", "PIP_NO_COMPILE=1", "PIP_COMPILE=1"),
    ),
    Accepted(
        ("--check-build-dependencies",),
        {"check_dependencies": True},
        ("PIP_CHECK_BUILD_DEPENDENCIES=1",),
    ),
    Accepted(
        ("-C k=v", "-Ck=v", "--config-settings k=v", "--config-settings=k=v"),
        {"config_settings": {"k": "v"}},
        ("PIP_CONFIG_SETTINGS=k=v",),
    ),
    # A repeated key becomes a list; a key may start with dashes.
    Accepted(("-C k=1 -C l=0 -C k=2",), {"config_settings": {"k": ["1", "2"], "l": "0"}}),
    Accepted(
        ("-C --g=--h=i", "--config-settings --g=--h=i"), {"config_settings": {"--g": "--h=i"}}
    ),
    Accepted(
        ("--python {here}/venv",), {"python": "venv/bin/python3"}, ("PIP_PYTHON={here}/venv",)
    ),
    Accepted(("--prefix p",), {"prefix": "p"}, ("PIP_PREFIX=p",)),
    Accepted(("--root r",), {"root": "r"}, ("PIP_ROOT=r",)),
    Accepted(("--target t", "-t t"), {"target": "t"}, ("PIP_TARGET=t",)),
    Accepted(("-I", "--ignore-installed"), {"ignore_installed": True}, ("PIP_IGNORE_INSTALLED=1",)),
    Accepted(("--force-reinstall",), {"force_reinstall": True}, ("PIP_FORCE_REINSTALL=1",)),
    Accepted(("-U", "--upgrade"), {"upgrade": True}, ("PIP_UPGRADE=1",)),
    Accepted(
        ("--ignore-requires-python",),
        {"ignore_requires_python": True},
        ("PIP_IGNORE_REQUIRES_PYTHON=1",),
    ),
    Accepted(("--no-compile",), {"compile": False}, ("PIP_NO_COMPILE=0", "PIP_COMPILE=0")),
    Accepted(("--no-binary a,b",), {"no_binary": ("a", "b")}, ("PIP_NO_BINARY=a,b",)),
    Accepted(("--only-binary=:all:",), {"only_binary": (":all:",)}, ("PIP_ONLY_BINARY=:all:",)),
    Accepted(("--prefer-binary",), {"prefer_binary": True}, ("PIP_PREFER_BINARY=1",)),
    Accepted(
        ("-e sub", "--editable sub"), {"targets": (HERE, "editable:sub")}, ("PIP_EDITABLE=sub",)
    ),
    Accepted(("--dry-run",), {"dry_run": True}, ("PIP_DRY_RUN=1",)),
    Accepted(("--report f.json",), {"report": "f.json"}, ("PIP_REPORT=f.json",)),
    Accepted(("--require-hashes",), {"hash_checking": "required"}, ("PIP_REQUIRE_HASHES=1",)),
    Accepted(
        ("--break-system-packages",),
        {"break_system_packages": True},
        ("PIP_BREAK_SYSTEM_PACKAGES=1",),
    ),
    Accepted(("--log l.txt",), {}, ("PIP_LOG=l.txt",), in_request=False),
    Accepted(("--no-color",), {}, ("PIP_NO_COLOR=1",), in_request=False),
    Accepted(("-v", "--verbose"), VERBOSE, ("PIP_VERBOSE=1",)),
    Accepted(("-vv", "-v -v"), {"verbosity": 2}, ("PIP_VERBOSE=2",)),
    Accepted(("-q", "--quiet", "-qq", "-q -q"), {}, ("PIP_QUIET=1",)),
)
# Those of uninstall.
UNINSTALL_OPTIONS = (
    Accepted(("-y", "--yes"), {"names": ("demo",)}, ("PIP_YES=1",)),
    Accepted(("-y -r req.txt", "-y --requirement=req.txt"), {"names": ("demo", "listed")}),
    Accepted(("-y --root r",), {"names": ("demo",), "root": "r"}),
    Accepted(
        ("-y --python {here}/venv",),
        {"names": ("demo",), "python": "venv/bin/python3"},
    ),
    Accepted(("",), {"names": ("demo",), "asks": True}),
)

# Accepted without effect, and said so under -v.
WITHOUT_EFFECT = (
    *("--isolated", "--no-cache-dir", "--cache-dir c", "--disable-pip-version-check"),
    *("--no-input", "--use-pep517", "--no-warn-script-location", "--no-warn-conflicts"),
    *("--progress-bar off", "--root-user-action ignore", "--exists-action w", "--retries 3"),
    "--timeout 15",
)

# Of pip's, accepted though the contract does not name them.
MORE_OF_PIP = {
    "--no-clean": "Fedora and Void give it; keeps the build, as pip does",
    "--no-require-hashes": "the opposite of --require-hashes",
    "--no-python-version-warning": "without effect; pip hides it",
    "--no-user": "without effect: never the user site",
    "--help": "",
    "--version": "",
}

# Anything else of pip's is refused by name, with what to do instead: some, and their advice.
REFUSED = {
    "--user": "--prefix",
    "--global-option x": "use --config-settings",
    "--install-option x": "use --config-settings",
    "--build-option x": "use --config-settings",
    "--platform x": "--python",
    "--python-version 3": "--python",
    "--implementation cp": "--python",
    "--abi x": "--python",
    "--extra-index-url x": "PIP_EXTRA_INDEX_URL",
    "--trusted-host x": "PIP_TRUSTED_HOST",
    "--proxy x": "PIP_PROXY",
    "--cert x": "PIP_CERT",
    "--pre": "NAME==",
    "--src x": "checks nothing out",
    "--upgrade-strategy eager": "name what to upgrade",
    "--group x": "-r",
    "--require-virtualenv": "--python",
    "--debug": "SAGEPIP_DEBUG",
    "--use-feature x": "leave it out",
}
# pip's subcommands that are none here, with the advice.
OTHER_SUBCOMMANDS = {
    "config": "sagepip reads no configuration files",
    "completion": "there is none",
    "debug": "sagepip --help",
    "download": "pip download",
    "freeze": "pip --python PYTHON freeze",
    "hash": "pip hash",
    "help": "sagepip --help",
    "index": "pip --python PYTHON index",
    "inspect": "pip --python PYTHON inspect",
    "list": "pip --python PYTHON list",
    "search": "package index",
    "show": "pip --python PYTHON show",
    "wheel": "sagepip build",
}


@dataclass(frozen=True)
class Variable:
    """What a variable comes to.

    Attributes:
        sentence: of the contract.
        text: the command line.
        environ: variables.
        does: what the request has that one without options has not.
    """

    sentence: str
    text: str
    environ: Mapping[str, str]
    does: Mapping[str, object] = field(default_factory=dict)


_VENV = {"SAGE_VENV": "{here}/venv"}
_DESTDIR = {"SAGE_DESTDIR": "{here}/d"}
_WHEELS = {"SAGE_SPKG_WHEELS": "{here}/house"}

# Variables that are no options of pip's.
VARIABLES = (
    Variable(
        "SAGE_SPKG_WHEELS: searched like --find-links, and where a built wheel is stored",
        "sage-pip-install .",
        _WHEELS,
        {**_PROJECT, **_HOUSE, "stored_wheels": "house"},
    ),
    Variable(
        "SAGE_SPKG_WHEELS beside --find-links",
        "sage-pip-install -f dist .",
        _WHEELS,
        {
            **_PROJECT,
            "find_links": ("dist", "house"),
            "index_allowed": False,
            "stored_wheels": "house",
        },
    ),
    Variable(
        "SAGE_DESTDIR: for install as --root",
        "sage-pip-install .",
        _DESTDIR,
        {**_PROJECT, "root": "d"},
    ),
    Variable(
        "--root wins where both are given",
        "sage-pip-install --root r .",
        _DESTDIR,
        {**_PROJECT, "root": "r"},
    ),
    Variable(
        "uninstall always acts on the live site",
        "sage-pip-uninstall -y demo",
        _DESTDIR,
        {"names": ("demo",)},
    ),
    Variable(
        "SAGE_VENV: default target: its bin/python3",
        "sage-pip-install .",
        _VENV,
        {**_PROJECT, "python": "venv/bin/python3"},
    ),
    Variable(
        "SAGE_VENV, of uninstall",
        "sage-pip-uninstall -y demo",
        _VENV,
        {"names": ("demo",), "python": "venv/bin/python3"},
    ),
    Variable(
        "SAGE_VENV, of build",
        "sagepip build .",
        _VENV,
        {"targets": (HERE,), "python": "venv/bin/python3"},
    ),
    Variable(
        "SAGE_PIP_INSTALL_FLAGS",
        "sage-pip-install .",
        {"SAGE_PIP_INSTALL_FLAGS": "--no-deps -C 'a=b c'"},
        {**_PROJECT, "no_deps": True, "config_settings": {"a": "b c"}},
    ),
    Variable(
        "SAGEPIP_LOCK_TIMEOUT",
        "sage-pip-install .",
        {"SAGEPIP_LOCK_TIMEOUT": "7"},
        # The build waits no longer, where it copies from a site.
        {**_PROJECT, "lock_timeout": 7.0},
    ),
    Variable(
        "ours is --lock-timeout",
        "sage-pip-install --timeout 15 --lock-timeout 3 .",
        {"SAGEPIP_LOCK_TIMEOUT": "7"},
        {**_PROJECT, "lock_timeout": 3.0},
    ),
    Variable(
        "default target without any of these: the interpreter that runs sagepip",
        "sage-pip-install .",
        {"PYTHONPATH": "{here}/sub", "VIRTUAL_ENV": "{here}/venv", "DESTDIR": "{here}/d"},
        _PROJECT,
    ),
    Variable(
        "what else Sage's scripts set says nothing to an installation",
        "sage-pip-install .",
        {
            "SAGE_LOCAL": "{here}/local",
            "SAGE_INST_LOCAL": "{here}/local",
            "SAGE_SPKG_SCRIPTS": "{here}/scripts",
            "SAGE_SUDO": "sudo",
            "SAGE_VENV_FLAGS": "DISABLED",
            "ENABLE_SYSTEM_SITE_PACKAGES": "yes",
            "PKG_NAME": "demo-1.0",
            "PKG_BASE": "demo",
        },
        _PROJECT,
    ),
)

# Index access is pip's, where there is no --no-index, and no wheelhouse unless -i is given.
INDEX_ACCESS = {
    "demo": True,
    "--no-index demo": False,
    "-f house demo": False,
    f"-f house -i {_INDEX} demo": True,
    f"--no-index -i {_INDEX} demo": False,
    "-r wheelhouse.txt": False,
    "-r no-index.txt": False,
}
# Of a runtime dependency that is nowhere: one refuses, one installs and warns, an option chooses.
MISSING = {
    "sagepip install .": "error",
    "sage-pip-install .": "warn",
    "sagepip install --missing-deps warn .": "warn",
    "sage-pip-install --missing-deps=error .": "error",
}
EXIT_STATUS = {"done": 0, "failed": 1, "usage": 2, "lock timeout": 3, "damage": 4}
# What a build sees of the user's environment, and what it does not.
PASSED_ON = ("MAKEFLAGS", "SOURCE_DATE_EPOCH", "TMPDIR", "NO_COLOR", "CFLAGS", "HOME")
NOT_PASSED_ON = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "VIRTUAL_ENV", "DESTDIR")
# sagepip's own, each with a test of its own below or elsewhere.
OWN_VARIABLES = (
    *("SAGEPIP_CACHE_DIR", "SAGEPIP_LOCK_TIMEOUT", "SAGEPIP_LOCK_FILE", "SAGEPIP_SYNC"),
    *("SAGEPIP_TRACE", "SAGEPIP_DEBUG"),
)
