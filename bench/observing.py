"""The observer as a program: looks at a distribution until its standard input ends.

``python -m bench.observing --python VENV/bin/python --site DIR --name NAME --wheel FILE…``
prints one JSON object when it ends. Every half second, a fresh interpreter of the environment
also loads all entry points of the distribution, as a build does.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import select
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

from bench.observer import Kind, Sizes, Torn, observe

PAUSE = 0.002
"""Seconds between two looks, at most; the machine's cores are for builds and installs."""

BETWEEN_LOADS = 0.5
"""Seconds from the end of one loading of the entry points to the start of the next."""

EXAMPLES = 3
"""How many torn observations of each kind are told in full."""

LOADER = """
import importlib.metadata as metadata, json, sys

def version():
    try:
        return metadata.version(sys.argv[1])
    except Exception:
        return None

before = version()
try:
    points = list(metadata.distribution(sys.argv[1]).entry_points)
except metadata.PackageNotFoundError:
    points = []
failed = []
for point in points:
    try:
        point.load()
    except BaseException as error:
        failed.append(f"{point.group}: {point.name} = {point.value}: "
                      f"{type(error).__name__}: {error}")
print(json.dumps({"before": before, "after": version(), "points": len(points),
                  "failed": failed}))
"""


class EntryPointLoader:
    """Loads the entry points in one fresh interpreter after the other.

    An interpreter reads the entry points at one moment and the modules at later ones. A load
    that fails counts only if the same version was installed before and after: then every file
    needed was promised all the time.
    """

    def __init__(self, python: Path, name: str) -> None:
        self._command = [str(python), "-I", "-B", "-c", LOADER, name]
        self._process: subprocess.Popen[str] | None = None
        self._next = 0.0
        self.loads = 0
        self.moved = 0

    def poll(self, *, wait: bool = False) -> list[Torn]:
        """Start or finish a load if it is time to, and tell what a finished one found."""
        if self._process is None:
            if time.monotonic() >= self._next and not wait:
                self._process = subprocess.Popen(
                    self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            return []
        if self._process.poll() is None and not wait:
            return []
        output, errors = self._process.communicate()
        code, self._process = self._process.returncode, None
        self._next = time.monotonic() + BETWEEN_LOADS
        return self.judge(code, output, errors)

    def judge(self, code: int, output: str, errors: str) -> list[Torn]:
        """Tell what a load that ended shows: its exit status, and what it said."""
        self.loads += 1
        if code != 0:
            last = errors.strip().splitlines()[-1:] or ["no output"]
            return [Torn(Kind.UNLOADABLE, f"the interpreter ended with {code}: {last[0]}")]
        told = json.loads(output)
        if not told["failed"]:
            return []
        if told["before"] is None or told["before"] != told["after"]:
            self.moved += 1
            return []
        return [Torn(Kind.UNLOADABLE, text) for text in told["failed"][:1]]


def sizes_of(wheels: list[Path]) -> tuple[Sizes, set[str]]:
    """The sizes that whole files may have, and the metadata directories' names."""
    sizes: dict[str, set[int]] = {}
    names = set()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            record = next(n for n in archive.namelist() if n.endswith(".dist-info/RECORD"))
            names.add(record.split("/")[0])
            for row in csv.reader(archive.read(record).decode().splitlines()):
                if len(row) == 3 and row[2]:
                    sizes.setdefault(row[0], set()).add(int(row[2]))
    return {path: frozenset(values) for path, values in sizes.items()}, names


def main() -> int:
    """Observe until standard input ends, then print what was seen."""
    parser = argparse.ArgumentParser(prog="bench.observing")
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--wheel", type=Path, action="append", default=[])
    options = parser.parse_args()
    sizes, known = sizes_of(options.wheel)
    loader = EntryPointLoader(options.python, options.name)
    looks = moved = 0
    torn: Counter[Kind] = Counter()
    examples: dict[str, list[str]] = {}
    ended = False
    while not ended:
        ended = bool(select.select([sys.stdin], [], [], random.uniform(0, PAUSE))[0])
        seen = observe(options.site, options.name, sizes=sizes, known=known)
        looks += 1
        moved += seen.moved
        found = _one_of_each(seen.torn) + loader.poll(wait=ended)
        torn.update(each.kind for each in found)
        for each in found:
            told = examples.setdefault(each.kind.value, [])
            if len(told) < EXAMPLES and each.detail not in told:
                told.append(each.detail)
    json.dump(
        {
            "looks": looks,
            "loads": loader.loads,
            "moved": moved + loader.moved,
            "torn": {kind.value: torn[kind] for kind in Kind},
            "examples": examples,
        },
        sys.stdout,
    )
    return 0


def _one_of_each(torn: list[Torn]) -> list[Torn]:
    # Twenty files missing at one moment are one torn observation, not twenty.
    return list({each.kind: each for each in reversed(torn)}.values())


if __name__ == "__main__":
    raise SystemExit(main())
