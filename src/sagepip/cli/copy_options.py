"""The table of the options of ``copy``: data only."""

from __future__ import annotations

from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.site_command import Form
from sagepip.cli.site_options import JSON, LOCK_TIMEOUT, SAYING

_ABOUT = """\
Publish a staged tree in a prefix, all of it or nothing, in place of cp -Rp STAGED/. PREFIX. Modules
come before the metadata that lists them, under the locks of the prefix and of every site-packages
that the tree touches. An older version of a distribution in it is superseded. Files that no
distribution lists are replaced; those of other distributions are not."""
_WHAT = (
    Option(
        ("--move",),
        Kind.ON,
        Status.OWN,
        "move",
        "take the files instead of copying them; STAGED is empty afterwards",
    ),
    Option(
        ("--overwrite",),
        Kind.WHOLE,
        Status.OWN,
        "overwrite",
        "replace files that match, though others own them; repeatable; relative to the prefix or "
        "to site-packages",
        "PATTERN",
    ),
    LOCK_TIMEOUT,
)
_LIST = (
    Option(
        ("--manifest",),
        Kind.TEXT,
        Status.OWN,
        "manifest",
        "write what was published there, relative to PREFIX, one path a line",
        "FILE",
    ),
    Option(("-0", "--null"), Kind.ON, Status.OWN, "null", "end each path with NUL"),
    JSON,
)
COPY = Form(
    _ABOUT,
    (("What to do", _WHAT), ("Lists", _LIST), ("Output", SAYING)),
    "STAGED PREFIX",
)
