"""The table of the options of ``uninstall``: data only."""

from __future__ import annotations

from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.pip_options import PIP_WITHOUT_EFFECT, REFUSED_OFFLINE
from sagepip.cli.site_command import Form
from sagepip.cli.site_options import (
    JSON,
    LOCK_TIMEOUT,
    SAYING,
    break_system_packages,
    where_options,
)

_ABOUT = """\
Remove distributions from a site, all of them or none, in one step under its lock. Files that
another distribution lists stay. A NAME that is not installed is passed over with a warning."""
_WHAT = (
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
_WHERE_FROM = (*where_options("remove from"), break_system_packages("remove"), LOCK_TIMEOUT)
UNINSTALL = Form(
    _ABOUT,
    (("What to remove", _WHAT), ("Where from", _WHERE_FROM), ("Output", (JSON, *SAYING))),
    "NAME…",
    PIP_WITHOUT_EFFECT,
    REFUSED_OFFLINE,
)
