"""Put a build environment together from unpacked wheels, by hard links where they can be had."""

from __future__ import annotations

import os

from sagepip.build.tree_stamps import BYTECODE, OWN_FILES, ChangedTree, file_stamps, stamp_of
from sagepip.build.unpacked_wheels import PLACEHOLDER
from sagepip.build.virtual_environment import create_environment
from sagepip.ground.filesystem import hard_link, link_or_copy, make_directory, remove_file
from sagepip.ground.target_python import TargetPython
from sagepip.staging.scripts import shebang

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sagepip.build.tree_stamps import Stamp


def assemble(
    tree: str, final: str, unpacked: Iterable[str], python: TargetPython
) -> dict[str, Stamp]:
    """Make a virtual environment that holds unpacked wheels.

    Args:
        tree: the directory to make.
        final: the path that it is going to have.
        unpacked: the trees of the wheels (:mod:`sagepip.build.unpacked_wheels`); of two that hold
            the same file the later one wins, as with pip.
        python: the interpreter whose likeness it is.

    Returns:
        Of each file that is a link the stamp that it had when the wheel was unpacked; its name is
        relative to the tree.

    Raises:
        ChangedTree: one of the wheels is not as it was unpacked.
        TargetError: the interpreter makes no environment.
        OSError: it cannot be written.
    """
    create_environment(tree, python)
    for name in _activation_scripts(tree):
        remove_file(name)  # they hold the path of the tree, and a build starts no shell
    interpreter = os.path.join(final, "bin", "python")
    linked: dict[str, Stamp] = {}
    for one in unpacked:
        _add(one, tree, interpreter, linked)
    return linked


def _activation_scripts(tree: str) -> list[str]:
    scripts = os.path.join(tree, "bin")
    return [
        os.path.join(scripts, name)
        for name in os.listdir(scripts)
        if name.lower().startswith("activate")
    ]


def _add(unpacked: str, tree: str, interpreter: str, linked: dict[str, Stamp]) -> None:
    """Link the files of a wheel; scripts and RECORD are written anew where they must differ."""
    known = file_stamps(unpacked)
    missing = len(known)
    written: dict[str, bytes] = {}
    records: list[str] = []
    for relative in _files(unpacked, tree, ""):
        if relative not in known and f"/{BYTECODE}/" not in relative:
            raise ChangedTree(unpacked, relative)
        source, target = f"{unpacked}/{relative}", f"{tree}/{relative}"
        in_scripts = relative.startswith("bin/") and relative.count("/") == 1
        data = _with_interpreter(source, interpreter) if in_scripts else None
        if data is None:
            is_linked = _link(source, target)
        else:
            is_linked = False
            remove_file(target)
            written[relative] = data
            _write(target, data, os.stat(source).st_mode)
        linked.pop(relative, None)
        if relative not in known:
            continue
        missing -= 1
        if is_linked:
            linked[relative] = known[relative]
        elif stamp_of(source) != known[relative]:
            raise ChangedTree(unpacked, relative)  # what was read may be another's
        if relative.endswith(".dist-info/RECORD"):
            records.append(relative)
    if missing or not known:
        raise ChangedTree(unpacked, "")
    for relative in records if written else ():
        data = _corrected_record(os.path.join(unpacked, relative), relative, written)
        target = os.path.join(tree, relative)
        remove_file(target)
        linked.pop(relative, None)
        _write(target, data, os.stat(os.path.join(unpacked, relative)).st_mode)


def _link(source: str, target: str) -> bool:
    """Give a file another name, or copy it; return whether it is the same file."""
    try:
        if hard_link(source, target):
            return True
    except FileExistsError:
        remove_file(target)  # it may be a link to another wheel's: not to be written to
        if hard_link(source, target):
            return True
    remove_file(target)
    link_or_copy(source, target)
    return False


def _files(unpacked: str, tree: str, relative: str) -> Iterator[str]:
    """Yield what is no directory in a wheel's tree; make its directories in the environment.

    So are those that Python would make for bytecode, and their parents stay as they are.
    """
    has_modules = False
    with os.scandir(f"{unpacked}/{relative}") as entries:
        for entry in entries:
            name = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir(follow_symlinks=False):
                make_directory(f"{tree}/{name}")
                yield from _files(unpacked, tree, name)
            elif name not in OWN_FILES:
                has_modules = has_modules or name.endswith(".py")
                yield name
    if has_modules and relative.startswith("lib"):
        make_directory(f"{tree}/{relative}/{BYTECODE}")


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
