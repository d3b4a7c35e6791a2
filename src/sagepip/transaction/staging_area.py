"""Where a transaction's files wait: one tree for each live root, on the mount of that root."""

from __future__ import annotations

import os

from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import (
    can_move_directory,
    can_rename_between,
    make_directories,
    make_directory,
)
from sagepip.ground.json_text import json_text
from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.kept_files import KeptFiles
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.territory import OutOfBounds, Territory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection

_NAME_BYTES = 255
ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class StagingRoot:
    """A live root and the directories on its mount that belong to the transaction.

    Attributes:
        live: the live directory; it may not exist yet.
        new: what will be placed below ``live``, with the same relative paths.
        trash: where what is retired from ``live`` goes.
    """

    live: str
    new: str
    trash: str

    def staged(self, live: str) -> str:
        """Return the staged path of a live path below the root."""
        return self.new + live[len(self.live.rstrip(os.sep)) :]


@dataclass(frozen=True)
class StagedDistribution:
    """A distribution that is complete in the staging area.

    Attributes:
        name: as its METADATA says.
        version: as its METADATA says.
        metadata_path: the live path that its dist-info will have.
        files: the live paths of all its files, RECORD and bytecode included.
        kept: those of them that are not staged, but installed already; None if there are none.
    """

    name: str
    version: str
    metadata_path: str
    files: frozenset[str]
    kept: KeptFiles | None = None


