"""Staged trees made by code, and trees compared with everything that a copy must keep."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.guarantees import violations_of_g1
from tests.wheels import digest

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/{PYTHON}/site-packages"
_STATE = ".sagepip"
_OLD = 1_000_000_000_123_456_789

_OF_LIBRARY = """
install:
\tinstall -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/made
\tinstall -m 755 made.c $(DESTDIR)$(PREFIX)/lib/libmade.so.1.2.3
\tln -s libmade.so.1.2.3 $(DESTDIR)$(PREFIX)/lib/libmade.so.1
\tln -s libmade.so.1 $(DESTDIR)$(PREFIX)/lib/libmade.so
\tinstall -m 644 made.c $(DESTDIR)$(PREFIX)/include/made/made.h
\tinstall -m 444 made.c $(DESTDIR)$(PREFIX)/lib/pkgconfig/made.pc
"""
_OF_MODULES = """
S = $(DESTDIR)$(PREFIX)/{site}
install:
\tinstall -d $(S)/made $(S)/made-1.0.egg-info $(DESTDIR)$(PREFIX)/bin
\tinstall -m 644 made.c $(S)/made/__init__.py
\tinstall -m 755 made.c $(S)/made/fast.so
\tinstall -m 755 made.c $(DESTDIR)$(PREFIX)/bin/made
\tprintf 'Metadata-Version: 1.0\\nName: made\\nVersion: 1.0\\n' > $(S)/made-1.0.egg-info/PKG-INFO
"""
MAKEFILES = {"library": _OF_LIBRARY, "modules": _OF_MODULES.replace("{site}", SITE)}


def write(tree: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a directory and return that."""
    tree.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return tree


