"""What the standard library's ``signal`` offers, without the enumerations that it makes of numbers.

They take as long to load as ten small modules, and a number is all that is needed.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    import signal
else:
    try:
        import _signal as signal
    except ImportError:
        import signal

__all__ = ["signal"]