class StagingArea:
    """The staged files of one transaction; a live path leads to exactly one staged path.

    Args:
        directory: the transaction's own directory.
        territory: the live directories that may be written to.
    """

    def __init__(self, directory: str, territory: Territory) -> None:
        self.directory = directory
        self.territory = territory
        self._roots: dict[str, StagingRoot] = {}
        self._claimed: dict[str, str] = {}
        self._directories: set[str] = set()
        self._staged_parents: dict[str, str] = {}
        self._spare = 0
        self._numbers = 0
        self._movable: dict[str, bool] = {}
        self._by_directory: dict[str, StagingRoot] = {}

    @property
    def roots(self) -> list[StagingRoot]:
        """The roots that something was staged for, the deepest first."""
        return [self._roots[live] for live in self.territory.roots if live in self._roots]

    def locate(self, path: str, own_metadata: str) -> str:
        """Return the resolved live path of a file to be staged.

        Raises:
            TargetError: it must not be touched (see :meth:`Territory.locate`).
        """
        try:
            return self.territory.locate(path, own_metadata)
        except OutOfBounds as error:
            raise TargetError(
                str(error),
                advice="the distribution is malformed or hostile, or a directory is a link",
            ) from error

    def root_of(self, live: str) -> StagingRoot:
        """Return the root of a resolved live path, making its directories at first use."""
        live_root = self.territory.root_of(live)
        root = self._roots.get(live_root)
        if root is None:
            root = self._roots[live_root] = self._make_root(live_root)
        return root

    def claim(self, parent: str, name: str, owner: str) -> str | None:
        """Reserve a resolved live path for one file and return where to write it.

        Args:
            parent: the directory of the path, as :meth:`locate` returns it, and a separator.
            name: the name of the file in it.
            owner: the distribution, for messages.

        Returns:
            The staged path, whose parent exists; None if the path was claimed before.

        Raises:
            TargetError: the name is too long, or a directory is where a file is to be.
        """
        live = parent + name
        if len(name) * 4 > _NAME_BYTES and len(os.fsencode(name)) > _NAME_BYTES:
            raise TargetError(f"{owner}: the file name is too long: {live}")
        if live in self._claimed:
            return None
        if live in self._directories:
            raise TargetError(f"{owner}: {live} is both a file and a directory in it")
        staged = self._staged_parents.get(parent) or self._stage_directory(parent, owner)
        self._claimed[live] = owner
        return staged + name

    def _stage_directory(self, parent: str, owner: str) -> str:
        """Make the staged directory for a live one, and return it; both with a separator."""
        live = parent.rstrip(os.sep)
        if (live or os.sep) in self.territory.roots:
            staged = self.root_of(parent + "any").new + os.sep
        else:
            cut = live.rfind(os.sep) + 1
            above, name = live[:cut], live[cut:]
            if not name:
                raise OutOfBounds(f"{owner}: {parent} lies in none of the roots")
            if len(name) * 4 > _NAME_BYTES and len(os.fsencode(name)) > _NAME_BYTES:
                raise TargetError(f"{owner}: the file name is too long: {live}")
            if live in self._claimed:
                raise TargetError(f"{owner}: {live} is both a file and a directory in it")
            staged_above = self._staged_parents.get(above) or self._stage_directory(above, owner)
            staged = staged_above + name
            make_directory(staged)
            self._directories.add(live)
            staged += os.sep
        self._staged_parents[parent] = staged
        return staged

    def reserve(self, files: Collection[str], owner: str) -> bool:
        """Reserve live paths for the files that are there; return whether all were free.

        Args:
            files: as :meth:`locate` returns them.
            owner: the distribution, for messages.
        """
        if any(live in self._claimed or live in self._directories for live in files):
            return False
        self._claimed.update(dict.fromkeys(files, owner))
        return True

    def content_path(self, live: str) -> str:
        """Return where the content of a claimed live path is: staged, or there already."""
        staged = self.staged_path(live)
        return staged if os.path.lexists(staged) else live

    def spare_path(self) -> str:
        """Return a path in the transaction's directory that nothing bears."""
        self._spare += 1
        return os.path.join(self.directory, f"spare-{self._spare}")

    def claimed_by(self, live: str) -> str:
        """Return the owner of a claimed live path."""
        return self._claimed[live]

    def staged_path(self, live: str) -> str:
        """Return the staged path of a resolved live path."""
        root = self.root_of(live)
        return root.staged(live)

    def root_at(self, directory: str) -> StagingRoot:
        """Return the root whose files can be renamed into a live directory.

        It is that of the territory, unless something is mounted on the directory or above it.

        Args:
            directory: resolved; where it does not exist, what is above it counts.
        """
        known = self._by_directory.get(directory)
        if known is None:
            root = self.root_of(os.path.join(directory, "any"))
            if directory != root.live:
                root = self.root_at(os.path.dirname(directory))
                if os.path.isdir(directory) and not can_rename_between(root.new, directory):
                    root = self._make_root(directory)
            known = self._by_directory[directory] = root
        return known

    def staged_for(self, directory: str, staged: str) -> str:
        """Return where the files for a live directory wait, copied to its mount if need be.

        Args:
            directory: resolved; it exists.
            staged: where they were staged.
        """
        root = self.root_at(directory)
        if root.live in self.territory.roots:
            return staged
        own = root.staged(directory)
        if own != staged and not os.listdir(own):
            from sagepip.ground.cloning import Cloner

            Cloner().clone_tree(staged, own)
        return own

    def can_move(self, live: str) -> bool:
        """Whether a live directory can be renamed as a whole, to where the transaction keeps it.

        Args:
            live: its resolved path.
        """
        known = self._movable.get(live)
        if known is None:
            root = self.root_at(os.path.dirname(live))
            pinned = os.path.join(os.path.dirname(root.trash), "pinned", "by-this")
            make_directories(pinned)
            known = self._movable[live] = can_move_directory(live, os.path.dirname(pinned))
        return known

    def _make_root(self, live_root: str) -> StagingRoot:
        number = self._numbers
        self._numbers += 1
        above = live_root
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        base = self.directory
        if not can_rename_between(self.directory, above):
            base = os.path.join(above, elsewhere_name(self.directory))
            # Written down first: whoever sweeps after a kill must find it.
            with open(os.path.join(self.directory, ELSEWHERE), "a", encoding="utf-8") as stream:
                stream.write(json_text(base) + "\n")
        root = StagingRoot(
            live_root, os.path.join(base, f"new-{number}"), os.path.join(base, f"trash-{number}")
        )
        make_directories(root.new)
        make_directories(root.trash)
        return root


def elsewhere_name(directory: str) -> str:
    """Return the name of a transaction's directories on other mounts."""
    return f"{STATE_DIRECTORY}-{os.path.basename(directory)}"


def elsewhere(directory: str) -> list[str]:
    """Return the directories that a transaction has on other mounts.

    Args:
        directory: the transaction's own directory.
    """
    try:
        with open(os.path.join(directory, ELSEWHERE), encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return []
    import json

    found = []
    for line in lines:
        try:
            path = json.loads(line)
        except ValueError:
            continue  # the last line, torn by a kill: its directory was never made
        if isinstance(path, str) and os.path.basename(path) == elsewhere_name(directory):
            found.append(path)
    return found
