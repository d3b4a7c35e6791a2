"""A tree in memory: the snapshot of a real one, and what the steps of a plan make of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sagepip.ground.filesystem import Identity
from sagepip.transaction.steps import MakeDirectory, RemoveDirectory, Replace, Step, Swap

_UNKNOWN = 0


@dataclass(frozen=True)
class Node:
    """What a name refers to.

    Attributes:
        mode: kind and permissions.
        inode: which one it is; 0 for a directory of which that is not known.
        modified: of what is no directory, in nanoseconds.
        content: of a file, target of a link, nothing of a directory.
    """

    mode: int
    inode: int
    modified: int = -1
    content: bytes | str | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory itself, not through a link."""
        return stat.S_ISDIR(self.mode)

    @property
    def identity(self) -> Identity:
        """How a plan knows it."""
        if self.is_directory:
            return (self.inode, -1, -1)
        return (self.inode, self.modified, len(self.content or ""))


Tree = dict[str, Node]
"""Absolute paths and what they refer to, directories included."""


def snapshot(top: str) -> Tree:
    """Return a directory and everything below it."""
    status = os.lstat(top)
    found: Tree = {top: Node(status.st_mode, status.st_ino)}
    waiting = [top]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    found[entry.path] = Node(status.st_mode, status.st_ino)
                    waiting.append(entry.path)
                    continue
                content: bytes | str
                if stat.S_ISLNK(status.st_mode):
                    content = os.readlink(entry.path)
                else:
                    with open(entry.path, "rb") as stream:
                        content = stream.read()
                found[entry.path] = Node(status.st_mode, status.st_ino, status.st_mtime_ns, content)
    return found


def apply(tree: Tree, steps: Iterable[Step]) -> Tree:
    """Return what the steps make of a tree, by the words of the design alone.

    A name in the way, or one that is missing, is an error of the plan: KeyError, AssertionError.
    """
    result = dict(tree)
    for step in steps:
        if isinstance(step, MakeDirectory):
            assert step.path not in result
            result[step.path] = Node(stat.S_IFDIR, _UNKNOWN)
        elif isinstance(step, RemoveDirectory):
            assert list(_cut(result, step.path)) == [""], f"{step.path} is not empty"
        elif isinstance(step, Swap):
            first, second = _cut(result, step.source), _cut(result, step.target)
            _paste(result, step.source, second)
            _paste(result, step.target, first)
        elif isinstance(step, Replace):
            _paste(result, step.trash, _cut(result, step.target))
            _paste(result, step.target, _cut(result, step.source))
        else:
            _paste(result, step.target, _cut(result, step.source))
    return result


def remade(tree: Tree, steps: Iterable[Step]) -> Tree:
    """Return a tree in which the directories that the steps remove have been made again."""
    gone = {step.path for step in steps if isinstance(step, RemoveDirectory)}
    return {
        path: replace(node, inode=_UNKNOWN) if path in gone else node for path, node in tree.items()
    }


def differences(actual: Tree, expected: Tree) -> list[str]:
    """Return the paths at which two trees differ; a directory made meanwhile may be any."""
    return sorted(
        path
        for path in actual.keys() | expected.keys()
        if not _same(actual.get(path), expected.get(path))
    )


def _same(actual: Node | None, expected: Node | None) -> bool:
    if actual is not None and expected is not None and expected.inode == _UNKNOWN:
        return actual.is_directory and expected.mode in (stat.S_IFDIR, actual.mode)
    return actual == expected


def _cut(tree: Tree, path: str) -> Tree:
    below = {
        name[len(path) :]: node
        for name, node in tree.items()
        if name == path or name.startswith(path + os.sep)
    }
    assert "" in below, f"{path} is not there"
    for name in below:
        del tree[path + name]
    return below


def _paste(tree: Tree, path: str, below: Tree) -> None:
    assert path not in tree, f"{path} is in the way"
    assert tree[os.path.dirname(path)].is_directory
    tree.update({path + name: node for name, node in below.items()})
