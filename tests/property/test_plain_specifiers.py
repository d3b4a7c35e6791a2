"""What is said of Python versions without ``packaging`` is what it would say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from sagepip.staging.gate import _plainly_holds

_PART = st.integers(0, 12)
_RELEASE = st.lists(_PART, min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
_CLAUSE = st.tuples(st.sampled_from([">=", "<", "!=", "==", "~=", ">"]), _RELEASE).map("".join)


@given(_CLAUSE, st.tuples(_PART, _PART, _PART))
def test_a_clause_that_plainly_holds_does(clause: str, version: tuple[int, int, int]) -> None:
    """A clause that is not understood here never holds plainly."""
    _agrees(clause, version)


@given(_RELEASE, st.tuples(_PART, _PART, _PART))
def test_a_prefix_that_is_left_out(release: str, version: tuple[int, int, int]) -> None:
    """``!=3.1.*`` leaves out all that begins so."""
    _agrees(f"!={release}.*", version)


def _agrees(clause: str, version: tuple[int, int, int]) -> None:
    try:
        holds = SpecifierSet(clause).contains(".".join(map(str, version)), prereleases=True)
    except ValueError:
        holds = False
    understood = clause.startswith((">=", "<", "!="))
    assert _plainly_holds(clause, version) == (holds and understood)
