"""A wheel as another build of the same source makes it."""

from __future__ import annotations

import zipfile
from pathlib import Path

LATER = (2026, 1, 2, 3, 4, 6)


def rebuild(wheel: Path, directory: Path) -> Path:
    """Write a wheel of the same members and contents, with other times.

    Args:
        wheel: the wheel.
        directory: where the other one is put; it is made.

    Returns:
        The other one.
    """
    directory.mkdir()
    result = directory / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(result, "w") as made:
        for member in old.infolist():
            content = old.read(member)
            member.date_time = LATER
            made.writestr(member, content, compress_type=zipfile.ZIP_DEFLATED, compresslevel=1)
    return result
