"""From the words of a command line to the command that they are for."""

from __future__ import annotations

import os
import sys

from sagepip.cli import startup
from sagepip.cli.commands import COMMANDS, Command, Invocation
from sagepip.cli.ending import run_to_the_end
from sagepip.ground import timing
from sagepip.ground.deferred_modules import import_module
from sagepip.ground.errors import UsageError

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_READS = "it changes nothing, so that pip itself can be run: pip --python PYTHON"
# Subcommands of pip, and what to do instead.
_HERE = "see sagepip --help, and sagepip SUBCOMMAND --help"
_INSTEAD = {
    **{name: f"{_READS} {name}" for name in ("list", "freeze", "show", "inspect", "index")},
    "download": "run pip download; it installs nothing",
    "hash": "run pip hash; it installs nothing",
    "wheel": "give the same to sagepip build",
    "config": "sagepip reads no configuration files; pip's own are changed by pip config",
    "search": "look for it in the package index",
    "completion": "there is none",
    "debug": _HERE,
    "help": _HERE,
}


def run(program: str, command: str, words: Sequence[str]) -> int:
    """Run a console script.

    Args:
        program: the name of the script.
        command: the command that it stands for; empty for ``sagepip SUBCOMMAND``.
        words: the command line, without the program.

    Returns:
        The exit status.
    """
    timing.begin_command()
    debug = os.environ.get("SAGEPIP_DEBUG", "") not in ("", "0")

    def action() -> int:
        if command:
            return _start(COMMANDS[command], Invocation(program, tuple(words), os.environ))
        return _subcommand(program, words)

    return run_to_the_end(action, debug=debug)


def _subcommand(program: str, words: Sequence[str]) -> int:
    """Find the subcommand, before which options may stand, and run it."""
    from sagepip.cli.install_options import INSTALL
    from sagepip.cli.option import Kind
    from sagepip.operations.option_words import read_words

    def takes_value(name: str) -> bool | None:
        # An option in front may be any command's; the others' tables are loaded for those alone.
        if INSTALL.find(name) is None:
            from sagepip.cli.all_options import find_anywhere

            if (found := find_anywhere(name)) is not None:
                return found.takes_value
        return INSTALL.takes_value(name)

    for word in read_words(words, takes_value):
        if word.name:
            option = INSTALL.find(word.name)
            if option is not None and option.kind is Kind.HELP:
                sys.stdout.write(_help())
                return 0
            if option is not None and option.kind is Kind.VERSION:
                sys.stdout.write(startup.version_line())
                return 0
            continue
        found = COMMANDS.get(word.value or "")
        if found is None or word.literal:
            advice = _INSTEAD.get(word.value or "", "see sagepip --help")
            raise UsageError(f"no such subcommand: {word.value}", advice=advice)
        rest = (*words[: word.position], *words[word.position + 1 :])
        return _start(found, Invocation(f"{program} {found.name}", rest, os.environ))
    raise UsageError("no subcommand", advice="see sagepip --help")


def _start(command: Command, invocation: Invocation) -> int:
    trace = invocation.environ.get("SAGEPIP_TRACE")
    if trace and command.name != "trace":
        from sagepip.ground.trace_recorder import begin_trace

        begin_trace(trace, invocation.program, invocation.words)
    status: int = import_module(command.module).run(invocation)
    return status


def _help() -> str:
    lines = ["Usage: sagepip [OPTIONS] SUBCOMMAND ...", "", "Subcommands:"]
    lines += [f"  {command.name:<10} {command.summary}" for command in COMMANDS.values()]
    lines += ["", "Options may stand before the subcommand. See sagepip SUBCOMMAND --help.", ""]
    return "\n".join(lines)
