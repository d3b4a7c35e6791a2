"""Whether a directory may go as a whole, and whether what was seen of it can be relied on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sagepip.ground.site_names import CLOCK_TICK_SECONDS, is_young
from sagepip.transaction import ownership
from sagepip.transaction.ownership import walk_owned


def test_young() -> None:
    """What changed a moment before a look, or during it, is; what has a time to come is not."""
    now = time.time()
    assert is_young(now, now)
    assert is_young(now - CLOCK_TICK_SECONDS / 2, now)
    assert is_young(now, now - 1e6)
    assert not is_young(now - 2 * CLOCK_TICK_SECONDS, now)
    assert not is_young(now + 1e6, now)


@pytest.mark.parametrize("when", ["before", "while"])
def test_change_during_a_long_look_is_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """However long the look takes, it is repeated if a change after it might not have shown."""
    looks: list[str] = []
    walk = ownership._Look.walk

    def walk_slowly(self: ownership._Look, directory: str, *others: object) -> object:
        if when == "while" and not looks:
            os.utime(directory)
        looks.append(directory)
        found = walk(self, directory, *others)  # type: ignore[arg-type]
        time.sleep(2 * CLOCK_TICK_SECONDS)
        return found

    (tmp_path / "a.py").touch()
    if when == "while":
        time.sleep(2 * CLOCK_TICK_SECONDS)
    monkeypatch.setattr(ownership._Look, "walk", walk_slowly)
    tree = walk_owned(str(tmp_path), {str(tmp_path / "a.py")})
    assert tree is not None
    assert looks == [str(tmp_path)] * 2
    assert all(stamp.still_holds() for stamp in tree.stamps)
