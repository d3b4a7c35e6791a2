"""``contextlib``, without the modules that it imports, which take longer to load than it does."""

from __future__ import annotations

from sagepip.ground.deferred_modules import DeferredModules
from sagepip.ground.light_functools import wraps

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections import deque
else:
    from _collections import deque

_STAND_INS: dict[str, dict[str, object]] = {
    "collections": {"deque": deque},
    "functools": {"wraps": wraps},
    "types": {
        "GenericAlias": type(list[int]),
        "MethodType": type(DeferredModules("", {}).__enter__),
    },
}
with DeferredModules("contextlib", _STAND_INS):
    import contextlib  # noqa: F401

from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress  # noqa: E402

__all__ = ["ExitStack", "closing", "contextmanager", "nullcontext", "suppress"]
