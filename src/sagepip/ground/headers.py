"""METADATA and WHEEL: header fields as in e-mail (the core metadata specification)."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_FIELD_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"


class Headers:
    """The fields of a METADATA or WHEEL file; names are matched without regard to case.

    Args:
        text: the contents of the file.

    Attributes:
        is_odd: whether a line is neither a field nor goes on with one, so that other readers may
            find other fields.
    """

    def __init__(self, text: str) -> None:
        self._fields: list[tuple[str, str]] = []
        self.is_odd = False
        # Not splitlines(): what is one line to others must not be two here.
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            if not line.strip():
                self.is_odd |= bool(line)
                break  # the description follows
            if line[0] in " \t":
                self.is_odd |= not self._fields
                if self._fields:
                    name, value = self._fields[-1]
                    self._fields[-1] = (name, f"{value}\n{line.strip()}")
                continue
            name, colon, value = line.partition(":")
            self.is_odd |= not (colon and name) or bool(name.strip(_OF_FIELD_NAMES))
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
