"""README, docs and --help name what the parsers know, and all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagepip.cli import dispatch
from sagepip.cli.all_options import table_of
from sagepip.cli.commands import COMMANDS
from sagepip.cli.option import Kind, Status
from tests.conformance.contract import PROGRAMS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CHANGELOG.md"]
ALL = list(COMMANDS.values())
NOT_ACCEPTED = (Status.REFUSED, Status.LEFT_TO_PIP, Status.OTHERS)
_CODE = re.compile(r"`([^`]+)`|^ {4,}(.+)$", re.MULTILINE)
_CALL = re.compile(rf"(?<![\w./-])({'|'.join(sorted(PROGRAMS, reverse=True))}) ([^|;&#>\n]+)")
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z0](?![\w-]))")
_VARIABLE = re.compile(r"\bSAGEPIP_[A-Z_]+\b")
# sagepip's own between its processes.
_INTERNAL = {"SAGEPIP_LOCK_HELD", "SAGEPIP_RESTARTS"}


def calls() -> Iterator[tuple[str, str, str]]:
    """Yield each call of a command in the code of the documents: where, the command, its words."""
    for path in DOCUMENTS:
        for one in _CODE.finditer(path.read_text()):
            code = re.sub(r"\s+", " ", one[1] or one[2])
            for program, words in _CALL.findall(code):
                name = PROGRAMS[program] or next(
                    (word for word in words.split() if word in COMMANDS), ""
                )
                # What stands behind -- is another command's.
                yield f"{path.name}: {code}", name, words.partition(" -- ")[0]


CALLS = list(calls())


def test_there_are_calls() -> None:
    """The pattern finds them; without any the next test would be of nothing."""
    assert {name for _, name, _ in CALLS} >= {one.name for one in ALL} - {"adopt"}
    assert len(CALLS) > 60


@pytest.mark.parametrize(("where", "name", "words"), CALLS, ids=lambda value: str(value)[:60])
def test_options_in_documents(where: str, name: str, words: str) -> None:
    """Each option of a call in a document is accepted by that command."""
    for option in _OPTION.findall(words):
        if name:
            found = table_of(COMMANDS[name]).find(option)
            assert found is not None, f"{where}: {option}"
            assert found.status not in NOT_ACCEPTED, f"{where}: {option}"
        else:
            assert any(table_of(one).find(option) for one in ALL), f"{where}: {option}"


def test_commands_in_the_readme() -> None:
    """The table of README has each command, and no other."""
    table = (ROOT / "README.md").read_text().partition("| command | what it does |")[2]
    rows = [line for line in table.partition("\n\n")[0].splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`sagepip (\w+)", row)]
    assert sorted(named) == sorted(COMMANDS)


def test_commands_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Sagepip --help has each command once."""
    assert dispatch.run("sagepip", "", ["--help"]) == 0
    told = capsys.readouterr().out
    for command in COMMANDS.values():
        assert (
            len(re.findall(rf"^  {command.name} +{re.escape(command.summary)}$", told, re.M)) == 1
        )


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_options_in_the_help(
    command: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--help of a command has each option that it accepts under all its names, and no other."""
    name = getattr(command, "name")  # noqa: B009
    monkeypatch.setenv("COLUMNS", "100")
    assert dispatch.run("sagepip", "", [name, "--help"]) == 0
    told = capsys.readouterr().out
    shown, _, without = told.partition("Accepted without effect: ")
    options = table_of(COMMANDS[name]).options
    for option in options:
        if option.status is Status.NO_EFFECT:
            assert option.name in re.split(r"[,.\s]+", without), option.name
        elif option.status in NOT_ACCEPTED:
            assert not re.search(rf"^  {option.name}\b", shown, re.M), option.name
        else:
            value = {True: f" {option.metavar}", None: f"[={option.metavar}]", False: ""}
            line = f"  {', '.join(option.names)}{value[option.takes_value]}"
            assert re.search(rf"^{re.escape(line)}(\s|$)", shown, re.M), line
            assert option.takes_value is False or option.metavar, option.name
    assert any(option.kind is Kind.HELP for option in options)


def test_variables_are_documented_and_read() -> None:
    """Each SAGEPIP_ variable that the package reads is in a document, and the other way round."""
    source = " ".join(
        path.read_text() for path in (ROOT / "src").rglob("*.py") if "egg-info" not in str(path)
    )
    written = " ".join(path.read_text() for path in DOCUMENTS)
    read = set(_VARIABLE.findall(source)) - _INTERNAL
    named = {one for one in _VARIABLE.findall(written) if "_BENCH_" not in one} - _INTERNAL
    assert named == read
