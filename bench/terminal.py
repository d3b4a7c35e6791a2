"""Plain tables, coloured only where somebody looks at them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

GOOD, BAD, BOLD, FAINT = "32", "31", "1", "2"


def paint(text: str, style: str) -> str:
    """Give the text with a style on a terminal, and as it is anywhere else."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{style}m{text}\x1b[0m"


class Table:
    """Rows with columns of fixed widths, so that each row can be printed when it is known."""

    def __init__(self, columns: Sequence[tuple[str, int]]) -> None:
        self._columns = columns

    def header(self) -> None:
        """Print the names of the columns and a line."""
        self.row([name for name, _ in self._columns], [BOLD] * len(self._columns))
        print(paint("  ".join("-" * abs(width) for _, width in self._columns), FAINT))

    def row(self, cells: Sequence[str], styles: Sequence[str | None] | None = None) -> None:
        """Print a row; columns of negative width are aligned to the left."""
        padded = [
            cell.ljust(-width) if width < 0 else cell.rjust(width)
            for cell, (_, width) in zip(cells, self._columns, strict=True)
        ]
        if styles is not None:
            padded = [
                paint(cell, style) if style else cell
                for cell, style in zip(padded, styles, strict=True)
            ]
        print("  ".join(padded).rstrip(), flush=True)
