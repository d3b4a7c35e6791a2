"""The words of a command line and the table of options."""

from __future__ import annotations

import re

import pytest

from sagepip.cli.install_options import GROUPS, INSTALL
from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.settings import Given, Settings
from sagepip.ground.errors import UsageError
from sagepip.operations.option_words import read_words

REFUSED = (Status.REFUSED, Status.LEFT_TO_PIP)


def read(*words: str) -> list[tuple[str, str | None]]:
    """Return names and values as the install command reads them."""
    return [(word.name, word.value) for word in read_words(words, INSTALL.takes_value)]


def settings(*words: str) -> Settings:
    """Return the values of options."""
    found = read_words(words, INSTALL.takes_value)
    return Settings([Given.by_word(INSTALL.get(word.name), word.value) for word in found])


def test_options_and_operands_mix() -> None:
    """Operands may stand between options; a lone dash is an operand."""
    expected = [("-v", None), ("", "a"), ("-r", "f"), ("", "-"), ("--no-deps", None), ("", "b")]
    assert expected == read("-v", "a", "-r", "f", "-", "--no-deps", "b")


@pytest.mark.parametrize(
    "words",
    [
        ("--config-settings", "--global-option=--use-pkg-config"),
        ("--config-settings=--global-option=--use-pkg-config",),
        ("-C", "--global-option=--use-pkg-config"),
        ("-C--global-option=--use-pkg-config",),
        ("-vC", "--global-option=--use-pkg-config"),
    ],
)
def test_a_value_may_begin_with_dashes(words: tuple[str, ...]) -> None:
    """The word behind an option is its value whatever it looks like."""
    found = [value for name, value in read(*words) if name != "-v"]
    assert found == ["--global-option=--use-pkg-config"]


def test_a_value_may_be_left_out() -> None:
    """Only behind = is a word the value of such an option."""
    expected = [("--build-isolation", None), ("", "installed"), ("--build-isolation", "x=y")]
    assert expected == read("--build-isolation", "installed", "--build-isolation=x=y")


def test_bundles() -> None:
    """Short options bundle; the first that takes a value takes the rest."""
    assert read("-vvv") == [("-v", None)] * 3
    assert read("-IUrvI") == [("-I", None), ("-U", None), ("-r", "vI")]


def test_double_dash() -> None:
    """Behind -- everything is an operand; as a value it is a value."""
    assert read("-v", "--", "-v", "--", "a") == [("-v", None), ("", "-v"), ("", "--"), ("", "a")]
    assert read("-r", "--", "-v") == [("-r", "--"), ("-v", None)]


def test_positions() -> None:
    """Each word knows where it stood, and whether -- came before it."""
    found = list(read_words(["-r", "f", "a", "--", "b"], INSTALL.takes_value))
    assert [(w.position, w.literal) for w in found] == [(0, False), (2, False), (4, True)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--no-build-isol"], "unknown option: --no-build-isol (did you mean"),
        (["--find-link=x"], "unknown option: --find-link (did you mean --find-links?)"),
        (["--qwertz"], "unknown option: --qwertz (see --help)"),
        (["-Z"], "unknown option: -Z"),
        (["--no-deps=1"], "--no-deps takes no value"),
        (["--root"], "--root needs a value"),
        (["-vr"], "-r needs a value"),
        (["--missing-deps=maybe"], "one of error, warn"),
    ],
)
def test_wrong_words(words: list[str], says: str) -> None:
    """Abbreviations, unknown options and wrong values are refused in one line."""
    with pytest.raises(UsageError) as caught:
        settings(*words)
    assert says in str(caught.value)


@pytest.mark.parametrize("option", [o for o in INSTALL.options if o.status in REFUSED])
def test_refused_options_say_what_to_do(option: Option) -> None:
    """Every refused option is refused under each of its names, with advice."""
    for name in option.names:
        with pytest.raises(UsageError) as caught:
            settings(name, "x")
        assert name in caught.value.problem
        assert "not supported" in caught.value.problem
        assert caught.value.advice


@pytest.mark.parametrize("option", [o for o in INSTALL.options if o.status is Status.NO_EFFECT])
def test_options_without_effect(option: Option) -> None:
    """They are accepted with their value, and can say why they do nothing."""
    for name in option.names:
        words = [name, "x"] if option.takes_value else [name]
        assert len(read(*words)) == 1
    assert option.advice


def test_no_name_twice() -> None:
    """No spelling stands for two options."""
    names = [name for option in INSTALL.options for name in option.names]
    assert sorted(set(names)) == sorted(names)


def test_every_option_of_pip_is_known() -> None:
    """The table has every option of pip's install command, with its arity and its sense."""
    from pip._internal.commands import create_command

    parser = create_command("install").parser
    for theirs in parser.option_list_all:
        for name in (*theirs._short_opts, *theirs._long_opts):
            ours = INSTALL.find(name)
            assert ours is not None, name
            assert theirs.takes_value() == ours.takes_value, name
            if ours.status is Status.SAME:
                assert (theirs.action == "store_false") == (ours.kind is Kind.OFF), name
                assert (theirs.action == "append") == (ours.kind is Kind.LIST), name
                assert (theirs.action == "count") == (ours.kind is Kind.COUNT), name


def test_same_options_have_help_and_own_ones_too() -> None:
    """Everything shown in the help says what it does."""
    for _, options in GROUPS:
        for option in options:
            assert re.match(r"[a-z-]", option.help), option.name


def test_settings_in_order() -> None:
    """Later values win, lists append, counts add up."""
    found = settings("--compile", "--no-compile", "-f", "a", "-fb", "-vv", "-v", "--root=x")
    assert not found.flag("compile", default=True)
    assert found.flag("build_isolation", default=True)
    assert found.items("find_links") == ["a", "b"]
    assert found.count("verbose") == 3
    assert found.text("root") == "x"
    assert found.text("prefix") is None
    assert settings("--root=x", "--root=").text("root") is None
