"""Makes ``dist/sagepip.pyz``, a zip application with sagepip and all that it needs: ``make pyz``.

What is installed in the environment that runs this goes in, distribution by distribution, as their
RECORDs list it; sagepip itself from its source. The same content gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import sagepip

LIBRARIES = ("build", "filelock", "installer", "packaging", "pip", "pyproject_hooks")
"""What sagepip needs, and what that needs."""

SHEBANG = b"#!/usr/bin/env python3\n"
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip archive can tell."""


def main() -> int:
    """Make it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, default=Path("dist/sagepip.pyz"))
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    make(output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    return 0


def make(output: Path) -> None:
    """Write the zip application, complete or not at all."""
    data = archive()
    descriptor, part = tempfile.mkstemp(prefix=".pyz-", dir=output.parent)
    with open(descriptor, "wb") as stream:
        stream.write(data)
        os.fchmod(stream.fileno(), 0o755)
    os.replace(part, output)


def archive() -> bytes:
    """Return the bytes of the zip application."""
    files = dict(sorted(members()))
    digest = hashlib.sha256()
    for name, data in files.items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    files["CONTENT"] = f"{sagepip.__version__}-{digest.hexdigest()[:16]}\n".encode()
    buffer = io.BytesIO()
    buffer.write(SHEBANG)
    with zipfile.ZipFile(buffer, "a") as opened:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, EARLIEST)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(info, data, compresslevel=9)
    return buffer.getvalue()


def members() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of all members but the content's own name."""
    own = Path(__file__).parent
    yield "__main__.py", (own / "pyz_main.py").read_bytes()
    package = Path(sagepip.__file__).parent
    for path in package.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"lib/sagepip/{path.relative_to(package).as_posix()}", path.read_bytes()
    for name in LIBRARIES:
        yield from _library(distribution(name))


def _library(one: Distribution) -> Iterator[tuple[str, bytes]]:
    for file in one.files or ():
        # No scripts, and nothing that tells of this environment.
        if file.parts[0] == ".." or "__pycache__" in file.parts or file.suffix == ".exe":
            continue
        metadata = file.parts[0].endswith(".dist-info")
        if metadata and file.parts[1] != "METADATA" and "licenses" not in file.parts:
            continue
        yield f"lib/{file.as_posix()}", Path(str(one.locate_file(file))).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
