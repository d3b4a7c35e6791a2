"""Sizes as they are given, and the bound."""

from __future__ import annotations

import pytest

from sagepip.build.cache_bound import DEFAULT_BOUND, VARIABLE, parse_size, size_bound
from sagepip.ground.errors import UsageError

GOOD = {
    "0": 0,
    "123": 123,
    "500M": 500 << 20,
    "2G": 2 << 30,
    "1.5G": 3 << 29,
    "0.5k": 512,
    "1 KiB": 1024,
    "3gb": 3 << 30,
    "10B": 10,
    " 1T ": 1 << 40,
    "9" * 40: int("9" * 40),
}
BAD = (
    "",
    " ",
    "G",
    "-1",
    "+1",
    "1,5G",
    "1e3",
    "1.G",
    ".5G",
    "1P",
    "0x10",
    "inf",
    "nan",
    "1G1",
    "٣",
)


@pytest.mark.parametrize(("text", "size"), GOOD.items())
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", BAD)
def test_no_sizes(text: str) -> None:
    assert parse_size(text) is None


def test_bound() -> None:
    """The variable, or the default where it is empty."""
    assert size_bound({}) == size_bound({VARIABLE: ""}) == DEFAULT_BOUND
    assert size_bound({VARIABLE: "1.5G"}) == 3 << 29
    assert size_bound({VARIABLE: "0"}) == 0
    with pytest.raises(UsageError, match=f"{VARIABLE} is no size: many"):
        size_bound({VARIABLE: "many"})
