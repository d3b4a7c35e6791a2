"""The steps a plan is made of: what each does, undoes, and how it is known to be done.

Paths are absolute. Identities (device, inode) tell after a crash whether a step is done: a name
that refers to the very inode that was to move there has got it.
"""

from __future__ import annotations

import errno
import os
import stat

from sagepip.ground.filesystem import (
    Identity,
    identity,
    is_real_directory,
    make_directory,
    place,
    remove_directory_if_empty,
    replace_file,
    restore_directory,
    swap,
)
from sagepip.ground.light_dataclass import NamedTuple, dataclass, field

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


@dataclass(frozen=True)
class Place:
    """Rename a staged file or directory to a live name that is absent.

    Attributes:
        source: the staged path.
        target: the live path.
        inode: what moves.
        retired_by_plan: whether an earlier step of the plan makes the name absent.
    """

    source: str
    target: str
    inode: Identity
    retired_by_plan: bool = field(default=False, compare=False)

    def do(self) -> None:
        """Carry the step out."""
        place(self.source, self.target)

    def undo(self) -> None:
        """Take the step back."""
        place(self.target, self.source)

    def is_done(self) -> bool:
        """Whether the step has been carried out (and not taken back)."""
        return identity(self.target) == self.inode

    def still_holds(self) -> bool:
        """Whether what the plan assumed of the live tree is still so."""
        return self.retired_by_plan or identity(self.target) is None


@dataclass(frozen=True)
class Swap:
    """Exchange a staged file or directory with the live one of that name.

    Attributes:
        source: the staged path; holds the old one afterwards.
        target: the live path.
        inode: the new one.
        old: the one it replaces.
    """

    source: str
    target: str
    inode: Identity
    old: Identity

    def do(self) -> None:
        """Carry the step out."""
        swap(self.source, self.target)

    def undo(self) -> None:
        """Take the step back."""
        swap(self.source, self.target)

    def is_done(self) -> bool:
        """Whether the step has been carried out (and not taken back)."""
        return identity(self.target) == self.inode

    def still_holds(self) -> bool:
        """Whether what the plan assumed of the live tree is still so."""
        return identity(self.target) == self.old


@dataclass(frozen=True)
class Replace:
    """Rename a staged file over a live one, which is linked into the trash first: never absent.

    For file systems that cannot exchange two names but have hard links.

    Attributes:
        source: the staged path.
        target: the live path.
        trash: the path in the trash.
        inode: the new one.
        old: the one it replaces.
    """

    source: str
    target: str
    trash: str
    inode: Identity
    old: Identity

    def do(self) -> None:
        """Carry the step out, if the name still refers to what is to go."""
        if identity(self.target) != self.old:
            raise OSError(errno.ESTALE, "it has changed meanwhile", self.target)
        replace_file(self.source, self.target, self.trash)

    def undo(self) -> None:
        """Take the step back."""
        replace_file(self.trash, self.target, self.source)

    def is_done(self) -> bool:
        """Whether the step has been carried out (and not taken back)."""
        return identity(self.target) == self.inode

    def still_holds(self) -> bool:
        """Whether what the plan assumed of the live tree is still so."""
        return identity(self.target) == self.old


@dataclass(frozen=True)
class Retire:
    """Rename a live file or directory into the trash of the transaction.

    Attributes:
        source: the live path.
        target: the path in the trash.
        inode: what moves.
        made_by_plan: whether the live path comes into being by an earlier step of the plan.
    """

    source: str
    target: str
    inode: Identity
    made_by_plan: bool = field(default=False, compare=False)

    def do(self) -> None:
        """Carry the step out, if the name still refers to what is to go."""
        if identity(self.source) != self.inode:
            raise OSError(errno.ESTALE, "it has changed meanwhile", self.source)
        place(self.source, self.target)

    def undo(self) -> None:
        """Take the step back."""
        place(self.target, self.source)

    def is_done(self) -> bool:
        """Whether the step has been carried out (and not taken back)."""
        return identity(self.target) == self.inode

    def still_holds(self) -> bool:
        """Whether what the plan assumed of the live tree is still so."""
        return self.made_by_plan or identity(self.source) == self.inode


