"""Looks at all distributions of a site, without any lock, until its standard input ends.

``python -m bench.sage_watch --site DIR --locks DIR…`` prints one JSON object when it ends: how
long distributions that had been there were absent, what was half there, and how long processes
waited for locks on the files in the given directories.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.observer import Kind, Torn, is_absent, observe

PAUSE = 0.005
"""Seconds between two looks; the machine's cores are for the builds."""

FRESH = 1.0
"""Seconds for which a distribution is looked at first, after its metadata came."""

EXAMPLES = 3
"""How many torn observations of each kind are told in full."""


@dataclass
class Gap:
    """What is known of a distribution's absence.

    Attributes:
        since: when it was first found absent, now; None if it is there.
        times: how often it was absent.
        seconds: how long, all in all.
        longest: how long at a time.
    """

    since: float | None = None
    times: int = 0
    seconds: float = 0.0
    longest: float = 0.0


@dataclass
class Watch:
    """Looks at a site, and what they showed.

    Attributes:
        site: the directory.
        clock: tells the time.
        looks: how many distributions were looked at as a whole.
        gaps: of the distributions that were absent.
        torn: how many looks showed a distribution half there, by kind.
        torn_names: which were.
        examples: some in full.
        waited: seconds that processes waited for locks, summed.
    """

    site: Path
    clock: Callable[[], float] = time.monotonic
    looks: int = 0
    gaps: dict[str, Gap] = field(default_factory=dict)
    torn: Counter[Kind] = field(default_factory=Counter)
    torn_names: set[str] = field(default_factory=set)
    examples: dict[str, list[str]] = field(default_factory=dict)
    waited: float = 0.0
    _known: dict[str, set[str]] = field(default_factory=dict)
    _fresh: dict[str, float] = field(default_factory=dict)
    _present: set[str] = field(default_factory=set)
    _turn: int = 0

    def look(self) -> None:
        """Look which distributions are there, and at some of them as a whole."""
        present = metadata_by_name(self.site)
        now = self.clock()
        for name, directories in present.items():
            if name not in self._present:
                self._fresh[name] = now
            self._known.setdefault(name, set()).update(directories)
            self._come(name, now)
        for name in self._known.keys() - present.keys():
            if is_absent(self.site, self._known[name]):
                gap = self.gaps.setdefault(name, Gap())
                if gap.since is None:
                    gap.since, gap.times = now, gap.times + 1
        self._present = set(present)
        self._fresh = {name: at for name, at in self._fresh.items() if now - at < FRESH}
        for name in (self._fresh.keys() & present.keys()) or self._next(present):
            self._look_at(name)

    def end(self) -> None:
        """End the absence of what is still absent."""
        now = self.clock()
        for name in self.gaps:
            self._come(name, now)

    def _come(self, name: str, now: float) -> None:
        gap = self.gaps.get(name)
        if gap is not None and gap.since is not None:
            lasted = now - gap.since
            gap.since, gap.seconds = None, gap.seconds + lasted
            gap.longest = max(gap.longest, lasted)

    def _next(self, present: Iterable[str]) -> list[str]:
        names = sorted(present)
        self._turn += 1
        return [names[self._turn % len(names)]] if names else []

    def _look_at(self, name: str) -> None:
        self.looks += 1
        found: dict[Kind, Torn] = {}
        for one in observe(self.site, name, known=self._known[name]).torn:
            if one.kind is not Kind.ABSENT:  # that is what the listing is for
                found[one.kind] = one
        self.torn.update(found.keys())
        for one in found.values():
            self.torn_names.add(name)
            told = self.examples.setdefault(one.kind.value, [])
            if len(told) < EXAMPLES and one.detail not in told:
                told.append(one.detail)

    def told(self) -> dict[str, object]:
        """Return what was seen, for JSON."""
        gaps = self.gaps.values()
        return {
            "looks": self.looks,
            "absent": sorted(self.gaps),
            "absent_seconds": round(sum(one.seconds for one in gaps), 2),
            "absent_longest": round(max((one.longest for one in gaps), default=0.0), 2),
            "torn": {kind.value: count for kind, count in self.torn.items()},
            "torn_names": sorted(self.torn_names),
            "examples": self.examples,
            "waited": round(self.waited, 2),
        }


def metadata_by_name(site: Path) -> dict[str, set[str]]:
    """The metadata directories that a listing of a site shows, by the name as they spell it."""
    found: dict[str, set[str]] = {}
    try:
        entries = os.listdir(site)
    except FileNotFoundError:
        return found
    for entry in entries:
        if entry.endswith(".dist-info") and not entry.startswith("~"):
            found.setdefault(entry.split("-")[0], set()).add(entry)
    return found


def waiting(locks: str, inodes: set[int]) -> int:
    """How many processes wait for locks on some files, by the text of ``/proc/locks``."""
    count = 0
    for line in locks.splitlines():
        words = line.split()
        # A line is like this: "1: -> FLOCK  ADVISORY  WRITE 22992 fe:00:2147574 0 EOF".
        if len(words) > 6 and words[1] == "->" and int(words[6].rpartition(":")[2]) in inodes:
            count += 1
    return count


def _inodes(directories: Iterable[Path]) -> set[int]:
    found: set[int] = set()
    for directory in directories:
        try:
            found.add(os.stat(directory).st_ino)
            with os.scandir(directory) as entries:
                found.update(one.inode() for one in entries if one.is_file())
        except FileNotFoundError:
            continue
    return found


def main() -> int:
    """Look until standard input ends, then print what was seen."""
    parser = argparse.ArgumentParser(prog="bench.sage_watch")
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--locks", type=Path, action="append", default=[])
    options = parser.parse_args()
    watch = Watch(options.site)
    last = time.monotonic()
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        watch.look()
        count = waiting(Path("/proc/locks").read_text(), _inodes(options.locks))
        now = time.monotonic()
        watch.waited += count * (now - last)
        last = now
    watch.end()
    json.dump(watch.told(), sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
