"""The tree around a target: a neighbour, files of users, and a canary outside of the prefix."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.corpus.cases import Case, place
from tests.guarantees import snapshot
from tests.wheels import digest

Tree = Mapping[str, tuple[int, bytes | str | None]]
_OWN = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json"}


@dataclass(frozen=True)
class Arena:
    """A prefix, with a distribution in it, in a directory with others.

    Attributes:
        around: all of it; nothing else in it may change.
        prefix: the target.
        xy: the version of Python.
    """

    around: Path
    prefix: Path
    xy: str

    @property
    def site(self) -> Path:
        """The site-packages directory."""
        return self.prefix / "lib" / f"python{self.xy}" / "site-packages"

    def prepare(self) -> None:
        """Make what a hostile wheel would like to change."""
        outside = self.around / "outside"
        package = self.site / "neighbour"
        info = self.site / "neighbour-1.dist-info"
        for directory in (package, info, outside / "package", self.prefix / "bin"):
            directory.mkdir(parents=True, exist_ok=True)
        (self.around / f"{self.prefix.name}-evil").mkdir()
        for path in (outside / "kept.txt", outside / "package" / "__init__.py"):
            path.write_text("kept\n")
        files = {
            package / "__init__.py": "x = 1\n",
            info / "METADATA": "Metadata-Version: 2.1\nName: neighbour\nVersion: 1\n",
            info / "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            info / "INSTALLER": "corpus\n",
            self.prefix / "bin" / "neighbour": "#!/bin/sh\n",
            self.prefix / "share" / "neighbour.txt": "kept\n",
        }
        rows = []
        for path, text in files.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            name = os.path.relpath(path, self.site)
            rows.append(f"{name},{digest(text.encode())},{len(text)}\n")
        (info / "RECORD").write_text("".join(rows) + f"{info.name}/RECORD,,\n")
        for name in ("bin/python3", "pyvenv.cfg"):
            if not os.path.lexists(self.prefix / name):
                (self.prefix / name).write_text("kept\n")
        (self.site / "users.py").write_text("kept\n")
        (self.site / "linked").symlink_to(outside / "package")
        (self.site / "dangling.py").symlink_to(outside / "made-through-a-link")
        os.link(outside / "kept.txt", self.site / "hard.py")

    def tree(self) -> Tree:
        """Return all that is there, but for what sagepip keeps, and wheels."""
        return {
            name: found
            for name, found in snapshot(self.around).items()
            if not _is_state(name) and not name.startswith("wheels")
        }


@dataclass(frozen=True)
class Changes:
    """What became of an arena.

    Attributes:
        outside: names outside of the prefix that are new, gone or changed.
        foreign: names in the prefix that were there before and are gone or changed.
        new: names in the prefix that are new, files only.
        new_directories: directories in the prefix that are new.
    """

    outside: list[str]
    foreign: list[str]
    new: list[str]
    new_directories: list[str]

    def __bool__(self) -> bool:
        return bool(self.outside or self.foreign or self.new or self.new_directories)


def compare(before: Tree, after: Tree, prefix: str) -> Changes:
    """Tell what changed.

    Args:
        before: the arena's tree.
        after: the same, later.
        prefix: the name of the prefix in it.
    """
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    inside = {name for name in changed if name.startswith(prefix + "/")}
    new = {name for name in inside if name not in before and not _is_bytecode(name, after)}
    return Changes(
        sorted(changed - inside - {prefix}),
        sorted(name for name in inside if name in before),
        sorted(name for name in new if after[name][1] is not None),
        sorted(name for name in new if after[name][1] is None),
    )


def differences(case: Case, arena: Arena, after: Tree, changes: Changes) -> list[str]:
    """Tell where an installation is not what the case expects; empty if it is."""
    expected = case.expected(arena.around, arena.xy)
    made = {name.removeprefix(arena.prefix.name + "/"): after[name] for name in changes.new}
    found = {place(name): value for name, value in made.items()}
    wrong = []
    for name, wanted in expected.items():
        mode, content = found.pop(name, (0, None))
        if not isinstance(content, bytes):
            wrong.append(f"{name} is missing")
        elif not wanted.matches(content, mode):
            wrong.append(f"{name} is different")
    wrong += [f"{name} is too much" for name in found if name.rpartition("/")[2] not in _OWN]
    return wrong


def _is_bytecode(name: str, tree: Tree) -> bool:
    if name.endswith("/__pycache__"):
        return tree[name][1] is None
    return name.endswith(".pyc") and "/__pycache__/" in name


def _is_state(name: str) -> bool:
    return name.endswith(("/.sagepip", "/.lock")) or "/.sagepip/" in name
