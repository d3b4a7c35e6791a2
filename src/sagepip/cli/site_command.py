"""What commands on one site share: reading the command line, and finding the site."""

from __future__ import annotations

import sys

from sagepip.cli import startup
from sagepip.cli.commands import Invocation
from sagepip.cli.environment import given_by_pip_variables
from sagepip.cli.log_option import begin_log_if_asked
from sagepip.cli.option import Kind, Option, OptionTable, Status
from sagepip.cli.settings import Given, Settings
from sagepip.ground import console
from sagepip.ground.errors import UsageError
from sagepip.ground.light_dataclass import dataclass
from sagepip.operations.option_words import read_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagepip.ground.destination import Destination

Groups = tuple[tuple[str, tuple[Option, ...]], ...]


@dataclass(frozen=True)
class Form:
    """What a command understands.

    Attributes:
        about: a paragraph on what it does.
        groups: its options, with the titles of the help.
        operands: their name in the help; empty if it takes none.
        without_effect: options that are accepted for pip's sake.
        refused: options that are refused with advice.
    """

    about: str
    groups: Groups
    operands: str = ""
    without_effect: tuple[Option, ...] = ()
    refused: tuple[Option, ...] = ()

    @property
    def table(self) -> OptionTable:
        """All its options."""
        return OptionTable(
            tuple(option for _, group in self.groups for option in group)
            + self.without_effect
            + self.refused
        )


@dataclass(frozen=True)
class CommandLine:
    """A command line that was read.

    Attributes:
        settings: the values of the options, the PIP_ variables' among them.
        words: the operands.
    """

    settings: Settings
    words: tuple[str, ...]


def read_command_line(
    invocation: Invocation, form: Form, *, leading_name: str = ""
) -> CommandLine | None:
    """Read the command line of a command, and set how much is said.

    Args:
        invocation: the words and the environment.
        form: what the command understands.
        leading_name: a first operand to pass over: pip's subcommand, left there by scripts.

    Returns:
        What was read; None if the help or the version was asked for, and shown.

    Raises:
        UsageError: it cannot be understood.
    """
    table = form.table
    given, words = list[Given](), list[str]()
    for word in read_words(invocation.words, table.takes_value, table.may_stand_alone):
        if word.name:
            option = table.get(word.name)
            if word.value is None and option.alone:
                option = table.get(option.alone)
            given.append(Given.by_word(option, word.value))
            continue
        if not leading_name or word.value != leading_name or word.literal:
            words.append(word.value or "")
        leading_name = ""
    if shown := Settings(given).any_of(Kind.HELP, Kind.VERSION):
        sys.stdout.write(
            startup.version_line() if shown is Kind.VERSION else _help(invocation, form)
        )
        return None
    settings = Settings([*given_by_pip_variables(table, invocation.environ), *given])
    console.verbosity = settings.count("verbose") - settings.count("quiet")
    begin_log_if_asked(settings, invocation)
    for option in settings.options:
        if option.status is Status.NO_EFFECT:
            console.detail(f"{option.name} has no effect: {option.advice}")
    if words and not form.operands:
        raise UsageError(f"{invocation.program} takes no operand: {words[0]}", advice="see --help")
    return CommandLine(settings, tuple(words))


def find_site(settings: Settings, environ: Mapping[str, str]) -> Destination:
    """Return the destination that the options name.

    Args:
        settings: the values of the options.
        environ: the environment.

    Raises:
        TargetError, UsageError: see there.
    """
    from sagepip.ground.destination import find_destination
    from sagepip.ground.target_python import find_target_python

    return find_destination(
        find_target_python(settings.text("python"), environ),
        root=settings.text("root"),
        prefix=settings.text("prefix"),
        target=settings.text("target"),
    )


def print_lines(lines: Sequence[str]) -> None:
    """Print results, one line each, whatever bytes paths are made of."""
    from sagepip.cli.messages import printable

    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def print_json(value: object) -> None:
    """Print a result for programs."""
    import json

    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=True) + "\n")


def _help(invocation: Invocation, form: Form) -> str:
    from sagepip.cli.help_text import help_text

    usage = f"{invocation.program} [OPTIONS] {form.operands}".rstrip()
    return help_text(usage, form.about, form.groups, form.without_effect)
