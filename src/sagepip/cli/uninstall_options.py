"""The table of the options of ``uninstall``: data only."""

from __future__ import annotations

from sagepip.cli.install_options import HELP, VERSION
from sagepip.cli.option import Kind, Option, OptionTable, Status
from sagepip.cli.pip_options import PIP_WITHOUT_EFFECT

WHAT = (
    Option(
        ("-r", "--requirement"),
        Kind.LIST,
        Status.SAME,
        "requirement",
        "remove what a requirement file names; repeatable",
        "FILE",
    ),
    Option(("-y", "--yes"), Kind.ON, Status.SAME, "yes", "do not ask"),
)
WHERE_FROM = (
    Option(
        ("--python",),
        Kind.TEXT,
        Status.SAME,
        "python",
        "remove from the site of this interpreter (or venv directory); default: SAGE_VENV, or "
        "the interpreter that runs sagepip",
        "PYTHON",
    ),
    Option(("--prefix",), Kind.TEXT, Status.OWN, "prefix", "remove from another prefix", "DIR"),
    Option(
        ("--root",),
        Kind.TEXT,
        Status.OWN,
        "root",
        "remove below this directory; SAGE_DESTDIR is not read",
        "DIR",
    ),
    Option(
        ("--break-system-packages",),
        Kind.ON,
        Status.SAME,
        "break_system_packages",
        "remove though the Python is externally managed",
    ),
    Option(
        ("--lock-timeout",),
        Kind.TEXT,
        Status.OWN,
        "lock_timeout",
        "wait at most so long for the lock; default: SAGEPIP_LOCK_TIMEOUT, or for ever",
        "SECONDS",
    ),
)
SAYING = (
    Option(("-v", "--verbose"), Kind.COUNT, Status.SAME, "verbose", "say more; repeatable"),
    Option(("-q", "--quiet"), Kind.COUNT, Status.SAME, "quiet", "say less; repeatable"),
    Option(("--no-color",), Kind.ON, Status.SAME, "no_color", "no colours"),
    HELP,
    VERSION,
)
GROUPS = (("What to remove", WHAT), ("Where from", WHERE_FROM), ("Output", SAYING))
UNINSTALL = OptionTable(
    tuple(option for _, group in GROUPS for option in group) + PIP_WITHOUT_EFFECT
)
