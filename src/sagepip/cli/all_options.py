"""The options of every command, for whoever does not know yet which command is called."""

from __future__ import annotations

from sagepip.cli.commands import COMMANDS, Command
from sagepip.cli.option import Option, OptionTable
from sagepip.ground.deferred_modules import import_module


def table_of(command: Command) -> OptionTable:
    """Return the options of a command."""
    module, _, name = (command.options or f"{command.module}._FORM").rpartition(".")
    found = getattr(import_module(module), name)
    table: OptionTable = found if isinstance(found, OptionTable) else found.table
    return table


def find_anywhere(name: str) -> Option | None:
    """Return the first command's option of that spelling, or None.

    Whether it takes a value is the same for all commands that have it.
    """
    tables = (table_of(command) for command in COMMANDS.values())
    return next((found for table in tables if (found := table.find(name)) is not None), None)
