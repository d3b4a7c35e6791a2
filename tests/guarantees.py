"""The guarantees of the design, checked on a tree as it stands; nothing of sagepip's is used."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from pathlib import Path


def violations_of_g1(site: Path, *, hashes: bool = True) -> list[str]:
    """Return what breaks G1 in a site: metadata that is incomplete or lists what is not there.

    Args:
        site: a site-packages directory; it may not exist.
        hashes: compare the hashes in RECORD as well.
    """
    if not site.is_dir():
        return []
    found: list[str] = []
    for info in sorted(site.glob("*.egg-info")):
        found += _violations_of_egg_info(info)
    for info in sorted(site.glob("*.dist-info")):
        record = info / "RECORD"
        if not (info / "METADATA").is_file() or not record.is_file():
            found.append(f"{info.name}: METADATA or RECORD is missing")
            continue
        with record.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
        if [f"{info.name}/RECORD", "", ""] not in rows:
            found.append(f"{info.name}: RECORD is torn")
        for name, expected, size in rows:
            path = Path(os.path.normpath(site / name))
            if not os.path.lexists(path):
                found.append(f"{info.name}: {name} is missing")
            elif expected and hashes:
                data = path.read_bytes()
                algorithm = expected.partition("=")[0]
                actual = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).decode()
                if f"{algorithm}={actual.rstrip('=')}" != expected or str(len(data)) != size:
                    found.append(f"{info.name}: {name} is not what RECORD says")
    return found


def _violations_of_egg_info(info: Path) -> list[str]:
    if info.is_file():
        return []  # it lists nothing
    if not (info / "PKG-INFO").is_file():
        return [f"{info.name}: PKG-INFO is missing"]
    listed = info / "installed-files.txt"
    rows = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    missing = [row for row in rows if not os.path.lexists(os.path.normpath(info / row))]
    return [f"{info.name}: {row} is missing" for row in missing]


def versions(site: Path, name: str) -> list[str]:
    """Return the versions of a project whose metadata is visible."""
    prefix = name + "-"
    return sorted(
        path.stem.removeprefix(prefix)
        for kind in ("dist-info", "egg-info")
        for path in site.glob(f"{name}-*.{kind}")
    )


def snapshot(prefix: Path) -> dict[str, tuple[int, bytes | str | None]]:
    """Return everything below a prefix: mode, and content or link target or None (directory)."""
    found: dict[str, tuple[int, bytes | str | None]] = {}
    for path in sorted(prefix.rglob("*")):
        mode = path.lstat().st_mode
        content: bytes | str | None = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(prefix))] = (mode, content)
    return found
