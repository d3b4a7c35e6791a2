"""Compare two installed trees: files, modes, contents, RECORD, all that pip and sagepip share."""

from __future__ import annotations

import csv
import importlib.util
import marshal
import stat
import struct
from pathlib import Path

# What each installer says of itself, or holds times and paths.
_OWN = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}


def files_with_modes(prefix: Path) -> dict[str, int]:
    """Return the permission bits of every file of a prefix, sagepip's state directory aside."""
    return {
        str(path.relative_to(prefix)): stat.S_IMODE(path.lstat().st_mode)
        for path in prefix.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and ".sagepip" not in path.parts
    }


def directories_with_modes(prefix: Path) -> dict[str, int]:
    """Return the permission bits of every directory of a prefix, sagepip's own aside."""
    return {
        str(path.relative_to(prefix)): stat.S_IMODE(path.lstat().st_mode)
        for path in prefix.rglob("*")
        if path.is_dir() and not path.is_symlink() and ".sagepip" not in path.parts
    }


def metadata_texts(prefix: Path) -> dict[tuple[str, str], str]:
    """Return what installers write besides RECORD, by dist-info and file."""
    return {
        (path.parent.name, path.name): path.read_text()
        for path in prefix.rglob("*.dist-info/*")
        if path.name in _OWN - {"RECORD"}
    }


def bytecode_faults(site: Path) -> list[str]:
    """Return the bytecode files that the interpreter would not take, or that name another path."""
    faults = []
    for path in site.rglob("*.pyc"):
        source = Path(importlib.util.source_from_cache(str(path)))
        data = path.read_bytes()
        found = source.stat()
        expected = struct.pack("<4sIII", importlib.util.MAGIC_NUMBER, 0, int(found.st_mtime), 0)
        size = struct.pack("<I", found.st_size)
        if data[:12] != expected[:12] or data[12:16] != size:
            faults.append(f"{path}: not of this source")
        elif marshal.loads(data[16:]).co_filename != str(source):
            faults.append(f"{path}: names another source")
    return faults


def different_contents(first: Path, second: Path) -> list[str]:
    """Return the files that both prefixes have and that differ, where they should not."""
    return sorted(
        name
        for name in files_with_modes(first).keys() & files_with_modes(second).keys()
        if Path(name).name not in _OWN
        and not name.endswith(".pyc")
        and not (first / name).is_symlink()
        and _without_shebang(first / name) != _without_shebang(second / name)
    )


def records(prefix: Path) -> dict[str, set[tuple[str, str, str]]]:
    """Return the rows of each RECORD, without the hashes of what installers write themselves."""
    found = {}
    for path in prefix.rglob("*.dist-info/RECORD"):
        rows = set()
        with path.open(newline="", encoding="utf-8") as stream:
            for name, digest, size in csv.reader(stream):
                own = Path(name).name in _OWN or name.endswith(".pyc") or name.startswith("..")
                rows.add((name, "", "") if own else (name, digest, size))
        found[path.parent.name] = rows
    return found


def _without_shebang(path: Path) -> bytes:
    data = path.read_bytes()
    if path.parent.name != "bin" or b"sys.argv[0] = " not in data:
        return data
    # pip and installer differ in the text of the script that an entry point becomes.
    return data.split(b"\n", 1)[0]
