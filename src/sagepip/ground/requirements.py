"""Requirements and markers that others wrote: parsed where they can be understood, else refused.

``packaging`` descends into parentheses, when it parses, evaluates and prints, and raises
RecursionError at a depth that depends on who calls it. A comparison may have no truth.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.requirements import Requirement

# What people and tools write nests three or four deep.
_MOST_DEPTH = 50
_SHOWN_CHARACTERS = 80

_COMPARISONS = frozenset({"==", "!=", "<=", ">=", "<", ">"})
_BLANKS = " \t"


class BadRequirement(ValueError):
    """Why a text is no requirement, or no marker; one line."""


def plain_spelling(text: str) -> str:
    """Return a requirement in the spelling of ``packaging``, which it is not worth loading for.

    Args:
        text: anything.

    Returns:
        ``str(parse_requirement(text))`` for a name, perhaps with extras, and different comparisons
        with versions that are nothing but numbers; an empty string for all else.
    """
    if not (head := plain_head(text)):
        return ""
    name, extras, compared = head
    if extras:
        name += f"[{','.join(extras)}]"
    if not compared:
        return name
    clauses: dict[str, str] = {}
    for one in compared.split(","):
        clause = one.strip(_BLANKS)
        version = clause.lstrip("<>=!")
        comparison = clause.removesuffix(version)
        version = version.lstrip(_BLANKS)
        # Of clauses that mean the same one is left out.
        if comparison not in _COMPARISONS or comparison in clauses or not _is_release(version):
            return ""
        clauses[comparison] = version
    return name + ",".join(sorted(map("".join, clauses.items())))


def plain_head(text: str) -> tuple[str, tuple[str, ...], str] | None:
    """Take a requirement without a marker apart, if it begins plainly.

    Args:
        text: anything.

    Returns:
        The name, the extras in their order, and the rest, which is to be a specifier or empty; None
        if it does not begin with a name, perhaps with extras.
    """
    start = min((at for one in "<>=!~" if (at := text.find(one)) >= 0), default=len(text))
    name, bracket, rest = text[:start].strip(_BLANKS).partition("[")
    name = name.rstrip(_BLANKS)
    if not is_name(name):
        return None
    if not bracket:
        return name, (), text[start:]
    extras = {one.strip(_BLANKS) for one in rest.removesuffix("]").split(",")}
    if not rest.endswith("]") or not all(map(is_name, extras)):
        return None
    return name, tuple(sorted(extras)), text[start:]


def is_name(text: str) -> bool:
    """Whether a requirement is nothing but the name of a project."""
    inner = text.replace("-", "").replace("_", "").replace(".", "")
    return text.isascii() and inner.isalnum() and text[0].isalnum() and text[-1].isalnum()


def _is_release(text: str) -> bool:
    return text.isascii() and all(map(str.isdigit, text.split(".")))


def parse_requirement(text: object) -> Requirement:
    """Parse a requirement, whose marker can be evaluated afterwards.

    Args:
        text: anything.

    Raises:
        BadRequirement: it is none.
    """
    from packaging.requirements import Requirement

    checked = _checked(text)
    try:
        requirement = Requirement(checked)
        if requirement.marker is not None:
            requirement.marker.evaluate({"extra": ""})
    except (ValueError, KeyError) as error:  # the latter of a marker that has no value here
        raise _bad(error) from error
    return requirement


def parse_marker(text: str) -> Marker:
    """Parse a marker, which can be evaluated afterwards.

    Args:
        text: of it.

    Raises:
        BadRequirement: it is none.
    """
    from packaging.markers import Marker

    checked = _checked(text)
    try:
        marker = Marker(checked)
        marker.evaluate({"extra": ""})
    except (ValueError, KeyError) as error:
        raise _bad(error) from error
    return marker


def shortened(text: object) -> str:
    """Return a requirement as it is shown in a message."""
    shown = str(text)
    if len(shown) <= _SHOWN_CHARACTERS:
        return shown
    return f"{shown[:_SHOWN_CHARACTERS]}... ({len(shown)} characters)"


def _checked(text: object) -> str:
    if not isinstance(text, str):
        raise BadRequirement(f"a {type(text).__name__}, not a text")
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth > _MOST_DEPTH:
            raise BadRequirement(f"parentheses nested more than {_MOST_DEPTH} deep")
    return text


def _bad(error: ValueError | KeyError) -> BadRequirement:
    if isinstance(error, KeyError):
        return BadRequirement(f"a marker that has no value here: {shortened(error.args[0])}")
    lines = str(error).splitlines()
    return BadRequirement(shortened(lines[0] if lines else "cannot be understood"))
