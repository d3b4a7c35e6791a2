"""Read what ``SAGEPIP_TRACE`` has recorded; whatever else is in the file is passed over."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter

from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.trace_recorder import OPENING, SUFFIX

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

_OPENING = OPENING.encode()
_OTHER_VERSION = _OPENING.partition(b" ")[0]
_LONGEST = 1 << 16
# Of a number: as seconds since the epoch in the year 5138.
_GREATEST = 1e11

# Of each event its fields: the type, and whether it may be missing.
_FIELDS: Mapping[str, Mapping[str, tuple[type, bool]]] = {
    "command": {
        "wall": (float, False),
        "pid": (int, False),
        "program": (str, False),
        "words": (list, False),
        "directory": (str, True),
        "host": (str, True),
        "boot": (str, True),
        "parent": (int, True),
    },
    "begin": {"phase": (str, False), "what": (str, True)},
    "end": {"phase": (str, False), "cpu": (float, False), "failed": (bool, True)},
    "waiting": {"lock": (str, False), "holder": (str, False)},
    "acquired": {"lock": (str, False), "shared": (bool, True)},
    "released": {"lock": (str, False)},
    "subject": {"what": (str, False)},
    "exit": {"status": (int, False), "cpu": (float, False), "problem": (str, True)},
}


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        run: what tells the process from all others.
        kind: ``command``, ``begin``, ``end``, ``waiting``, ``acquired``, ``released``, ``subject``
            or ``exit``.
        at: on the monotonic clock of its machine.
        fields: what else is known.
    """

    run: str
    kind: str
    at: float
    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return a field that is text; an empty one if it is missing."""
        return str(self.fields.get(name, ""))


@dataclass
class Reading:
    """What was found in the files.

    Attributes:
        events: in the order of the files; those of one process are in their order in time.
        passed_over: how many lines, or parts of lines, were of no use, and why.
    """

    events: list[Event] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def read_traces(paths: Sequence[str]) -> Reading:
    """Read trace files.

    Args:
        paths: files, or directories with one file a process.

    Raises:
        TargetError: one cannot be read.
    """
    reading, seen = Reading(), set[tuple[int, int]]()
    for path in paths:
        try:
            for file in _files(path):
                _read(file, reading, seen)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise TargetError(
                f"cannot read the trace {path}: {reason}", advice="give what SAGEPIP_TRACE named"
            ) from error
    return reading


def _files(path: str) -> list[str]:
    if os.path.isdir(path):
        return [
            os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(SUFFIX)
        ]
    return [path]


def _read(path: str, reading: Reading, seen: set[tuple[int, int]]) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise TargetError(
                f"{path} is not a file", advice="give a file or directory that SAGEPIP_TRACE named"
            )
        if (status.st_dev, status.st_ino) in seen:
            return  # given twice
        seen.add((status.st_dev, status.st_ino))
        while line := stream.readline(_LONGEST):
            if line.endswith(b"\n") or len(line) < _LONGEST:
                _read_line(line, reading)
                continue
            reading.passed_over["too long"] += 1
            while (rest := stream.readline(_LONGEST)) and not rest.endswith(b"\n"):
                pass


def _read_line(line: bytes, reading: Reading) -> None:
    # A process that was killed may have left the beginning of a line, and another gone on there.
    foreign, *parts = line.split(_OPENING)
    if foreign.startswith(_OTHER_VERSION):
        reading.passed_over["of another version of sagepip"] += 1
    elif foreign.strip():
        reading.passed_over["torn or foreign"] += 1
    for part in parts:
        event = _event(part)
        if event is None:
            reading.passed_over["torn or foreign"] += 1
        else:
            reading.events.append(event)


def _event(part: bytes) -> Event | None:
    try:
        found = json.loads(b"{" + part)
    except (ValueError, RecursionError):
        return None
    run, kind, at = found.get("run"), found.get("event"), found.get("at")
    known = _FIELDS.get(kind) if isinstance(kind, str) else None
    if known is None or not isinstance(run, str) or not _is_of(at, float):
        return None
    for name, (wanted, may_be_missing) in known.items():
        if name not in found and may_be_missing:
            continue
        if not _is_of(found.get(name), wanted):
            return None
    return Event(run, kind, float(at), {name: found[name] for name in known if name in found})


def _is_of(value: object, wanted: type) -> bool:
    """Whether a value is of a type: no truth is a number, and no number is beyond reason."""
    if wanted in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return isinstance(value, int | wanted) and -_GREATEST < value < _GREATEST
    if wanted is list:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, wanted)


def by_run(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Yield the events of each process, in the order in which the processes are first found."""
    runs: dict[str, list[Event]] = {}
    for event in events:
        runs.setdefault(event.run, []).append(event)
    yield from runs.values()
