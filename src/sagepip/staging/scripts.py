"""The first lines of scripts."""

from __future__ import annotations

import os

from sagepip.ground.light_typing import BinaryIO, cast

# The kernel cuts the line after this many bytes (Linux before 5.1; others still do).
_KERNEL_LIMIT = 127
_LINE = 512
# Looks the interpreter up when the script is run: a program and its argument, not a path.
_ENV = b"/usr/bin/env "
_SHELL = b"#!/bin/sh\n"
# Where a path does not fit: as installer, uv and distlib (so pip) write it, quoted in their ways.
_THROUGH_SHELL = rb"#!/bin/sh\n'''exec' (.+) \"\$0\" \"\$@\"\n' '''\n"


def shebang(interpreter: str) -> bytes:
    """Return what a script begins with so that ``interpreter`` runs it, newline included.

    A path with blanks, or a long one, does not fit into a ``#!`` line; then the shell runs
    first, on lines that Python takes for a string (as distlib and installer do it).
    """
    path = interpreter.encode("utf-8", "surrogateescape")
    if path.startswith(_ENV):
        return b"#!" + path + b"\n"
    if b" " not in path and b"\t" not in path and len(path) + 3 <= _KERNEL_LIMIT:
        return b"#!" + path + b"\n"
    import shlex

    quoted = shlex.quote(interpreter).encode("utf-8", "surrogateescape")
    return b"#!/bin/sh\n'''exec' " + quoted + b" \"$0\" \"$@\"\n' '''\n"


def split_script(data: bytes) -> tuple[str, bytes] | None:
    """Take a script apart into its interpreter and all that stands behind the lines that name it.

    Args:
        data: the script.

    Returns:
        The path of the interpreter, without its arguments, and the rest; None for what is no
        script, or leaves it to the system or to the shell to find the interpreter.
    """
    match = None
    if data.startswith(_SHELL):
        import re

        match = re.match(_THROUGH_SHELL, data)
    if match:
        rest = data[match.end() :]
        import shlex

        try:
            words = shlex.split(os.fsdecode(match[1]))
        except ValueError:
            return None
    elif data.startswith(b"#!"):
        first, _, rest = data[2:].partition(b"\n")
        words = os.fsdecode(first).split(maxsplit=1)
    else:
        return None
    return (words[0], rest) if words and os.path.isabs(words[0]) else None


def with_shebang(stream: BinaryIO, interpreter: str) -> BinaryIO | None:
    """Return a script of a wheel made to run with ``interpreter``, or None if it is left alone.

    Only scripts that begin with ``#!python`` are changed (binary distribution format, "Recommended
    archiver features"), whatever follows on that line.

    Args:
        stream: the script; read on while the result is read.
        interpreter: the path of the interpreter.
    """
    first = stream.readline(_LINE)
    if not first.startswith(b"#!python"):
        return None
    while first and not first.endswith(b"\n"):
        first = stream.readline(_LINE)
    return cast(BinaryIO, _Joined(shebang(interpreter), stream))


class _Joined:
    """Some bytes, and behind them a stream."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._rest.read(size)
