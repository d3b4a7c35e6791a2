"""Compares the tree that an interrupted command left with the old one and the new one."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from tests.guarantees import snapshot, violations_of_g1

Tree = Mapping[str, tuple[int, bytes | str | None]]
"""What is below a directory: mode, and content or link target or None, of each name."""


class State(StrEnum):
    """What a tree is, compared with those before and after a command."""

    OLD = "old"
    NEW = "new"
    LEFT_OVERS = "old or new, with something left over"
    BROKEN = "neither old nor new"


def read_tree(prefix: Path) -> Tree:
    """Return what is below a prefix, without the interpreter's caches.

    Those are written by an interpreter whenever it likes; no tool is held to them, and neither
    is its RECORD.
    """
    return {
        name: (mode, _without_bytecode(content) if name.endswith(".dist-info/RECORD") else content)
        for name, (mode, content) in snapshot(prefix).items()
        if not name.endswith((".pyc", "__pycache__"))
    }


def _without_bytecode(record: bytes | str | None) -> bytes | str | None:
    if not isinstance(record, bytes):
        return record
    return b"".join(row for row in record.splitlines(keepends=True) if b".pyc," not in row)


def judge(tree: Tree, old: Tree, new: Tree, site: Path) -> State:
    """Tell what a tree is.

    Args:
        tree: what is there.
        old: what was there before the command.
        new: what is there after it, if it is left alone.
        site: the site-packages directory of the tree, to tell what is broken: a tree that holds
            half of a distribution is not just an old one with something left over.
    """
    if tree == new:
        return State.NEW
    if tree == old:
        return State.OLD
    complete = any(tree.items() >= one.items() for one in (old, new))
    return State.LEFT_OVERS if complete and not half_installed(site) else State.BROKEN


def half_installed(site: Path, *, hashes: bool = False) -> list[str]:
    """Return what breaks G1 in a site.

    Metadata under a name with ``~`` does not count: so pip marks what it is removing, and what
    asks for a distribution by its name does not find it.
    """
    found = violations_of_g1(site, hashes=hashes)
    return [text for text in found if not text.startswith("~")]
