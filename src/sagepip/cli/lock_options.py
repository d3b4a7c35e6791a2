"""The table of the options of ``lock``: data only."""

from __future__ import annotations

from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.site_command import Form
from sagepip.cli.site_options import SAYING, TARGET, where_options

_ABOUT = """\
Run COMMAND while the lock of a site is held. The exit status is that of COMMAND; 3 if the lock
was not to be had in time. LOCK is a prefix: the locks are those of its sites, and its own where it
has, or has had, none. Without LOCK, behind --, it is that of the site that the other commands
change. As for sage-flock, LOCK may also be a lock file (one that does not exist is made, if there
is no -- behind it) or the number of an open descriptor, which is locked or unlocked for the calling
shell. sagepip commands that COMMAND runs know that it holds the lock."""
_HOW = (
    Option(
        ("-x", "--exclusive"),
        Kind.ON,
        Status.OWN,
        "exclusive",
        "keep out everybody else; the default",
    ),
    Option(
        ("-s", "--shared"),
        Kind.ON,
        Status.OWN,
        "shared",
        "keep out only those who change the site; COMMAND cannot change it either",
    ),
    Option(
        ("-u", "--unlock"),
        Kind.ON,
        Status.OWN,
        "unlock",
        "free the lock of a descriptor",
    ),
    Option(
        ("--timeout", "--lock-timeout"),
        Kind.TEXT,
        Status.OWN,
        "lock_timeout",
        "wait at most so long for the lock; default: SAGEPIP_LOCK_TIMEOUT, or for ever",
        "SECONDS",
    ),
    Option(
        ("--close",),
        Kind.ON,
        Status.OWN,
        "close",
        "do not leave the lock to the processes that COMMAND starts: a daemon among them does "
        "not hold it when COMMAND has ended",
    ),
)
LOCK = Form(
    _ABOUT,
    (("How", _HOW), ("Where", (*where_options("lock"), TARGET)), ("Output", SAYING)),
    "[LOCK] [--] COMMAND…",
)
