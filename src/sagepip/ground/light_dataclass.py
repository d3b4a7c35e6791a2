"""Data classes as the standard library's, without generating code for each of them.

``dataclasses`` writes source for six methods of each class and compiles it at import: 0.2 to 0.9 ms
a class on the machines that this was measured on, and a command loads some eighty of them. Here the
methods are ordinary functions that are shared by all classes. A type checker sees the standard
library's, and so do its own functions (``fields``, ``asdict``, ``replace``).
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, replace
    from typing import NamedTuple
else:
    from _collections import _tuplegetter

    _MISSING = object()

    class _NamedTupleType(type):
        def __new__(cls, name, bases, namespace):
            if bases == (_Tuple,) or hasattr(bases[0], "_fields"):
                return super().__new__(cls, name, bases, {"__slots__": (), **namespace})
            names = tuple(namespace["__annotations__"])
            made = {"__slots__": (), "__match_args__": names, "_fields": names, **namespace}
            made["_field_defaults"] = {one: namespace[one] for one in names if one in namespace}
            made["_last"] = tuple(made["_field_defaults"].values())  # none without may come after
            for index, one in enumerate(names):
                made[one] = _tuplegetter(index, "")
            return super().__new__(cls, name, bases, made)

    class _Tuple(tuple):
        """What all classes of named tuples have in common."""

        __slots__ = ()

        def __new__(cls, *values, **named):
            names = cls._fields
            if named or len(values) != len(names):
                values = _completed(cls, values, named)
            return tuple.__new__(cls, values)

        def __repr__(self):
            shown = map("{}={!r}".format, self._fields, self)
            return f"{type(self).__name__}({', '.join(shown)})"

        def __getnewargs__(self):
            return tuple(self)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, /, **changes):
            return type(self)(**(self._asdict() | changes))

    def _completed(cls, values, named):
        names = cls._fields
        if not named and 0 < len(names) - len(values) <= len(cls._last):
            return values + cls._last[len(values) - len(names) :]
        left = names[len(values) :]
        known = cls._field_defaults | named
        if len(values) > len(names) or not set(named) <= set(left) or not set(left) <= set(known):
            raise TypeError(f"{cls.__name__} takes {', '.join(names)}")
        return (*values, *(known[name] for name in left))

    class NamedTuple(_Tuple, metaclass=_NamedTupleType):
        """The base of a class of named tuples: see :class:`typing.NamedTuple`."""

    class _Specifier(NamedTuple):
        """What :func:`field` says of a field until the class is made."""

        default: object
        factory: object
        repr: bool
        compare: bool

    class _Field(NamedTuple):
        """What is known of a field."""

        name: str
        default: object
        factory: object
        repr: bool
        compare: bool

    def field(*, default=_MISSING, default_factory=None, repr=True, compare=True):  # noqa: A002
        """Say more about a field than its default: see :func:`dataclasses.field`."""
        return _Specifier(default, default_factory, repr, compare)

    def dataclass(cls=None, /, *, frozen=False):
        """Make a data class of a class: see :func:`dataclasses.dataclass`."""
        if cls is None:
            return lambda made: dataclass(made, frozen=frozen)
        own = cls.__dict__
        given = {}
        for name in cls.__annotations__:
            if name in own:
                value = given[name] = own[name]
                if value.__class__ is _Specifier:
                    if value.default is _MISSING:
                        delattr(cls, name)
                    else:
                        setattr(cls, name, value.default)
        cls._light_given = given
        for name, found_when_used in _FOUND_WHEN_USED:
            setattr(cls, name, found_when_used)
        cls.__dataclass_fields__ = _STANDARD_FIELDS
        for name, method in _FROZEN if frozen else _MUTABLE:
            if name not in own or name in _FORBIDDEN:
                setattr(cls, name, method)
        return cls

    class _FoundWhenUsed:
        """What follows from the fields of a class; many a class is never used.

        It stands in the class until it is asked for.
        """

        def __init__(self, name):
            self._name = name

        def __get__(self, _obj, cls):
            _describe(cls)
            return getattr(cls, self._name)

    def _describe(cls):
        """Find out the fields of a class, and of those that it is derived from."""
        for one in reversed(cls.__mro__):
            if "_light_given" in one.__dict__:
                _describe_own(one)

    def _describe_own(cls):
        given = cls._light_given
        del cls._light_given
        known = {}
        for base in reversed(cls.__mro__[1:]):
            known |= {one.name: one for one in base.__dict__.get("_light_fields", ())}
        for name, kind in cls.__annotations__.items():
            if str(kind).startswith("ClassVar"):
                continue
            value = given.get(name, _MISSING)
            if value.__class__ is _Specifier:
                known[name] = _Field(name, *value)
            else:
                known[name] = _Field(name, value, None, True, True)
        own = tuple(known.values())
        cls._light_fields = own
        cls._light_names = cls.__match_args__ = tuple(known)
        cls._light_free = frozenset(known)
        cls._light_defaults = {one.name: one.default for one in own if one.default is not _MISSING}
        cls._light_factories = tuple((one.name, one.factory) for one in own if one.factory)
        cls._light_has_more = hasattr(cls, "__post_init__")
        cls._light_compared = tuple(one.name for one in own if one.compare)

    _FOUND_WHEN_USED = [
        (name, _FoundWhenUsed(name))
        for name in (
            "__match_args__",
            "_light_compared",
            "_light_defaults",
            "_light_factories",
            "_light_fields",
            "_light_free",
            "_light_has_more",
            "_light_names",
        )
    ]

    def fields(of):
        """Return the fields: of each the name (see :func:`dataclasses.fields`)."""
        return of._light_fields

    def replace(obj, /, **changes):
        """Return a copy with other values: see :func:`dataclasses.replace`."""
        values = {name: getattr(obj, name) for name in obj._light_names}
        return obj.__class__(**(values | changes))

    class _StandardFields:
        """The fields as the standard library keeps them, made when somebody asks."""

        def __get__(self, _obj, cls):
            import dataclasses

            made = dataclasses.make_dataclass(
                cls.__name__,
                [
                    (one.name, object, dataclasses.field(compare=one.compare, repr=one.repr))
                    for one in cls._light_fields
                ],
            )
            return made.__dataclass_fields__

    _STANDARD_FIELDS = _StandardFields()

    def _init(self, /, *args, **kwargs):
        values = self.__dict__
        names = self._light_names
        given = names[: len(args)]
        values.update(self._light_defaults)
        values.update(zip(given, args, strict=False))
        values.update(kwargs)
        for name, factory in self._light_factories:
            if name not in kwargs and name not in given:
                values[name] = factory()
        if (
            len(values) != len(names)
            or len(args) > len(names)
            or not kwargs.keys() <= self._light_free
            or not kwargs.keys().isdisjoint(given)
        ):
            raise TypeError(_misfit(type(self), args, kwargs))
        if self._light_has_more:
            self.__post_init__()

    def _misfit(cls, args, kwargs):
        """Return what is wrong with values that a data class is given."""
        names = cls._light_names
        if len(args) > len(names):
            return f"{cls.__name__} takes {len(names)} values: {len(args)} given"
        for name in kwargs:
            if name not in names:
                return f"{cls.__name__}: {name} is given but is not known"
            if name in names[: len(args)]:
                return f"{cls.__name__}: {name} is given twice"
        optional = {*cls._light_defaults, *(name for name, _ in cls._light_factories)}
        missing = [one for one in names[len(args) :] if one not in kwargs and one not in optional]
        return f"{cls.__name__}: {missing[0]} is missing"

    def _compared(self):
        return tuple(getattr(self, name) for name in self._light_compared)

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return _compared(self) == _compared(other)

    def _hash(self):
        return hash(_compared(self))

    def _repr(self):
        shown = (
            f"{one.name}={getattr(self, one.name)!r}" for one in self._light_fields if one.repr
        )
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _setattr(_self, name, _value):
        raise AttributeError(f"cannot assign to field {name!r}")

    def _delattr(_self, name):
        raise AttributeError(f"cannot delete field {name!r}")

    _ALWAYS = (("__init__", _init), ("__eq__", _eq), ("__repr__", _repr))
    _FORBIDDEN = frozenset({"__setattr__", "__delattr__"})
    _FROZEN = (
        *_ALWAYS,
        ("__hash__", _hash),
        ("__setattr__", _setattr),
        ("__delattr__", _delattr),
    )
    _MUTABLE = (*_ALWAYS, ("__hash__", None))


__all__ = ["NamedTuple", "dataclass", "field", "fields", "replace"]
