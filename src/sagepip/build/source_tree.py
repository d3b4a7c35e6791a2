"""Leave a source tree as it was, as far as Python's bytecode goes."""

from __future__ import annotations

import os

from sagepip.ground.filesystem import remove_directory_if_empty, remove_file
from sagepip.ground.light_contextlib import contextmanager, suppress

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

_CACHE = "__pycache__"
# Nothing that a build imports lies there, and they can be large. So can virtual environments,
# which are told by their pyvenv.cfg.
_LEFT_OUT = frozenset({".git", ".hg", ".svn", ".bzr", ".jj", ".tox", ".nox", "node_modules"})


@contextmanager
def without_new_bytecode(source: str) -> Iterator[None]:
    """Remove the bytecode that comes into a source tree during the body.

    A backend in the tree, ``setup.py`` and what they import leave it there. Bytecode that was
    there before stays. The tree is locked meanwhile, so no other build is at work in it.

    Args:
        source: the directory.
    """
    before = dict(_caches(source))
    try:
        yield
    finally:
        for cache, names in _caches(source):
            # What cannot be removed does no harm.
            with suppress(OSError):
                for name in names - before.get(cache, frozenset()):
                    remove_file(os.path.join(cache, name))
                if cache not in before:
                    remove_directory_if_empty(cache)


def _caches(directory: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each bytecode directory below a directory, with the names of the bytecode in it."""
    pending = [directory]
    while pending:
        found: list[str] = []
        is_environment = False
        # A directory may be unreadable, or go meanwhile.
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.name == "pyvenv.cfg":
                    is_environment = True
                elif entry.name not in _LEFT_OUT and entry.is_dir(follow_symlinks=False):
                    found.append(entry.path)
        if is_environment:
            continue
        for path in found:
            if os.path.basename(path) == _CACHE:
                yield path, _bytecode_in(path)
            else:
                pending.append(path)


def _bytecode_in(cache: str) -> frozenset[str]:
    """Return the names of bytecode files; while one is written its name has a number behind."""
    with suppress(OSError):
        return frozenset(name for name in os.listdir(cache) if ".pyc" in name)
    return frozenset()
