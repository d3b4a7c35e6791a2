"""The table of the options of ``install``: data only.

Where pip has an option of the same name it has the same meaning here; the others are refused by
name in :mod:`sagepip.cli.pip_options`.
"""

from __future__ import annotations

from sagepip.cli.option import Kind, Option, OptionTable, Status
from sagepip.cli.pip_options import PIP_WITHOUT_EFFECT, REFUSED
from sagepip.cli.site_options import HELP, JSON, LOG, VERSION


def _same(
    *names: str,
    kind: Kind = Kind.ON,
    dest: str = "",
    help: str,  # noqa: A002
    metavar: str = "",
) -> Option:
    long = next(name for name in names if name.startswith("--"))
    return Option(
        names, kind, Status.SAME, dest or long[2:].replace("-", "_"), help, metavar or "VALUE"
    )


WHAT = (
    _same(
        "-r",
        "--requirement",
        kind=Kind.LIST,
        metavar="FILE",
        help="install what a requirement file names; repeatable",
    ),
    _same(
        "-e",
        "--editable",
        kind=Kind.LIST,
        metavar="DIR",
        help="install a project so that it is imported from its source directory; repeatable",
    ),
    _same(
        "-c",
        "--constraint",
        kind=Kind.LIST,
        metavar="FILE",
        help="constrain the versions of what is installed; repeatable",
    ),
    _same(
        "--build-constraint",
        kind=Kind.LIST,
        metavar="FILE",
        help="constrain the versions of build requirements; repeatable",
    ),
    _same("--no-deps", "--no-dependencies", help="leave runtime dependencies alone"),
    _same("-U", "--upgrade", help="take the newest version of what is named"),
    _same("--force-reinstall", help="replace what is installed even by the same"),
    _same("-I", "--ignore-installed", help="do not look at what is installed; reinstall"),
    _same("--ignore-requires-python", help="install though Requires-Python says no"),
    _same(
        "--require-hashes",
        help="refuse what has no --hash in a requirement file; on as soon as one line has one",
    ),
    _same("--no-require-hashes", help="compare the hashes that are there, and ask for no others"),
    Option(
        ("--accept-bad-record",),
        Kind.LIST,
        Status.OWN,
        "accept_bad_record",
        "install the wheel of this project though its RECORD and its content disagree, and warn; "
        "repeatable",
        "NAME",
    ),
    Option(
        ("--overwrite",),
        Kind.LIST,
        Status.OWN,
        "overwrite",
        "replace files that belong to another distribution or to nobody, where their path below "
        "site-packages or the prefix matches this shell pattern; repeatable",
        "PATTERN",
    ),
    _same("--dry-run", help="say what would be installed, and change nothing"),
    Option(
        ("--missing-deps",),
        Kind.TEXT,
        Status.OWN,
        "missing_deps",
        "what to do about a runtime dependency that is nowhere to be had: refuse, or install and "
        "warn (default: error; sage-pip-install: warn)",
        "error|warn",
        choices=("error", "warn"),
    ),
)

WHERE_TO = (
    _same(
        "--python",
        kind=Kind.TEXT,
        metavar="PYTHON",
        help="install for this interpreter (or venv directory); default: SAGE_VENV, or the "
        "interpreter that runs sagepip",
    ),
    _same("-p", "--prefix", kind=Kind.TEXT, metavar="DIR", help="install below another prefix"),
    _same(
        "--root",
        kind=Kind.TEXT,
        metavar="DIR",
        help="install below this directory, as DESTDIR, what is named and no dependencies; "
        "default: SAGE_DESTDIR",
    ),
    Option(
        ("-d", "--destdir"),
        Kind.TEXT,
        Status.OWN,
        "root",
        "as --root (the names of installer)",
        "DIR",
    ),
    _same("-t", "--target", kind=Kind.TEXT, metavar="DIR", help="install straight into DIR"),
    Option(
        ("--interpreter",),
        Kind.TEXT,
        Status.OWN,
        "interpreter",
        "let scripts begin with this interpreter, a path or /usr/bin/env NAME, instead of the "
        "target's; what is installed already is installed again",
        "PATH",
    ),
    _same("--break-system-packages", help="install though the Python is externally managed"),
    Option(
        ("--lock-timeout",),
        Kind.TEXT,
        Status.OWN,
        "lock_timeout",
        "wait at most so long for the lock; default: SAGEPIP_LOCK_TIMEOUT, or for ever",
        "SECONDS",
    ),
)

