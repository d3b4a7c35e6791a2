"""Requirements and markers that nobody can parse: refused everywhere, in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagepip.build.constraints import Constraints
from sagepip.build.declared_requirements import spelled_requirements, valid_requirements
from sagepip.build.hook_answer import answer_problem
from sagepip.ground.errors import BuildError, SagepipError, TargetError
from sagepip.ground.headers import Headers
from sagepip.ground.requirements import BadRequirement, parse_marker, parse_requirement
from sagepip.operations.dependencies import check_requirements
from sagepip.operations.target_parsing import parse_target
from sagepip.transaction.site_view import active

DEEP = "python_version >= '3'"
for _ in range(2000):
    DEEP = f"({DEEP})"
BAD = [
    pytest.param(f"demo; {DEEP}", id="deep"),
    pytest.param("demo; " + "(" * 3000, id="never closed"),
    pytest.param("demo; platform_release >= 'x' and python_version ~= 'x'", id="without a truth"),
    pytest.param("demo = 1", id="no operator"),
    pytest.param("demo; 'x' in extras", id="a marker of lock files"),
]


@pytest.mark.parametrize("text", BAD)
def test_everywhere(text: str, tmp_path: Path) -> None:
    """Whoever reads such a requirement says so; of what is installed it is passed over."""
    with pytest.raises(BadRequirement):
        parse_requirement(text)
    with pytest.raises(BuildError, match="a build requirement that is none"):
        valid_requirements([text], "p")
    with pytest.raises(BuildError, match="a build requirement that is none"):
        spelled_requirements([text], "p")
    with pytest.raises(TargetError, match="bad Requires-Dist"):
        check_requirements("w.whl", Headers(f"Requires-Dist: {text}\n"))
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(TargetError, match="line 1: not a constraint"):
        Constraints([str(tmp_path / "c.txt")], {})
    with pytest.raises(SagepipError) as caught:
        parse_target(text, dict)
    assert len(str(caught.value)) < 500
    assert list(active([text, "other"], frozenset(), {})) == [parse_requirement("other")]
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps({"return_val": [text]}))
    assert "not a requirement" in answer_problem("get_requires_for_build_wheel", str(answer))


def test_markers_alone() -> None:
    """A marker behind a path is guarded in the same way."""
    assert parse_marker("python_version >= '3'").evaluate()
    with pytest.raises(BadRequirement, match="nested more than 50 deep"):
        parse_marker(DEEP)


def test_what_is_no_text() -> None:
    """Metadata may hold anything in place of a text."""
    with pytest.raises(BadRequirement, match="a NoneType, not a text"):
        parse_requirement(None)


def test_nested_as_people_do() -> None:
    """What tools write is far from the bound."""
    nested = "(" * 40 + "python_version >= '3'" + ")" * 40
    assert parse_requirement(f"demo>=1; {nested}").name == "demo"
