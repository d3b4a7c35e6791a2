"""What has to change in a Sage tree for it to use sagepip."""

from __future__ import annotations

import hashlib
import os
import stat

from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass
from sagepip.operations.adopt_edits import ARCHIVE, EDITS, NEW_SCRIPTS, Edit, Region
from sagepip.operations.adopt_state import Adopted, AdoptionState

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OF_A_TREE = ("VERSION.txt", "build/bin/sage-spkg", "build/bin/sage-dist-helpers")
_EXECUTABLE = 0o755


@dataclass(frozen=True)
class Content:
    """A file as it is, or is to be.

    Attributes:
        data: its bytes.
        mode: its permissions.
    """

    data: bytes
    mode: int

    @property
    def sha256(self) -> str:
        """The digest in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Change:
    """What becomes of a file.

    Attributes:
        path: relative to the tree.
        original: as it was before sagepip; None: it was not there.
        current: as it is.
        wanted: as it has to be; None: it goes.
        is_kept: whether sagepip has a hand in it from now on.
    """

    path: str
    original: Content | None
    current: Content | None
    wanted: Content | None
    is_kept: bool = True

    @property
    def is_needed(self) -> bool:
        """Whether there is something to do."""
        return self.current != self.wanted


def read_content(root: str, path: str) -> Content | None:
    """Return a file of a tree, None if it is not there.

    Raises:
        TargetError: it is no regular file, or cannot be read.
    """
    full = os.path.join(root, path)
    try:
        found = os.lstat(full)
        if not stat.S_ISREG(found.st_mode):
            raise TargetError(f"{full} is no regular file", advice="it cannot be changed here")
        with open(full, "rb") as stream:
            return Content(stream.read(), stat.S_IMODE(found.st_mode))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TargetError(f"cannot read {full}: {error.strerror}", advice="may you?") from error


def check_tree(root: str) -> None:
    """Raise TargetError if a directory is not the root of a Sage tree."""
    for path in _OF_A_TREE:
        if not os.path.isfile(os.path.join(root, path)):
            raise TargetError(
                f"{root} is not the root of a Sage tree: it has no {path}", advice="give SAGE_ROOT"
            )


def plan_adoption(root: str, state: AdoptionState, archive: bytes) -> list[Change]:
    """Work out the changes.

    Args:
        root: the tree.
        state: what was done before.
        archive: the zip application.

    Returns:
        All files that sagepip has a hand in, those that are as they should be as well.

    Raises:
        TargetError: a file is not what it has to be for that; names it and what was looked for.
    """
    check_tree(root)
    changes = [_put(root, state, ARCHIVE, archive)]
    changes += [_put(root, state, path, text.encode()) for path, text in NEW_SCRIPTS.items()]
    changes += _edited(root, state)
    paths = {one.path for one in changes}
    changes += [_given_up(root, state, path) for path in state.files if path not in paths]
    return changes


def is_ours(current: Content | None, known: Adopted) -> bool:
    """Whether a file is what was made of it, or still, or again, the original."""
    if current is None:
        return known.original is None
    return known.is_written(current.sha256) or current.sha256 == known.original


def known_paths(state: AdoptionState) -> set[str]:
    """Return the files that sagepip has a hand in, or may have had before a kill."""
    return {ARCHIVE, *NEW_SCRIPTS, *(edit.path for edit in EDITS), *state.files}


def _given_up(root: str, state: AdoptionState, path: str) -> Change:
    """Plan a file in which an older sagepip had a hand, and this one has not."""
    known = state.files[path]
    current = read_content(root, path)
    if not is_ours(current, known):
        raise TargetError(
            f"{os.path.join(root, path)} was changed since sagepip wrote it",
            advice="move it away, or restore it",
        )
    original = Content(state.read_original(path), known.mode) if known.original else None
    return Change(path, original, current, original, is_kept=False)


def _put(root: str, state: AdoptionState, path: str, data: bytes) -> Change:
    """Plan a file of ours."""
    current = read_content(root, path)
    wanted = Content(data, _EXECUTABLE)
    known = state.files.get(path)
    if current not in (None, wanted) and (
        known is None or (current and not known.is_written(current.sha256))
    ):
        raise TargetError(
            f"{os.path.join(root, path)} is in the way: sagepip did not put it there",
            advice="move it away",
        )
    return Change(path, None, current, wanted)


def _edited(root: str, state: AdoptionState) -> Iterator[Change]:
    for edit in EDITS:
        current = read_content(root, edit.path)
        if current is None:
            if edit.is_optional:
                continue
            raise TargetError(
                f"{os.path.join(root, edit.path)} is not there", advice="is this Sage 10.7?"
            )
        original = _original(state, edit.path, state.files.get(edit.path), current)
        wanted = Content(_apply(root, edit, original.data), original.mode)
        yield Change(edit.path, original, current, wanted)


def _original(state: AdoptionState, path: str, known: Adopted | None, current: Content) -> Content:
    """Return a file as it was before sagepip: the one kept, unless it has been replaced since."""
    if known is None or known.original is None or not known.is_written(current.sha256):
        return current
    return Content(state.read_original(path), known.mode)


def _apply(root: str, edit: Edit, data: bytes) -> bytes:
    try:
        lines = data.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise _unknown(root, edit, "text in UTF-8") from None
    for region in edit.regions:
        start, end = _find(root, edit, region, lines)
        lines[start:end] = region.text.splitlines(keepends=True)
    return "".join(lines).encode()


def _find(root: str, edit: Edit, region: Region, lines: Sequence[str]) -> tuple[int, int]:
    starts = [number for number, line in enumerate(lines) if region.first in line]
    if len(starts) != 1:
        raise _unknown(root, edit, f"one line with {region.first.strip()!r}, found {len(starts)}")
    start = starts[0]
    end = len(lines)
    if region.last:
        ends = [number for number in range(start, len(lines)) if region.last in lines[number]]
        if not ends:
            raise _unknown(root, edit, f"a line with {region.last.strip()!r} below it")
        end = ends[0] + 1
    if end - start != region.count:
        what = f"{region.count} lines from {region.first.strip()!r} on, found {end - start}"
        raise _unknown(root, edit, what)
    for text in region.holds:
        if not any(text in line for line in lines[start:end]):
            raise _unknown(root, edit, f"{text!r} below {region.first.strip()!r}")
    return start, end


def _unknown(root: str, edit: Edit, what: str) -> TargetError:
    return TargetError(
        f"{os.path.join(root, edit.path)} is not the script that sagepip knows; looked for {what}",
        advice="another version of Sage, or changed here; nothing was changed",
    )
