"""What is used of ``functools``, without the modules that it imports.

A type checker sees the standard library's.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from functools import cache, cached_property, partial, wraps
else:
    from _functools import partial

    _KEPT = ("__module__", "__name__", "__qualname__", "__doc__")

    def wraps(wrapped):
        """Give a function the looks of another: see :func:`functools.wraps`."""

        def looking_like(wrapper):
            for name in _KEPT:
                setattr(wrapper, name, getattr(wrapped, name))
            wrapper.__dict__.update(wrapped.__dict__)
            wrapper.__wrapped__ = wrapped
            return wrapper

        return looking_like

    def cache(function):
        """Remember what a function has returned: see :func:`functools.cache`."""
        known = {}

        @wraps(function)
        def remembered(*args):
            if args not in known:
                known[args] = function(*args)
            return known[args]

        return remembered

    class cached_property:  # noqa: N801
        """A property that is found once: see :class:`functools.cached_property`."""

        def __init__(self, function):
            self._function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner, name):
            self._name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            # What is in the instance comes before what has no __set__.
            value = instance.__dict__[self._name] = self._function(instance)
            return value


__all__ = ["cache", "cached_property", "partial", "wraps"]
