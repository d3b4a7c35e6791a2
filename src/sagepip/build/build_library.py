"""The library ``build``, without the modules that it imports for what is not done here.

This is the only module that imports it, and ``pyproject_hooks``, which it brings in. Most of the
time that takes would go to ``packaging`` and ``importlib.metadata``, which it uses for checks of
dependencies and for environments of its own; ``build`` itself says of them that they may wait
until they are used (``__lazy_modules__``), to Pythons that can do so.
"""

from __future__ import annotations

import _collections_abc
import os

from sagepip.build.scratch import ScratchDirectory
from sagepip.build.toml_once import load
from sagepip.ground.deferred_modules import (
    DeferredModules,
    DeferredName,
    deferred_call,
    import_module,
)
from sagepip.ground.light_contextlib import ExitStack, contextmanager, nullcontext
from sagepip.ground.light_functools import cache, cached_property, partial
from sagepip.ground.light_json import dumps, loads
from sagepip.ground.light_typing import Protocol, cast
from sagepip.ground.signals import signal
from sagepip.staging import zip_library  # noqa: F401 (build would import all of zipfile)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any, TextIO


class _NoLogger:
    """What ``build`` says about its steps, to nobody: ours are in our own words."""

    def __init__(self, name: str) -> None:
        """Have no name."""

    def log(self, level: int, message: str, stacklevel: int) -> None:
        """Say nothing."""


class _Class(DeferredName):
    """A class that is named among others in an annotation, at which nobody looks."""

    def __ror__(self, others: object) -> object:
        """Return the others."""
        return others


class _Annotation:
    """A type that stands in an annotation, at which nobody looks."""

    def __getitem__(self, _: object) -> _Annotation:
        """Return the same of something."""
        return self


class _Literal:
    """Texts that are a type."""

    def __getitem__(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the texts."""
        return texts


class _Record(tuple):  # type: ignore[type-arg]
    """A tuple whose fields have the names that are annotated: see :class:`typing.NamedTuple`."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Give the fields their names."""
        for place, name in enumerate(cls.__annotations__):
            setattr(cls, name, property(partial(_field, place)))

    def __new__(cls, *values: object) -> _Record:
        """Make one of its fields."""
        if len(values) != len(cls.__annotations__):
            raise TypeError(f"{cls.__name__} has {len(cls.__annotations__)} fields")
        return super().__new__(cls, values)


def _field(place: int, record: tuple[object, ...]) -> object:
    return record[place]


def _write_json(value: object, stream: TextIO, **_: object) -> None:
    stream.write(dumps(value))


def _read_json(stream: TextIO) -> Any:
    return loads(stream.read())


class _Files:
    """A package's directory, as ``importlib.resources.files`` gives it."""

    def __init__(self, package: str) -> None:
        self._path = os.path.dirname(import_module(package).__file__ or "")

    def joinpath(self, name: str) -> str:
        """Return the path of a file in it."""
        return os.path.join(self._path, name)


class _HookDirectory:
    """A directory for what a hook is told and answers, in place of one of ``tempfile``'s."""

    def __enter__(self) -> str:
        """Make it; one of a process that was killed is swept."""
        self._directory = ScratchDirectory("hook-")
        return self._directory.path

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self._directory.remove()


def _as_file(path: str) -> AbstractContextManager[str]:
    return nullcontext(path)


_STAND_INS: dict[str, dict[str, object]] = {
    "collections": {},
    "collections.abc": vars(_collections_abc),
    "contextlib": {"ExitStack": ExitStack, "contextmanager": contextmanager},
    # For tomllib, which makes dates; and there are few in a pyproject.toml.
    "datetime": {
        **{name: _Class("datetime", name) for name in ("date", "datetime", "time")},
        **dict.fromkeys(("timedelta", "timezone", "tzinfo")),
    },
    "difflib": {},
    "functools": {
        "cache": cache,
        "cached_property": cached_property,
        "lru_cache": lambda maxsize: cache,  # noqa: ARG005 (without a bound, in tomllib)
        "partial": partial,
    },
    "importlib.metadata": {},
    # For what hooks are told and answer, which is plain.
    "json": {"dump": _write_json, "dumps": dumps, "load": _read_json},
    # To find the script of hooks, which a process is given: it is a file on disk.
    "importlib.resources": {"files": _Files, "as_file": _as_file},
    # For subprocess, which talks to no program in text, or to several at once.
    "locale": {},
    "selectors": {"PollSelector": None},
    "logging": {"INFO": 20, "getLogger": _NoLogger},
    "packaging.requirements": {"InvalidRequirement": None, "Requirement": None},
    "packaging.utils": {"canonicalize_name": None},
    "platform": {},
    # For tomllib, which looks for dates and numbers, of which there are few as well.
    "re": {"VERBOSE": 64, "compile": deferred_call("re", "compile")},
    "string": {
        "ascii_letters": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "digits": "0123456789",
        "hexdigits": "0123456789abcdefABCDEF",
    },
    # For subprocess, which wants their numbers.
    "signal": {name: what for name, what in vars(signal).items() if name[:2] != "__"},
    "shutil": {},
    # Unless somebody has loaded it before: then it is parsed again.
    "tomllib": {"load": load},
    "tempfile": {"TemporaryDirectory": _HookDirectory},
    "typing": {
        "TYPE_CHECKING": False,
        **dict.fromkeys(
            ("Any", "BinaryIO", "Callable", "Iterator", "Mapping", "Optional", "Sequence", "Tuple"),
            _Annotation(),
        ),
        "Literal": _Literal(),
        "NamedTuple": _Record,
        "Protocol": Protocol,
        "cast": cast,
        "get_args": tuple,
    },
    "warnings": {},
}
with DeferredModules("build", _STAND_INS):
    import build  # noqa: F401

from build import (  # noqa: E402
    BuildBackendException,
    BuildException,
    ProjectBuilder,
    TypoWarning,
)
from pyproject_hooks import BackendUnavailable, HookMissing, UnsupportedOperation  # noqa: E402

__all__ = [
    "BackendUnavailable",
    "BuildBackendException",
    "BuildException",
    "HookMissing",
    "ProjectBuilder",
    "TypoWarning",
    "UnsupportedOperation",
]
