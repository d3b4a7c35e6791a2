"""A tree made of the texts alone that ``sagepip adopt`` looks for in Sage's scripts."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from sagepip.operations.adopt_edits import EDITS, Edit, Region

STATE = "build/.sagepip-adopted/state.json"


def region_lines(region: Region) -> list[str]:
    """The least that a region can be found by."""
    if region.count == 1:
        return [f"  {region.first} # and more"]
    lines = [region.first, *region.holds]
    lines += ["......"] * (region.count - len(lines) - 1)
    return [*lines, region.last or "the end"]


def text_of(edit: Edit) -> str:
    whole = edit.regions[0].last == ""
    lines = [] if whole else ["above"]
    for region in edit.regions:
        lines += region_lines(region)
        if not whole:
            lines.append("between")
    return "\n".join(lines) + "\n"


def make_tree(root: Path) -> Path:
    """Make such a tree; one of its files is not executable."""
    for edit in EDITS:
        path = root / edit.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(edit))
        path.chmod(0o644 if edit.path.endswith("helpers") else 0o755)
    (root / "VERSION.txt").write_text("a version\n")
    return root


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return what is in all files of a tree, and their modes."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
        if path.is_file()
    }


def archive(path: Path, version: str) -> Path:
    """Make what ``--pyz`` takes for sagepip's zip application."""
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("CONTENT", f"{version}-0123456789abcdef\n")
    return path
