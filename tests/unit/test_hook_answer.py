"""What a hook may answer, and what becomes a message."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sagepip.build import hook_answer
from sagepip.build.hook_answer import answer_problem

WHEEL = "demo-1.0-py3-none-any.whl"
WARNING = {"message": "careful", "filename": "x.py", "lineno": 3}


def problem(tmp_path: Path, answer: Any, hook: str = "build_wheel") -> str:
    path = tmp_path / "output.json"
    path.write_bytes(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    return answer_problem(hook, str(path))


GOOD: list[tuple[str, Any]] = [
    ("build_wheel", {"return_val": WHEEL, "unsupported": False}),
    ("build_wheel", {"return_val": WHEEL, "warnings": [WARNING]}),
    ("build_editable", {"return_val": WHEEL}),
    ("prepare_metadata_for_build_wheel", {"return_val": "demo-1.0.dist-info"}),
    ("get_requires_for_build_wheel", {"return_val": []}),
    (
        "get_requires_for_build_editable",
        {"return_val": ["a>=1", "b @ file:///c ; python_version>'3'"]},
    ),
    ("_supported_features", {"return_val": ["build_editable"]}),
    ("build_editable", {"hook_missing": True, "missing_hook_name": "build_editable"}),
    (
        "build_wheel",
        {"no_backend": True, "traceback": "Traceback", "backend_error": "Cannot import"},
    ),
    ("build_wheel", {"no_backend": True, "traceback": None, "backend_error": "Cannot find"}),
]


@pytest.mark.parametrize(("hook", "answer"), GOOD)
def test_good_answers(tmp_path: Path, hook: str, answer: Any) -> None:
    """What the specification allows is no problem."""
    assert problem(tmp_path, answer, hook) == ""


@pytest.mark.parametrize(
    "value",
    [
        *(None, 5, 1.5, float("nan"), True, [], [WHEEL], {"a": WHEEL}),
        *("", ".", "..", "a/b.whl", "../a.whl", "/a.whl", "a\0b", "a\ud800.whl", "x" * 300),
    ],
    ids=ascii,
)
def test_what_is_no_name_of_a_file(tmp_path: Path, value: Any) -> None:
    """A build hook answers a plain name, which can be one."""
    found = problem(tmp_path, {"return_val": value})
    assert found.startswith("answered ")
    assert found.endswith(", which is not the name of a file")
    assert len(found) < 200


@pytest.mark.parametrize(
    "value",
    [
        *(None, 5, "setuptools", {"a": 1}, [5], [["a"]], [None]),
        ["a\nb"],
        ["--index-url=x"],
        ["./x"],
    ],
    ids=ascii,
)
def test_what_is_no_list_of_requirements(tmp_path: Path, value: Any) -> None:
    """A string is not taken for a list of letters, nor an option for a requirement."""
    found = problem(tmp_path, {"return_val": value}, "get_requires_for_build_wheel")
    assert "which is not a" in found
    assert "requirement" in found


def test_large_answers_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a huge value nor a huge file gets into a message or into memory."""
    many = {"return_val": ["a" * 1_000_000]}
    assert len(problem(tmp_path, many, "get_requires_for_build_wheel")) < 200
    monkeypatch.setattr(hook_answer, "_ANSWER_BYTES", 1000)
    assert problem(tmp_path, many) == "gave an unreasonably large answer (1000020 bytes)"


@pytest.mark.parametrize(
    "answer",
    [
        *(
            [],
            5,
            "x",
            None,
            {},
            {"unsupported": True, "traceback": 5},
            {"no_backend": True, "traceback": 5},
        ),
        {"no_backend": True, "backend_error": ["x"]},
        {"hook_missing": True, "missing_hook_name": [1]},
        {"return_val": WHEEL, "warnings": 5},
        {"return_val": WHEEL, "warnings": [5]},
        {"return_val": WHEEL, "warnings": [{}]},
        {"return_val": WHEEL, "warnings": [{**WARNING, "lineno": "x"}]},
    ],
    ids=ascii,
)
def test_answers_of_another_form(tmp_path: Path, answer: Any) -> None:
    """What pyproject_hooks would stumble on is found before it does."""
    assert problem(tmp_path, answer) == "gave an answer that makes no sense"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[" * 100_000], ids=lambda data: repr(data[:4])
)
def test_answers_that_are_no_json(tmp_path: Path, data: bytes) -> None:
    """A hook that wrote into its own answer, or was ended while it did."""
    assert problem(tmp_path, data) == "gave an answer that cannot be read"


def test_no_answer(tmp_path: Path) -> None:
    """Nothing there, a directory or a pipe: there is no answer, and nothing is waited for."""
    path = tmp_path / "answer"
    assert answer_problem("build_wheel", str(path)) == "ended without an answer"
    os.mkfifo(path)
    assert answer_problem("build_wheel", str(path)) == "ended without an answer"
    assert answer_problem("build_wheel", str(tmp_path)) == "ended without an answer"
