"""The light context managers behave as the standard library's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sagepip.ground import light_contextlib

MODULES: list[Any] = [contextlib, light_contextlib]


class Odd(BaseException):
    """Nobody expects it."""


def chain(error: BaseException | None) -> list[str]:
    """Return an exception and those that it followed, in words."""
    found: list[str] = []
    while error is not None and len(found) < 9:
        cause = f" from {error.__cause__!r}" if error.__cause__ else ""
        found.append(f"{error!r}{cause}")
        error = error.__context__
    return found


def outcome(action: Callable[[Any, list[Any]], object], module: Any) -> tuple[Any, ...]:
    """Return what an action returns, the chain of what it raises, and what it has said."""
    said: list[Any] = []
    try:
        return action(module, said), [], said
    except BaseException as error:
        return None, chain(error), said


def holder(module: Any, said: list[Any], how: str) -> Any:
    """Return a context manager that ends in some way."""

    @module.contextmanager  # type: ignore[untyped-decorator]
    def held(value: int, *, more: int = 0) -> Iterator[int]:
        """Hold."""
        said.append("in")
        if how == "nothing":
            return
        try:
            yield value + more
        except KeyError as error:
            said.append(repr(error))
            if how == "raise":
                raise
            if how == "again":
                raise error
            if how == "other":
                raise ValueError("other") from error
            if how == "bare":
                raise ValueError("bare")  # noqa: B904 (that is what is tried)
            if how == "twice":
                yield 7
        finally:
            said.append("out")
        if how == "twice":
            yield 8
        if how == "late":
            raise ValueError("late")

    return held


def body(how: str, error: BaseException | None) -> Callable[[Any, list[Any]], object]:
    """Return what uses such a context manager, with an error inside."""

    def action(module: Any, said: list[Any]) -> object:
        made = holder(module, said, how)
        said.append((made.__name__, made.__doc__))
        with made(1, more=2) as value:
            said.append(value)
            if error is not None:
                raise error
            return "done"
        return "went on"

    return action


WAYS = ("end", "raise", "again", "other", "bare", "twice", "late", "nothing")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", [None, KeyError, IndexError, StopIteration, RuntimeError, Odd])
def test_generators(how: str, kind: type[BaseException] | None) -> None:
    """They may end, go on, raise what was raised, or something else."""
    told = [outcome(body(how, kind("x") if kind else None), module) for module in MODULES]
    assert told[0] == told[1]


def test_the_traceback_is_that_of_the_body() -> None:
    """Neither the line of the generator nor our own stand in it."""
    lengths = []
    for module in MODULES:
        try:
            with holder(module, [], "raise")(1):
                raise IndexError
        except IndexError as error:
            trace, length = error.__traceback__, 0
            while trace is not None:
                trace, length = trace.tb_next, length + 1
            lengths.append(length)
    assert lengths[0] == lengths[1]


class Part:
    """A context manager that says what it is told, and may raise or keep an exception."""

    def __init__(self, said: list[Any], name: str, how: str) -> None:
        self.said, self.name, self.how = said, name, how

    def __enter__(self) -> str:
        """Enter."""
        if self.how == "refuse":
            raise KeyError(self.name)
        return self.name

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> bool:
        """Leave."""
        self.said.append((self.name, kind, chain(error)))
        if self.how == "raise":
            raise ValueError(self.name)
        if self.how == "from":
            raise ValueError(self.name) from error
        if self.how == "handled":
            try:
                raise OSError("inside")
            except OSError:
                raise ValueError(self.name)  # noqa: B904 (that is what is tried)
        return self.how == "keep"


def stack(*hows: str, error: BaseException | None) -> Callable[[Any, list[Any]], object]:
    """Return what enters several parts, and leaves them."""

    def action(module: Any, said: list[Any]) -> object:
        with module.ExitStack() as held:
            for number, how in enumerate(hows):
                if how == "call":
                    held.callback(said.append, number)
                elif how == "fail":
                    held.callback(divmod, 1, 0)
                elif how == "close":
                    held.close()
                else:
                    said.append(held.enter_context(Part(said, str(number), how)))
            if error is not None:
                raise error
            return "done"
        return "went on"

    return action


PARTS = ("plain", "raise", "from", "handled", "keep", "call", "fail", "refuse", "close")


@pytest.mark.parametrize("first", PARTS)
@pytest.mark.parametrize("second", PARTS)
@pytest.mark.parametrize("third", ["plain", "raise", "handled", "keep"])
def test_stacks(first: str, second: str, third: str) -> None:
    """All are left, the last first, each told of what goes on; what follows what is kept."""
    for inside in (None, "k"):
        told = [
            outcome(stack(first, second, third, error=KeyError(inside) if inside else None), one)
            for one in MODULES
        ]
        assert told[0] == told[1], inside


def test_a_stack_within_a_handler() -> None:
    """What was being handled before stays behind all of it."""

    def action(module: Any, said: list[Any]) -> object:
        try:
            raise IndexError("outer")
        except IndexError:
            return stack("raise", "plain", "raise", error=KeyError("k"))(module, said)

    assert outcome(action, contextlib) == outcome(action, light_contextlib)
    assert len(outcome(action, light_contextlib)[1]) == 4


SMALL: list[Callable[[Any, list[Any]], object]] = [
    lambda module, said: _use(module.suppress(KeyError, OSError), KeyError("k"), said),
    lambda module, said: _use(module.suppress(KeyError), PermissionError(1, "x"), said),
    lambda module, said: _use(module.suppress(OSError), PermissionError(1, "x"), said),
    lambda module, said: _use(module.suppress(), None, said),
    lambda module, said: _use(module.nullcontext(3), KeyError("k"), said),
    lambda module, said: _use(module.nullcontext(), None, said),
]


def _use(manager: Any, error: BaseException | None, said: list[Any]) -> str:
    with manager as value:
        said.append(value)
        if error is not None:
            raise error
    return "went on"


@pytest.mark.parametrize("number", range(len(SMALL)))
def test_the_small_ones(number: int) -> None:
    """Suppress, and do nothing."""
    assert outcome(SMALL[number], contextlib) == outcome(SMALL[number], light_contextlib)


@pytest.mark.parametrize("module", MODULES)
def test_closing(module: Any, tmp_path: Any) -> None:
    """It is closed, whatever happens."""
    stream = (tmp_path / "f").open("w")
    with pytest.raises(KeyError), module.closing(stream) as same:
        assert same is stream
        raise KeyError
    assert stream.closed
