"""The light enumerations behave as the standard library's, as far as they go."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from sagepip.ground import light_enum


def colours(module: Any) -> Any:
    class Colour(module.Enum):  # type: ignore[misc]
        """Some colours."""

        RED = "as blood"
        GREEN = 2

        @property
        def shout(self) -> str:
            return f"{self.name}!"

    return Colour


@pytest.mark.parametrize("module", [enum, light_enum])
def test_like_the_standard_library(module: Any) -> None:
    """Names, values, order, identity, text, and no change afterwards."""
    colour = colours(module)
    assert [one.name for one in colour] == ["RED", "GREEN"]
    assert [one.value for one in colour] == ["as blood", 2]
    assert colour.RED is next(iter(colour))
    assert colour.RED in (colour.GREEN, colour.RED)
    assert colour.RED != colour.GREEN
    assert colour.RED != "as blood"
    assert {colour.RED: 1}[colour.RED] == 1
    assert isinstance(colour.RED, colour)
    assert colour("as blood") is colour.RED
    with pytest.raises(ValueError, match="unknown"):
        colour("unknown")
    assert str(colour.RED) == "Colour.RED"
    assert repr(colour.RED) == "<Colour.RED: 'as blood'>"
    assert colour.GREEN.shout == "GREEN!"
    assert colour.__doc__ == "Some colours."
    with pytest.raises(AttributeError):
        colour.RED = 3


def test_methods_are_no_members() -> None:
    """What has a descriptor stays what it is."""
    assert len(list(colours(light_enum))) == 2
