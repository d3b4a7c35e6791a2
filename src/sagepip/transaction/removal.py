"""Turn a set of files to remove into the fewest retirements that leave nothing behind."""

from __future__ import annotations

import os

from sagepip.ground.filesystem import is_real_directory
from sagepip.ground.removing import KnownDirectory
from sagepip.transaction.ownership import CACHE_DIRECTORY, OwnedTree, bytecode_source, walk_owned
from sagepip.transaction.steps import DirectoryStamp, RemoveDirectory, Retire
from sagepip.transaction.taking_apart import take_apart

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence


class Removal:
    """Plans the removal of files, of directories that are emptied by it, and of bytecode.

    Bytecode of a removed module goes with it, whether RECORD lists it or not. ``.pth`` files go
    first: one that names a missing module breaks every start of the interpreter.

    Args:
        files: resolved live paths; those that are not there are passed over.
        kept: live directories that stay even if they are emptied: the roots and what is above
            them, and the directories of new files.
        now_at: where what will bear a live name then is now, and whether a step brings it.
        retire: makes the step for one live path.
        moves_whole: whether directories can be renamed, the first with all others in it.
        seen: see :func:`sagepip.transaction.ownership.walk_owned`.

    Attributes:
        steps: the retirements, and the removals of emptied directories.
        relied: directories that go as a whole, and so must not change until they do.
        contents: what is in the live directories that go by one step.
    """

    def __init__(
        self,
        files: Collection[str],
        *,
        kept: Collection[str],
        now_at: Callable[[str], tuple[str, bool]],
        retire: Callable[[str], Retire],
        moves_whole: Callable[[Sequence[DirectoryStamp]], bool],
        seen: dict[str, DirectoryStamp] | None = None,
    ) -> None:
        self._wanted = frozenset(files)
        self._kept = frozenset(kept)
        self._now_at = now_at
        self._retire = retire
        self._moves_whole = moves_whole
        self._seen = seen
        self._found: list[Retire | RemoveDirectory] = []
        self.relied: list[DirectoryStamp] = []
        self.contents: dict[str, KnownDirectory] = {}
        # One that is listed both as a file and as a directory is there twice.
        self._children: dict[str, list[str]] = {}
        children = self._children
        for path in files:
            parent = path[: path.rfind("/")] or os.sep
            if parent in children:
                children[parent].append(path)
            else:
                children[parent] = [path]
        for child in list(children):
            while child != os.sep:
                parent = child[: child.rfind("/")] or os.sep
                if parent in children:
                    children[parent].append(child)
                    break
                children[parent] = [child]
                child = parent
        if files:
            self._reduce(os.sep)

    @property
    def steps(self) -> list[Retire | RemoveDirectory]:
        """What was planned, ``.pth`` files first."""
        pth = [one for one in self._found if _path(one).endswith(".pth")]
        return [*pth, *(one for one in self._found if one not in pth)]

    def _reduce(self, live: str) -> None:
        for child in sorted(set(self._children[live])):
            path, by_plan = self._now_at(child)
            if not os.path.lexists(path):
                continue
            if child in self._wanted and not is_real_directory(path):
                self._found.append(self._retire(child))
            elif child in self._children and is_real_directory(path):
                if child in self._kept:
                    self._reduce(child)
                else:
                    self._remove_directory(child, path, by_plan)
        self._retire_bytecode(live)

    def _remove_directory(self, live: str, path: str, by_plan: bool) -> None:
        """Plan the end of a directory, or of what goes in it if something stays."""
        tree = self._tree_if_all_goes(live, path, by_plan)
        if tree is None:
            self._reduce(live)
            return
        if by_plan:
            self._found.append(self._retire(live))
            return
        self.relied += tree.stamps
        if self._moves_whole(tree.stamps):
            self._found.append(self._retire(live))
            self.contents[live] = tree.contents
        else:
            self._found += take_apart(live, self._retire)

    def _tree_if_all_goes(self, live: str, path: str, by_plan: bool) -> OwnedTree | None:
        """Return what is in a directory, and is to be relied on, if nothing would stay in it."""
        if os.path.basename(live) == CACHE_DIRECTORY:
            return self._cache_tree(live, path)
        if by_plan:
            # In the staging area, where nobody else writes.
            wanted = {self._staged(one, live, path) for one in self._wanted}
            return walk_owned(path, wanted, settle=False)
        return walk_owned(live, self._wanted, seen=self._seen)

    def _cache_tree(self, live: str, path: str) -> OwnedTree | None:
        """Return a ``__pycache__`` if only bytecode of what goes is in it."""
        stamp = DirectoryStamp.of(path)
        names = os.listdir(path)
        for name in names:
            member = os.path.join(live, name)
            if member not in self._wanted and bytecode_source(member) not in self._wanted:
                return None
        if stamp is None:
            return None
        return OwnedTree([stamp], KnownDirectory(CACHE_DIRECTORY, names, []))

    @staticmethod
    def _staged(wanted: str, live: str, path: str) -> str:
        """Return where a live path below ``live`` is now, ``live`` being at ``path``."""
        return path + wanted[len(live) :] if wanted.startswith(live + os.sep) else wanted

    def _retire_bytecode(self, live: str) -> None:
        """Retire the unlisted bytecode of modules that go, where the directory itself stays."""
        cache = os.path.join(live, CACHE_DIRECTORY)
        path, _ = self._now_at(cache)
        going = [one for one in self._children[live] if one in self._wanted]
        if not any(one.endswith(".py") for one in going) or not is_real_directory(path):
            return
        if any(_path(one) == cache for one in self._found):
            return
        if cache not in self._kept and self._cache_tree(cache, path) is not None:
            self._remove_directory(cache, *self._now_at(cache))
            return
        for name in sorted(os.listdir(path)):
            member = os.path.join(cache, name)
            if member not in self._wanted and bytecode_source(member) in self._wanted:
                self._found.append(self._retire(member))


def _path(step: Retire | RemoveDirectory) -> str:
    return step.source if isinstance(step, Retire) else step.path


def directories_above(files: Iterable[str]) -> frozenset[str]:
    """Return the directories that hold some paths, and all above these but the root.

    Args:
        files: absolute paths.
    """
    found: set[str] = set()
    for parent in {path[: path.rfind(os.sep)] for path in files}:
        while parent and parent not in found:
            found.add(parent)
            parent = parent[: parent.rfind(os.sep)]
    return frozenset(found)
