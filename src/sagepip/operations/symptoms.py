"""What ``doctor`` can diagnose."""

from __future__ import annotations

from enum import StrEnum

from sagepip.ground.light_dataclass import dataclass


class Symptom(StrEnum):
    """The known kinds of damage; the values are the words of the output."""

    HALF_REMOVED = "left by pip"
    REMNANT = "half-installed"
    NO_METADATA = "no METADATA"
    NO_RECORD = "no RECORD"
    BAD_RECORD = "bad RECORD"
    BAD_NAME = "not a distribution"
    TWICE = "installed twice"
    RESPELLED = "spelt in two ways"
    TEMPORARY = "stray temporary file"
    DEAD_PATH = "dead .pth entry"
    DEAD_LINK = "dead .egg-link"
    STALE = "bytecode without source"
    LOCK_FILE = "unusable lock file"
    JOURNAL = "interrupted change"
    BAD_JOURNAL = "unreadable journal"
    ORPHAN = "orphaned transaction"


@dataclass(frozen=True)
class Diagnosis:
    """One symptom.

    Attributes:
        symptom: what it is.
        path: the path concerned.
        advice: what to do; for what ``--fix`` repairs, what it will do.
        detail: what else there is to know, or an empty string.
        is_fixable: whether ``--fix`` repairs it.
    """

    symptom: Symptom
    path: str
    advice: str
    detail: str = ""
    is_fixable: bool = False

    def __str__(self) -> str:
        """Return it as one line."""
        detail = f" ({self.detail})" if self.detail else ""
        advice = f"--fix {self.advice}" if self.is_fixable else self.advice
        return f"{self.path}: {self.symptom.value}{detail}; {advice}"
