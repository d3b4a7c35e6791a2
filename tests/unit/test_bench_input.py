"""What ``make input-table`` counts: outcomes are judged, and its document written, as it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.input_table import MARK, counts, document, is_allowed, is_good, kind_of
from bench.input_trials import Outcome, Trial, Trials, judge
from bench.peers_tools import Tool
from bench.processes import ProcessTable

from tests.corpus.all_cases import CASES, GROUPS
from tests.corpus.arena import Arena, Changes, compare

NOTHING = Changes([], [], [], [])
NEW = Changes([], [], ["prefix/x"], [])
TOOLS = [Tool("sagepip", "1", (), (), ""), Tool("pip", "2", (), (), "")]


def test_there_are_cases_enough_and_each_says_where_it_comes_from() -> None:
    assert len(CASES) == sum(len(group) for group in GROUPS.values()) >= 120
    assert all(case.source for case in CASES.values())


@pytest.mark.parametrize(
    ("changes", "status", "endless", "crashed", "wrong", "outcome"),
    [
        (NOTHING, 1, False, False, [], Outcome.REFUSED),
        (NOTHING, 1, False, True, [], Outcome.TRACEBACK),
        (NEW, 1, False, True, [], Outcome.HALF),
        (NEW, 0, False, False, [], Outcome.INSTALLED),
        (NEW, 0, False, False, ["x is missing"], Outcome.OTHERWISE),
        (Changes([], ["prefix/y"], ["prefix/x"], []), 0, False, False, [], Outcome.FOREIGN),
        (Changes(["out"], ["prefix/y"], [], []), 1, False, True, [], Outcome.OUTSIDE),
        (NOTHING, -9, True, False, [], Outcome.ENDLESS),
    ],
)
def test_the_worst_that_applies_is_the_outcome(
    changes: Changes, status: int, endless: bool, crashed: bool, wrong: list[str], outcome: Outcome
) -> None:
    assert judge(changes, status, endless, crashed, wrong)[0] is outcome


def test_changes_are_told_apart(tmp_path: Path) -> None:
    """What is new in the prefix, what was there before, and what lies outside."""
    arena = Arena(tmp_path, tmp_path / "prefix", "3.99")
    arena.prepare()
    before = arena.tree()
    (arena.site / "new.py").write_text("")
    (arena.site / "users.py").write_text("changed")
    (tmp_path / "outside" / "evil").write_text("")
    (tmp_path / "prefix-evil" / "x").write_text("")
    changes = compare(before, arena.tree(), "prefix")
    assert changes.new == ["prefix/lib/python3.99/site-packages/new.py"]
    assert changes.foreign == ["prefix/lib/python3.99/site-packages/users.py"]
    assert changes.outside == ["outside/evil", "prefix-evil/x"]


def test_document_counts_and_marks() -> None:
    """Each case has its row; what should not be is bold; the counts add up."""
    results = {
        (tool.name, name): Trial(
            tool.name,
            name,
            Outcome.REFUSED if case.refused and tool.name == "sagepip" else Outcome.INSTALLED,
        )
        for tool in TOOLS
        for name, case in CASES.items()
    }
    text = document(results, TOOLS)
    assert text.startswith(MARK)
    must = [name for name, case in CASES.items() if kind_of(case) == "must be refused"]
    assert text.count("**installed**") == len(must)
    assert f"| must be refused ({len(must)}) | refused | {len(must)} |  |" in counts(results, TOOLS)
    choice = next(case for case in CASES.values() if case.choice)
    assert is_allowed(choice, Outcome.INSTALLED)
    assert not is_good(choice, Outcome.INSTALLED)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("scripts: a plain script", Outcome.INSTALLED),
        ("scripts: a script that climbs out of the prefix", Outcome.REFUSED),
    ],
)
def test_sample_of_the_table(tmp_path: Path, name: str, outcome: Outcome) -> None:
    """The whole way, by sagepip's command alone: nothing is fetched."""
    import sys

    command = (sys.executable, "-I", "-m", "sagepip", "install", "--prefix", "{prefix}")
    tool = Tool("sagepip", "1", (*command, "--no-index", "--no-deps"), (), "")
    with ProcessTable() as processes:
        trial = Trials(tmp_path, processes).run(tool, name, CASES[name])
    assert (trial.outcome, trial.tool) == (outcome, "sagepip"), trial.detail
