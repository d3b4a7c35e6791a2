"""Finds the modules of sagepip where they are, without a search.

To import a module, the interpreter asks one finder after another, and the one that knows compares
the directory with a list that it keeps, tries suffixes, reads, and checks, in a dozen functions in
Python. For the hundred small modules that a command loads, that is a tenth of all its work. Where
one of sagepip's own lies follows from its name. What is not as usual, with no bytecode beside it or
that of another source, is left to the interpreter's finders.
"""

from __future__ import annotations

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
from marshal import loads
from os import O_CLOEXEC, O_RDONLY, close, read, stat
from os import open as open_file

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

_PACKAGE = "sagepip."
# Of the bytecode of a source that is told by time and size (PEP 552).
_HEAD = MAGIC_NUMBER + bytes(4)
_HEAD_BYTES = 16
# No module of sagepip's has more. A larger buffer would be mapped, and its pages made, each time.
_MOST = 1 << 16
_CODE = type((lambda: None).__code__)


def find_own_modules_quickly() -> None:
    """Have all modules of sagepip that are imported from now on found without a search."""
    if (
        type(globals().get("__loader__")) is SourceFileLoader  # else it is in a zip file, or frozen
        and sys.implementation.cache_tag
        and not sys.flags.optimize
        and sys.pycache_prefix is None
        and not any(isinstance(one, OwnModules) for one in sys.meta_path)
    ):
        sys.meta_path.insert(0, OwnModules(sys.implementation.cache_tag))


class OwnModules:
    """Finds modules of sagepip that have bytecode beside them.

    Args:
        cache_tag: what the interpreter puts into the names of its bytecode (PEP 3147).
    """

    def __init__(self, cache_tag: str) -> None:
        self._suffix = f".{cache_tag}.pyc"

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is; None to leave it to others (see :mod:`importlib.abc`)."""
        if not name.startswith(_PACKAGE) or path is None or len(path) != 1:
            return None
        directory = f"{path[0]}/"
        last = name.rpartition(".")[2]
        inside: list[str] | None = None
        try:
            source = f"{directory}{last}.py"
            try:
                found = stat(source)
            except FileNotFoundError:
                inside = [directory + last]
                directory, last = f"{directory}{last}/", "__init__"
                source = f"{directory}{last}.py"
                found = stat(source)
            bytecode = f"{directory}__pycache__/{last}{self._suffix}"
            content = _content(bytecode)
        except OSError:
            return None
        told = int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF
        head = _HEAD + told[0].to_bytes(4, "little") + told[1].to_bytes(4, "little")
        if not content.startswith(head):
            return None
        try:
            code = loads(memoryview(content)[_HEAD_BYTES:])
        except (EOFError, TypeError, ValueError):
            return None
        if not isinstance(code, _CODE):
            return None
        spec = ModuleSpec(
            name, _Loader(name, source, code), origin=source, is_package=inside is not None
        )
        spec.has_location = True
        spec.cached = bytecode
        if inside is not None:
            spec.submodule_search_locations = inside
        return spec


class _Loader(SourceFileLoader):
    """Runs code that has been read."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def _content(path: str) -> bytes:
    """Read a small file; no more than what one call gives, which is then found to be cut off."""
    descriptor = open_file(path, O_RDONLY | O_CLOEXEC)
    try:
        return read(descriptor, _MOST)
    finally:
        close(descriptor)
