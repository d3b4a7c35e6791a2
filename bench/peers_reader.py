"""A reader without a lock beside a tool that upgrades and downgrades a distribution."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from bench.observer import Kind, observe
from bench.observing import sizes_of


@dataclass
class Reading:
    """What the reader saw.

    Attributes:
        looks: how often it looked.
        torn: looks that showed the distribution absent or not whole.
        absent: looks that showed it absent; part of ``torn``.
        changes: upgrades and downgrades meanwhile.
        changes_seen: those during which a look was torn.
        failed: commands that failed.
        kinds: torn looks by what was wrong.
    """

    looks: int = 0
    torn: int = 0
    absent: int = 0
    changes: int = 0
    changes_seen: int = 0
    failed: int = 0
    kinds: dict[str, int] = field(default_factory=dict)


def read_while_changing(
    site: Path,
    name: str,
    wheels: Iterable[Path],
    change: Callable[[Path], int],
    seconds: float,
) -> Reading:
    """Look at a distribution for a time, while one wheel after the other is installed.

    Args:
        site: the site-packages directory.
        name: the distribution.
        wheels: its versions, taken in turn; the last one is installed.
        change: installs a wheel and returns an exit status.
        seconds: how long.
    """
    versions = list(wheels)
    sizes, known = sizes_of(versions)
    reading = Reading()
    end = time.monotonic() + seconds
    seen: set[int] = set()

    def keep_changing() -> None:
        for wheel in cycle(versions):
            if time.monotonic() >= end:
                return
            reading.failed += change(wheel) != 0
            reading.changes += 1

    changer = threading.Thread(target=keep_changing)
    changer.start()
    while changer.is_alive():
        number = reading.changes
        kinds = {torn.kind for torn in observe(site, name, sizes=sizes, known=known).torn}
        reading.looks += 1
        reading.torn += bool(kinds)
        reading.absent += Kind.ABSENT in kinds
        for kind in kinds:
            reading.kinds[kind.value] = reading.kinds.get(kind.value, 0) + 1
        if kinds:
            seen.add(number)
    changer.join()
    reading.changes_seen = len(seen)
    return reading
