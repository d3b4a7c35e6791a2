"""Functions of the C library that the interpreter has not, without loading all of ``ctypes``.

That makes twenty types, at each start of a command, where one is needed; what it stands on makes
the calls. ``ctypes`` of all versions uses it in the same way.
"""

from __future__ import annotations

from _ctypes import (
    FUNCFLAG_CDECL,
    FUNCFLAG_USE_ERRNO,
    CFuncPtr,
    _SimpleCData,
    byref,
    dlopen,
    dlsym,
    get_errno,
)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable


class Int(_SimpleCData):  # type: ignore[type-arg]
    """A whole number that a function writes to, given its place (:func:`byref`)."""

    _type_ = "i"


class _Function(CFuncPtr):
    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
    _restype_ = Int


def find_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library that takes whole numbers and bytes, and returns an int.

    Args:
        name: of the function.

    Returns:
        None if it is not there. What a call of it leaves in ``errno`` is kept for
        :func:`get_errno`, for each thread.
    """
    try:
        itself = dlopen(None, 0)  # type: ignore[arg-type]  # what the interpreter is linked with
        return _Function(dlsym(itself, name))
    except OSError:
        return None


__all__ = ["Int", "byref", "find_function", "get_errno"]
