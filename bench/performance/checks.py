"""Whether a run did what it should have, from the files alone: nothing of the tools is used."""

from __future__ import annotations

import os
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

from packaging.utils import canonicalize_name

from bench import proof
from bench.environment import Pin, VirtualEnvironment
from bench.performance.figures import OURS, PIP, UV
from bench.performance.stopwatch import RunFailed


def check_installed(
    venv: VirtualEnvironment, pin: Pin, before: set[str], way: str, *, compiled: bool
) -> None:
    """Look at one distribution and at what else has changed; raises :class:`RunFailed`.

    Args:
        venv: where it was installed.
        pin: what.
        before: the files that were there before anything was.
        way: by which tool.
        compiled: whether all modules must have bytecode; otherwise none may have.
    """
    site = venv.site
    checks = [proof.prove_installed(site, [(pin.name, pin.version)]), proof.prove_records(site)]
    if way == OURS:
        checks += [proof.prove_nothing_left(site)]
    if way in (OURS, PIP):  # The others list no bytecode.
        checks += [proof.prove_nothing_stray(venv.root, site, before)]
    for one in checks:
        if not one.holds:
            raise RunFailed(f"not so: {one.claim}: {'; '.join(one.problems[:3])}")
    check_bytecode(site, compiled=compiled)


def check_bytecode(site: Path, *, compiled: bool) -> None:
    """Look at the bytecode of all modules; raises :class:`RunFailed`.

    Args:
        site: the site-packages directory.
        compiled: whether all that can be compiled must have valid bytecode, or none.
    """
    for base, directories, names in os.walk(site):
        if ".sagepip" in directories:
            directories.remove(".sagepip")
        for name in names:
            if not name.endswith(".py"):
                continue
            source = Path(base, name)
            bytecode = Path(cache_from_source(source))
            if not compiled and bytecode.exists():
                raise RunFailed(f"{source} has bytecode")
            if compiled and not _is_valid(bytecode, source) and _can_be_compiled(source):
                raise RunFailed(f"{source} has no valid bytecode")


def _is_valid(bytecode: Path, source: Path) -> bool:
    try:
        with bytecode.open("rb") as stream:
            header = stream.read(16)
    except OSError:
        return False
    if header[:4] != MAGIC_NUMBER:
        return False
    if int.from_bytes(header[4:8], "little"):
        return True  # By the hash of its source.
    status = source.stat()
    expected = (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return expected == (
        int.from_bytes(header[8:12], "little"),
        int.from_bytes(header[12:16], "little"),
    )


def _can_be_compiled(source: Path) -> bool:
    try:
        compile(source.read_bytes(), str(source), "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def check_uninstalled(venv: VirtualEnvironment, before: set[str], way: str) -> None:
    """See that nothing but what was there before is there; raises :class:`RunFailed`.

    Args:
        venv: where something was uninstalled.
        before: the files that were there before anything was installed.
        way: by which tool.
    """
    # site-packages itself may be gone: some tools remove what has become empty.
    own = tuple(f"/.sagepip/{name}" for name in proof.OWN_FILES)
    left = {path for path in proof.files_below(venv.root) - before if not path.endswith(own)}
    if way == UV:  # It leaves its lock, and bytecode of single modules.
        left = {path for path in left if not path.endswith(("/.lock", ".pyc"))}
    if left:
        raise RunFailed(f"left behind: {sorted(left)[:3]}")
    if lost := before - proof.files_below(venv.root):
        raise RunFailed(f"removed what was not installed: {sorted(lost)[:3]}")


def check_present(site: Path, name: str, *, installed: bool, count: int) -> None:
    """Look at one of many distributions; raises :class:`RunFailed`.

    Args:
        site: the site-packages directory.
        name: of the project.
        installed: whether it is to be there.
        count: how many distributions there are to be.
    """
    found = [
        canonicalize_name(info.name.split("-")[0]) for info in proof.metadata_directories(site)
    ]
    if (name in found) != installed or len(found) != count:
        raise RunFailed(f"{name} is {'not ' if installed else ''}there, with {len(found)} in all")


def check_no_temporary_files(home: Path) -> None:
    """See that the directory for temporary files is empty; raises :class:`RunFailed`."""
    if left := proof.prove_no_temporary_files(home / "tmp").problems:
        raise RunFailed(left[0])
