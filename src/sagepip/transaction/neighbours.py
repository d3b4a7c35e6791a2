"""Which files of a change other distributions list: their lists are searched as bytes.

A site may hold thousands of distributions, and any of them may list any file. Nearly all lists have
nothing to do with a change; so they are read and searched many at once, and only those are taken
apart in which something was found that may stand for one of the paths.
"""

from __future__ import annotations

import os

from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import open_regular
from sagepip.ground.light_functools import cached_property
from sagepip.ground.site_names import Entry
from sagepip.transaction.installed import InstalledDistribution, installed_at
from sagepip.transaction.metadata_names import MetadataNames
from sagepip.transaction.record import recorded_path

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

# Quoted fields, absolute paths, other ends of lines, and paths that are not in their normal form.
_ODD_SPELLINGS = (b'"', b"\r", b"\n/", b"\n./", b"/./", b"//", b"/,", b"/\n")
_DIST_INFO = ".dist-info"
# As many lists as are searched at once, and as much of one as is read at once.
_LISTS = 128
_READ_BYTES = 1 << 16
# What is no block and ends with a line is all there is. Few file systems give less than there is,
# and those give blocks.
_BLOCK_BYTES = 512
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
# With more the search takes longer than a look at every list.
_MOST_MARKS = 64
_MOST_NAMES = 8
_MOST_PATHS = 500


def listed_by(neighbours: Iterable[MetadataNames], paths: Collection[str]) -> dict[str, str]:
    """Return which of some live paths are listed by which distribution: its name and version.

    A broken neighbour lists nothing: it must not stop the change of another.

    Args:
        neighbours: the metadata of the other distributions.
        paths: resolved live paths.
    """
    found: dict[str, str] = {}
    for directory, resolved, entries in neighbours if paths else ():
        if not entries:
            continue
        wanted = _Wanted(paths, resolved)
        recent = [one for one in entries if one[0][-10:] == _DIST_INFO]
        for start in range(0, len(recent), _LISTS):
            lists = _read_records(resolved, recent[start : start + _LISTS])
            if lists and wanted.may_be_in(_as_lines(*(data for _, data in lists))):
                for entry, data in lists:
                    one = installed_at(directory, resolved, entry)
                    found |= wanted.found_in(one, _as_lines(data))
        for entry in entries if len(recent) < len(entries) else ():
            if not entry[0].endswith(".egg-info"):
                continue
            one = installed_at(directory, resolved, entry)
            old_list = _read_whole(os.path.join(one.metadata_path, one.list_name))
            if old_list is not None:
                found |= wanted.found_in(one, _as_lines(old_list))
    return found


