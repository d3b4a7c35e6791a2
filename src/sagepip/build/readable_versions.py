"""Versions and specifiers as ``packaging`` understands them, which is loaded only where it must be.

It takes longer to load than an interpreter to start, and most versions are nothing but numbers.
"""

from __future__ import annotations

import re

from sagepip.ground.light_functools import cache

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

Clauses = tuple[tuple[str, str], ...]
"""Each an operator and what it compares with, as ``packaging`` names them."""

_PRE = r"(?:(?:a|b|rc)[0-9]+)?(?:\.dev[0-9]+)?"
_STATED = rf"([0-9]+(?:\.[0-9]+)*)(\.\*|{_PRE})"
_CLAUSE = rf"[ \t]*(~=|==|!=|<=|>=|<|>)[ \t]*{_STATED}[ \t]*"
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


def newest_of(versions: Iterable[str]) -> tuple[str, bool]:
    """Return the newest version, and whether it is a pre-release.

    Args:
        versions: at least one.

    Raises:
        ValueError: one of them is none.
    """
    known = list(versions)
    if all(map(release_of, known)):
        return max(known, key=release_of), False
    from packaging.version import Version

    newest = max(known, key=Version)
    return newest, Version(newest).is_prerelease


def clauses_of(text: str) -> Clauses:
    """Return what a specifier consists of; nothing if it is empty.

    Args:
        text: as in Requires-Python.

    Raises:
        ValueError: it is none.
    """
    found = plain_clauses(text)
    if found is None:
        from packaging.specifiers import SpecifierSet

        return tuple((one.operator, one.version) for one in SpecifierSet(text))
    return found


def plain_clauses(text: str) -> Clauses | None:
    """Return what a specifier consists of, if it compares with numbers only; else None.

    Args:
        text: anything.
    """
    if not text:
        return ()
    if len(text) > _MOST_CHARACTERS:
        return None
    found = []
    for one in text.split(","):
        match = re.fullmatch(_CLAUSE, one)
        if match is None:
            return None
        operator, version, end = match.groups()
        if end == ".*" and operator not in ("==", "!="):
            return None
        if operator == "~=" and (end or "." not in version):
            return None
        found.append((operator, version + end))
    return tuple(found)


def admits(clauses: Clauses, version: str) -> bool:
    """Whether all clauses admit a version, pre-releases included.

    Args:
        clauses: of a specifier.
        version: any.

    Raises:
        ValueError: it is none.
    """
    release = release_of(version)
    if release and all(re.fullmatch(_CLAUSE, "".join(one)) for one in clauses):
        return all(_holds(operator, stated, release) for operator, stated in clauses)
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(",".join(map("".join, clauses))).contains(version, prereleases=True)


def _holds(operator: str, stated: str, release: tuple[int, ...]) -> bool:
    """Whether a clause holds of a version that is nothing but numbers (version specifiers)."""
    match = re.fullmatch(_STATED, stated)
    numbers, end = match.groups() if match else ("", "")
    if end == ".*":
        return _begins(release, numbers) == (operator == "==")
    # A pre-release comes before what it becomes, and after all that comes before that.
    own, wanted = (release, 0), (release_of(numbers), -1 if end else 0)
    if operator == "~=":
        return own >= wanted and _begins(release, numbers.rpartition(".")[0])
    if operator in ("==", "!="):
        return (own == wanted) == (operator == "==")
    if operator in ("<", "<="):
        return own < wanted or (own == wanted and operator == "<=")
    return own > wanted or (own == wanted and operator == ">=")


def _begins(release: tuple[int, ...], prefix: str) -> bool:
    numbers = tuple(map(int, prefix.split(".")))
    return (*release, *[0] * len(numbers))[: len(numbers)] == numbers
