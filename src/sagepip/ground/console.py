"""What is said to the person at the terminal: progress and diagnosis on stderr."""

from __future__ import annotations

import sys

verbosity = 0
"""-1 and below: only errors; 0: warnings and waits; 1: what happens; 2: every step."""


def warn(message: str) -> None:
    """Say something that the user should know though the work goes on."""
    if verbosity >= 0:
        _say(f"WARNING: {message}")


def note(message: str) -> None:
    """Say something that explains a delay or a choice."""
    if verbosity >= 0:
        _say(f"sagepip: {message}")


def detail(message: str) -> None:
    """Say what happens, for ``-v``."""
    if verbosity >= 1:
        _say(f"sagepip: {message}")


def _say(line: str) -> None:
    # One write a line: with make -jN many processes share this descriptor.
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
