"""What is used of ``contextlib``, without the dozen classes beside it and the modules it imports.

A type checker sees the standard library's. A generator that holds something is let go of as there:
what is raised in the body is raised in it, where it yields; it may end, which keeps the exception
from going on, or raise another.
"""

from __future__ import annotations

import sys

from sagepip.ground.light_functools import wraps

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
else:

    def contextmanager(function):
        """Make a context manager of a generator: see :func:`contextlib.contextmanager`."""

        @wraps(function)
        def made(*args, **kwargs):
            return _GeneratorContext(function(*args, **kwargs))

        return made

    class _GeneratorContext:
        __slots__ = ("_generator",)

        def __init__(self, generator):
            self._generator = generator

        def __enter__(self):
            try:
                return next(self._generator)
            except StopIteration:
                raise RuntimeError("generator didn't yield") from None

        def __exit__(self, kind, error, trace):
            if kind is None:
                for _ in self._generator:
                    raise RuntimeError("generator didn't stop")
                return False
            try:
                self._generator.throw(error)
            except StopIteration as ended:
                # Unless it is the one that was raised in the body.
                return ended is not error
            except RuntimeError as raised:
                # What a StopIteration becomes that comes out of a generator (PEP 479).
                is_wrapped = isinstance(error, StopIteration) and raised.__cause__ is error
                if raised is not error and not is_wrapped:
                    raise
                error.__traceback__ = trace
                return False
            except BaseException as raised:
                if raised is not error:
                    raise
                error.__traceback__ = trace  # without our own lines
                return False
            raise RuntimeError("generator didn't stop after throw()")

    class suppress:  # noqa: N801
        """Go on after some exceptions: see :class:`contextlib.suppress`."""

        __slots__ = ("_kinds",)

        def __init__(self, *kinds):
            self._kinds = kinds

        def __enter__(self):
            return None

        def __exit__(self, kind, error, trace):
            return kind is not None and issubclass(kind, self._kinds)

    class closing:  # noqa: N801
        """Close something at the end: see :class:`contextlib.closing`."""

        __slots__ = ("_what",)

        def __init__(self, what):
            self._what = what

        def __enter__(self):
            return self._what

        def __exit__(self, *_):
            self._what.close()

    class nullcontext:  # noqa: N801
        """Do nothing at the end: see :class:`contextlib.nullcontext`."""

        __slots__ = ("_value",)

        def __init__(self, value=None):
            self._value = value

        def __enter__(self):
            return self._value

        def __exit__(self, *_):
            return None

    class ExitStack:
        """Let go of all that was entered, the last first: see :class:`contextlib.ExitStack`."""

        __slots__ = ("_exits",)

        def __init__(self):
            self._exits = []

        def enter_context(self, manager):
            """Enter a context, and leave it at the end."""
            kind = type(manager)
            leave = kind.__exit__
            value = kind.__enter__(manager)
            self._exits.append(lambda *details: leave(manager, *details))
            return value

        def callback(self, function, /, *args, **kwargs):
            """Call a function at the end."""

            def leave(*_):
                function(*args, **kwargs)

            self._exits.append(leave)
            return function

        def close(self):
            """Let go of all now."""
            self.__exit__(None, None, None)

        def __enter__(self):
            return self

        def __exit__(self, _kind, error, _trace):
            outer = sys.exc_info()[1]
            going_on = error
            while self._exits:
                leave = self._exits.pop()
                details = (None, None, None)
                if going_on is not None:
                    details = type(going_on), going_on, going_on.__traceback__
                try:
                    if leave(*details):
                        going_on = None
                except BaseException as raised:
                    _follow(raised, going_on, outer)
                    going_on = raised
            if going_on is error or going_on is None:
                return error is not None and going_on is None
            context = going_on.__context__
            try:
                raise going_on
            finally:
                going_on.__context__ = context  # which raising it has changed

    def _follow(raised, before, outer):
        """Have an exception follow the one before it, as if their blocks stood in each other."""
        while (context := raised.__context__) is not None and context is not before:
            if context is outer:
                raised.__context__ = before
                return
            raised = context


__all__ = ["ExitStack", "closing", "contextmanager", "nullcontext", "suppress"]
