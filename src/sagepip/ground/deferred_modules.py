"""Modules that a library imports and that we have no use for: imported when they are used.

What Python 3.15 does for ``lazy import`` is done here for the modules that are named, while a
library is imported. A stand-in answers for each of them; asked for what it does not know, it
imports the module. Once the library is there, the stand-ins are out of everybody else's way.
(``importlib.util.LazyLoader`` would import a module as soon as a second one imports it, or imports
a name from it.)
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any
else:
    ModuleType = type(sys)


class DeferredName:
    """Something of a module that is not imported before it is called, or asked for anything.

    Args:
        module: the module's name.
        name: its name there.
    """

    def __init__(self, module: str, name: str) -> None:
        self._where = (module, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return self._found()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of it."""
        return getattr(self._found(), name)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[object, ...]:
        """Return what a class is derived from that names it as a base."""
        return (self._found(),)

    def _found(self) -> Any:
        module, name = self._where
        return getattr(_imported(module), name)


class DeferredResult:
    """What a function of a module returns that is not called before something is asked of that.

    Args:
        call: calls it.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of it, and keep that."""
        found = getattr(self._call(), name)
        setattr(self, name, found)
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        made: Any = self._call()
        return made(*args, **kwargs)


def deferred_call(module: str, name: str) -> Callable[..., DeferredResult]:
    """Return what stands for a function whose results need not be used.

    Args:
        module: the function's module.
        name: its name there.
    """

    def call(*args: Any, **kwargs: Any) -> DeferredResult:
        return DeferredResult(lambda: getattr(_imported(module), name)(*args, **kwargs))

    return call


class DeferredModules:
    """Lets stand-ins answer for modules that are not loaded, in the body of a ``with`` statement.

    An exception that comes out of the body ends there, and leaves nothing of the library behind:
    a version that uses more of a module than is said here is to be imported again, without this.

    Args:
        library: the library that is imported in the body.
        names: of each module the names that are imported from it, with what stands for them:
            None to import the module once they are used. A name that is not said is looked up in
            the module at once.
    """

    def __init__(self, library: str, names: Mapping[str, Mapping[str, object]]) -> None:
        self._library = library
        self._names = names
        self._given: list[_StandIn] = []

    def __enter__(self) -> None:
        """Put the stand-ins where the modules are looked for."""
        for name, known in self._names.items():
            if name not in sys.modules:
                self._given.append(_StandIn(name, known))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        """Take them away, and what has failed with them."""
        for one in self._given:
            if sys.modules.get(one.__name__) is one:
                del sys.modules[one.__name__]
        if kind is None:
            return False
        for name in list(sys.modules):
            if name.partition(".")[0] == self._library:
                del sys.modules[name]
        return issubclass(kind, Exception)


class _StandIn(ModuleType):
    """Answers for a module."""

    def __init__(self, name: str, known: Mapping[str, object]) -> None:
        super().__init__(name)
        for one, what in known.items():
            self.__dict__[one] = DeferredName(name, one) if what is None else what
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(import_module(parent), last, self)  # as importing it would
        sys.modules[name] = self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # what importing looks for does not need it
        return getattr(_imported(self.__name__), name)


def import_module(name: str) -> ModuleType:
    """Import a module, and return it: see :func:`importlib.import_module`.

    That one comes with ``warnings``.
    """
    __import__(name)
    return sys.modules[name]


def _imported(name: str) -> ModuleType:
    if isinstance(sys.modules.get(name), _StandIn):
        del sys.modules[name]
    return import_module(name)
