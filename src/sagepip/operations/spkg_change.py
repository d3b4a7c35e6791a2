"""Change packages one process at a time, and leave word of a change that a kill broke off.

A record says that a package is there, whole. So it steps aside before the first file of its
package moves, and the next one comes after the last. In between a note in ``unfinished/NAME`` lists
all that may be there of the package; where the process is killed it stays, for whoever installs or
uninstalls the package next. Beside a record a note is of no account: nothing had moved yet, or all
had.
"""

from __future__ import annotations

import os

from sagepip.ground import console
from sagepip.ground.filesystem import (
    make_directory,
    publish_file,
    remove_directory_if_empty,
    remove_file,
    remove_tree,
)
from sagepip.ground.light_contextlib import contextmanager
from sagepip.operations.spkg_tree import Record, SpkgTree, read_record, write_json
from sagepip.transaction.flock import lock_error
from sagepip.transaction.owner_mark import await_directory, seize_directory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEEP = ".keep"
"""What lies in the directory of a build that the user wants to keep."""

_NOTE = "note"
_KEPT = "record"


class Change:
    """A change of one package, which no other process changes meanwhile.

    Args:
        tree: where.
        name: the package.
        descriptor: what holds the lock, for the processes that take part.

    Attributes:
        earlier: what is there of the package: its record, or the note of a change that was broken
            off; None if there is nothing.
        place: a directory for what belongs to the change; what is left in it goes.
    """

    def __init__(self, tree: SpkgTree, name: str, descriptor: int) -> None:
        self.descriptor = descriptor
        self._tree = tree
        self._name = name
        self.place = os.path.join(tree.unfinished, name)
        self._note = os.path.join(self.place, _NOTE)
        self._kept = os.path.join(self.place, _KEPT)
        _remove_parts(self.place)
        self._record = tree.find_records().get(name)
        self.earlier = self._record or read_record(self._note)

    @property
    def is_broken_off(self) -> bool:
        """Whether what is there is what a kill or a failure has left."""
        return self.earlier is not None and self._record is None

    def begin(self, version: str, files: Iterable[str]) -> None:
        """Take the record away; from now on the note tells what may be there.

        Args:
            version: the version that comes, or goes.
            files: what comes, relative to the prefix.
        """
        known = {*files, *(self.earlier.files if self.earlier else ())}
        write_json(self._note, self._name, version, known)
        if self._record is not None:
            publish_file(self._record.path, self._kept)

    def take_back(self) -> None:
        """Put the record back: nothing has moved."""
        if self._record is not None and os.path.exists(self._kept):
            publish_file(self._kept, self._record.path)
        if self.earlier is None or self._record is not None:
            remove_file(self._note)

    def finish(
        self, files: Iterable[str] | None = None, *, version: str = "", test_result: str = ""
    ) -> None:
        """Write the new record, if there is one; drop the note.

        Args:
            files: what is there now, relative to the prefix; None if nothing is.
            version: its version.
            test_result: what became of its test suite.
        """
        if files is not None:
            part = os.path.join(self.place, "new")
            write_json(part, self._name, version, files, test_result)
            publish_file(part, os.path.join(self._tree.records, f"{self._name}-{version}"))
        remove_file(self._kept)
        remove_file(self._note)


@contextmanager
def changing(tree: SpkgTree, name: str) -> Iterator[Change]:
    """Hold the lock of a package during the body.

    Args:
        tree: where.
        name: the package.

    Raises:
        LockError: it cannot be locked.
        TargetError: its record cannot be read.
    """
    place = os.path.join(tree.unfinished, name)
    descriptor = _lock(place)
    try:
        yield Change(tree, name, descriptor)
    finally:
        # A note stays. Whoever waits for the lock sees that the directory is another, or gone.
        remove_directory_if_empty(place)
        os.close(descriptor)


def find_unfinished(tree: SpkgTree) -> dict[str, Record]:
    """Return what may be there of packages whose change has not ended, by name."""
    names = os.listdir(tree.unfinished) if os.path.isdir(tree.unfinished) else []
    notes = {one: read_record(os.path.join(tree.unfinished, one, _NOTE)) for one in sorted(names)}
    records = tree.find_records()
    return {name: note for name, note in notes.items() if note and name not in records}


def sweep(tree: SpkgTree) -> None:
    """Remove what builders have left that were killed when all but that was done.

    A package without a record keeps its note, and what it was built from.

    Args:
        tree: where; its directories are there.
    """
    records = tree.find_records()
    for name in os.listdir(tree.unfinished):
        place = os.path.join(tree.unfinished, name)
        descriptor = seize_directory(place)
        if descriptor < 0:
            continue
        # Again, under the lock.
        record = records.get(name)
        if record is not None and os.path.exists(record.path):
            built_in = os.path.join(tree.builds, f"{name}-{record.version}")
            if not os.path.exists(os.path.join(built_in, KEEP)):
                remove_tree(built_in)
            for one in (_KEPT, _NOTE):
                remove_file(os.path.join(place, one))
        _remove_parts(place)
        remove_directory_if_empty(place)
        os.close(descriptor)


def _remove_parts(place: str) -> None:
    """Remove what was being written when its writer was killed."""
    for one in os.listdir(place):
        if one not in (_NOTE, _KEPT):
            remove_tree(os.path.join(place, one))


def _lock(place: str) -> int:
    said = False
    while True:
        make_directory(place)
        try:
            descriptor = seize_directory(place)
            if descriptor < 0 and not said and os.path.isdir(place):
                name = os.path.basename(place)
                console.note(f"waiting for {name}: another process builds, installs or removes it")
                said = True
            if descriptor < 0:
                descriptor = await_directory(place)
        except OSError as error:
            raise lock_error(place, error) from error
        if descriptor >= 0:
            return descriptor