FROM_WHERE = (
    _same("--no-index", help="never use a package index"),
    _same(
        "-i",
        "--index-url",
        "--pypi-url",
        kind=Kind.TEXT,
        metavar="URL",
        help="use this package index, even if there is a wheelhouse",
    ),
    _same(
        "-f",
        "--find-links",
        kind=Kind.LIST,
        metavar="DIR",
        help="look for distributions in this wheelhouse (path or file:// URL); repeatable",
    ),
    _same(
        "--no-binary",
        kind=Kind.WHOLE,
        dest="formats",
        metavar="NAMES",
        help="take no wheels of these (or :all:)",
    ),
    _same(
        "--only-binary",
        kind=Kind.WHOLE,
        dest="formats",
        metavar="NAMES",
        help="take only wheels of these (or :all:)",
    ),
    _same("--prefer-binary", help="prefer an older wheel to a newer sdist"),
)

BUILDING = (
    _same(
        "--no-build-isolation",
        kind=Kind.OFF,
        dest="build_isolation",
        help="build against what is installed",
    ),
    Option(
        ("--build-isolation",),
        Kind.ON,
        Status.OWN,
        "build_isolation",
        "build in an environment of the build requirements alone (the default), which are found in "
        "the wheelhouse, or copied from the target where they are installed; none: as "
        "--no-build-isolation",
        "wheelhouse|installed|none",
        choices=("wheelhouse", "installed", "none"),
    ),
    Option(
        ("--missing-build-deps",),
        Kind.TEXT,
        Status.OWN,
        "missing_build_deps",
        "what to do about a build requirement that is nowhere to be had: refuse, or build without "
        "isolation and warn (default: error)",
        "error|warn",
        choices=("error", "warn"),
    ),
    _same(
        "--check-build-dependencies",
        help="without isolation, refuse when build requirements are missing",
    ),
    _same(
        "-C",
        "--config-settings",
        "--config-setting",
        kind=Kind.WHOLE,
        metavar="KEY=VALUE",
        help="a setting for the build backend; a repeated KEY becomes a list",
    ),
    _same(
        "--no-clean",
        "--keep-build",
        dest="keep_build",
        help="keep the log and the environment of a build that succeeds, too, and say where",
    ),
    Option(
        ("--sdist-then-wheel",),
        Kind.ON,
        Status.OWN,
        "sdist_then_wheel",
        "build the wheel of a directory from an sdist of it",
    ),
    _same("--compile", dest="compile", help="write bytecode (the default)"),
    _same("--no-compile", kind=Kind.OFF, dest="compile", help="write no bytecode"),
    Option(
        ("--compile-bytecode",),
        Kind.TEXT,
        Status.OWN,
        "compile",
        "as --compile (the name of installer); for other levels run python -m compileall -o LEVEL",
        "0",
        choices=("0",),
    ),
    Option(
        ("--no-compile-bytecode",),
        Kind.OFF,
        Status.OWN,
        "compile",
        "as --no-compile (the name of installer)",
    ),
    Option(
        ("--build-timeout",),
        Kind.TEXT,
        Status.OWN,
        "build_timeout",
        "end a build hook that takes longer; default: SAGEPIP_BUILD_TIMEOUT, or no limit",
        "SECONDS",
    ),
)

SAYING = (
    _same("-v", "--verbose", kind=Kind.COUNT, help="say more; repeatable"),
    _same("-q", "--quiet", kind=Kind.COUNT, help="say less; repeatable"),
    _same("--no-color", help="no colours, in builds either"),
    _same(
        "--report",
        kind=Kind.TEXT,
        metavar="FILE",
        help="write what was done as JSON; - for stdout",
    ),
    JSON,
    LOG,
    HELP,
    VERSION,
)

GROUPS = (
    ("What to install", WHAT),
    ("Where to", WHERE_TO),
    ("Where from", FROM_WHERE),
    ("Building", BUILDING),
    ("Output", SAYING),
)

INSTALL = OptionTable(
    tuple(option for _, group in GROUPS for option in group) + PIP_WITHOUT_EFFECT + REFUSED
)
