"""JSON is read and written as the standard library does, without what comes with that."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sagepip.ground.light_json import dumps, loads

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
PARTS = st.sampled_from(
    [
        *("{", "}", "[", "]", ":", ",", '"', '"a"', "\\u0041", "\\", "1", "-", "0", ".5", "e3"),
        *("true", "null", "NaN", "nul", "-Infinity", " ", "\n", "\t", "\r", "\x0b", "\ufeff"),
        *("\x00", "\ud800", "é"),
    ]
)
TEXTS = st.lists(PARTS, max_size=12).map("".join)


def outcome(read: object, text: object) -> str:
    """Return what a function makes of a text, or what kind of error."""
    assert callable(read)
    try:
        return repr(read(text))
    except ValueError:
        return "ValueError"


@given(VALUES)
def test_written_alike(value: object) -> None:
    assert dumps(value) == json.dumps(value)
    if not isinstance(value, float) or not math.isnan(value):
        assert repr(loads(dumps(value))) == repr(json.loads(dumps(value)))


@pytest.mark.parametrize("value", [{1: 2, None: 3, False: 4, 1.5: 5}, (1, ("a",)), "\udcff\x7f"])
def test_written_alike_what_is_less_usual(value: object) -> None:
    """Keys that are no text, tuples, surrogates."""
    assert dumps(value) == json.dumps(value)


@pytest.mark.parametrize("value", [b"", object(), {b"": 1}, [set()]])
def test_what_cannot_be_written(value: object) -> None:
    for write in (dumps, json.dumps):
        with pytest.raises(TypeError):
            write(value)


def test_circles() -> None:
    """A list that holds itself has no end."""
    value: list[object] = []
    value.append(value)
    for write in (dumps, json.dumps):
        with pytest.raises(ValueError, match="Circular"):
            write(value)


@given(TEXTS)
@example("\ufeff[]")
@example("[1] x")
@example("[1,]")
@example(" {}\n")
@example('{"a": 1, "a": 2}')
def test_read_alike(text: str) -> None:
    """What is JSON, and what is none."""
    assert outcome(loads, text) == outcome(json.loads, text)


@given(TEXTS, st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-8-sig", "utf-16-le"]))
@example("[]", "utf-16-be")
@example("1", "utf-8")
@example("", "utf-8")
def test_bytes_are_read_alike(text: str, encoding: str) -> None:
    """In whatever encoding the standard library reads."""
    data = text.encode(encoding, "surrogatepass")
    assert outcome(loads, data) == outcome(json.loads, data)


@pytest.mark.parametrize("data", [b"[\xff]", b"{", b'["\xed\xa0\x80"]', b"[\x00"])
def test_odd_bytes(data: bytes) -> None:
    """Of no encoding, or cut off."""
    assert outcome(loads, data) == outcome(json.loads, data)


def test_deep() -> None:
    """What is too deep ends as there."""
    for read in (loads, json.loads):
        with pytest.raises(RecursionError):
            read("[" * 100_000)


SPOILT = """
import sys
from sagepip.ground.light_json import loads
for text in ("{", "[1,]", '"', "", "x", "[] []", b"[", b"{\\xff}"):
    sys.modules.pop("json.decoder", None)
    sys.modules.pop("json", None)
    try:
        loads(text)
    except ValueError:
        continue
    raise AssertionError(text)
"""


def test_errors_where_json_is_not_loaded() -> None:
    """The functions in C want to know of an error that json has."""
    done = subprocess.run([sys.executable, "-I", "-c", SPOILT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


PROGRAM = """
import sys
sys.modules["_json"] = None
from sagepip.ground import light_json
import json
assert light_json.loads is json.loads and light_json.dumps is json.dumps
"""


def test_without_the_fast_functions() -> None:
    """An interpreter that has them not reads and writes by its own."""
    done = subprocess.run([sys.executable, "-I", "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
