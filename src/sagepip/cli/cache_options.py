"""The table of the options of ``cache``: data only."""

from __future__ import annotations

from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.site_command import Form
from sagepip.cli.site_options import JSON, SAYING

_ABOUT = """\
Show or prune the cache of build environments (docs/cache.md). ACTION is one of: dir, which prints
where it is; info, which shows what is in it; prune, which removes what was left unfinished, what is
damaged, and then the least recently used until the bound holds (SAGEPIP_CACHE_MAX_SIZE, 4G by
default, 0 for none). What a build is using is never removed. SIZE is a number of bytes, or 500M,
1.5G."""
_PRUNE = (
    Option(
        ("--max-size",),
        Kind.TEXT,
        Status.OWN,
        "max_size",
        "how much may stay, instead of SAGEPIP_CACHE_MAX_SIZE; 0 for no bound",
        "SIZE",
    ),
    Option(
        ("--older-than",),
        Kind.TEXT,
        Status.OWN,
        "older_than",
        "remove what was not used for so many days, too",
        "DAYS",
    ),
    Option(("--all",), Kind.ON, Status.OWN, "all", "remove everything that is not in use"),
    Option(
        ("--dry-run",), Kind.ON, Status.OWN, "dry_run", "remove nothing, but tell what would go"
    ),
)
PRUNE_OPTIONS = tuple(option.dest for option in _PRUNE)
CACHE = Form(_ABOUT, (("Of prune", _PRUNE), ("Output", (JSON, *SAYING))), "dir|info|prune")
