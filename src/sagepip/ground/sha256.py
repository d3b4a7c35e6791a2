"""SHA-256 of what is small, without OpenSSL, which takes as long to load as to hash megabytes."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from hashlib import sha256 as _own
else:
    try:
        from _sha2 import sha256 as _own
    except ImportError:
        try:
            from _sha256 import sha256 as _own  # before Python 3.12
        except ImportError:
            from hashlib import sha256 as _own

# The interpreter's own takes five times as long for each byte: so many are worth the load.
_WORTH_LOADING = 1 << 19


class _Chooser:
    """Counts what is hashed by the interpreter's own function, until it is enough."""

    def __init__(self) -> None:
        self._left = _WORTH_LOADING
        self._hash = _own

    def digest(self, data: bytes) -> bytes:
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0:
                from hashlib import sha256

                self._hash = sha256
        return self._hash(data).digest()


sha256_digest = _Chooser().digest
"""Return the SHA-256 of some bytes."""
