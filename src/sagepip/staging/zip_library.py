"""``zipfile``, without the modules that it imports for what is not done here."""

from __future__ import annotations

from sagepip.ground.deferred_modules import DeferredModules

with DeferredModules(
    "zipfile", {"bz2": {}, "lzma": {}, "shutil": {}, "urllib.parse": {"quote_from_bytes": None}}
):
    import zipfile

__all__ = ["zipfile"]
