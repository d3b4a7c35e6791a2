"""Names of projects."""

from __future__ import annotations

_DASHES = str.maketrans("_.", "--")


def canonical_name(name: str) -> str:
    """Return a project name in its normalised form (PEP 503).

    ``packaging.utils`` has the same function, but with it come the tags of wheels, subprocess and
    logging: a tenth of the time of a small installation.
    """
    name = name.translate(_DASHES)
    while "--" in name:
        name = name.replace("--", "-")
    return name.lower()
