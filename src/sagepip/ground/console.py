"""What is said to the person at the terminal: progress and diagnosis on stderr."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable

verbosity = 0
"""-1 and below: only errors; 0: warnings and waits; 1: what happens; 2: every step."""

to_log: Callable[[str], None] | None = None
"""Writes to the file of ``--log``, where one was given."""


def warn(message: str) -> None:
    """Say something that the user should know though the work goes on."""
    _say(f"WARNING: {message}", 0)


def note(message: str) -> None:
    """Say something that explains a delay or a choice."""
    _say(f"sagepip: {message}", 0)


def detail(message: str) -> None:
    """Say what happens, for ``-v``."""
    _say(f"sagepip: {message}", 1)


def log(text: str) -> None:
    """Write to the log alone what is shown in another way."""
    if to_log is not None:
        to_log(text)


def _say(line: str, level: int) -> None:
    log(line)
    if verbosity < level:
        return
    # One write a line: with make -jN many processes share this descriptor.
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
