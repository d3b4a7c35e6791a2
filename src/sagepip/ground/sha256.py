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
    """Counts what was hashed by the interpreter's own function."""

    hashed = 0

    def digest(self, data: bytes) -> bytes:
        self.hashed += len(data)
        if self.hashed <= _WORTH_LOADING:
            return _own(data).digest()
        from hashlib import sha256

        return sha256(data).digest()


sha256_digest = _Chooser().digest
"""Return the SHA-256 of some bytes."""