class _Wanted:
    """Live paths as the lists of files in one directory would spell them.

    Args:
        paths: the live paths.
        directory: the resolved directory that holds the metadata.
    """

    def __init__(self, paths: Collection[str], directory: str) -> None:
        self._paths = paths
        self._directory = directory
        self._prefix = directory.rstrip(os.sep) + os.sep
        self._marks = self._find_marks()

    def _find_marks(self) -> frozenset[bytes]:
        """Return bytes of which one is in each list that has one of the paths in normal form."""
        prefix, skipped = self._prefix, len(self._prefix)
        below = [path[skipped:] for path in self._paths if path.startswith(prefix)]
        marks = {"\n" + top for top in {one[: one.find("/") + 1] or one for one in below}}
        # The bytecode of single modules shares one directory.
        if "\n__pycache__/" in marks:
            marks.remove("\n__pycache__/")
            marks |= {"\n" + one for one in below if one.startswith("__pycache__/")}
        if len(below) < len(self._paths):
            outside = [path for path in self._paths if not path.startswith(prefix)]
            marks |= {"/" + os.path.basename(path) for path in outside}
        return frozenset(map(os.fsencode, marks))

    @cached_property
    def _rows(self) -> dict[bytes, str]:
        """The paths by their spelling in a list."""
        return {os.fsencode(self._relative(path)): path for path in self._paths}

    @cached_property
    def _names(self) -> set[bytes]:
        return {os.fsencode(os.path.basename(path)) for path in self._paths}

    @cached_property
    def _plain_names(self) -> set[bytes]:
        """The names of the files, where one is in each list that has one of them, in any spelling.

        None where there are so many that a search for them is no shortcut.
        """
        if len(self._paths) > _MOST_PATHS:
            return set()  # without a look at all of them
        few = len(self._names) <= _MOST_NAMES and not any(b'"' in name for name in self._names)
        return self._names if few else set()

    def _relative(self, path: str) -> str:
        if path.startswith(self._prefix):
            return path[len(self._prefix) :]
        return os.path.relpath(path, self._directory)

    def may_be_in(self, data: bytes) -> bool:
        """Whether lists may name one of the paths, however it is spelt.

        Args:
            data: one RECORD, or several; each line between two ends of lines.
        """
        return self._is_named(data) and (self._is_marked(data) or self._is_odd(data))

    def _is_named(self, data: bytes) -> bool:
        return not self._plain_names or any(name in data for name in self._plain_names)

    def _is_marked(self, data: bytes) -> bool:
        return len(self._marks) > _MOST_MARKS or any(mark in data for mark in self._marks)

    def _is_odd(self, data: bytes) -> bool:
        """Whether a path may be spelt otherwise than in its normal form.

        Only what is outside of site-packages can be reached by several spellings, through links.
        """
        if any(odd in data for odd in _ODD_SPELLINGS):
            return True
        climbs = data.count(b"/../")
        if b"\n.." not in data:
            return climbs > 0
        climbing = [b".." + rest.partition(b"\n")[0] for rest in data.split(b"\n..")[1:]]
        return climbs > sum(row.count(b"/../") for row in climbing) or any(
            row.rsplit(b",", 2)[0].rsplit(b"/", 1)[-1] in self._names for row in climbing
        )

    def found_in(self, one: InstalledDistribution, data: bytes) -> dict[str, str]:
        """Return which of the paths one list names, and whose it is.

        Args:
            one: the distribution.
            data: its list; each line between two ends of lines.
        """
        label = f"{one.name} {one.version}"
        found = {}
        if not one.is_dist_info or self._is_marked(data):
            for row in self._rows.keys() & _raw_paths(one, data):
                found[self._rows[row]] = label
        if not one.is_dist_info or self._is_odd(data):
            found |= dict.fromkeys(_listed_oddly(one, self._paths), label)
        return found


def _as_lines(*lists: bytes) -> bytes:
    """Make each line look like the others: pip ends them all with both characters."""
    data = b"\n".join((b"", *lists, b""))
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def _read_records(resolved: str, entries: Sequence[Entry]) -> list[tuple[Entry, bytes]]:
    """Read the RECORDs of some distributions; those that cannot be read are left out."""
    found = []
    try:
        directory = os.open(resolved, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        for entry in entries:
            path = entry[0] + "/RECORD"
            try:
                descriptor = os.open(path, _READ, dir_fd=directory)
            except OSError:
                continue
            try:
                data = os.read(descriptor, _READ_BYTES)
            except OSError:
                continue  # a directory, or a pipe that somebody writes to
            finally:
                os.close(descriptor)
            if len(data) % _BLOCK_BYTES and data[-1:] == b"\n":
                found.append((entry, data))
                continue
            whole = _read_whole(os.path.join(resolved, path))
            if whole is not None:
                found.append((entry, whole))
    finally:
        os.close(directory)
    return found


def _read_whole(path: str) -> bytes | None:
    try:
        with open_regular(path) as stream:
            return stream.read()
    except OSError:
        return None


def _raw_paths(one: InstalledDistribution, data: bytes) -> set[bytes]:
    """Return the paths in a list of files, relative to the directory of the metadata."""
    lines = data.splitlines()
    if one.is_dist_info:
        return {line.rsplit(b",", 2)[0] for line in lines}
    own = os.fsencode(os.path.basename(one.metadata_path)) + b"/"
    return {line[3:] if line.startswith(b"../") else own + line for line in lines}


def _listed_oddly(one: InstalledDistribution, paths: Collection[str]) -> list[str]:
    """Return which paths are listed, however they are spelt: quoted, absolute, not normal."""
    try:
        rows = one.record or []
    except ConflictError:
        return []
    found = []
    resolved: dict[str, str] = {}
    for row in rows:
        parent, name = os.path.split(recorded_path(row, one.directory))
        if parent not in resolved:
            resolved[parent] = os.path.realpath(parent)
        live = os.path.join(resolved[parent], name)
        if live in paths:
            found.append(live)
    return found
