"""The options that commands on one site share: where it is, how long to wait, what to say."""

from __future__ import annotations

from sagepip.cli.option import Kind, Option, Status

HELP = Option(("-h", "--help"), Kind.HELP, Status.SAME, "help", "show this help")
VERSION = Option(("-V", "--version"), Kind.VERSION, Status.SAME, "version", "show the version")
JSON = Option(("--json",), Kind.ON, Status.OWN, "json", "write the result as JSON to stdout")
LOG = Option(
    ("--log", "--log-file", "--local-log"),
    Kind.TEXT,
    Status.SAME,
    "log",
    "append all messages, as with -vv, and what builds print to this file",
    "FILE",
)
LOCK_TIMEOUT = Option(
    ("--lock-timeout",),
    Kind.TEXT,
    Status.OWN,
    "lock_timeout",
    "wait at most so long for the lock; default: SAGEPIP_LOCK_TIMEOUT, or for ever",
    "SECONDS",
)
TARGET = Option(
    ("-t", "--target"), Kind.TEXT, Status.OWN, "target", "modules lie straight in DIR", "DIR"
)
SAYING = (
    Option(("-v", "--verbose"), Kind.COUNT, Status.SAME, "verbose", "say more; repeatable"),
    Option(("-q", "--quiet"), Kind.COUNT, Status.SAME, "quiet", "say less; repeatable"),
    Option(("--no-color",), Kind.ON, Status.SAME, "no_color", "no colours"),
    LOG,
    HELP,
    VERSION,
)


def where_options(doing: str) -> tuple[Option, ...]:
    """Return the options that name a site.

    Args:
        doing: what the command does to it, ``remove from``.
    """
    return (
        Option(
            ("--python",),
            Kind.TEXT,
            Status.SAME,
            "python",
            f"{doing} the site of this interpreter (or venv directory); default: SAGE_VENV, or "
            "the interpreter that runs sagepip",
            "PYTHON",
        ),
        Option(("--prefix",), Kind.TEXT, Status.OWN, "prefix", f"{doing} another prefix", "DIR"),
        Option(
            ("--root",),
            Kind.TEXT,
            Status.OWN,
            "root",
            f"{doing} what lies below this directory; SAGE_DESTDIR is not read",
            "DIR",
        ),
    )


def break_system_packages(doing: str) -> Option:
    """Return the option that overrides PEP 668.

    Args:
        doing: what the command does, ``remove``.
    """
    return Option(
        ("--break-system-packages",),
        Kind.ON,
        Status.SAME,
        "break_system_packages",
        f"{doing} though the Python is externally managed",
    )
