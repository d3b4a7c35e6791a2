"""The light data classes behave as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

import pytest

from sagepip.ground import light_dataclass

MODULES: list[Any] = [dataclasses, light_dataclass]


def classes(module: Any, *, frozen: bool) -> tuple[type[Any], type[Any]]:
    """Return a class with each kind of field, and one that is derived from it."""

    @module.dataclass(frozen=frozen)
    class Base:
        """A base."""

        COUNT: ClassVar[int] = 3
        name: str
        size: int = 7
        parts: list[int] = module.field(default_factory=list)
        hidden: str = module.field(default="h", repr=False, compare=False)

        @cached_property
        def doubled(self) -> int:
            """Computed once."""
            return self.size * 2

    @module.dataclass(frozen=frozen)
    class Derived(Base):
        """Another."""

        size: int = 8
        more: tuple[str, ...] = ()

    return Base, Derived


def outcome(action: Callable[[], Any]) -> Any:
    """Return what an action returns, or the kind of its error."""
    try:
        return action()
    except (TypeError, AttributeError) as error:
        # Both kinds of frozen instance errors are AttributeErrors.
        return TypeError if isinstance(error, TypeError) else AttributeError


ACTIONS: list[Callable[[type[Any], type[Any]], Any]] = [
    lambda base, _: repr(base("a")).rpartition(".")[2],
    lambda _, derived: repr(derived("a", more=("x",))).rpartition(".")[2],
    lambda base, _: base("a", 2, [3], "other") == base(name="a", size=2, parts=[3]),
    lambda base, _: base("a") == base("b"),
    lambda base, derived: base("a", 8) == derived("a", 8),
    lambda base, _: base(),
    lambda base, _: base("a", 1, [], "h", 5),
    lambda base, _: base("a", name="b"),
    lambda base, _: base("a", unknown=1),
    lambda base, _: hash(base("a", 1, ())) == hash(base("a", 1, (), "x")),
    lambda base, _: hash(base("a")),
    lambda base, _: setattr(base("a"), "size", 4),
    lambda base, _: setattr(base("a"), "new", 4),
    lambda base, _: delattr(base("a"), "size"),
    lambda base, _: base("a").doubled,
    lambda base, _: base("a").parts is base("a").parts,
    lambda base, _: (base.size, base.hidden, hasattr(base, "parts"), base.COUNT),
    lambda base, _: base.__match_args__,
    lambda _, derived: derived.__match_args__,
    lambda base, _: [one.name for one in dataclasses.fields(base)],
    lambda base, _: dataclasses.asdict(base("a", 1, [2])),
    lambda _, derived: dataclasses.replace(derived("a", 1), size=5, hidden="x").__dict__,
    lambda base, _: base("a", 1).__dict__,
]


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("number", range(len(ACTIONS)))
def test_like_the_standard_library(number: int, frozen: bool) -> None:
    """Making, showing, comparing, changing and inspecting end the same way."""
    action = ACTIONS[number]
    expected, found = (
        outcome(lambda: action(*classes(module, frozen=frozen)))  # noqa: B023
        for module in MODULES
    )
    assert found == expected


@pytest.mark.parametrize("module", MODULES)
def test_replace(module: Any) -> None:
    """A copy differs in what was given, and refuses what there is not."""
    base, _ = classes(module, frozen=True)
    one = base("a", 1, [2], "x")
    assert module.replace(one, size=5).__dict__ == {**one.__dict__, "size": 5}
    assert [each.name for each in module.fields(one)] == ["name", "size", "parts", "hidden"]
    with pytest.raises(TypeError):
        module.replace(one, unknown=5)


class Row(light_dataclass.NamedTuple):
    """A row."""

    path: str
    size: int = 7

    @property
    def doubled(self) -> int:
        """Twice the size."""
        return 2 * self.size


def test_named_tuples() -> None:
    """They are tuples, with names, defaults and methods, and take no other attributes."""
    one = Row("a")
    assert one == ("a", 7) == tuple(one)
    assert (one.path, one.size, one.doubled) == ("a", 7, 14)
    assert Row(size=1, path="b")._replace(path="c") == Row("c", 1)
    assert repr(one) == "Row(path='a', size=7)"
    assert hash(one) == hash(("a", 7))
    assert (Row._fields, Row.__match_args__) == (("path", "size"), ("path", "size"))
    assert one._asdict() == {"path": "a", "size": 7}
    assert copy.copy(one) == pickle.loads(pickle.dumps(one)) == one
    for wrong in ({}, {"path": "a", "other": 1}, {"size": 1}):
        with pytest.raises(TypeError):
            Row(**wrong)
    with pytest.raises(TypeError):
        Row("a", 1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Row("a", path="b")  # type: ignore[misc]
    with pytest.raises(TypeError):
        Row()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]
