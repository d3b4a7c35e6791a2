"""Damage that shows in files: stray temporary ones, dead links, bytecode without source."""

from __future__ import annotations

import os
import re

from sagepip.ground.destination import Destination
from sagepip.ground.filesystem import open_regular
from sagepip.operations.bytecode_state import has_source, is_bytecode
from sagepip.operations.module_lookup import (
    is_standard_module,
    module_exists,
    pth_files,
    pth_lines,
    search_path,
)
from sagepip.operations.symptoms import Diagnosis, Symptom
from sagepip.operations.unlisted import Ownership
from sagepip.transaction.installed import list_installed
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.ownership import CACHE_DIRECTORY
from sagepip.transaction.recovery import TRANSACTIONS
from sagepip.transaction.site_view import module_directories, visible_directories

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

# pip writes RECORD and the like as RECORDxxxxxxxx.tmp beside it; uv works in .tmpXXXXXX.
_PIP_TEMPORARY = re.compile(r"(RECORD|INSTALLER|REQUESTED|direct_url\.json)[a-z0-9_]{8}\.tmp")
_UV_TEMPORARY = re.compile(r"\.tmp[A-Za-z0-9]{6}")
_ELSEWHERE = re.compile(re.escape(STATE_DIRECTORY) + r"-([0-9a-f]{16})")
_IMPORT = re.compile(r"import[ \t]+([A-Za-z_][\w.]*)[ \t]*(;|$)")


def file_symptoms(destination: Destination) -> Iterator[Diagnosis]:
    """Yield what is wrong with the files of a site.

    Args:
        destination: the site.
    """
    known = Ownership.of(list_installed(destination.metadata_directories))
    search = search_path(visible_directories(destination))
    yield from _staged_elsewhere(destination)
    for directory in module_directories(destination):
        yield from _dead_paths(directory, search)
        yield from _dead_links(directory)
        yield from _temporary(directory, known)
        _, found = _stale_below(directory, known)
        for path in found:
            yield Diagnosis(Symptom.STALE, path, "removes it", is_fixable=True)


def _dead_paths(directory: str, search: list[str]) -> Iterator[Diagnosis]:
    for pth in pth_files(directory):
        for line in pth_lines(pth):
            if line.startswith(("import ", "import\t")):
                match = _IMPORT.match(line)
                if match is None or is_standard_module(match[1]):
                    continue
                if not module_exists(match[1], search):
                    yield Diagnosis(
                        Symptom.DEAD_PATH,
                        pth,
                        "every start of the interpreter complains: reinstall what the module "
                        "belongs to, or remove the file",
                        f"no module {match[1]}",
                    )
            elif not os.path.exists(target := os.path.normpath(os.path.join(directory, line))):
                yield Diagnosis(
                    Symptom.DEAD_PATH,
                    pth,
                    "put the directory back, or remove the line",
                    f"{target} does not exist",
                )


def _dead_links(directory: str) -> Iterator[Diagnosis]:
    for entry in _entries(directory):
        if not entry.name.endswith(".egg-link"):
            continue
        try:
            with open_regular(entry.path) as stream:
                target = os.fsdecode(stream.readline()).strip()
        except OSError:
            continue
        if not target or not os.path.isdir(os.path.join(directory, target)):
            yield Diagnosis(
                Symptom.DEAD_LINK,
                entry.path,
                f"sagepip uninstall {entry.name.removesuffix('.egg-link')}",
                f"{target or 'nothing'} does not exist",
            )


def _temporary(directory: str, known: Ownership) -> Iterator[Diagnosis]:
    advice = "remove it if no installer is at work here"
    for entry in _entries(directory):
        if _UV_TEMPORARY.fullmatch(entry.name):
            yield Diagnosis(Symptom.TEMPORARY, entry.path, advice, "uv's")
        elif entry.name.endswith(".dist-info"):
            for inner in _entries(entry.path):
                if _PIP_TEMPORARY.fullmatch(inner.name) and inner.path not in known.listed:
                    yield Diagnosis(Symptom.TEMPORARY, inner.path, advice, "pip's")


def _staged_elsewhere(destination: Destination) -> Iterator[Diagnosis]:
    """Look for what a killed sagepip staged on other mounts and no transaction tells of."""
    transactions = os.path.join(destination.site, STATE_DIRECTORY, TRANSACTIONS)
    above: dict[str, None] = {}
    for root in destination.live_roots:
        directory = root.resolved
        while not os.path.isdir(directory):
            directory = os.path.dirname(directory)
        above[directory] = None
    for directory in above:
        for entry in _entries(directory):
            match = _ELSEWHERE.fullmatch(entry.name)
            if match and not os.path.lexists(os.path.join(transactions, match[1])):
                yield Diagnosis(
                    Symptom.TEMPORARY,
                    entry.path,
                    "remove it, unless a transaction of another site has that number",
                    "sagepip's; no transaction of this site",
                )


def _stale_below(directory: str, known: Ownership) -> tuple[bool, list[str]]:
    """Find bytecode without source.

    Returns:
        Whether there is nothing but such bytecode in the directory; and the paths of it, a
        directory instead of its contents where it holds nothing else.
    """
    only, found = True, list[str]()
    entries = _entries(directory)
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            only = False
            continue
        if entry.name == STATE_DIRECTORY or entry.name.startswith("~"):
            only = False
            continue
        inside = _stale_in if entry.name == CACHE_DIRECTORY else _stale_below
        inner_only, inner = inside(entry.path, known)
        if inner_only and inner:
            found.append(entry.path)
        else:
            only = False
            found += inner
    return only and bool(found), found


def _stale_in(cache: str, known: Ownership) -> tuple[bool, list[str]]:
    entries = _entries(cache)
    found = [
        entry.path
        for entry in entries
        if is_bytecode(entry.name)
        and entry.path not in known.listed
        and entry.is_file(follow_symlinks=False)
        and not has_source(entry.path)
    ]
    return len(found) == len(entries), found


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda one: one.name)
    except OSError:
        return []
