"""Versions and specifiers as ``packaging`` understands them, which is loaded only where it must be.

It takes longer to load than an interpreter to start, and most versions are nothing but numbers.
"""

from __future__ import annotations

from sagepip.ground.versions import release_of

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

Clauses = tuple[tuple[str, str], ...]
"""Each an operator and what it compares with, as ``packaging`` names them."""

_PRE = r"(?:(?:a|b|rc)[0-9]+)?(?:\.dev[0-9]+)?"
_STATED = rf"([0-9]+(?:\.[0-9]+)*)(\.\*|{_PRE})"
_CLAUSE = rf"[ \t]*(~=|==|!=|<=|>=|<|>)[ \t]*{_STATED}[ \t]*"
_OPERATORS = ("~=", "==", "!=", "<=", ">=", "<", ">")
_MOST_CHARACTERS = 1000


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
        parts = _parts(one)
        if parts is None:
            return None
        operator, version, end = parts
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
    if release and all(_parts("".join(one)) for one in clauses):
        return all(_holds(operator, stated, release) for operator, stated in clauses)
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(",".join(map("".join, clauses))).contains(version, prereleases=True)


def _parts(clause: str) -> tuple[str, str, str] | None:
    """Return the operator of a clause, the numbers, and what comes behind these; else None."""
    text = clause.strip(" \t")
    operator = text[:2] if text[:2] in _OPERATORS else text[:1]
    stated = text[len(operator) :].lstrip(" \t")
    numbers = stated.removesuffix(".*")
    if operator in _OPERATORS and release_of(numbers):
        return operator, numbers, stated[len(numbers) :]
    import re

    match = re.fullmatch(_CLAUSE, clause)
    return (match[1], match[2], match[3]) if match else None


def _holds(operator: str, stated: str, release: tuple[int, ...]) -> bool:
    """Whether a clause holds of a version that is nothing but numbers (version specifiers)."""
    _, numbers, end = _parts(operator + stated) or ("", "", "")
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
