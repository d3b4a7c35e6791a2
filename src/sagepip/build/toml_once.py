"""Parse a ``pyproject.toml`` once: it is asked for several times, and some are long."""

from __future__ import annotations

from functools import lru_cache

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import Any, BinaryIO


@lru_cache(maxsize=2)
def parsed(data: bytes) -> dict[str, Any]:
    """Return what TOML says; nobody may change it.

    Args:
        data: the file.

    Raises:
        ValueError: it is no UTF-8, or no TOML.
    """
    import tomllib

    return tomllib.loads(data.decode())


def load(stream: BinaryIO) -> dict[str, Any]:
    """Do what ``tomllib.load`` does."""
    return parsed(stream.read())
