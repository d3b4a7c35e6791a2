"""What programs wrote, made fit for a terminal."""

from __future__ import annotations

import os

_TAIL_BYTES = 1 << 16
_LINE_START, _LINE_END = 1200, 600


def clean(text: str) -> str:
    """Return text that cannot play with the terminal: without escape sequences, the rest visible.

    Newlines and tabs stay; a carriage return becomes a newline, so that nothing is written over.
    """
    if all(map(str.isprintable, text.replace("\t", "\n").split("\n"))):
        return text
    import re

    text = re.sub(_ESCAPE_SEQUENCE, "", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


# ECMA-48: control sequences; strings to the terminal, which end with BEL or ST; the others.
_ESCAPE_SEQUENCE = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]"
)


def tail(path: str, *, lines: int, start: int = 0) -> str:
    """Return the last lines of a log: decoded with replacement, cleaned, long lines shortened.

    Args:
        path: the log.
        lines: how many at most.
        start: the offset before which nothing is taken; past the end (who wrote the log has
            truncated it) it does not count.
    """
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(start if start <= size else 0, size - _TAIL_BYTES))
            text = stream.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    found = clean(text).rstrip("\n").split("\n")[-lines:]
    return "\n".join(_shortened(line) for line in found)


def _shortened(line: str) -> str:
    left_out = len(line) - _LINE_START - _LINE_END
    if left_out <= 0:
        return line
    return f"{line[:_LINE_START]} [... {left_out} characters ...] {line[-_LINE_END:]}"
