"""``zipfile``, without the modules that it imports for what is not done here.

Names that are not said to be UTF-8 are in the code page 437 (APPNOTE.TXT, D.1), of which most
wheels use no more than ASCII; the table of the rest is loaded once somebody has a use for it.
"""

from __future__ import annotations

import codecs
from _thread import RLock

from sagepip.ground.deferred_modules import DeferredModules
from sagepip.ground.light_contextlib import suppress

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import Any

_CODE_PAGE = "cp437"


def _whole() -> codecs.CodecInfo:
    from encodings.cp437 import getregentry

    return getregentry()


def _decode(data: Any, errors: str = "strict") -> tuple[str, int]:
    try:
        return codecs.ascii_decode(data, "strict")
    except UnicodeDecodeError:
        return _whole().decode(data, errors)


def _encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
    return _whole().encode(text, errors)


def _codec() -> codecs.CodecInfo:
    """Return what stands for ``encodings.cp437`` in this process."""

    def made(name: str) -> Any:
        return lambda *args: getattr(_whole(), name)(*args)

    return codecs.CodecInfo(
        _encode,
        _decode,
        made("streamreader"),
        made("streamwriter"),
        made("incrementalencoder"),
        made("incrementaldecoder"),
        _CODE_PAGE,
    )


with DeferredModules("", {"encodings.cp437": {"getregentry": _codec, "getaliases": tuple}}):
    codecs.lookup(_CODE_PAGE)  # which keeps what it is given

_STAND_INS: dict[str, dict[str, object]] = {
    "bz2": {},
    "contextlib": {"suppress": suppress},
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