def distribution(
    tree: Path, name: str, version: str, files: Mapping[str, str], *, site: str = SITE
) -> Path:
    """Stage a distribution with a dist-info and return the tree.

    Args:
        tree: the staged tree.
        name: the project's name.
        version: its version.
        files: their content, by paths relative to the site; RECORD lists them with hashes.
        site: the site, relative to the tree.
    """
    info = f"{name}-{version}.dist-info"
    every = {**files, f"{info}/METADATA": _metadata(name, version), f"{info}/INSTALLER": "make\n"}
    rows = [f"{key},{digest(text.encode())},{len(text)}\n" for key, text in every.items()]
    every[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
    return write(
        tree, {os.path.normpath(os.path.join(site, key)): text for key, text in every.items()}
    )


def egg_info(
    tree: Path, name: str, version: str, files: Mapping[str, str], *, kind: str = "listed"
) -> Path:
    """Stage a distribution with an egg-info: a ``listed`` or ``unlisted`` directory or a ``file``.

    Args:
        tree: the staged tree.
        name: the project's name.
        version: its version.
        files: their content, by paths relative to the site.
        kind: the kind of metadata.
    """
    info = f"{name}-{version}-py{PYTHON[6:]}.egg-info"
    text = _metadata(name, version)
    metadata = {info: text} if kind == "file" else {f"{info}/PKG-INFO": text}
    if kind == "listed":
        metadata[f"{info}/installed-files.txt"] = "".join(f"../{key}\n" for key in files) + (
            "PKG-INFO\n"
        )
    every = {**files, **metadata}
    return write(tree, {os.path.normpath(f"{SITE}/{key}"): one for key, one in every.items()})


def make_install(directory: Path, makefile: str) -> Path:
    """Run ``make install`` of a small package with a DESTDIR, and return the staged tree."""
    write(directory, {"made.c": "int made(void) { return 1; }\n", "Makefile": makefile})
    words = ["make", "-s", "install", f"DESTDIR={directory}/D", "PREFIX=/usr/local"]
    subprocess.run(words, cwd=directory, check=True)
    return directory / "D/usr/local"


def odd_tree(tree: Path) -> Path:
    """Stage what a copy may get wrong, but for what only root can make."""
    names = ["a b", "new\nline", os.fsdecode(b"not-\xff-utf8"), "-rf", "*", "\\", "ü"]
    write(tree, {f"share/names/{name}/{name}": name.encode(errors="ignore") for name in names})
    write(tree, {"bin/tool": "#!/bin/sh\n", "bin/set": "s", "share/empty": "", "share/secret": "x"})
    (tree / "bin/tool").chmod(0o755)
    (tree / "bin/set").chmod(0o6755)
    (tree / "share/secret").chmod(0o400)
    with (tree / "share/sparse").open("wb") as stream:
        stream.seek(3 << 20)
        stream.write(b"end")
        stream.truncate(5 << 20)
    links = {"absolute": "/nowhere", "tool": "bin/tool", "directory": "share", "loop": "loop"}
    for name, link in links.items():
        (tree / name).symlink_to(link)
    os.link(tree / "bin/tool", tree / "bin/same")
    (tree / "libexec/deep").mkdir(parents=True)
    os.link(tree / "bin/tool", tree / "libexec/deep/same")
    modes = {"void": 0o700, "void/in": 0o3775, "shared": 0o1777, "closed": 0o555}
    for name, mode in modes.items():
        (tree / name).mkdir()
        (tree / name / "file").write_text(name)
        (tree / name).chmod(mode)
    return tree


def set_times(tree: Path) -> None:
    """Give everything below a tree a time of its own, to the nanosecond."""
    paths = sorted(tree.rglob("*"), key=lambda one: -len(one.parts))
    for number, path in enumerate([*paths, tree]):
        when = _OLD + number * 1_000_000_001
        os.utime(path, ns=(when, when), follow_symlinks=False)


def copied_by_cp(staged: Path, target: Path) -> Path:
    """Copy what is in a tree with ``cp -a`` and return the target."""
    subprocess.run(["cp", "-a", f"{staged}/.", target], check=True)
    return target


def everything(tree: Path, *, dated: bool = True) -> dict[str, tuple[object, ...]]:
    """Return all there is about all below a tree, sagepip's own aside.

    The times of directories with a site in them are left out: they were filled one by one.

    Args:
        tree: the tree.
        dated: look at the times of directories at all.
    """
    names: dict[tuple[int, int], str] = {}
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(tree.rglob("*")):
        if any(part.startswith(_STATE) for part in path.relative_to(tree).parts):
            continue
        name = str(path.relative_to(tree))
        status = path.lstat()
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        is_directory = stat.S_ISDIR(status.st_mode)
        attributes = {
            one: os.getxattr(path, one, follow_symlinks=False)
            for one in os.listxattr(path, follow_symlinks=False)
        }
        found[name] = (
            oct(status.st_mode),
            (status.st_uid, status.st_gid),
            None if is_directory and (not dated or _is_filled(path)) else status.st_mtime_ns,
            content,
            None if is_directory else names.setdefault((status.st_dev, status.st_ino), name),
            attributes,
        )
    return found


def faults(prefix: Path, *, hashes: bool = True) -> list[str]:
    """Return what breaks G1 in any site of a prefix, and what sagepip has left behind.

    Args:
        prefix: the prefix.
        hashes: compare those in RECORD, too.
    """
    sites = prefix.rglob("*-packages")
    found = [one for site in sites for one in violations_of_g1(site, hashes=hashes)]
    for state in prefix.rglob(f"{_STATE}*"):
        if state.name != _STATE or not set(os.listdir(state)) <= {"lock", "gate"}:
            found.append(f"{state} is left: {os.listdir(state)}")
    return found


def fresh(tree: Path, target: Path) -> Path:
    """Copy a tree for a test to spoil."""
    target.mkdir(parents=True)
    return copied_by_cp(tree, target)


def has_program(name: str) -> bool:
    """Whether a program is here."""
    return shutil.which(name) is not None


def _is_filled(directory: Path) -> bool:
    return directory.name.endswith("-packages") or any(directory.rglob("*-packages"))


def _metadata(name: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
