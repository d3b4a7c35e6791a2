"""The first lines of scripts."""

from __future__ import annotations

import shlex
from typing import BinaryIO

# The kernel cuts the line after this many bytes (Linux before 5.1; others still do).
_KERNEL_LIMIT = 127


def shebang(interpreter: str) -> bytes:
    """Return what a script begins with so that ``interpreter`` runs it, newline included.

    A path with blanks, or a long one, does not fit into a ``#!`` line; then the shell runs
    first, on lines that Python takes for a string (as distlib and installer do it).
    """
    path = interpreter.encode("utf-8", "surrogateescape")
    if b" " not in path and b"\t" not in path and len(path) + 3 <= _KERNEL_LIMIT:
        return b"#!" + path + b"\n"
    quoted = shlex.quote(interpreter).encode("utf-8", "surrogateescape")
    return b"#!/bin/sh\n'''exec' " + quoted + b" \"$0\" \"$@\"\n' '''\n"


def with_shebang(stream: BinaryIO, interpreter: str) -> bytes | None:
    """Return a script of a wheel made to run with ``interpreter``, or None if it is left alone.

    Only scripts that begin with ``#!python`` are changed (binary distribution format, "Recommended
    archiver features").
    """
    first = stream.readline(512)
    if not first.startswith(b"#!python"):
        return None
    return shebang(interpreter) + stream.read()
