"""The command lines of distributions do with sagepip what they do with pip, build and installer.

Every line of :mod:`tests.conformance.command_lines` is read by the real commands, in-process, up
to the request; all of a request is compared, so that an option that reaches the wrong field, or
one more, is found. A few lines are run for real.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagepip.ground import console
from tests.conformance.command_lines import LINES, Line
from tests.conformance.line_reader import Reader, describe, reading


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader in a directory of the test's."""
    with reading(tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.user}: {line.text[:40]}")
def test_line(line: Line, reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    """A line comes to just what it says, or is refused in one line, with usage's status."""
    result = reader.read(line)
    said = capsys.readouterr()
    if line.refused:
        assert isinstance(result, int), describe(result, reader.here)
        assert result in (1, 2)
        assert said.out == ""
        (told,) = said.err.splitlines()
        assert re.search(f"^Error: .*(?:{line.refused})", told), told
        assert told.endswith(")"), f"without advice: {told}"
        return
    assert not isinstance(result, int), said.err
    assert describe(result, reader.here) == dict(line.does)
    assert "WARNING" not in said.err
    if console.verbosity > 0:
        for option in line.without_effect:
            assert f"{option} has no effect: " in said.err


@pytest.mark.parametrize(
    "line", [line for line in LINES if line.without_effect], ids=lambda line: line.text[:60]
)
def test_what_has_no_effect_is_said(
    line: Line, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under -v every option without effect says so, and why."""
    verbose = Line(line.user, f"{line.text} -v", line.does, line.environ)
    assert not isinstance(reader.read(verbose), int)
    said = capsys.readouterr().err
    assert [one for one in line.without_effect if f"{one} has no effect: " not in said] == []


def test_the_table_has_no_line_twice() -> None:
    """A line that stands there twice would hide which of its answers is meant."""
    keys = [(line.text, tuple(sorted(line.environ.items()))) for line in LINES]
    assert len(set(keys)) == len(keys)
