"""Requirements as ``packaging`` understands them, which is loaded only where it must be.

Most are a name, numbers to compare with, and a marker of a few simple comparisons.
"""

from __future__ import annotations

import os
import sys

from sagepip.build.readable_versions import Clauses, admits, plain_clauses
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_functools import cache
from sagepip.ground.project_names import canonical_name
from sagepip.ground.requirements import parse_requirement, plain_head
from sagepip.ground.target_python import TargetPython

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.markers import Marker

# A comparison, or a list of such and of lists with "and" or "or" between them.
_Plain = list["str | tuple[str, str, str] | _Plain"]

_NAMES = (
    *("python_version", "extra", "sys_platform", "os_name", "platform_system"),
    *("implementation_name", "platform_python_implementation"),
)
_OPERATORS = ("===", "~=", "==", "!=", "<=", ">=", "<", ">")
_BLANKS = " \t"
_IN_WORDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_."
_MOST_DEPTH = 20


@dataclass(frozen=True)
class ReadRequirement:
    """A requirement.

    Attributes:
        name: of the project, as it is spelt.
        extras: as they are spelt.
        clauses: what versions are compared with.
        url: where it is to be had; empty if it is found by name.
        marker: when it applies; None for always.
    """

    name: str
    extras: tuple[str, ...]
    clauses: Clauses
    url: str
    marker: _Plain | Marker | None

    def applies(self, python: TargetPython, extras: Iterable[str]) -> bool:
        """Whether it applies if one of some extras is asked for; an empty one stands for none."""
        marker = self.marker
        if marker is None:
            return True
        if isinstance(marker, list):
            known = _plain_environment()
            return any(_evaluate(marker, known, canonical_name(extra)) for extra in extras)
        return any(marker.evaluate({**python.markers, "extra": extra}) for extra in extras)


def read_requirement(text: str, python: TargetPython) -> ReadRequirement:
    """Read a requirement, whose marker can be evaluated afterwards.

    Args:
        text: anything.
        python: the interpreter whose markers it is going to be asked about.

    Raises:
        ValueError: it is none.
    """
    head, semicolon, condition = text.partition(";")
    if (plain := plain_head(head)) and (clauses := plain_clauses(plain[2])) is not None:
        name, extras, _ = plain
        if not semicolon:
            return ReadRequirement(name, extras, clauses, "", None)
        marker = _read_marker(condition) if python.accepts_like_running else None
        if marker is not None:
            return ReadRequirement(name, extras, clauses, "", marker)
    parsed = parse_requirement(text)
    return ReadRequirement(
        parsed.name,
        tuple(parsed.extras),
        tuple((one.operator, one.version) for one in parsed.specifier),
        parsed.url or "",
        parsed.marker,
    )


@cache
def _plain_environment() -> dict[str, str]:
    """Return the values of those markers of the running interpreter that are beyond doubt."""
    found = {
        "python_version": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "sys_platform": sys.platform,
        "os_name": os.name,
        "implementation_name": sys.implementation.name,
    }
    if sys.platform == "linux":
        found["platform_system"] = "Linux"
    if sys.implementation.name == "cpython":
        found["platform_python_implementation"] = "CPython"
    return found


def _read_marker(text: str) -> _Plain | None:
    """Return a marker that consists of simple comparisons; else None."""
    if len(text) > 1000:
        return None
    levels: list[_Plain] = [[]]
    rest = text.lstrip(_BLANKS)
    while rest:
        token, rest = _first_token(rest)
        if not token or len(levels) > _MOST_DEPTH:
            return None
        last = levels[-1]
        # A comparison or a parenthesis where something has ended, or a word where nothing has.
        if (len(last) % 2 == 1) != (token in ("and", "or", ")")):
            return None
        if token == "(":
            levels.append([])
        elif token == ")":
            if len(levels) == 1:
                return None
            levels[-2].append(levels.pop())
        elif isinstance(token, str) or _is_simple(*token):
            last.append(token)
        else:
            return None
    return levels[0] if len(levels) == 1 and len(levels[0]) % 2 == 1 else None


def _first_token(text: str) -> tuple[str | tuple[str, str, str], str]:
    """Return what a marker begins with, a word or a comparison, and the rest; else nothing."""
    if text[:1] in ("(", ")"):
        return text[0], text[1:].lstrip(_BLANKS)
    rest = text.lstrip(_IN_WORDS)
    name = text[: len(text) - len(rest)]
    rest = rest.lstrip(_BLANKS)
    if name in ("and", "or"):
        return name, rest
    operator = next((one for one in _OPERATORS if rest.startswith(one)), "")
    rest = rest[len(operator) :].lstrip(_BLANKS)
    quote = rest[:1]
    if name not in _NAMES or not operator or quote not in ("'", '"'):
        return "", ""
    value, closing, rest = rest[1:].partition(quote)
    if not closing or not value or value.strip(f"{_IN_WORDS}*-"):
        return "", ""
    return (name, operator, value), rest.lstrip(_BLANKS)


def _is_simple(name: str, operator: str, value: str) -> bool:
    if name != "extra" and name not in _plain_environment():
        return False
    if name == "python_version":
        return operator != "===" and plain_clauses(operator + value) is not None
    # What no packaging ever took for a version: then two texts are compared.
    is_word = "*" not in value and not value.lower().removeprefix("v")[:1].isdecimal()
    return operator in ("==", "!=") and is_word


def _evaluate(marker: _Plain, known: dict[str, str], extra: str) -> bool:
    """Evaluate a marker; "and" binds more than "or"."""
    found, together = False, True
    for one in marker:
        if one == "or":
            found, together = found or together, True
        elif isinstance(one, list):
            together = together and _evaluate(one, known, extra)
        elif isinstance(one, tuple):
            together = together and _compare(*one, known, extra)
    return found or together


def _compare(name: str, operator: str, value: str, known: dict[str, str], extra: str) -> bool:
    if name == "python_version":
        return admits(((operator, value),), known[name])
    same = canonical_name(value) == extra if name == "extra" else value == known[name]
    return same == (operator == "==")
