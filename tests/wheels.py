"""Wheels made by code, whole or spoilt in one respect."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def digest(data: bytes) -> str:
    """Return the hash of some content in the form of RECORD."""
    raw = hashlib.sha256(data).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def make_wheel(
    directory: Path,
    name: str,
    version: str,
    files: Mapping[str, bytes | str],
    *,
    tag: str = "py3-none-any",
    requires: tuple[str, ...] = (),
    entry_points: str = "",
    metadata: str = "",
    wheel: str = "",
    replace: Mapping[str, bytes | str | None] | None = None,
    executable: frozenset[str] = frozenset(),
) -> Path:
    """Write a wheel and return its path.

    Args:
        directory: where to.
        name: the project's name, as the file name spells it.
        version: its version.
        files: the members besides the dist-info; ``{data}`` in a name stands for the .data
            directory.
        tag: the compatibility tag.
        requires: Requires-Dist fields.
        entry_points: the text of entry_points.txt.
        metadata: more fields of METADATA.
        wheel: the text of WHEEL, instead of a good one.
        replace: members to put in place of what was made, after RECORD was; None leaves out.
        executable: members with the executable bit.
    """
    info = f"{name}-{version}.dist-info"
    members = {
        key.replace("{data}", f"{name}-{version}.data"): _bytes(value)
        for key, value in files.items()
    }
    fields = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    fields += [f"Requires-Dist: {one}\n" for one in requires]
    members[f"{info}/METADATA"] = ("".join(fields) + metadata).encode()
    members[f"{info}/WHEEL"] = _bytes(
        wheel or f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    )
    if entry_points:
        members[f"{info}/entry_points.txt"] = entry_points.encode()
    rows = [f"{key},{digest(value)},{len(value)}\n" for key, value in members.items()]
    members[f"{info}/RECORD"] = ("".join(rows) + f"{info}/RECORD,,\n").encode()
    for key, replacement in (replace or {}).items():
        key = key.replace("{info}", info)
        if replacement is None:
            members.pop(key)
        else:
            members[key] = _bytes(replacement)
    path = directory / f"{name}-{version}-{tag}.whl"
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in members.items():
            member = zipfile.ZipInfo(key, (2020, 1, 1, 0, 0, 0))
            member.external_attr = (0o100755 if key in executable else 0o100644) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, value)
    return path


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
