"""Who owns a path: the replaced distributions, another one, or nobody."""

from __future__ import annotations

import os
import stat
import time

from sagepip.ground import console
from sagepip.ground.errors import ConflictError
from sagepip.ground.light_dataclass import NamedTuple
from sagepip.ground.light_functools import cached_property
from sagepip.ground.removing import KnownDirectory
from sagepip.ground.site_names import CLOCK_TICK_SECONDS, is_young
from sagepip.transaction.installed import InstalledDistribution, list_installed
from sagepip.transaction.record import RecordRow, recorded_path
from sagepip.transaction.steps import DirectoryStamp
from sagepip.transaction.territory import OutOfBounds, Territory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

CACHE_DIRECTORY = "__pycache__"
_NO_NAMES = frozenset({"", ".", ".."})
# module.cpython-311.opt-1.pyc → module; pytest appends its version, dots included.


def owned_files(distribution: InstalledDistribution, territory: Territory) -> set[str]:
    """Return the live paths that a distribution lists and that it may be relieved of.

    A list is not to be trusted: what the territory does not let be touched is left out. So is
    what lies elsewhere than with modules, scripts and headers and is not, by its size, what the
    row says: anything below the prefix could be claimed otherwise. A development installation of
    old lists nothing; its scripts are marked.

    Args:
        distribution: an installed one.
        territory: what may be touched.

    Raises:
        ConflictError: it has no list of files.
    """
    label = distribution.label
    if distribution.is_link:
        from sagepip.transaction.marked_scripts import marked_scripts

        source = distribution.linked_directory or "nowhere"
        console.detail(f"{label} is a development installation of {source}")
        marked = marked_scripts(territory.scripts_root, distribution.name)
        scripts = [_locate(path, distribution, territory) for path in marked]
        return {live for live in scripts if live is not None}
    record = distribution.record
    if record is None:
        own = os.path.basename(distribution.metadata_path)
        raise ConflictError(
            f"cannot tell which files belong to {label}: "
            f"{distribution.metadata_path} has no {distribution.list_name}",
            advice=f"an installation with --overwrite '{own}' replaces it and leaves its files, of "
            "which those in the way must be given too; or remove it and its files by hand",
        )
    found: set[str] = set()
    own = os.path.basename(distribution.metadata_path)
    for parent, rows in _by_directory(record, distribution.directory).items():
        prefix = territory.plain_prefix(parent, own) if territory.holds_modules(parent) else ""
        if prefix:
            found.update([prefix + name for name, _ in rows if name[0] != "."])
            rows = [one for one in rows if one[0][0] == "."]
            if not rows:
                continue
        located = dict(territory.locate_all(parent, [name for name, _ in rows], own))
        if not located or not territory.is_data(next(iter(located.values()))):
            found.update(located.values())
            continue
        for name, row in rows:
            live = located.get(name)
            if live is None:
                continue
            if row.digest and _has_size(live, row.size):
                found.add(live)
            elif os.path.lexists(live):
                console.detail(f"{live} stays: that it is {label}'s cannot be told")
    return found


def _by_directory(record: Iterable[RecordRow], home: str) -> dict[str, list[tuple[str, RecordRow]]]:
    """Return rows, with the names of the files, by directory, which is absolute and normalised."""
    spelt: dict[str, list[tuple[str, RecordRow]]] = {}
    found: dict[str, list[tuple[str, RecordRow]]] = {}
    for row in record:
        path = row[0]
        parent, _, name = path.rpartition("/")
        if name in _NO_NAMES or path[0] == "/":
            parent, name = os.path.split(recorded_path(row, home))
            if name:
                found.setdefault(parent, []).append((name, row))
        elif parent in spelt:
            spelt[parent].append((name, row))
        else:
            spelt[parent] = [(name, row)]
    prefix = os.path.normpath(home).rstrip(os.sep)
    for parent, rows in spelt.items():
        below = f"/{parent}" if parent else ""
        is_plain = "/." not in below and "//" not in below and below[-1:] != "/"
        directory = prefix + below if is_plain and prefix else os.path.normpath(home + below)
        if directory in found:
            found[directory].extend(rows)
        else:
            found[directory] = rows
    return found


def _locate(path: str, distribution: InstalledDistribution, territory: Territory) -> str | None:
    try:
        return territory.locate(path, os.path.basename(distribution.metadata_path))
    except OutOfBounds:
        return None


def _has_size(path: str, size: int | None) -> bool:
    try:
        return os.lstat(path).st_size == size
    except OSError:
        return False


def bytecode_source(path: str) -> str | None:
    """Return the path of the module that a file in ``__pycache__`` was compiled from, or None."""
    parent, name = os.path.split(path)
    if os.path.basename(parent) != CACHE_DIRECTORY:
        return None
    module = _compiled_module(name)
    return os.path.join(os.path.dirname(parent), module + ".py") if module else None


