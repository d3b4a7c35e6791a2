"""Tiny wheels and sites with many distributions, made by code."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

_WHEEL = "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def members_of(name: str) -> dict[str, str]:
    """Give the files of a small distribution in version 1, RECORD included.

    Args:
        name: of the project, and of its package.
    """
    info = f"{name}-1.dist-info"
    files = {
        f"{name}/__init__.py": f"from {name}.work import answer\n",
        f"{name}/work.py": f"def answer():\n    return {name!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{info}/WHEEL": _WHEEL,
    }
    rows = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in files.items()]
    return {**files, f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,", ""])}


def make_small_wheel(directory: Path, name: str) -> Path:
    """Write the wheel of a small distribution."""
    path = directory / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in members_of(name).items():
            archive.writestr(member, text)
    return path


def fill_site(site: Path, count: int, prefix: str = "filler") -> None:
    """Put small distributions into a site, as an installer leaves them but for bytecode.

    Args:
        site: the site-packages directory.
        count: how many.
        prefix: of their names.
    """
    for number in range(count):
        name = f"{prefix}{number}"
        info = f"{name}-1.dist-info"
        files = members_of(name)
        files[f"{info}/INSTALLER"] = "bench\n"
        files[f"{info}/RECORD"] += f"{info}/INSTALLER,sha256={_digest('bench' + chr(10))},6\n"
        for member, text in files.items():
            path = site / member
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
