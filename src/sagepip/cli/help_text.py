"""The help of a command, from its table of options."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence

from sagepip.cli.option import Option

_COLUMN = 28


def help_text(
    usage: str,
    about: str,
    groups: Iterable[tuple[str, Sequence[Option]]],
    without_effect: Iterable[Option],
) -> str:
    """Lay out the help.

    Args:
        usage: the program and its operands.
        about: a paragraph on what it does.
        groups: titles and options.
        without_effect: options that are accepted for pip's sake.
    """
    width = max(_columns(), 60)
    parts = [f"Usage: {usage}", "", textwrap.fill(about, width)]
    for title, options in groups:
        parts += ["", f"{title}:", *(_entry(option, width) for option in options)]
    names = ", ".join(option.name for option in without_effect)
    if names:
        parts += [
            "",
            textwrap.fill(f"Accepted without effect: {names}.", width, break_on_hyphens=False),
        ]
    return "\n".join(parts) + "\n"


def _columns() -> int:
    """Return the width of the terminal, as shutil does, which takes a while to load."""
    try:
        return int(os.environ["COLUMNS"]) or 80
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def _entry(option: Option, width: int) -> str:
    names = ", ".join(option.names)
    if option.takes_value:
        names += f" {option.metavar}"
    elif option.takes_value is None:
        names += f"[={option.metavar}]"
    indent = " " * _COLUMN
    text = textwrap.wrap(option.help, width, initial_indent=indent, subsequent_indent=indent)
    if len(names) + 3 < _COLUMN:
        text[0] = f"  {names}".ljust(_COLUMN) + text[0].lstrip()
        return "\n".join(text)
    return "\n".join([f"  {names}", *text])
