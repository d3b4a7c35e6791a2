"""Sections are read as ``configparser`` reads them."""

from __future__ import annotations

from configparser import ConfigParser, Error

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sagepip.ground.ini_text import Sections, _plain_sections, read_sections

PIECES = ["[", "]", "a", "b", "DEFAULT", "=", ":", " ", "\t", "\n", "\r", "#", ";", "%", "x.y:z"]
PIECES += ["\n[s]\n", "\na = b\n", "\x0b", "\x1c", "\u2003", "é", "\0", "\ufeff"]
ODD_TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
NAMES = st.sampled_from(["a", "b", "c-d", "e.f", "[x", "#y", "z z"])
OPTIONS = st.builds("{} {} {}".format, NAMES, st.sampled_from(["=", " =", ""]), NAMES)
HEADINGS = NAMES.map("[{}]".format)
PLAIN_TEXTS = st.lists(st.one_of(HEADINGS, OPTIONS, st.just(""), st.just("# n")), max_size=12).map(
    "\n".join
)


def told(text: str) -> Sections | None:
    """Return what ``configparser`` says; None where it refuses."""
    parser = ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except Error:
        return None
    return {section: dict(parser.items(section)) for section in parser.sections()}


@given(st.one_of(ODD_TEXTS, PLAIN_TEXTS, st.text(max_size=40)))
@example("[console_scripts]\npybabel = babel.messages.frontend:main\n")
@example("[a]\nx = 1\n[DEFAULT]\ny = 2\n")
@example("[a]\nx = 1\n  y\n")
@example("[a] b]\nx = 1\n")
@example("[a]\n[a]\n")
@example("[a]\r\nx=1\r\n")
def test_like_configparser(text: str) -> None:
    """What is read without it is what it reads, in that order, and what it refuses is refused."""
    wanted = told(text)
    plain = _plain_sections(text)
    assert plain is None or plain == wanted
    if wanted is None:
        with pytest.raises(ValueError):
            read_sections(text)
        return
    found = read_sections(text)
    assert found == wanted
    assert [*map(list, found.values())] == [*map(list, wanted.values())]
    assert list(found) == list(wanted)


def test_what_wheels_hold_is_plain() -> None:
    """Entry points as tools write them are read without the library."""
    text = "[console_scripts]\na = b:c\nd-e = f.g:h [i]\n\n[my.plugins]\nx = y\n"
    assert _plain_sections(text) == {
        "console_scripts": {"a": "b:c", "d-e": "f.g:h [i]"},
        "my.plugins": {"x": "y"},
    }