def _compiled_module(name: str) -> str:
    """Return ``a`` of ``a.cpython-311.opt-1.pyc``; nothing of what is not named like that."""
    stem = name.removesuffix(".pyc")
    dot = stem.find(".", 1)
    while stem != name and dot > 0:
        tag = stem[dot + 1 :]
        version = tag.lstrip("abcdefghijklmnopqrstuvwxyz")
        if version != tag and version.removeprefix("-")[:1].isdecimal():
            return stem[:dot]
        dot = stem.find(".", dot + 1)
    return ""


class OwnedTree(NamedTuple):
    """A directory in which everything is owned.

    Attributes:
        stamps: of it, as the first, and of all directories below it that must not change for that
            to stay true; taken before the look.
        contents: what is in it.
    """

    stamps: list[DirectoryStamp]
    contents: KnownDirectory


def walk_owned(
    directory: str,
    owned: Collection[str],
    *,
    settle: bool = True,
    seen: dict[str, DirectoryStamp] | None = None,
) -> OwnedTree | None:
    """Find out whether everything in a directory is owned, bytecode of owned modules included.

    Bytecode of modules that are not there at all belongs to nobody and does not count. An empty
    directory is somebody's: no RECORD lists directories.

    Args:
        directory: a real directory.
        owned: resolved paths.
        settle: wait until a change after the look would show in the stamps.
        seen: stamps that were taken a moment ago; each is used once, and taken out.

    Returns:
        The tree; None if something in it is not owned.
    """
    look = _Look(owned, seen if seen is not None else {})
    while True:
        begun = time.time()
        stamps: list[DirectoryStamp] = []
        contents = look.walk(directory, os.path.basename(directory), stamps)
        if contents is None:
            return None
        newest = max(stamp.modified for stamp in stamps)
        if not settle or not is_young(newest / 1e9, begun):
            return OwnedTree(stamps, contents)
        # A change within the clock tick of the last one would not show in the time.
        time.sleep(CLOCK_TICK_SECONDS)


class _Look:
    """Looks through directories for what is not owned.

    Args:
        owned: resolved paths.
        seen: see :func:`walk_owned`.
    """

    def __init__(self, owned: Collection[str], seen: dict[str, DirectoryStamp]) -> None:
        self._owned = owned
        self._seen = seen

    @cached_property
    def _parents(self) -> set[str]:
        return {path[: path.rfind("/")] for path in self._owned}

    def walk(
        self, directory: str, name: str, stamps: list[DirectoryStamp]
    ) -> KnownDirectory | None:
        """Return what is in a directory if all of it is owned; add the stamps of it and below."""
        stamp = self._seen.pop(directory, None) or DirectoryStamp.of(directory)
        if stamp is None:
            return None
        stamps.append(stamp)
        owned = self._owned
        files: list[str] = []
        directories: list[KnownDirectory] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    if entry.path not in owned:
                        return None
                    files.append(entry.name)
                    continue
                if entry.name == CACHE_DIRECTORY:
                    below = self._walk_cache(entry.path)
                else:
                    below = self.walk(entry.path, entry.name, stamps)
                if below is None:
                    return None
                directories.append(below)
        if not files and not directories and directory not in self._parents:
            return None
        return tuple.__new__(KnownDirectory, (name, files, directories))  # in half the time

    def _walk_cache(self, cache: str) -> KnownDirectory | None:
        """Return a ``__pycache__`` if all in it is owned, or bytecode of what is owned or gone."""
        names = os.listdir(cache)
        for name in names:
            path = cache + "/" + name
            if path in self._owned:
                continue
            source = bytecode_source(path)
            if source is None or (source not in self._owned and os.path.lexists(source)):
                return None
        return KnownDirectory(CACHE_DIRECTORY, names, [])


def same_content(first: str, second: str) -> bool:
    """Whether two paths are the same link, or regular files of the same content."""
    one, other = os.lstat(first), os.lstat(second)
    if stat.S_ISLNK(one.st_mode) and stat.S_ISLNK(other.st_mode):
        return os.readlink(first) == os.readlink(second)
    if not (stat.S_ISREG(one.st_mode) and stat.S_ISREG(other.st_mode)):
        return False
    import filecmp

    return one.st_size == other.st_size and filecmp.cmp(first, second, shallow=False)


def find_owner(path: str, directories: Iterable[str]) -> str | None:
    """Return the name and version of the distribution that lists a path, or None.

    Reads the lists of the whole site: for the message of a conflict only.
    """
    for distribution in list_installed(directories):
        try:
            rows = distribution.record or []
        except ConflictError:
            continue
        for row in rows:
            if row.path.endswith(os.path.basename(path)) and (
                os.path.realpath(os.path.dirname(recorded_path(row, distribution.directory)))
                == os.path.dirname(path)
            ):
                return f"{distribution.name} {distribution.version}"
    return None
