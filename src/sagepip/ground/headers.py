"""METADATA and WHEEL: header fields as in e-mail (the core metadata specification)."""

from __future__ import annotations

from collections.abc import Sequence


class Headers:
    """The fields of a METADATA or WHEEL file; names are matched without regard to case.

    Args:
        text: the contents of the file.
    """

    def __init__(self, text: str) -> None:
        self._fields: list[tuple[str, str]] = []
        # Not splitlines(): what is one line to others must not be two here.
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            if not line.strip():
                break  # the description follows
            if line[0] in " \t":
                if self._fields:
                    name, value = self._fields[-1]
                    self._fields[-1] = (name, f"{value}\n{line.strip()}")
                continue
            name, colon, value = line.partition(":")
            if colon:
                self._fields.append((name.strip().lower(), value.strip()))

    def get(self, name: str) -> str | None:
        """Return the first value of a field, or None."""
        values = self.get_all(name)
        return values[0] if values else None

    def get_all(self, name: str) -> Sequence[str]:
        """Return all values of a field, in order."""
        wanted = name.lower()
        return [value for field, value in self._fields if field == wanted]
