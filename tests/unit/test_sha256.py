"""Hashes are the same, whoever makes them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sagepip.build.hashes import file_digest
from sagepip.ground import sha256


@pytest.mark.parametrize("size", [0, 1, 1000, sha256._WORTH_LOADING - 1000, 5, 2_000_000, 7])
def test_digest(size: int) -> None:
    """What is hashed after much was hashed, too."""
    data = b"x" * size
    assert sha256.sha256_digest(data) == hashlib.sha256(data).digest()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 10, 1 << 18, 1 << 19])
def test_file_digest(tmp_path: Path, size: int, algorithm: str) -> None:
    """Files small and large."""
    path = tmp_path / "file"
    path.write_bytes(b"y" * size)
    assert file_digest(str(path), algorithm) == hashlib.new(algorithm, b"y" * size).hexdigest()
