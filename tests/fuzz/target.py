"""What the fuzzed parsers share: a target, how it may refuse, and where its files are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sagepip.ground.errors import SagepipError


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        check: gives it some bytes; raises what is a finding.
        seeds: inputs to begin with.
    """

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


@contextmanager
def may_refuse(*errors: type[Exception]) -> Iterator[None]:
    """Let pass what is documented to be raised, if it has a message."""
    refusals: tuple[type[Exception], ...] = (SagepipError, *errors)
    try:
        yield
    except refusals as error:
        # The line that a user gets is made of it.
        assert str(error)


def text_of(data: bytes) -> str | None:
    """Return the text that a reader of files gets, or None where it does not get so far."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def place() -> Path:
    """Return the directory of this process for files; it is left to whoever made TMPDIR."""
    place = Path(tempfile.gettempdir()) / f"sagepip-fuzz-{os.getpid()}"
    (place / ".sagepip").mkdir(parents=True, exist_ok=True)
    return place
