"""The live directories that a change may touch, and what in them it must leave alone.

Everything that is written, replaced or removed in live trees goes through :meth:`Territory.locate`:
what a wheel brings, and what an installed RECORD claims. Neither is to be trusted.
"""

from __future__ import annotations

import os
import stat

from sagepip.ground.destination import Destination, LiveRoot
from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import NamedTuple
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.steps import DirectoryStamp

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_INTERPRETER = r"(python|pythonw|pypy)\d*(\.\d+)*t?(\.exe)?"
_METADATA = (".dist-info", ".egg-info", ".egg-link")


# Stands for the name of a file in what is said of its directory: no path holds it.
_NAME = "\0"
# Makes a named tuple of a tuple in half the time: there is one for each directory.
_quickly = tuple.__new__


class _Within(NamedTuple):
    """What is true of all files in a directory.

    Attributes:
        prefix: its resolved path, with a separator behind it.
        top: its first part below its root; empty if it is the root.
        in_modules: whether its root holds modules.
        holds_scripts: whether it is the directory of scripts.
        problem: why none of them must be touched, with ``_NAME`` for the name.
    """

    prefix: str
    top: str = ""
    in_modules: bool = False
    holds_scripts: bool = False
    problem: str = ""


class OutOfBounds(ValueError):
    """A path that a change must not touch; the text says why."""


