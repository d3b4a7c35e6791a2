"""Versions of projects, compared without ``packaging`` where they are plain and the same."""

from __future__ import annotations


def is_same_version(first: str, second: str) -> bool:
    """Whether two versions are the same, however they are spelt (version specifiers).

    Args:
        first: a version.
        second: another.

    Raises:
        ValueError: one of them is none.
    """
    if first == second and first.isascii() and all(map(str.isdecimal, first.split("."))):
        return True
    from packaging.version import Version

    return Version(first) == Version(second)
