"""A wheel wants the target's Python exactly if packaging says so."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sagepip.ground.errors import TargetError
from sagepip.ground.headers import Headers
from sagepip.ground.target_python import TargetPython
from sagepip.staging.gate import check_requires_python

RUNNING = TargetPython.running()
NUMBERS = st.integers(0, 20)
VERSIONS = st.tuples(st.sampled_from([2, 3, 4]), NUMBERS, NUMBERS)
RELEASES = st.lists(NUMBERS.map(str), min_size=1, max_size=4).map(".".join)
BLANKS = st.sampled_from(["", " ", "  "])
OPERATORS = st.sampled_from([">=", ">=", "!=", "!=", "<", "<", ">", "==", "~=", "=>"])
TAILS = st.sampled_from(["", "", "", ".*", ".*", "rc1"])
CLAUSES = st.tuples(BLANKS, OPERATORS, BLANKS, RELEASES, TAILS, BLANKS).map("".join)
TEXTS = st.lists(CLAUSES | BLANKS, min_size=1, max_size=3).map(",".join)


@settings(max_examples=300)
@given(TEXTS, VERSIONS)
def test_as_packaging(text: str, version: tuple[int, int, int]) -> None:
    """The usual form, which is compared without packaging, means the same."""
    try:
        expected = SpecifierSet(text).contains(".".join(map(str, version)), prereleases=True)
    except InvalidSpecifier:
        expected = False
    if not text:
        expected = True  # as if it were not stated
    python = replace(RUNNING, version=version)
    try:
        check_requires_python("a.whl", Headers(f"Requires-Python: {text}"), python)
    except TargetError:
        assert not expected
    else:
        assert expected
