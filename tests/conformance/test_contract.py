"""The parsers and the contract of the commands agree, in both directions."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import venv
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from build.__main__ import main_parser
from installer.__main__ import _get_main_parser

from sagepip.build.child_environ import hook_environ
from sagepip.cli import dispatch
from sagepip.cli.all_options import table_of
from sagepip.cli.commands import COMMANDS, Command, Invocation
from sagepip.cli.option import Option, Status
from sagepip.ground import console
from sagepip.operations.option_words import read_words
from sagepip.operations.request import InstallRequest
from tests.conformance import contract
from tests.conformance.command_lines import Line
from tests.conformance.contract import Accepted, Variable
from tests.conformance.line_reader import Reader, describe, reading

ALL = list(COMMANDS.values())
NOT_ACCEPTED = (Status.REFUSED, Status.LEFT_TO_PIP, Status.OTHERS)
INSTALL_TABLE = table_of(COMMANDS["install"])
PLAIN = {"targets": ("dir:.",), "missing": "warn"}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader of command lines, in a directory with an sdist, a venv and requirement files too."""
    with reading(tmp_path, monkeypatch) as made:
        (tmp_path / "demo-1.0.tar.gz").touch()
        (tmp_path / "wheelhouse.txt").write_text("--find-links house\nlisted\n")
        (tmp_path / "no-index.txt").write_text("--no-index\nlisted\n")
        yield made


def does(reader: Reader, text: str, environ: dict[str, str] | None = None) -> dict[str, object]:
    """Return what a command line comes to; what stands for the directory is put in."""
    if "{here}/venv" in text or any("{here}/venv" in one for one in (environ or {}).values()):
        venv.create(reader.here / "venv", symlinks=True)
    line = Line("", text.replace("{here}", str(reader.here)), environ=environ or {})
    request = reader.read(line)
    assert not isinstance(request, int), text
    found = describe(request, reader.here)
    if "python" in found:
        found["python"] = os.path.relpath(str(found["python"]), reader.here)
        # The place is the interpreter's: that is compared by the tests of destinations.
        found.pop("prefix", None)
    return found


def split(one: str) -> tuple[str, dict[str, str]]:
    name, _, value = one.partition("=")
    return name, {name: value}


# ------------------------------------------------------------------ commands and operands


def test_programs() -> None:
    """Each console script stands for its subcommand; sagepip has all subcommands, and no more."""
    scripts = {one.name: one.value for one in entry_points(group="console_scripts")}
    for program in contract.PROGRAMS:
        assert scripts[program] == f"sagepip.cli.main:{program.replace('-', '_')}"
    assert set(COMMANDS) == {*contract.SUBCOMMANDS, *contract.MORE_SUBCOMMANDS}


def test_programs_run_their_subcommand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry points of the scripts hand the right subcommand to the dispatcher."""
    from sagepip.cli import main

    seen: dict[str, str] = {}
    monkeypatch.setattr(
        main, "_enter", lambda program, command: seen.setdefault(program, command) and 0
    )
    for program in contract.PROGRAMS:
        getattr(main, program.replace("-", "_"))()
    assert seen == contract.PROGRAMS


@pytest.mark.parametrize("line", contract.SYNOPSES, ids=lambda line: line.text)
def test_synopsis(line: Line, reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    """The operands are what the contract says they are."""
    if line.refused:
        assert reader.read(line) == 2
        assert re.search(line.refused, capsys.readouterr().err)
        return
    found = does(reader, line.text)
    assert {name: found.get(name) for name in line.does} == dict(line.does)


# ------------------------------------------------------------------ options


def _spelled(table: tuple[Accepted, ...]) -> list[tuple[Accepted, str]]:
    return [(one, words) for one in table for words in one.spellings]


@pytest.mark.parametrize(
    ("one", "words"), _spelled(contract.INSTALL_OPTIONS), ids=lambda value: str(value)[:40]
)
def test_option_of_install(one: Accepted, words: str, reader: Reader) -> None:
    """It does that, and no more; in front of the subcommand and behind it."""
    assert does(reader, f"sage-pip-install {words} .") == {**PLAIN, **one.does}
    console.verbosity = 0
    expected = {key: value for key, value in {**PLAIN, **one.does}.items() if key != "missing"}
    assert does(reader, f"sagepip {words} install .") == expected


@pytest.mark.parametrize(
    ("one", "variable"),
    [(one, variable) for one in contract.INSTALL_OPTIONS for variable in one.variables],
    ids=lambda value: str(value)[:40],
)
def test_variable_of_an_option(one: Accepted, variable: str, reader: Reader) -> None:
    """Pip's variable of an option comes to the same as the option."""
    _, environ = split(variable)
    assert does(reader, "sage-pip-install .", environ) == {**PLAIN, **one.does}


