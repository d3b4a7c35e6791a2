"""The library ``build``, without the modules that it imports for what is not done here.

This is the only module that imports it, and ``pyproject_hooks``, which it brings in. Most of the
time that takes would go to ``packaging`` and ``importlib.metadata``, which it uses for checks of
dependencies and for environments of its own; ``build`` itself says of them that they may wait
until they are used (``__lazy_modules__``), to Pythons that can do so.
"""

from __future__ import annotations

import os

from sagepip.build.scratch import ScratchDirectory
from sagepip.build.toml_once import load
from sagepip.ground.deferred_modules import DeferredModules, DeferredName, import_module
from sagepip.ground.light_contextlib import nullcontext
from sagepip.staging import zip_library  # noqa: F401 (build would import all of zipfile)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from contextlib import AbstractContextManager


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
    # For tomllib, which makes dates; and there are few in a pyproject.toml.
    "datetime": {
        **{name: _Class("datetime", name) for name in ("date", "datetime", "time")},
        **dict.fromkeys(("timedelta", "timezone", "tzinfo")),
    },
    "difflib": {},
    "importlib.metadata": {},
    # To find the script of hooks, which a process is given: it is a file on disk.
    "importlib.resources": {"files": _Files, "as_file": _as_file},
    # For subprocess, which talks to no program in text, or to several at once.
    "locale": {},
    "selectors": {"PollSelector": None},
    "logging": {"INFO": 20, "getLogger": _NoLogger},
    "packaging.requirements": {"InvalidRequirement": None, "Requirement": None},
    "packaging.utils": {"canonicalize_name": None},
    "platform": {},
    "shutil": {},
    # Unless somebody has loaded it before: then it is parsed again.
    "tomllib": {"load": load},
    "tempfile": {"TemporaryDirectory": _HookDirectory},
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
