"""The help of a command, from its table of options."""

from __future__ import annotations

import os

from sagepip.cli.option import Option

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    parts = [f"Usage: {usage}", "", _filled(about, width)]
    for title, options in groups:
        parts += ["", f"{title}:", *(_entry(option, width) for option in options)]
    names = ", ".join(option.name for option in without_effect)
    if names:
        parts += [
            "",
            _filled(f"Accepted without effect: {names}.", width),
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
    text = _filled(option.help, width, indent)
    if len(names) + 3 < _COLUMN:
        return f"  {names}".ljust(_COLUMN) + text.lstrip()
    return f"  {names}\n{text}"


def _filled(text: str, width: int, indent: str = "") -> str:
    """Return a text in lines, as textwrap does, which brings in regular expressions."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(indent) + len(line) + len(word) >= width:
            lines.append(indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, indent + line])
