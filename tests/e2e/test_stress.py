"""``make stress`` in short: many writers and readers at once on one site."""

from __future__ import annotations

import pytest
from bench import stress


@pytest.mark.index
def test_sixteen_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Installs, uninstalls, staged copies and readers at once: none fails, nothing is torn."""
    assert stress.main(["--seconds", "10", "--at-once", "16"]) == 0, capsys.readouterr().out
    out = capsys.readouterr().out
    assert "0 torn" in out
    assert "BAD" not in out
