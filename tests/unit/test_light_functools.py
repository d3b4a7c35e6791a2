"""What stands for ``functools`` behaves as it does."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from sagepip.ground import light_functools


@pytest.mark.parametrize("module", [functools, light_functools])
def test_like_the_standard_library(module: Any) -> None:
    """Calls are counted: what is remembered is found once, errors are not remembered."""
    calls: list[object] = []

    @module.cache  # type: ignore[untyped-decorator]
    def twice(number: int) -> int:
        """Double it."""
        calls.append(number)
        if number < 0:
            raise ValueError(number)
        return 2 * number

    class Thing:
        @module.cached_property  # type: ignore[untyped-decorator]
        def found(self) -> object:
            """Look for it."""
            calls.append("found")
            return object()

    assert (twice(2), twice(2), twice(3)) == (4, 4, 6)
    for _ in range(2):
        with pytest.raises(ValueError, match="-1"):
            twice(-1)
    assert calls == [2, 3, -1, -1]
    assert (twice.__name__, twice.__doc__) == ("twice", "Double it.")
    assert twice.__wrapped__(5) == 10

    one, other = Thing(), Thing()
    assert one.found is one.found
    assert one.found is not other.found
    assert calls[-2:] == ["found", "found"]
    assert Thing.found.__doc__ == "Look for it."
    del one.found
    assert one.found is not None
    assert calls.count("found") == 3

    assert module.partial(divmod, 7)(2) == (3, 1)

    def plain(text: str) -> str:
        """Say it."""
        return text

    @module.wraps(plain)  # type: ignore[untyped-decorator]
    def other_plain(*args: str) -> str:
        return plain(*args)

    assert (other_plain.__name__, other_plain.__doc__) == ("plain", "Say it.")
    assert other_plain.__module__ == __name__
    assert other_plain.__wrapped__ is plain
