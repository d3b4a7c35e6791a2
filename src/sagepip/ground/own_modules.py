"""Finds modules of sagepip, and of ``installer``, without a search; loads them without ceremony.

To import a module, the interpreter asks one finder after another, and the one that knows compares
the directory with a list that it keeps, tries suffixes, reads, and checks, in a dozen functions in
Python. For the hundred small modules that a command loads, that is a tenth of all its work. Where
one of sagepip's own lies follows from its name. What is not as usual, with no bytecode beside it or
that of another source, is left to the interpreter's finders.

What a module imports first is loaded before its own code runs, from a look at the names in that
code: once a module is in ``sys.modules``, importing it takes little. So the locks, weak references
and questions of the interpreter's own machinery, which take as much as the code of a small module,
are gone through for few of them. What does not load this way, or imports in a circle, is imported
by the interpreter when its time comes, which tells what is wrong.
"""

from __future__ import annotations
import __future__

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
from _thread import _count as other_threads
from marshal import loads
from os import O_CLOEXEC, O_RDONLY, close, read, stat
from os import open as open_file

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType
else:
    ModuleType = type(sys)

_OWN = "sagepip."
# All of this library is imported, module by module.
_PACKAGES = (_OWN, "installer.")
# Of the bytecode of a source that is told by time and size (PEP 552).
_HEAD = MAGIC_NUMBER + bytes(4)
_HEAD_BYTES = 16
# Less than what the C library asks the kernel for memory of its own for.
_MOST_BYTES = 1 << 16
_CODE = type((lambda: None).__code__)
# Where st_size and st_mtime, in whole seconds, stand in what stat returns.
_SIZE, _TIME = 6, 8
_END_OF_IMPORTS = "TYPE_CHECKING"


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
        __future__.__class__ = _Module  # all of ours import a name from it


class OwnModules:
    """Finds modules of sagepip that have bytecode beside them.

    Args:
        cache_tag: what the interpreter puts into the names of its bytecode (PEP 3147).
    """

    def __init__(self, cache_tag: str) -> None:
        self._suffix = f".{cache_tag}.pyc"
        self._loading: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is; None to leave it to others (see :mod:`importlib.abc`)."""
        if not name.startswith(_PACKAGES) or path is None or len(path) != 1:
            return None
        loader = self._find(name, path[0])
        if loader is None:
            return None
        before = sys.modules.get(name)  # it may be loaded again
        is_first = name not in self._loading
        self._loading.add(name)
        try:
            self._load_first(loader.code)
        finally:
            if is_first:
                self._loading.discard(name)
        now = sys.modules.get(name)
        if now is not before and now is not None and isinstance(now.__loader__, _Loader):
            loader = now.__loader__
            loader.loaded = now  # by one of those, in a circle
        return loader.spec()

    def _find(self, name: str, package: str) -> _Loader | None:
        """Return what loads a module of a package that is a directory, if it has bytecode."""
        last = name.rpartition(".")[2]
        inside: str | None = None
        try:
            source = f"{package}/{last}.py"
            try:
                found = stat(source)
            except FileNotFoundError:
                inside = f"{package}/{last}"
                package, last = inside, "__init__"
                source = f"{inside}/__init__.py"
                found = stat(source)
            bytecode = f"{package}/__pycache__/{last}{self._suffix}"
            content = _content(bytecode)
        except OSError:
            return None
        told = int(found[_TIME]) & 0xFFFFFFFF, int(found[_SIZE]) & 0xFFFFFFFF
        head = _HEAD + told[0].to_bytes(4, "little") + told[1].to_bytes(4, "little")
        if not content.startswith(head):
            return None
        try:
            code = loads(memoryview(content)[_HEAD_BYTES:])
        except (EOFError, TypeError, ValueError):
            return None
        if not isinstance(code, _CODE):
            return None
        return _Loader(name, source, bytecode, inside, code)

    def _load_first(self, code: CodeType) -> None:
        """Load what a module imports at its beginning.

        The name of a module that is imported stands in the code as it is, dots included.
        """
        if other_threads():
            return  # one of them could meet a module that is half loaded
        modules = sys.modules
        for name in code.co_names:
            if name == _END_OF_IMPORTS:
                break  # what comes then is imported by type checkers alone
            if name not in modules and name.startswith(_PACKAGES):
                self._load(name)

    def _load(self, name: str) -> None:
        """Load a module, if that is plain; whoever wants it imports it else."""
        parent, _, last = name.rpartition(".")
        package = sys.modules.get(parent)
        if package is None or len(package.__path__) != 1 or name in self._loading:
            return
        loader = self._find(name, package.__path__[0])
        if loader is None or loader.inside is not None:
            return
        self._loading.add(name)
        try:
            self._load_first(loader.code)
            if name in sys.modules:
                return
            module = sys.modules[name] = _made(name)
            module.__dict__.update(
                __file__=loader.path,
                __cached__=loader.bytecode,
                __package__=parent,
                __loader__=loader,
                __spec__=loader.spec(),
            )
            try:
                exec(loader.code, module.__dict__)
            except BaseException as error:
                sys.modules.pop(name, None)
                if not isinstance(error, Exception):
                    raise
            else:
                setattr(package, last, module)
        finally:
            self._loading.discard(name)


class _Module(ModuleType):
    """A module that says at once that it has no attribute.

    ``from MODULE import NAME`` asks it for ``__path__`` first, and one of the interpreter's own
    kind answers with two messages that nobody reads, and that take longer than the import. (It has
    no use for a function ``__getattr__``.)
    """

    __getattribute__ = object.__getattribute__


def _made(name: str) -> ModuleType:
    """Return a new module, as yet empty."""
    return _Module(name) if name.startswith(_OWN) else ModuleType(name)


class _Loader(SourceFileLoader):
    """Runs code that has been read.

    Args:
        name: of the module.
        path: of its source.
        bytecode: the path of what was read.
        inside: the directory of a package's modules.
        code: what was read.
    """

    def __init__(
        self, name: str, path: str, bytecode: str, inside: str | None, code: CodeType
    ) -> None:
        self.name = name  # as the base class does, which takes a while to say so
        self.path = path
        self.bytecode = bytecode
        self.inside = inside
        self.code = code
        self.loaded: ModuleType | None = None

    def spec(self) -> ModuleSpec:
        """Return where the module is."""
        inside = self.inside
        made = ModuleSpec(self.name, self, origin=self.path, is_package=inside is not None)
        made.has_location = True
        made.cached = self.bytecode
        if inside is not None:
            made.submodule_search_locations = [inside]
        return made

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.loaded or _made(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        if module is not self.loaded:
            exec(self.code, module.__dict__)


def _content(path: str) -> bytes:
    """Read a small file; no more than what one call gives, which is then found to be cut off."""
    descriptor = open_file(path, O_RDONLY | O_CLOEXEC)
    try:
        return read(descriptor, _MOST_BYTES)
    finally:
        close(descriptor)
