"""The library ``installer``, without the modules that it imports for what is not done here.

This is the only module that imports it. Half the time that takes would go to ``email``, for which
it has one use: to read the two lines of WHEEL that the gate has written.
"""

from __future__ import annotations

import _collections_abc
import posixpath

from sagepip.ground.deferred_modules import DeferredModules, deferred_call
from sagepip.ground.headers import Headers
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.light_functools import cached_property
from sagepip.ground.light_typing import BinaryIO, cast
from sagepip.staging import zip_library  # noqa: F401 (installer would import all of zipfile)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import Message


class _Fields(Headers):
    """Fields as ``installer`` asks for them."""

    def __getitem__(self, name: str) -> str | None:
        return self.get(name)


class _WheelReader:
    """Reads fields as ``email.parser.FeedParser`` does, which is asked where they are not plain.

    Args:
        policy: says what it does itself.
    """

    def __init__(self, policy: object) -> None:  # noqa: ARG002
        self._text = ""

    def feed(self, text: str) -> None:
        """Take a part of the text."""
        self._text += text

    def close(self) -> Message | _Fields:
        """Return the fields."""
        headers = _Fields(self._text)
        if not headers.is_odd:
            return headers
        from email.parser import Parser

        return Parser().parsestr(self._text)  # by compat32 as well


_STAND_INS: dict[str, dict[str, object]] = {
    "base64": {},
    # Made here for the names of wheels and of objects, which the gate has looked at.
    "collections": {"namedtuple": deferred_call("collections", "namedtuple")},
    "collections.abc": vars(_collections_abc),
    "contextlib": {"contextmanager": contextmanager},
    "configparser": {"ConfigParser": None},
    "csv": {},
    "dataclasses": {"dataclass": dataclass, "field": field},
    "email": {},
    "email.message": {"Message": None},
    "email.parser": {"FeedParser": _WheelReader},
    "email.policy": {"compat32": None},
    "functools": {"cached_property": cached_property},
    "hashlib": {},
    "importlib": {},
    "importlib.resources": {"files": None},
    "pathlib": {"Path": None},
    "re": {"UNICODE": 32, "VERBOSE": 64, "compile": deferred_call("re", "compile")},
    "shlex": {},
    # Annotations, at which nobody looks.
    "typing": {
        "TYPE_CHECKING": False,
        "BinaryIO": BinaryIO,
        "ClassVar": type,
        "NewType": lambda _name, kind: kind,
        "Union": tuple,
        "cast": cast,
    },
    "warnings": {},
}
with DeferredModules("installer", _STAND_INS):
    import installer  # noqa: F401

from installer import _core, install  # noqa: E402
from installer.destinations import WheelDestination  # noqa: E402
from installer.exceptions import InstallerError  # noqa: E402
from installer.records import Hash, InvalidRecordEntry, RecordEntry  # noqa: E402
from installer.scripts import Script  # noqa: E402
from installer.sources import WheelContentElement, WheelSource  # noqa: E402
from installer.utils import Scheme as SchemeKey  # noqa: E402


class _Paths:
    """``posixpath`` for the loop over all members of a wheel, which asks it one thing of each."""

    def commonpath(self, paths: Sequence[str]) -> str:
        """Return what paths begin with: see :func:`posixpath.commonpath`.

        It is asked whether a member lies in the ``.data`` directory. Where the first of two paths
        is one plain name, there is little to be taken apart.
        """
        if len(paths) == 2:
            top, path = paths
            if top and path and "/" not in top and top[0] != "." and path[0] not in "./":
                return top if (path + "/").startswith(top + "/") else ""
        return posixpath.commonpath(paths)

    def __getattr__(self, name: str) -> object:
        return getattr(posixpath, name)


if getattr(_core, "posixpath", None) is posixpath:
    setattr(_core, "posixpath", _Paths())  # noqa: B010 (a type checker does not know it there)

__all__ = [
    "Hash",
    "InstallerError",
    "InvalidRecordEntry",
    "RecordEntry",
    "SchemeKey",
    "Script",
    "WheelContentElement",
    "WheelDestination",
    "WheelSource",
    "install",
]
