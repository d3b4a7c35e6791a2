"""What a plan takes for granted of a site, and whether it is still so under the lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence

from sagepip.ground import console
from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import open_regular
from sagepip.ground.project_names import canonical_name
from sagepip.transaction.installed import (
    InstalledDistribution,
    list_installed,
)
from sagepip.transaction.ownership import owned_files
from sagepip.transaction.record import recorded_path
from sagepip.transaction.steps import DirectoryStamp
from sagepip.transaction.territory import Territory

# Quoted fields, absolute paths, other ends of lines, and paths that are not in their normal form.
_ODD_SPELLINGS = (b'"', b"\r", b"\n/", b"\n./", b"/./", b"//", b"/,", b"/\n")


class SiteObservation:
    """The distributions of a site at one moment, seen from a change of some of them.

    Args:
        directories: the live directories that hold metadata.
        names: the projects that are going to change.
        territory: what may be touched.
        may_leave: whether metadata that lists no files may be replaced, and its files left.

    Attributes:
        replaced: the installed versions of those projects.
        others: all other distributions.
        old: the live paths of their files that no other distribution lists.
        shared: the live paths of their files that another lists too, and its name and version.

    Raises:
        ConflictError: one of the replaced lists no files, or its list cannot be understood.
    """

    def __init__(
        self,
        directories: Sequence[str],
        names: Iterable[str],
        territory: Territory,
        *,
        may_leave: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._directories = directories
        self._stamps = [DirectoryStamp.of(os.path.realpath(one)) for one in directories]
        self._seen = list_installed(directories)
        self._names = {canonical_name(name) for name in names}
        self.replaced = [one for one in self._seen if one.name in self._names]
        self.old: set[str] = set()
        for one in self.replaced:
            if one.is_remnant:
                console.warn(f"removing {one.metadata_path}, what another tool left half-done")
            elif one.record is None and not one.is_link and may_leave(one.metadata_path):
                console.detail(f"{one.metadata_path} goes; it lists no files: they stay")
            else:
                self.old |= owned_files(one, territory)
        self.others = [one for one in self._seen if one.name not in self._names]
        self.shared = listed_by(self.others, self.old) if self.old else {}
        self.old -= self.shared.keys()

    def still_current(self, touched: Collection[str]) -> bool:
        """Whether nothing has come or gone since that matters to a change.

        Others may have published meanwhile, which is no matter unless it was one of the projects,
        or something that lists files that the change replaces, removes or relies on.

        Args:
            touched: the live paths of such files.
        """
        if all(stamp is not None and stamp.still_holds() for stamp in self._stamps):
            return True
        now = list_installed(self._directories)
        if [one for one in now if one.name in self._names] != self.replaced:
            return False
        # One that was installed again is another: it may list other files.
        seen = set(self._seen)
        new = [one for one in now if one not in seen and one.name not in self._names]
        if any(one.is_link for one in self.replaced) and _links(now) != _links(self._seen):
            return False  # others may need, or need no more, the line of easy-install.pth
        return not listed_by(new, touched)


def _links(distributions: Iterable[InstalledDistribution]) -> list[InstalledDistribution]:
    return [one for one in distributions if one.is_link]


def listed_by(
    distributions: Iterable[InstalledDistribution], paths: Collection[str]
) -> dict[str, str]:
    """Return which of some live paths are listed by which distribution.

    A broken neighbour lists nothing: it must not stop the change of another.
    """
    if not paths:
        return {}
    names = {os.fsencode(os.path.basename(path)) for path in paths}
    wanted_in: dict[str, _Wanted] = {}
    found: dict[str, str] = {}
    for one in distributions:
        try:
            with open_regular(os.path.join(one.metadata_path, one.list_name)) as stream:
                # Each line is to look like the others; pip ends them all with both characters.
                data = b"\n" + stream.read().replace(b"\r\n", b"\n") + b"\n"
        except OSError:
            continue
        if one.directory not in wanted_in:
            wanted_in[one.directory] = _Wanted(paths, os.path.dirname(one.metadata_path))
        wanted = wanted_in[one.directory]
        label = f"{one.name} {one.version}"
        # Nearly all lists have nothing to do with the paths: a look at the bytes tells. Only
        # what is outside of site-packages can be reached by several spellings, through links.
        if not one.is_dist_info or any(mark in data for mark in wanted.marks):
            for row in wanted.rows.keys() & _raw_paths(one, data):
                found[wanted.rows[row]] = label
        climbing = [b".." + rest.partition(b"\n")[0] for rest in data.split(b"\n..")[1:]]
        if (
            any(odd in data for odd in _ODD_SPELLINGS)
            or data.count(b"/../") > sum(row.count(b"/../") for row in climbing)
            or any(_listed(one, row).rsplit(b"/", 1)[-1] in names for row in climbing)
        ):
            found |= dict.fromkeys(_listed_oddly(one, paths), label)
    return found


class _Wanted:
    """Live paths as a list of files in one directory would spell them.

    Attributes:
        rows: the paths by their spelling in a RECORD.
        marks: one of these bytes is in each RECORD that lists one of the paths so.
    """

    def __init__(self, paths: Collection[str], directory: str) -> None:
        self.rows = {os.fsencode(_relative(path, directory)): path for path in paths}
        self.marks = set()
        for row in self.rows:
            top, separator, _ = row.partition(b"/")
            climbs = top == b".."
            self.marks.add(b"/" + row.rsplit(b"/", 1)[-1] if climbs else b"\n" + top + separator)


def _relative(path: str, directory: str) -> str:
    prefix = directory + os.sep
    return path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, directory)


def _raw_paths(one: InstalledDistribution, data: bytes) -> set[bytes]:
    """Return the paths in a list of files, relative to the directory of the metadata."""
    lines = data.splitlines()
    if one.is_dist_info:
        return {_listed(one, line) for line in lines}
    own = os.fsencode(os.path.basename(one.metadata_path)) + b"/"
    return {line[3:] if line.startswith(b"../") else own + line for line in lines}


def _listed(one: InstalledDistribution, line: bytes) -> bytes:
    return line.rsplit(b",", 2)[0] if one.is_dist_info else line


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
