"""Put a build environment together from unpacked wheels, by hard links where they can be had."""

from __future__ import annotations

import os

from sagepip.build.tree_stamps import OWN_FILES
from sagepip.build.unpacked_wheels import PLACEHOLDER
from sagepip.build.virtual_environment import create_environment
from sagepip.ground.filesystem import hard_link, link_or_copy, make_directory, remove_file
from sagepip.ground.target_python import TargetPython
from sagepip.staging.scripts import shebang

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def assemble(tree: str, final: str, unpacked: Iterable[str], python: TargetPython) -> None:
    """Make a virtual environment that holds unpacked wheels.

    Args:
        tree: the directory to make.
        final: the path that it is going to have.
        unpacked: the trees of the wheels (:mod:`sagepip.build.unpacked_wheels`); of two that hold
            the same file the later one wins, as with pip.
        python: the interpreter whose likeness it is.

    Raises:
        TargetError: the interpreter makes no environment.
        OSError: it cannot be written.
    """
    create_environment(tree, python)
    for name in _activation_scripts(tree):
        remove_file(name)  # they hold the path of the tree, and a build starts no shell
    interpreter = os.path.join(final, "bin", "python")
    for one in unpacked:
        _add(one, tree, interpreter)
    _make_bytecode_directories(tree)


def _activation_scripts(tree: str) -> list[str]:
    scripts = os.path.join(tree, "bin")
    return [
        os.path.join(scripts, name)
        for name in os.listdir(scripts)
        if name.lower().startswith("activate")
    ]


def _add(unpacked: str, tree: str, interpreter: str) -> None:
    """Link the files of a wheel; scripts and RECORD are written anew where they must differ."""
    written: dict[str, bytes] = {}
    records: list[str] = []
    for relative in _files(unpacked, tree, ""):
        source, target = f"{unpacked}/{relative}", f"{tree}/{relative}"
        in_scripts = relative.startswith("bin/") and relative.count("/") == 1
        data = _with_interpreter(source, interpreter) if in_scripts else None
        if data is None:
            _link(source, target)
        else:
            remove_file(target)
            written[relative] = data
            _write(target, data, os.stat(source).st_mode)
        if relative.endswith(".dist-info/RECORD"):
            records.append(relative)
    for relative in records if written else ():
        data = _corrected_record(os.path.join(unpacked, relative), relative, written)
        target = os.path.join(tree, relative)
        remove_file(target)
        _write(target, data, os.stat(os.path.join(unpacked, relative)).st_mode)


def _link(source: str, target: str) -> None:
    try:
        if hard_link(source, target):
            return
    except FileExistsError:
        pass
    remove_file(target)  # it may be a link to another wheel's: not to be written to
    link_or_copy(source, target)


def _files(unpacked: str, tree: str, relative: str) -> Iterator[str]:
    """Yield what is no directory in a wheel's tree; make its directories in the environment."""
    with os.scandir(f"{unpacked}/{relative}") as entries:
        for entry in entries:
            name = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir(follow_symlinks=False):
                make_directory(f"{tree}/{name}")
                yield from _files(unpacked, tree, name)
            elif name not in OWN_FILES:
                yield name


def _write(path: str, data: bytes, mode: int) -> None:
    with open(path, "xb") as stream:
        stream.write(data)
    os.chmod(path, mode & 0o7777)


def _with_interpreter(script: str, interpreter: str) -> bytes | None:
    """Return a script that was made for the placeholder made for an interpreter instead."""
    first = shebang(PLACEHOLDER)
    with open(script, "rb") as stream:
        if stream.read(len(first)) != first:
            return None
        return shebang(interpreter) + stream.read()


def _corrected_record(path: str, relative: str, written: Mapping[str, bytes]) -> bytes:
    """Return a RECORD with the hashes of the scripts that were written anew."""
    from sagepip.staging.hashing import hash_of
    from sagepip.transaction.record import format_record, parse_record

    site = os.path.dirname(os.path.dirname(relative))
    with open(path, encoding="utf-8") as stream:
        rows = parse_record(stream.read())
    corrected = []
    for row in rows:
        data = written.get(os.path.normpath(os.path.join(site, row.path)))
        if data is not None:
            row = row._replace(digest=hash_of(data), size=len(data))
        corrected.append(row)
    return format_record(corrected)


def _make_bytecode_directories(tree: str) -> None:
    """Make the directories that Python would, so that their parents stay as they are."""
    for top, _, files in os.walk(os.path.join(tree, "lib")):
        if any(name.endswith(".py") for name in files):
            make_directory(os.path.join(top, "__pycache__"))
