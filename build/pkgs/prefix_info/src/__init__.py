"""Where the prefix is and which Python it has."""

import sys


def tell() -> str:
    """Return the prefix and the version, one line."""
    return f"{sys.prefix} {sys.version.split()[0]}"
