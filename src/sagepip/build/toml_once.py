"""Parse a ``pyproject.toml`` once: it is asked for several times, and some are long."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import Any, BinaryIO


_MOST = 2
_known: dict[bytes, dict[str, Any]] = {}


def parsed(data: bytes) -> dict[str, Any]:
    """Return what TOML says; nobody may change it.

    Args:
        data: the file.

    Raises:
        ValueError: it is no UTF-8, or no TOML.
    """
    if data not in _known:
        import tomllib

        found = tomllib.loads(data.decode())
        while len(_known) >= _MOST:
            del _known[next(iter(_known))]
        _known[data] = found
    return _known[data]


def load(stream: BinaryIO) -> dict[str, Any]:
    """Do what ``tomllib.load`` does."""
    return parsed(stream.read())
