"""What ``verify`` can find."""

from __future__ import annotations

from enum import StrEnum

from sagepip.ground.light_dataclass import dataclass


class Kind(StrEnum):
    """The kinds of damage; the values are the words of the output."""

    MISSING = "missing"
    ALTERED = "altered"
    EXTRA = "extra"
    STALE = "stale bytecode"
    METADATA = "bad METADATA"
    RECORD = "bad RECORD"
    OUTSIDE = "outside the target"
    DUPLICATE = "duplicate"
    ENTRY_POINT = "broken entry point"
    NOT_INSTALLED = "not installed"
    INTERRUPTED = "interrupted change"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        name: the distribution; empty if nobody's.
        version: its version.
        kind: what is wrong.
        path: the path concerned, relative to the directory of the metadata where it is below it.
        detail: what else there is to know, or an empty string.
    """

    name: str
    version: str
    kind: Kind
    path: str = ""
    detail: str = ""

    def __str__(self) -> str:
        """Return it as one line."""
        who = f"{self.name} {self.version}".strip() or "nobody's"
        text = f"{who}: {self.kind.value}"
        if self.path:
            text += f" {self.path}"
        return f"{text} ({self.detail})" if self.detail else text
