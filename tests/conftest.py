"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# The machines are noisy: no test asserts a time.
settings.register_profile("sagepip", deadline=None)
settings.load_profile("sagepip")
