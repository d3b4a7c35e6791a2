"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The machines are noisy: no test asserts a time.
settings.register_profile("sagepip", deadline=None)
settings.load_profile("sagepip")


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of builds for the tests: the user's is neither relied upon nor filled."""
    place = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGEPIP_CACHE_DIR", str(place))
        yield place