class Territory:
    """The live roots of a change.

    Args:
        live: the roots.
        scripts: the directory of scripts.
        data: the prefix.

    Attributes:
        roots: the resolved live roots, the deepest first.
        module_roots: those that hold modules and metadata.
        scripts_root: the resolved directory of scripts.
        data_root: the resolved prefix.
        stamps: where it is not None, directories are noted in it as they are looked at, which is
            once: whoever looks into them afterwards need not ask again how they were before.
    """

    def __init__(self, live: Sequence[LiveRoot], scripts: str, data: str) -> None:
        # The deepest root that holds a path is its root: site-packages before the prefix.
        self._by_depth = sorted(live, key=lambda root: len(root.resolved), reverse=True)
        self.roots = list(dict.fromkeys(root.resolved for root in self._by_depth))
        self.module_roots = [root.resolved for root in live if root.holds_modules]
        self.scripts_root = os.path.realpath(scripts)
        self.data_root = os.path.realpath(data)
        self._spelt = {
            spelling: root.resolved
            for root in live
            if root.holds_modules
            for spelling in (root.path, root.resolved)
        }
        self._special = {*self.roots, self.scripts_root, *self._spelt}
        self.stamps: dict[str, DirectoryStamp] | None = None
        self._parents: dict[str, _Within] = {}
        self._absent: set[str] = set()
        self._resolved: dict[str, str] = {}

    @classmethod
    def of(cls, destination: Destination) -> Territory:
        """Return the territory of a destination.

        Raises:
            TargetError: with a DESTDIR, a root leads out of it through a link.
        """
        live = destination.live_roots
        if destination.root:
            _check_within(live, os.path.realpath(destination.root))
        scheme = destination.scheme
        return cls(live, destination.live(scheme.scripts), destination.live(scheme.data))

    def root_of(self, live: str) -> str:
        """Return the deepest root that holds a resolved path.

        Raises:
            OutOfBounds: there is none.
        """
        for root in self.roots:
            if live.startswith(root.rstrip(os.sep) + os.sep):
                return root
        raise OutOfBounds(f"{live} lies outside the target's directories")

    def is_data(self, live: str) -> bool:
        """Whether a resolved path lies below the data root and below none of the others."""
        if live.startswith(self.scripts_root.rstrip(os.sep) + os.sep):
            return False  # also where they have no root of their own: in a staged copy
        return self.root_of(live) == self.data_root and self.data_root not in self.module_roots

    def holds_modules(self, directory: str) -> bool:
        """Whether the root of a directory, as the scheme spells it, holds modules."""
        return self._within(directory).in_modules

    def locate(self, path: str, own_metadata: str = "") -> str:
        """Return the one resolved live path of a file that a distribution has or will have.

        Args:
            path: absolute and normalised, as the scheme spells it.
            own_metadata: the name of the distribution's own metadata directory.

        Raises:
            OutOfBounds: it must not be touched.
        """
        parent, name = os.path.split(path)
        within = self._within(parent)
        if problem := self._problem(within, name, own_metadata):
            raise OutOfBounds(problem)
        return within.prefix + name

    def locate_all(
        self, parent: str, names: Iterable[str], own_metadata: str = ""
    ) -> Iterator[tuple[str, str]]:
        """Yield the names of files in a directory that may be touched, and their live paths.

        Args:
            parent: the directory; absolute and normalised, as the scheme spells it.
            names: plain names.
            own_metadata: see :meth:`locate`.
        """
        within = self._within(parent)
        if within.problem:
            return
        prefix = within.prefix
        is_plain = bool(self.plain_prefix(parent, own_metadata))
        for name in names:
            if (is_plain and name[0] != ".") or not self._problem(within, name, own_metadata):
                yield name, prefix + name

    def plain_prefix(self, parent: str, own_metadata: str = "") -> str:
        """Return what the live paths of a directory's files begin with, if all may be touched.

        Below a package's own directory nothing but the name of our state is refused.

        Args:
            parent: the directory; absolute and normalised, as the scheme spells it.
            own_metadata: see :meth:`locate`.

        Returns:
            The prefix, for names that do not begin with a dot; empty where names matter.
        """
        within = self._within(parent)
        if within.problem or not within.top or within.holds_scripts:
            return ""
        return "" if self._is_others(within, within.top, own_metadata) else within.prefix

    def _within(self, parent: str) -> _Within:
        return self._parents.get(parent) or self._look_at(parent)

    def _problem(self, within: _Within, name: str, own_metadata: str) -> str:
        """Return why a file must not be touched, or an empty string."""
        if within.problem:
            return within.problem.replace(_NAME, name)
        live = within.prefix + name
        if name.startswith(STATE_DIRECTORY):
            return f"{live} is sagepip's own"
        if within.holds_scripts and _is_interpreter(name):
            return f"{live} is the name of an interpreter"
        if name == "pyvenv.cfg" and within.prefix == self.data_root.rstrip(os.sep) + os.sep:
            return f"{live} configures the interpreter"
        if self._is_others(within, within.top or name, own_metadata):
            return f"{live} is metadata of another distribution"
        return ""

    @staticmethod
    def _is_others(within: _Within, top: str, own_metadata: str) -> bool:
        """Whether something below a first part of a path is metadata of another distribution."""
        # importlib.metadata finds metadata whatever the case of its name.
        is_metadata = within.in_modules and top.lower().endswith(_METADATA)
        return is_metadata and top != own_metadata

    def _look_at(self, parent: str) -> _Within:
        """Find out what is true of all files in a directory, as the scheme spells it."""
        above, _, name = parent.rpartition(os.sep)
        known = None
        if above and parent not in self._special:
            known = self._parents.get(above) or self._look_at(above)
        if known is None:
            resolved = self._resolve(parent)
        else:
            resolved = self._resolve_in(known.prefix, parent, above) or os.path.realpath(parent)
        if (
            known is not None
            and not known.problem
            and resolved == known.prefix + name
            and resolved not in self._special
            and not name.startswith(STATE_DIRECTORY)
        ):
            # Nothing begins or ends here: what is true of the directory above is true of this one.
            same = (resolved + os.sep, known.top or name, known.in_modules, False, "")
            found = _quickly(_Within, same)
        else:
            found = self._look_closely(parent, resolved)
        self._parents[parent] = found
        return found

    def _look_closely(self, parent: str, resolved: str) -> _Within:
        prefix = resolved.rstrip(os.sep) + os.sep
        try:
            root = self.root_of(prefix + _NAME)
        except OutOfBounds as error:
            return _Within(prefix, problem=str(error))
        # Refuse what is reached through a link below site-packages: others' source trees.
        path = parent.rstrip(os.sep) + os.sep
        for spelling, at in self._spelt.items():
            if path.startswith(spelling + os.sep) and at + path[len(spelling) :] != prefix:
                problem = f"{path}{_NAME} is reached through a link to {resolved}"
                return _Within(prefix, problem=problem)
        parts = resolved[len(root) :].strip(os.sep).split(os.sep)
        if any(part.startswith(STATE_DIRECTORY) for part in parts):
            return _Within(prefix, problem=f"{prefix}{_NAME} is sagepip's own")
        return _Within(prefix, parts[0], root in self.module_roots, resolved == self.scripts_root)

    def _resolve(self, directory: str) -> str:
        """Return the real path of a normalised directory, most of whose parents are known."""
        known = self._resolved.get(directory)
        if known is None:
            above = directory[: directory.rfind(os.sep)]
            if above:
                prefix = self._resolve(above).rstrip(os.sep) + os.sep
                known = self._resolve_in(prefix, directory, above)
            known = self._resolved[directory] = known or os.path.realpath(directory)
        return known

    def _resolve_in(self, prefix: str, directory: str, above: str) -> str:
        """Return the real path of a directory unless it is a link, then an empty string.

        Args:
            prefix: the real path of the directory above it, with a separator.
            directory: it.
            above: the directory above it.
        """
        found = self._look_up(directory, above)
        if found is not None and stat.S_ISLNK(found.st_mode):
            return ""
        resolved = prefix + directory[len(above) + 1 :]
        if found is not None and self.stamps is not None:
            stamp = (resolved, found.st_ino, found.st_mtime_ns)
            self.stamps[resolved] = _quickly(DirectoryStamp, stamp)
        return resolved

    def _look_up(self, directory: str, above: str) -> os.stat_result | None:
        """Return the status of a directory; in one that is not there, nothing is."""
        if above in self._absent:
            self._absent.add(directory)
            return None
        try:
            return os.lstat(directory)
        except FileNotFoundError:
            self._absent.add(directory)
        except (OSError, ValueError):
            pass
        return None


def _check_within(roots: Sequence[LiveRoot], destdir: str) -> None:
    for root in roots:
        if os.path.commonpath([root.resolved, destdir]) != destdir:
            raise TargetError(
                f"{root.path} leads out of --root {destdir}, to {root.resolved}",
                advice="a link in the DESTDIR points to the live tree; remove it",
            )


def _is_interpreter(name: str) -> bool:
    if name[:2].lower() != "py":
        return False
    import re

    return bool(re.fullmatch(_INTERPRETER, name, re.IGNORECASE))
