"""Names of ``typing`` that stand in running code, without loading it: it takes as long as seven
modules of sagepip's.

A type checker sees the standard library's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Protocol, cast
else:
    BinaryIO = object
    Protocol = object

    def cast(_kind, value):
        """Return a value as it is: see :func:`typing.cast`."""
        return value


__all__ = ["BinaryIO", "Protocol", "cast"]