@pytest.mark.parametrize(("one", "words"), _spelled(contract.UNINSTALL_OPTIONS))
def test_option_of_uninstall(one: Accepted, words: str, reader: Reader) -> None:
    """It does that, and no more; in front of the subcommand and behind it."""
    assert does(reader, f"sage-pip-uninstall {words} demo") == dict(one.does)
    assert does(reader, f"sagepip {words} uninstall demo") == dict(one.does)


def test_log_and_color(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not part of the request: the log is written, and builds are told of no colours."""
    monkeypatch.delenv("NO_COLOR")
    does(reader, "sage-pip-install --log l.txt --no-color .")
    assert "sage-pip-install --log l.txt" in (reader.here / "l.txt").read_text()
    assert hook_environ(None)["NO_COLOR"] == "1"
    assert [one for one in contract.INSTALL_OPTIONS if not one.in_request and one.does] == []


@pytest.mark.parametrize("words", contract.WITHOUT_EFFECT)
@pytest.mark.parametrize(
    ("command", "operand"),
    [("sage-pip-install", "."), ("sage-pip-uninstall", "-y demo"), ("sagepip build", ".")],
)
def test_without_effect(
    words: str, command: str, operand: str, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    """It changes nothing, and is said under -v alone."""
    plain = does(reader, f"{command} {operand}")
    assert does(reader, f"{command} {words} {operand}") == plain
    assert capsys.readouterr().err == ""
    does(reader, f"{command} -v {words} {operand}")
    assert f"{words.split()[0]} has no effect: " in capsys.readouterr().err


@pytest.mark.parametrize(("words", "advice"), contract.REFUSED.items())
def test_refused(
    words: str, advice: str, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused by name, with what to do instead; in front of the subcommand and behind it."""
    for line in (f"sage-pip-install {words} .", f"sagepip {words} install ."):
        assert reader.read(Line("", line)) == 2
        (told,) = capsys.readouterr().err.splitlines()
        assert told.startswith(f"Error: {words.split()[0]} is not supported (")
        assert advice in told


@pytest.mark.parametrize("command", ["install", "wheel", "uninstall"])
def test_everything_of_pip_is_accepted_by_contract_or_refused(command: str) -> None:
    """Of the installed pip no option is unknown, and none is accepted that is not in the table."""
    from pip._internal.commands import create_command

    ours = {"wheel": "build"}.get(command, command)
    table = table_of(COMMANDS[ours])
    named = {
        table_of(COMMANDS[name]).get(word).name
        for name, rows in (
            ("install", contract.INSTALL_OPTIONS),
            ("uninstall", contract.UNINSTALL_OPTIONS),
        )
        for row in rows
        for spelling in row.spellings
        for word in (spelling.split() or ["--yes"])[:1]
        for word in (word.partition("=")[0] if word.startswith("--") else word[:2],)
    }
    named |= {table.get(words.split()[0]).name for words in contract.WITHOUT_EFFECT}
    named |= {INSTALL_TABLE.get(one).name for one in contract.MORE_OF_PIP}
    named |= {"--wheel-dir", "--no-verify"} if command == "wheel" else set()
    for theirs in create_command(command).parser.option_list_all:
        for name in (*theirs._short_opts, *theirs._long_opts):
            found = table.find(name)
            assert found is not None, name
            assert found.takes_value == theirs.takes_value(), name
            if found.status in NOT_ACCEPTED:
                assert found.advice, name
            else:
                assert found.name in named, f"{name} is accepted, though no row names it"


@pytest.mark.parametrize(
    ("command", "parser"), [("build", main_parser()), ("install", _get_main_parser())]
)
def test_options_of_build_and_installer(command: str, parser: argparse.ArgumentParser) -> None:
    """Each is accepted, with its arity (but -w, which is pip's), or refused with what to do."""
    table = table_of(COMMANDS[command])
    for action in parser._actions:
        for name in action.option_strings:
            found = table.find(name)
            assert found is not None, name
            if found.status in NOT_ACCEPTED:
                assert found.advice, name
            else:
                assert found.takes_value == (action.nargs != 0) or found.alone, name


def test_every_subcommand_of_pip(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is one of sagepip's, or refused by name with what to do instead."""
    from pip._internal.commands import commands_dict

    assert set(commands_dict) - set(COMMANDS) == set(contract.OTHER_SUBCOMMANDS)
    for name, advice in contract.OTHER_SUBCOMMANDS.items():
        assert dispatch.run("sagepip", "", [name]) == 2
        (told,) = capsys.readouterr().err.splitlines()
        assert told.startswith(f"Error: no such subcommand: {name} (")
        assert advice in told


def _accepted(command: Command) -> list[Option]:
    return [one for one in table_of(command).options if one.status not in NOT_ACCEPTED]


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_options_before_the_subcommand(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option of each command may stand in front, with a value that is a command's name."""
    started: list[Invocation] = []

    def start(found: Command, invocation: Invocation) -> int:
        assert found is command
        started.append(invocation)
        return 0

    monkeypatch.setattr(dispatch, "_start", start)
    for option in _accepted(command):
        for name in option.names:
            if name in ("-h", "--help", "-V", "--version"):
                continue
            words = [name, "status"] if option.takes_value else [name]
            assert dispatch.run("sagepip", "", [*words, command.name, "x"]) == 0, name
            assert started.pop().words == (*words, "x")


def test_an_option_takes_a_value_in_all_commands_or_in_none() -> None:
    """Else the subcommand behind it could not be found."""
    arity: dict[str, tuple[bool | None, str]] = {}
    for command in ALL:
        for option in _accepted(command):
            for name in option.names:
                known = arity.setdefault(name, (option.takes_value, command.name))
                assert known[0] == option.takes_value, (name, known[1], command.name)


# ------------------------------------------------------------------ variables


@pytest.mark.parametrize("one", contract.VARIABLES, ids=lambda one: one.sentence[:50])
def test_variable(one: Variable, reader: Reader) -> None:
    """A variable does what the contract says, and no more."""
    assert does(reader, one.text, dict(one.environ)) == dict(one.does)


def test_what_a_build_sees_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is passed on is, unchanged; what would let modules from elsewhere in is not."""
    for name in (*contract.PASSED_ON, *contract.NOT_PASSED_ON):
        monkeypatch.setenv(name, f"value of {name}")
    seen = hook_environ(None)
    assert {name: seen.get(name) for name in contract.PASSED_ON} == {
        name: f"value of {name}" for name in contract.PASSED_ON
    }
    assert seen.keys().isdisjoint(contract.NOT_PASSED_ON)
    assert seen["PYTHONNOUSERSITE"] == "1"


@pytest.mark.parametrize("name", contract.OWN_VARIABLES)
def test_own_variables_are_read(name: str) -> None:
    """Somewhere in the package each is read."""
    package = Path(dispatch.__file__).parents[1]
    reads = re.compile(rf'(?:environ(?:\.get\(|\[)|= )"{name}"')
    assert any(reads.search(path.read_text()) for path in package.rglob("*.py"))


# ------------------------------------------------------------------ sources and dependencies


@pytest.mark.parametrize(("words", "allowed"), contract.INDEX_ACCESS.items())
def test_index_access(words: str, allowed: bool, reader: Reader) -> None:
    """Pip may fetch only where that is allowed."""
    request = reader.read(Line("", f"sage-pip-install {words}"))
    assert isinstance(request, InstallRequest)
    assert request.build.sources.index_allowed is allowed


@pytest.mark.parametrize(("text", "what"), contract.MISSING.items())
def test_missing_dependencies(text: str, what: str, reader: Reader) -> None:
    """Whoever installs in make's order is warned; else it is refused; an option chooses."""
    request = reader.read(Line("", text))
    assert isinstance(request, InstallRequest)
    assert request.missing_dependencies.value == what


def test_rows_are_options() -> None:
    """A typing error in the table must not become a target, and the row test nothing."""
    for row in contract.INSTALL_OPTIONS:
        for spelling in row.spellings:
            words = shlex.split(spelling.replace("{here}", "x"))
            assert all(word.name for word in read_words(words, INSTALL_TABLE.takes_value)), spelling
