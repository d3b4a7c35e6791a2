"""Files that no RECORD lists, where one distribution alone should have put them.

What counts as extra:

* a file that is not listed, in a directory whose listed files are all of one distribution;
* bytecode whose module has gone, there and beside the top-level modules;
* the script of an entry point that no distribution lists and whose module is not there.

Top-level modules and packages that nobody lists are no damage (a virtual environment's own
``_virtualenv.py``, a distributor's modules, what a legacy .egg-info stands for): they are told
apart. In directories of several distributions, and beside site-packages, everything may be.
"""

from __future__ import annotations

import os
import re

from sagepip.ground.errors import ConflictError
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.operations.bytecode_state import has_source, is_bytecode
from sagepip.operations.findings import Finding, Kind
from sagepip.operations.module_lookup import is_standard_module, module_exists
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.ownership import CACHE_DIRECTORY
from sagepip.transaction.record import recorded_path

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_INSTALLERS_OWN = frozenset(
    {"INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json"}
)
_STUB = re.compile(r"^from ([A-Za-z_][\w.]*) import \w+", re.MULTILINE)
_STUB_END = re.compile(r"sys\.exit\(\w[\w.]*\(\)\)")


@dataclass
class Ownership:
    """Who lists what in a site.

    Attributes:
        listed: every live path that some RECORD lists.
        owners: for each directory that holds listed files, the distributions that list them;
            ``None`` among them stands for one whose files are unknown.
    """

    listed: set[str] = field(default_factory=set)
    owners: dict[str, set[InstalledDistribution | None]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        distributions: Iterable[InstalledDistribution],
        is_systems: Callable[[InstalledDistribution], bool] = lambda _: False,
    ) -> Ownership:
        """Read the lists of files; a broken one lists nothing.

        Args:
            distributions: those of a site.
            is_systems: whether a distribution may have more files than it lists.
        """
        known = cls()
        resolved: dict[str, str] = {}
        for one in distributions:
            try:
                rows = one.record
            except (ConflictError, OSError):
                rows = None
            if rows is None or is_systems(one):
                known._add_unknown(one)
            for row in rows or ():
                parent, name = os.path.split(recorded_path(row, one.directory))
                if parent not in resolved:
                    resolved[parent] = os.path.realpath(parent)
                known._add(os.path.join(resolved[parent], name), one)
        return known

    def owner(self, directory: str) -> InstalledDistribution | None:
        """Return the one distribution that a directory belongs to, or None."""
        owners = self.owners.get(directory, set())
        found = {one.name: one for one in owners if one is not None}
        return next(iter(found.values())) if len(found) == 1 and None not in owners else None

    def _add(self, path: str, one: InstalledDistribution | None) -> None:
        self.listed.add(path)
        parent = os.path.dirname(path)
        while parent not in self.owners or one not in self.owners[parent]:
            self.owners.setdefault(parent, set()).add(one)
            parent = os.path.dirname(parent)

    def _add_unknown(self, one: InstalledDistribution) -> None:
        try:
            names = (one.read("top_level.txt") or "").split()
        except OSError:
            names = []
        for name in [*names, one.name.replace("-", "_")]:
            directory = os.path.join(one.directory, *name.split("/"))
            self.owners.setdefault(directory, set()).add(None)
            self.listed.add(directory + ".py")


def extra_files(directories: Iterable[str], known: Ownership) -> Iterator[Finding]:
    """Yield what lies in directories of one distribution without being listed.

    Args:
        directories: the resolved directories of modules and metadata.
        known: who lists what.
    """
    for directory in directories:
        for entry in _entries(directory):
            if entry.name == CACHE_DIRECTORY:
                yield from _stale(entry.path, known, None, directory)
            elif entry.is_dir(follow_symlinks=False) and entry.name != STATE_DIRECTORY:
                yield from _extra_below(entry.path, known, directory)


def nobodys(directories: Iterable[str], known: Ownership) -> Iterator[str]:
    """Yield the top-level modules and packages that no distribution lists.

    Args:
        directories: the resolved directories of modules and metadata.
        known: who lists what.
    """
    for directory in directories:
        for entry in _entries(directory):
            if entry.is_dir(follow_symlinks=False):
                if (
                    entry.name.isidentifier()
                    and entry.name != CACHE_DIRECTORY
                    and entry.path not in known.owners
                    and any(os.scandir(entry.path))
                ):
                    yield entry.path + os.sep
            elif entry.name.endswith((".py", ".so")) and entry.path not in known.listed:
                yield entry.path


def stray_scripts(
    directory: str, known: Ownership, interpreter: str, search: Iterable[str]
) -> Iterator[Finding]:
    """Yield the scripts of entry points whose distribution has gone.

    Args:
        directory: the resolved directory of scripts; other programs may lie there too.
        known: who lists what.
        interpreter: the target's; what runs another one may be another site's.
        search: where modules may lie.
    """
    paths = list(search)
    real = os.path.realpath(interpreter)
    for entry in _entries(directory):
        if entry.path in known.listed or not entry.is_file(follow_symlinks=False):
            continue
        try:
            with open(entry.path, "rb") as stream:
                text = stream.read(4096).decode("utf-8", "replace")
        except OSError:
            continue
        first = text.partition("\n")[0]
        module = _STUB.search(text)
        if not first.startswith("#!") or module is None or not _STUB_END.search(text):
            continue
        runs = first[2:].split(" ")[0].strip()
        if not os.path.isabs(runs) or os.path.realpath(runs) != real:
            continue
        if not is_standard_module(module[1]) and not module_exists(module[1], paths):
            yield Finding("", "", Kind.EXTRA, entry.path, f"a script without its {module[1]}")


def _extra_below(directory: str, known: Ownership, site: str) -> Iterator[Finding]:
    owner = known.owner(directory)
    for entry in _entries(directory):
        is_directory = entry.is_dir(follow_symlinks=False)
        if is_directory and entry.name == CACHE_DIRECTORY:
            if owner is not None:
                yield from _stale(entry.path, known, owner, site)
        elif is_directory and entry.path in known.owners:
            yield from _extra_below(entry.path, known, site)
        elif owner is None or entry.path in known.listed:
            continue
        elif is_directory:
            if contents := sum(len(files) for _, _, files in os.walk(entry.path)):
                counted = f"{contents} file{'s' * (contents != 1)}"
                yield _finding(owner, Kind.EXTRA, entry.path + os.sep, site, counted)
        elif directory != owner.metadata_path or entry.name not in _INSTALLERS_OWN:
            yield _finding(owner, Kind.EXTRA, entry.path, site)


def _stale(
    cache: str, known: Ownership, owner: InstalledDistribution | None, site: str
) -> Iterator[Finding]:
    for entry in _entries(cache):
        if (
            is_bytecode(entry.name)
            and entry.path not in known.listed
            and not has_source(entry.path)
        ):
            yield _finding(owner, Kind.STALE, entry.path, site)


def _finding(
    owner: InstalledDistribution | None, kind: Kind, path: str, site: str, detail: str = ""
) -> Finding:
    shown = path[len(site.rstrip(os.sep)) + 1 :]
    if owner is None:
        return Finding("", "", kind, shown, detail)
    return Finding(owner.name, owner.version, kind, shown, detail)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda one: one.name)
    except OSError:
        return []
