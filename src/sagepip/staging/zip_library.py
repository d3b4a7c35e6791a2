"""``zipfile``, without the modules that it imports for what is not done here."""

from __future__ import annotations

from _thread import RLock

from sagepip.ground import light_contextlib  # noqa: F401 (zipfile imports it)
from sagepip.ground.deferred_modules import DeferredModules

_STAND_INS: dict[str, dict[str, object]] = {
    "bz2": {},
    "importlib": {},
    "importlib.util": {},
    "lzma": {},
    "pathlib": {},
    "shutil": {},
    "threading": {"RLock": RLock},  # which is all that it has of it
    "urllib": {},
    "urllib.parse": {"quote_from_bytes": None},
}
with DeferredModules("zipfile", _STAND_INS):
    import zipfile

__all__ = ["zipfile"]