@dataclass(frozen=True)
class MakeDirectory:
    """Make a live directory that is missing; somebody else may make it first.

    Attributes:
        path: the live path.
    """

    path: str

    def do(self) -> bool:
        """Carry the step out; return whether the directory was made by it."""
        return make_directory(self.path)

    def undo(self) -> None:
        """Take the step back, unless something is in it by now."""
        remove_directory_if_empty(self.path)

    def is_done(self) -> bool:
        """Whether the directory is there."""
        return os.path.isdir(self.path)

    def still_holds(self) -> bool:
        """Whether what the plan assumed of the live tree is still so."""
        return True


@dataclass(frozen=True)
class RemoveDirectory:
    """Remove a live directory that earlier steps have emptied and that cannot be renamed.

    Attributes:
        path: the live path.
        mode: its permission bits, for the way back.
        user: its owner, likewise.
        group: its group, likewise.
    """

    path: str
    mode: int
    user: int
    group: int

    @classmethod
    def of(cls, path: str) -> RemoveDirectory:
        """Return the step for a directory as it is now."""
        found = os.lstat(path)
        return cls(path, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)

    def do(self) -> bool:
        """Carry the step out; return whether nothing was in the directory and it is gone."""
        return remove_directory_if_empty(self.path)

    def undo(self) -> None:
        """Take the step back."""
        restore_directory(self.path, self.mode, self.user, self.group)

    def is_done(self) -> bool:
        """Whether the directory is gone."""
        return not os.path.lexists(self.path)

    def still_holds(self) -> bool:
        """Whether what the plan assumed of the live tree is still so."""
        return is_real_directory(self.path)


Step = Place | Swap | Replace | Retire | MakeDirectory | RemoveDirectory


class DirectoryStamp(NamedTuple):
    """A live directory as it was when the plan was made.

    Attributes:
        path: the directory.
        inode: its inode.
        modified: its modification time in nanoseconds.
    """

    path: str
    inode: int
    modified: int

    @classmethod
    def of(cls, path: str) -> DirectoryStamp | None:
        """Return the stamp of a directory as it is now, or None if there is none."""
        try:
            found = os.lstat(path)
        except OSError:
            return None
        return cls(path, found.st_ino, found.st_mtime_ns)

    def still_holds(self) -> bool:
        """Whether nothing was added to or removed from it since."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return found.st_ino == self.inode and found.st_mtime_ns == self.modified


@dataclass(frozen=True)
class Unchanged:
    """A live file that the plan leaves alone because it is what was to be placed there.

    Attributes:
        path: the live path.
        inode: what it was.
    """

    path: str
    inode: Identity

    def still_holds(self) -> bool:
        """Whether the name still refers to the same file."""
        return identity(self.path) == self.inode


class Relied(Protocol):
    """Something live that a plan takes for granted."""

    def still_holds(self) -> bool:
        """Whether it is still so."""


@dataclass(frozen=True)
class Plan:
    """What a transaction will do to live trees, in order.

    Attributes:
        before: directories and modules, headers and data, scripts, ``.pth`` files: what must be
            in place before the metadata that lists it.
        commit: the dist-infos; once the first of them is done, the transaction is committed.
        after: what the replaced distributions leave behind, their metadata first.
        relied: what must not have changed when the plan is carried out, unless by somebody who
            takes no lock, and whose additions are brought back.
    """

    before: tuple[Step, ...]
    commit: tuple[Step, ...]
    after: tuple[Step, ...]
    relied: tuple[Relied, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order."""
        return self.before + self.commit + self.after

    def still_holds(self, *, is_quiet: bool = False) -> bool:
        """Whether the live trees are still as they were when the plan was made.

        Args:
            is_quiet: whether nobody has taken the lock for a change since before it was made: then
                what it relies on need not be asked again, one by one, under the lock.
        """
        made = {step.path for step in self.steps if isinstance(step, MakeDirectory)}
        parents = {
            os.path.dirname(step.target) for step in self.steps if isinstance(step, Place)
        } - made
        return (
            (is_quiet or all(one.still_holds() for one in self.relied))
            and all(step.still_holds() for step in self.steps)
            # A neighbour that was removed may have taken an emptied directory with it.
            and all(os.path.isdir(parent) for parent in parents)
        )
