"""JSON is written as the standard library writes it, and plain versions are compared alike."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import InvalidVersion, Version

from sagepip.ground.json_text import json_text
from sagepip.ground.versions import is_same_version

PLAIN = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(VALUES)
def test_like_json(value: object) -> None:
    assert json_text(value) == json.dumps(value)


def test_tuples_and_surrogates() -> None:
    """As the names of files have them."""
    value = {"path": 'a\udcffb\x7f\u2028"\\', "identity": (1, (True, None), -3)}
    assert json_text(value) == json.dumps(value)


@pytest.mark.parametrize("value", [1.5, {1: 2}, [b""], object()])
def test_nothing_else(value: object) -> None:
    """What cannot be written is refused."""
    with pytest.raises(TypeError):
        json_text(value)


@given(*2 * [st.text("0123.abrcpostv+!-", max_size=6)])
def test_versions(first: str, second: str) -> None:
    """The same versions are the same, and what is none is refused."""
    for other in (first, second):
        try:
            expected = Version(first) == Version(other)
        except InvalidVersion:
            with pytest.raises(ValueError, match="Invalid version"):
                is_same_version(first, other)
        else:
            assert is_same_version(first, other) is expected
