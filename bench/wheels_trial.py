"""Installs wheels by pip and by sagepip at one path, compares them, and has pip remove them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import canonicalize_name
from tests.conformance.trees import (
    bytecode_faults,
    different_contents,
    directories_with_modes,
    files_with_modes,
    metadata_texts,
    records,
)
from tests.guarantees import violations_of_g1

from bench.environment import VirtualEnvironment, console_script, tool_environment
from bench.wheels_list import Wheel

OF_A_BATCH = 12
"""Wheels in one virtual environment."""


@dataclass
class Result:
    """What was found of a wheel.

    Attributes:
        wheel: which one.
        files: how many files pip installed.
        differences: one line each.
        known: the differences that the list explains.
    """

    wheel: Wheel
    files: int = 0
    differences: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """Put apart what the list says is to be found; what is not found any more is a fault."""
        for text in self.wheel.known:
            found = [line for line in self.differences if text in line]
            self.known += found
            self.differences = [line for line in self.differences if line not in found]
            if not found:
                self.differences.append(f"known, but not found: {text}")


def batches(wheels: Sequence[Wheel], paths: dict[Wheel, Path]) -> list[list[Wheel]]:
    """Put wheels together of which no two bring the same file or are of one project."""
    filled: list[tuple[list[Wheel], set[str]]] = []
    for wheel in wheels:
        claims = _claims(wheel, paths[wheel])
        for members, taken in filled:
            if len(members) < OF_A_BATCH and not claims & taken:
                members.append(wheel)
                taken |= claims
                break
        else:
            filled.append(([wheel], claims))
    return [members for members, _ in filled]


def _claims(wheel: Wheel, path: Path) -> set[str]:
    """Name what a wheel installs; scripts of all kinds by their names."""
    claims = {f"project {wheel.pin.name}"}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            top, _, rest = name.partition("/")
            scheme, _, inner = rest.partition("/")
            if name.endswith("/"):
                continue
            if not top.endswith(".data"):
                claims.add(f"site {name}")
            elif scheme in ("purelib", "platlib"):
                claims.add(f"site {inner}")
            elif scheme == "scripts" or inner.startswith("bin/"):
                claims.add(f"script {inner.removeprefix('bin/')}")
            else:
                claims.add(f"{scheme} {inner}")
            if name.endswith(".dist-info/entry_points.txt") and name.count("/") == 1:
                parser = ConfigParser(delimiters="=", interpolation=None, strict=False)
                parser.optionxform = str  # type: ignore[assignment,method-assign]
                parser.read_string(archive.read(name).decode())
                for section in ("console_scripts", "gui_scripts"):
                    if parser.has_section(section):
                        claims |= {f"script {script}" for script in parser[section]}
    return claims


class Trial:
    """Some wheels, installed twice.

    Args:
        wheels: the wheels and where they lie.
        home: a directory of their own, which is removed at the end.
    """

    def __init__(self, wheels: dict[Wheel, Path], home: Path) -> None:
        self._paths = wheels
        self._home = home
        self._results = {wheel.pin.name: Result(wheel) for wheel in wheels}
        self._environ = tool_environment(home / "home")
        self._owners: dict[str, str] = {}

    def run(self) -> list[Result]:
        """Carry it out. If sagepip installs not all at once, each is tried alone."""
        try:
            if not self._try() and len(self._paths) > 1:
                return [
                    Trial({wheel: path}, self._home / f"alone-{number}").run()[0]
                    for number, (wheel, path) in enumerate(self._paths.items())
                ]
        finally:
            shutil.rmtree(self._home, ignore_errors=True)
        for result in self._results.values():
            result.settle()
        return list(self._results.values())

    def _try(self) -> bool:
        place = self._home / "venv"
        theirs = VirtualEnvironment.create(place)
        empty = files_with_modes(place)
        empty_directories = directories_with_modes(place)
        files = list(self._paths.values())
        done = self._run(theirs.pip("install", "--quiet", "--no-deps", "--no-index", *files))
        if done.returncode:
            self._all(f"pip does not install it: {done.stderr.strip()[-300:]}")
            return False
        place.rename(self._home / "by-pip")
        theirs = VirtualEnvironment(self._home / "by-pip")
        ours = VirtualEnvironment.create(place)
        script = console_script("sage-pip-install")
        done = self._run([script, "--python", ours.python, "--no-deps", *files])
        if done.returncode or done.stdout.count("Successfully installed") != len(files):
            self._all(f"sagepip does not install it: {(done.stdout + done.stderr).strip()[-300:]}")
            return False
        self._note_owners(theirs)
        self._note_owners(ours)
        self._compare(theirs, ours)
        self._ask_pip(theirs, ours)
        # An empty site-packages pip would remove as a whole; sagepip's lock keeps it.
        (theirs.site / "keep").touch()
        for environment, who in ((theirs, "by pip"), (ours, "by sagepip")):
            words = ("uninstall", "--yes", *self._results)
            done = self._run(environment.pip(*words))
            if done.returncode:
                self._all(f"{who}: pip does not remove it: {done.stderr.strip()[-300:]}")
        for name in sorted(files_with_modes(place).keys() - empty.keys()):
            self._found(name, f"left over by pip's uninstallation: {name}")
        for name in sorted(empty.keys() - files_with_modes(place).keys()):
            self._all(f"removed by pip's uninstallation, though of the environment: {name}")
        left = directories_with_modes(theirs.root).keys() | empty_directories.keys()
        for name in sorted(directories_with_modes(place).keys() - left):
            self._found(name, f"a directory is left over that is not after pip: {name}")
        return True

    def _compare(self, theirs: VirtualEnvironment, ours: VirtualEnvironment) -> None:
        """Compare two environments that were made at the same path, ours being there still."""
        for what, look in (("file", files_with_modes), ("directory", directories_with_modes)):
            self._sets(what, look(theirs.root), look(ours.root))
        for name in different_contents(theirs.root, ours.root):
            self._found(name, f"differs: {name}")
        self._sets(
            "metadata",
            {f"{info}/{name}": _meaning(name, x) for (info, name), x in _texts(theirs).items()},
            {f"{info}/{name}": _meaning(name, x) for (info, name), x in _texts(ours).items()},
        )
        first, second = records(theirs.root), records(ours.root)
        for info in sorted(first.keys() | second.keys()):
            for row in sorted(first.get(info, set()) ^ second.get(info, set())):
                only = "pip" if row in first.get(info, set()) else "sagepip"
                self._found(info, f"RECORD: {','.join(row)} by {only} alone")
        for fault in violations_of_g1(ours.site):
            self._found(fault.partition(":")[0], fault)
        for fault in bytecode_faults(ours.site):
            self._found(fault.partition(":")[0], fault)

    def _ask_pip(self, theirs: VirtualEnvironment, ours: VirtualEnvironment) -> None:
        """Let pip list, check and show what both have installed."""
        lists = [
            self._run(one.pip("list", "--format=freeze")).stdout.split() for one in (theirs, ours)
        ]
        for line in sorted({*lists[0]} ^ {*lists[1]}):
            only = "pip" if line in lists[0] else "sagepip"
            self._named(line.partition("==")[0], f"pip list: {line} by {only} alone")
        listed = {canonicalize_name(line.partition("==")[0]) for line in lists[1]}
        for name in self._results.keys() - listed:
            self._named(name, "pip list does not name it")
        checks = [self._run(one.pip("check")) for one in (theirs, ours)]
        for line in sorted({*checks[0].stdout.splitlines()} ^ {*checks[1].stdout.splitlines()}):
            self._named(line.split()[0], f"pip check says for one alone: {line}")
        if checks[0].returncode != checks[1].returncode:
            self._all("pip check ends with another status")
        shown = [
            self._run(one.pip("show", "--files", *self._results)).stdout.split("\n---\n")
            for one in (theirs, ours)
        ]
        for one, other in zip(*shown, strict=True):
            name = one.splitlines()[0].partition(": ")[2]
            mine = {line for line in one.splitlines() if not line.startswith("Location:")}
            hers = {line for line in other.splitlines() if not line.startswith("Location:")}
            for line in sorted(mine ^ hers):
                self._named(name, f"pip show -f: {line.strip()} for one alone")

    def _note_owners(self, environment: VirtualEnvironment) -> None:
        """Note which project lists which file, to say of which wheel a difference is."""
        for record in environment.site.glob("*.dist-info/RECORD"):
            name = canonicalize_name(record.parent.name.split("-")[0])
            if name not in self._results:
                continue
            self._owners[record.parent.name] = name
            with record.open(newline="", encoding="utf-8") as stream:
                rows = [row[0] for row in csv.reader(stream) if row]
            for row in rows:
                path = os.path.relpath(os.path.normpath(environment.site / row), environment.root)
                self._owners[path] = name
                for parent in Path(path).parents:
                    self._owners.setdefault(str(parent), name)
            self._results[name].files = max(
                self._results[name].files, sum(not row.endswith(".pyc") for row in rows)
            )

    def _sets(self, what: str, theirs: Mapping[str, object], ours: Mapping[str, object]) -> None:
        for name in sorted(theirs.keys() | ours.keys()):
            if name not in ours or name not in theirs:
                only = "pip" if name in theirs else "sagepip"
                self._found(name, f"{what} by {only} alone: {name}")
            elif theirs[name] != ours[name]:
                first, second = (
                    oct(one) if isinstance(one, int) else one for one in (theirs[name], ours[name])
                )
                self._found(name, f"{what} {name}: {first} by pip, {second} by sagepip")

    def _found(self, path: str, text: str) -> None:
        """Note a difference at a path of the environment or in a dist-info."""
        inside = os.path.relpath(path, self._home / "venv") if os.path.isabs(path) else path
        for known in (inside, *map(str, Path(inside).parents)):
            if known in self._owners and known != ".":
                self._results[self._owners[known]].differences.append(text)
                return
        self._all(text)

    def _named(self, name: str, text: str) -> None:
        if result := self._results.get(canonicalize_name(name)):
            result.differences.append(text)
        else:
            self._all(text)

    def _all(self, text: str) -> None:
        """Note what cannot be said of one of them."""
        for result in self._results.values():
            result.differences.append(text)

    def _run(self, command: Iterable[str | Path]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(command),
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def _texts(environment: VirtualEnvironment) -> dict[tuple[str, str], str]:
    return metadata_texts(environment.root)


def _meaning(name: str, text: str) -> object:
    """What a file of an installer's says, but for which installer it was."""
    if name == "direct_url.json":
        return json.loads(text)
    if name == "INSTALLER":
        return {"pip\n": "its own", "sagepip\n": "its own"}.get(text, text)
    return text
