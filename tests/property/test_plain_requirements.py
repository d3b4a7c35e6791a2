"""Requirements that are spelled without ``packaging`` are spelled as it does."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement

from sagepip.build.declared_requirements import spelled_requirements, valid_requirements
from sagepip.ground.requirements import is_name, plain_spelling

NAMES = st.sampled_from(["a", "A.b_c-d", "0", "demo", "x--y"])
VERSIONS = st.sampled_from(["1", "1.0", "01.2", "1.0.0", "2026.11", "10"])
OPERATORS = st.sampled_from(["==", "!=", "<=", ">=", "<", ">"])
BLANKS = st.sampled_from(["", " ", "\t "])
# What might be taken for one of them.
ODD = st.sampled_from(
    [*("1.*", "~=1.0", "===1", "a1", "1a1", "; x", "@ file:///a"), *("()[],\n\x00" + chr(233))]
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A requirement, perhaps with something in it that does not belong there."""

    def blank() -> str:
        return draw(BLANKS)

    parts = [blank(), draw(NAMES), blank()]
    if extras := draw(st.lists(NAMES, max_size=3)):
        parts += ["[", blank(), f"{blank()},{blank()}".join(extras), blank(), "]", blank()]
    clauses = draw(st.lists(st.tuples(OPERATORS, BLANKS, VERSIONS), max_size=3))
    parts += [f"{blank()},{blank()}".join(map("".join, clauses)), blank()]
    for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
        parts.insert(draw(st.integers(0, len(parts))), draw(ODD))
    return "".join(parts)


@given(texts())
@example("a>=1,>=1")
@example("a<1,>=1,!=1.0")
@example("a_-._b")
@example("a-")
@example("a[]")
@example("a >= 1\n")
@example("a==" + chr(0x661))
def test_spelling(text: str) -> None:
    """What is spelled without it, it spells in the same way; what it refuses is not spelled."""
    found = plain_spelling(text)
    try:
        expected = str(Requirement(text))
    except InvalidRequirement:
        assert found == ""
        return
    assert found in ("", expected)
    assert is_name(expected) == (Requirement(text) == Requirement(Requirement(text).name))


@given(st.lists(texts(), max_size=4))
def test_list(wanted: list[str]) -> None:
    """The spelled ones are the parsed ones."""
    try:
        expected = [str(one) for one in valid_requirements(wanted, "p")]
    except Exception as error:
        with pytest.raises(type(error)):
            spelled_requirements(wanted, "p")
        return
    assert spelled_requirements(wanted, "p") == expected


def test_usual_ones_need_no_library() -> None:
    """What most projects ask for is spelled without it."""
    for text, spelling in (
        ("setuptools", "setuptools"),
        ("flit_core >=3.2,<4", "flit_core<4,>=3.2"),
        ("setuptools-scm [toml] >= 8.0", "setuptools-scm[toml]>=8.0"),
    ):
        assert plain_spelling(text) == spelling
