"""The table of the options of ``build``: data only.

What ``install`` has of building and of sources is taken from its table.
"""

from __future__ import annotations

from sagepip.cli.install_options import BUILDING, FROM_WHERE, GROUPS, INSTALL, SAYING
from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.pip_options import PIP_WITHOUT_EFFECT, REFUSED
from sagepip.cli.site_command import Form
from sagepip.ground.light_dataclass import replace

_ABOUT = """\
Build wheels and store them; nothing is installed. The absolute path of each wheel is printed on
stdout, one a line, and nothing else. TARGET is a directory with a project, an sdist, NAME @
file:///PATH, or a requirement that the wheelhouse has a source of; a wheel is stored as it is.
Without any it is the project in the current directory. Runtime dependencies are not built, as with
pip wheel --no-deps. All that is asked for is stored, or nothing."""

_INSTALL_ONLY = "build installs nothing; give it to sagepip install"


def _of_install(name: str, help: str = "") -> Option:  # noqa: A002
    option = INSTALL.get(name)
    return replace(option, help=help or option.help)


_WHAT = (
    _of_install("--requirement", "build what a requirement file names; repeatable"),
    _of_install("--constraint", "constrain the versions of what is named; repeatable"),
    _of_install("--build-constraint"),
    _of_install("--ignore-requires-python", "build though Requires-Python says no"),
    _of_install("--require-hashes"),
    _of_install("--no-require-hashes"),
    Option(
        ("-s", "--sdist"),
        Kind.ON,
        Status.OWN,
        "sdist",
        "build sdists instead of wheels, of source directories",
    ),
)
_WHERE_TO = (
    Option(
        ("-w", "--wheel-dir"),
        Kind.TEXT,
        Status.SAME,
        "wheel_dir",
        "store here, beside what is there; default: SAGE_SPKG_WHEELS, which keeps one wheel a "
        "project (for sdists and without it: the current directory); -w without DIR is --wheel",
        "DIR",
        alone="--wheel",
    ),
    Option(
        ("-o", "--outdir"),
        Kind.TEXT,
        Status.OWN,
        "wheel_dir",
        "as --wheel-dir (the name of python -m build)",
        "DIR",
    ),
    Option(
        ("--wheel",),
        Kind.ON,
        Status.OWN,
        "wheel",
        "build wheels, which is the default, and store them as python -m build does where no "
        "other place is named: in dist, in the project",
    ),
)
_BUILDING = (
    _of_install(
        "--python",
        "build for this interpreter (or venv directory); default: SAGE_VENV, or the interpreter "
        "that runs sagepip",
    ),
    *(option for option in BUILDING if option.dest != "compile"),
    _of_install(
        "--lock-timeout",
        "wait at most so long for the lock of a site that is copied from (--build-isolation="
        "installed); default: SAGEPIP_LOCK_TIMEOUT, or for ever",
    ),
    Option(
        ("-n", "--no-isolation"),
        Kind.OFF,
        Status.OWN,
        "build_isolation",
        "as --no-build-isolation (the name of python -m build)",
    ),
    Option(
        ("--config-json",),
        Kind.TEXT,
        Status.OWN,
        "config_json",
        "all settings for the build backend, as a JSON object",
        "JSON",
    ),
)
_GROUPS = (
    ("What to build", _WHAT),
    ("Where to", _WHERE_TO),
    ("Where from", FROM_WHERE),
    ("Building", _BUILDING),
    ("Output", tuple(option for option in SAYING if option.dest != "report")),
)
_WITHOUT_EFFECT = (
    Option(
        ("--no-deps", "--no-dependencies"),
        Kind.ON,
        Status.NO_EFFECT,
        "no_deps",
        advice="runtime dependencies are never built",
    ),
    Option(
        ("--no-verify",), Kind.ON, Status.NO_EFFECT, "no_verify", advice="every wheel is checked"
    ),
    Option(
        ("-x", "--skip-dependency-check"),
        Kind.ON,
        Status.NO_EFFECT,
        "skip_dependency_check",
        advice="they are checked with --check-build-dependencies only",
    ),
)
_REFUSED = (
    Option(
        ("-e", "--editable"),
        Kind.WHOLE,
        Status.OTHERS,
        advice="give the directory: its wheel is built as any other",
    ),
    Option(
        ("--dry-run",),
        Kind.ON,
        Status.OTHERS,
        advice="nothing but the wheel directory changes: name another with -w",
    ),
)


def _others() -> tuple[Option, ...]:
    """Return what would be unknown, though it means something to install, or to pip."""
    known = {
        name
        for option in (*(one for _, group in _GROUPS for one in group), *_WITHOUT_EFFECT, *_REFUSED)
        for name in option.names
    }
    of_install = (
        replace(option, status=Status.OTHERS, choices=(), advice=_INSTALL_ONLY)
        for _, group in GROUPS
        for option in group
    )
    return tuple(one for one in (*of_install, *REFUSED) if known.isdisjoint(one.names))


BUILD = Form(
    _ABOUT,
    _GROUPS,
    "[TARGET...]",
    (*_WITHOUT_EFFECT, *PIP_WITHOUT_EFFECT),
    (*_REFUSED, *_others()),
)
