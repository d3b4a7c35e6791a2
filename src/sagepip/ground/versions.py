"""Versions of projects, compared without ``packaging`` where they are plain and the same."""

from __future__ import annotations

from sagepip.ground.light_functools import cache

# Python turns no longer ones into numbers.
_MOST_CHARACTERS = 1000


@cache
def release_of(version: str) -> tuple[int, ...]:
    """Return the numbers of a version that is nothing else, without zeros at the end.

    Args:
        version: anything.

    Returns:
        What two such versions are compared by; nothing for all other texts.
    """
    parts = version.split(".")
    if len(version) > _MOST_CHARACTERS or not version.isascii():
        return ()
    if not all(map(str.isdecimal, parts)):
        return ()
    numbers = list(map(int, parts))
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def is_same_version(first: str, second: str) -> bool:
    """Whether two versions are the same, however they are spelt (version specifiers).

    Args:
        first: a version.
        second: another.

    Raises:
        ValueError: one of them is none.
    """
    releases = release_of(first), release_of(second)
    if all(releases):
        return releases[0] == releases[1]
    from packaging.version import Version

    return Version(first) == Version(second)
