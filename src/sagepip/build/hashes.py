"""The hashes that a user states of archives, and how strictly they are asked for."""

from __future__ import annotations

import os

from sagepip.ground.light_enum import Enum
from sagepip.ground.sha256 import sha256_digest

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection

# pip's: what is at least as resistant to collisions as sha256.
ALGORITHMS = ("sha256", "sha384", "sha512")

_SMALL_FILE = 1 << 18

# pip's words, which people know; the list of what they are said of follows.
MISMATCH = "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE"
MISSING = (
    "Hashes are required in --require-hashes mode, but they are missing from some requirements"
)
UNPINNED = (
    "In --require-hashes mode, all requirements must have their versions pinned with ==. "
    "These do not"
)
DIRECTORIES = "Can't verify hashes for these file:// requirements because they point to directories"
ADVICE = {
    DIRECTORIES: "give an sdist or a wheel of it, or leave the hashes out of all requirements",
    MISSING: "if these are the files that you mean, add the hashes; one hash anywhere asks for "
    "all, unless --no-require-hashes is given",
    UNPINNED: "write NAME==VERSION, with its --hash; one hash anywhere asks for all, unless "
    "--no-require-hashes is given",
    MISMATCH: "if you have changed the versions, change the hashes; else somebody may have "
    "tampered with the files",
}


class HashChecking(Enum):
    """Whether hashes are compared."""

    OFF = "nobody has stated any"
    STATED = "those that are stated (--no-require-hashes)"
    REQUIRED = "all: what has none is refused (--require-hashes, or one is stated somewhere)"


def hash_problem(path: str, allowed: Collection[str]) -> str:
    """Compare a file with the hashes that are stated of it.

    Args:
        path: the file.
        allowed: ``ALGORITHM:DIGEST``, one of which it must have.

    Returns:
        What was expected and what there is, in pip's words; empty where one agrees.

    Raises:
        OSError: it cannot be read.
    """
    algorithms = sorted({one.partition(":")[0] for one in allowed}) or ALGORITHMS[:1]
    actual = {one: file_digest(path, one) for one in algorithms}
    if any(f"{name}:{digest}" in allowed for name, digest in actual.items()):
        return ""
    expected = " or ".join(sorted(one.replace(":", " ", 1) for one in allowed))
    got = ", ".join(f"{name} {digest}" for name, digest in actual.items())
    return f"Expected {expected or 'a hash that all lines agree on'}, Got {got}"


def file_digest(path: str, algorithm: str = "sha256") -> str:
    """Return the digest of a file, in hexadecimal.

    Args:
        path: the file.
        algorithm: as ``hashlib`` names it.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as stream:
        if algorithm == ALGORITHMS[0] and os.fstat(stream.fileno()).st_size <= _SMALL_FILE:
            return sha256_digest(stream.read()).hex()
        import hashlib

        return hashlib.file_digest(stream, algorithm).hexdigest()


def parse_hash(text: str) -> str:
    """Return a stated hash in one spelling, ``ALGORITHM:DIGEST``.

    Args:
        text: as behind ``--hash``.

    Raises:
        ValueError: it is none, or of an algorithm that proves too little.
    """
    algorithm, colon, digest = text.partition(":")
    if not colon:
        raise ValueError("Arguments to --hash must be a hash name followed by a value")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"Allowed hash algorithms for --hash are {', '.join(ALGORITHMS)}")
    if not digest or set(digest.lower()) - set("0123456789abcdef"):
        raise ValueError(f"not a digest in hexadecimal: {digest!r}")
    return f"{algorithm}:{digest.lower()}"
