"""Enumerations as the standard library's, which take as long to load as ten small modules.

A type checker sees the standard library's. Members have a name and a value and are compared by
identity; classes are iterable, and called with a value return its member. That is all.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from enum import Enum
else:

    class _EnumType(type):
        def __new__(cls, name, bases, namespace):
            given = {
                key: one
                for key, one in namespace.items()
                if not key.startswith("_") and not hasattr(one, "__get__")
            }
            rest = {key: one for key, one in namespace.items() if key not in given}
            made = super().__new__(cls, name, bases, rest)
            made._members = tuple(made._of(key, one) for key, one in given.items())
            for member in made._members:
                type.__setattr__(made, member.name, member)
            return made

        def __call__(cls, value):
            for member in cls._members:
                if member.value == value:
                    return member
            raise ValueError(f"{value!r} is no {cls.__name__}")

        def __iter__(cls):
            return iter(cls._members)

        def __setattr__(cls, name, value):
            if name != "_members":
                raise AttributeError(f"cannot assign to {name!r}")
            super().__setattr__(name, value)

    class Enum(metaclass=_EnumType):
        """The base of an enumeration whose members are plain values: see :class:`enum.Enum`."""

        __slots__ = ("name", "value")

        @classmethod
        def _of(cls, name, value):
            member = object.__new__(cls)
            member.name, member.value = name, value
            return member

        def __repr__(self):
            return f"<{self}: {self.value!r}>"

        def __str__(self):
            return f"{type(self).__name__}.{self.name}"


__all__ = ["Enum"]
