"""What is read of requirements and versions without ``packaging`` is what it reads."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from sagepip.build import readable_requirements
from sagepip.build.readable_requirements import read_requirement
from sagepip.build.readable_versions import (
    admits,
    clauses_of,
    newest_of,
    plain_clauses,
)
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import TargetPython
from sagepip.ground.versions import is_same_version, release_of

RUNNING = TargetPython.running()
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "200"))

NUMBERS = st.sampled_from(["0", "1", "2", "00", "01", "10", "3", "11", "2026"])
RELEASES = st.lists(NUMBERS, min_size=1, max_size=4).map(".".join)
TAILS = st.sampled_from(
    ["", "", "", "", "a1", "rc1", ".post1", ".dev0", "b2.dev1", "+x", ".", "-1", "\u0661"]
)
VERSIONS = st.tuples(st.sampled_from(["", "", "", "v", "1!", " "]), RELEASES, TAILS).map("".join)
OPERATORS = st.sampled_from(["==", "!=", "<=", ">=", "<", ">", "~=", "===", "=", ""])
STARS = st.sampled_from(["", "", "", ".*", ".**", "*"])
BLANKS = st.sampled_from(["", "", " ", "\t", "  "])
CLAUSES = st.tuples(BLANKS, OPERATORS, BLANKS, RELEASES | VERSIONS, STARS, BLANKS).map("".join)
SPECIFIERS = st.lists(CLAUSES, max_size=3).map(",".join)


@settings(max_examples=EXAMPLES)
@given(st.lists(VERSIONS, min_size=1, max_size=4))
def test_the_newest(versions: list[str]) -> None:
    """It is the newest, and a pre-release if that is one."""
    try:
        expected = max(map(Version, versions))
    except InvalidVersion:
        with pytest.raises(ValueError, match=r".*"):
            newest_of(versions)
        return
    found, is_prerelease = newest_of(versions)
    assert Version(found) == expected
    assert is_prerelease == expected.is_prerelease


@settings(max_examples=EXAMPLES)
@given(SPECIFIERS, VERSIONS | RELEASES)
@example("~=1.0.0", "1.0")
@example("==1.0.*", "1")
@example(">1", "1.0")
@example("===0", "0")
@example(">=2.5.0.dev0,<3", "2.5")
@example("<1.0rc1", "1")
@example("<=1.0rc1.dev0", "1")
def test_what_specifiers_admit(text: str, version: str) -> None:
    """They admit the same, and consist of the same."""
    try:
        expected = SpecifierSet(text)
    except InvalidSpecifier:
        with pytest.raises(ValueError, match=r".*"):
            clauses_of(text)
        return
    clauses = clauses_of(text)
    assert set(clauses) == {(one.operator, one.version) for one in expected}
    try:
        Version(version)
    except InvalidVersion:
        assert not release_of(version)
        return
    assert admits(clauses, version) == expected.contains(version, prereleases=True)


@given(VERSIONS | RELEASES, VERSIONS | RELEASES)
@example("1.0", "1")
@example("01.0", "1")
@example("0", "0.0")
def test_which_versions_are_the_same(first: str, second: str) -> None:
    """Those that ``packaging`` takes for the same."""
    try:
        expected = Version(first) == Version(second)
    except InvalidVersion:
        with pytest.raises(ValueError, match=r".*"):
            is_same_version(first, second)
        return
    assert is_same_version(first, second) == expected


NAMES = st.sampled_from(["a", "A.b_c-d", "0", "x--y", "a.zip"])
COMPARED = st.sampled_from(
    [
        *("python_version", "python_version", "extra", "extra", "sys_platform", "os_name"),
        *("platform_system", "implementation_name", "platform_python_implementation"),
        *("platform_machine", "python_full_version", "os.name", "extras", "nothing"),
    ]
)
VALUES = st.sampled_from(
    [
        *("3", "3.1", "3.8", "3.*", "3.11", "3.13", "4", "3.12.0", "x", "A.b_c-d", "a-B-c-D"),
        *("linux", "Linux", "posix", "cpython", "CPython", "PyPy", "v3", "3.8rc1", "", "a b", "*"),
    ]
)
MARKER_OPERATORS = st.sampled_from(
    ["==", "!=", "<", ">=", "<=", ">", "~=", "===", " in ", " not in "]
)


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    """A comparison, perhaps the other way round."""
    quote = draw(st.sampled_from("\"'"))
    sides = [draw(COMPARED), f"{quote}{draw(VALUES)}{quote}"]
    if draw(st.integers(0, 9)) == 0:
        sides.reverse()
    operator = f"{draw(BLANKS)}{draw(MARKER_OPERATORS)}{draw(BLANKS)}"
    return draw(BLANKS) + operator.join(sides) + draw(BLANKS)


MARKERS = st.recursive(
    comparisons(),
    lambda inner: (
        st.tuples(inner, st.sampled_from([" and ", " or ", "and", "or", " "]), inner).map("".join)
        | inner.map(lambda one: f"({one})")
        | inner.map(lambda one: f" ( {one} )")
    ),
    max_leaves=5,
)
ODD = st.sampled_from(["", "", "", "", "", "(", ")", " and", ";", "\n", "#", "'"])


@st.composite
def requirements(draw: st.DrawFn) -> str:
    """A requirement, perhaps with something in it that does not belong there."""
    parts = [draw(BLANKS), draw(NAMES), draw(BLANKS)]
    if extras := draw(st.lists(NAMES, max_size=2)):
        parts += [f"[{','.join(extras)}]", draw(BLANKS)]
    parts.append(draw(SPECIFIERS))
    if draw(st.booleans()):
        parts += [";", draw(MARKERS)]
    parts.insert(draw(st.integers(0, len(parts))), draw(ODD))
    return "".join(parts)


@settings(max_examples=EXAMPLES)
@given(requirements(), st.sampled_from(["", "x", "a-b-c-d"]))
@example('a; python_version >= "3" or os_name == "nt" and extra == "y"', "")
@example('a; (python_version >= "3" or os_name == "nt") and extra == "y"', "")
@example('a; extra == "x" extra == "x"', "")
@example('a; extra == "x" and', "")
@example('a; () and extra == "x"', "")
@example("a;", "")
def test_requirements(text: str, extra: str) -> None:
    """They consist of the same, apply in the same cases, and are refused in the same."""
    try:
        expected = Requirement(text)
        applies = expected.marker is None or expected.marker.evaluate({"extra": extra})
    except (InvalidRequirement, ValueError, KeyError):
        with pytest.raises(ValueError, match=r".*"):
            read_requirement(text, RUNNING)
        return
    found = read_requirement(text, RUNNING)
    assert (found.name, set(found.extras)) == (expected.name, expected.extras)
    assert set(found.clauses) == {(one.operator, one.version) for one in expected.specifier}
    assert found.applies(RUNNING, (extra,)) == applies
    assert found.url == (expected.url or "")


def test_the_values_of_markers() -> None:
    """What is known of the running interpreter is what ``packaging`` knows."""
    found = readable_requirements._plain_environment()
    assert found.items() <= default_environment().items()
    assert {"python_version", "sys_platform"} <= set(found)


def test_usual_ones_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """What most wheels ask for is read without it."""
    for name in [one for one in sys.modules if one.partition(".")[0] == "packaging"]:
        monkeypatch.setitem(sys.modules, name, None)
    for text in (
        "tomli>=1.2.2; python_version < '3.11'",
        'pytest-home>=0.5; extra == "test"',
        'jaraco.develop>=7.21; (python_version >= "3.9" and sys_platform != "cygwin") '
        'and extra == "test"',
        'hyperscan >=0.7 ; extra == "hyperscan"',
        'pytest-mypy>=1.0.1; platform_python_implementation != "PyPy" and extra == "type"',
        "pytest!=8.1.*,>=6",
        "build[virtualenv] ~= 1.0",
    ):
        found = read_requirement(text, RUNNING)
        assert found.applies(RUNNING, ("", "test", "type", "hyperscan")) == ("tomli" not in text)
        assert canonical_name(found.name) == found.name.replace(".", "-")
    assert plain_clauses(">=3.10, <4.0") == ((">=", "3.10"), ("<", "4.0"))
    assert admits(clauses_of("!=3.0.*,>=2.7"), "3.11.7")
