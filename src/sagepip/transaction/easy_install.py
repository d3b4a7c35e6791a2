"""easy-install.pth: the lines by which development installations of old are found."""

from __future__ import annotations

import os
import stat

from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import Identity, identity
from sagepip.ground.light_contextlib import suppress
from sagepip.transaction.exchanging import exchange
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.staging_area import StagingArea
from sagepip.transaction.steps import Place, Replace, Retire, Swap

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NAME = "easy-install.pth"


def forget_links(
    area: StagingArea,
    gone: Iterable[InstalledDistribution],
    others: Iterable[InstalledDistribution],
    retire: Callable[[str], Retire],
) -> list[Retire | Swap | Replace | Place]:
    """Return the steps that take the lines of development installations out of easy-install.pth.

    The file belongs to all of them: a copy without the lines takes its place, in one step where
    names can be exchanged.

    Args:
        area: the staging area; the copies are made in it.
        gone: what is removed or replaced.
        others: the development installations that stay; two projects may share a source tree,
            and so a line.
        retire: makes the step for one live path.

    Raises:
        ConflictError: the file cannot be rewritten.
    """
    steps: list[Retire | Swap | Replace | Place] = []
    kept = {one.linked_directory for one in others if one.is_link}
    trees: dict[str, set[str]] = {}
    for one in gone:
        if one.linked_directory and one.linked_directory not in kept:
            path = os.path.join(os.path.dirname(one.metadata_path), _NAME)
            trees.setdefault(path, set()).add(one.linked_directory)
    for path, directories in trees.items():
        steps += _rewrite(area, path, directories, retire)
    return steps


def _rewrite(
    area: StagingArea, path: str, directories: set[str], retire: Callable[[str], Retire]
) -> list[Retire | Swap | Replace | Place]:
    before = identity(path)
    if before is None:
        return []
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise ConflictError(
            f"{path} is no regular file, so no line of it can be removed",
            advice="put a regular file in its place",
        )
    with open(path, "rb") as stream:
        lines = stream.readlines()
    rest = [line for line in lines if _directory(line, path) not in directories]
    if len(rest) == len(lines):
        return []
    if not b"".join(rest).strip():
        return [retire(path)]
    staged, made = _stage(area, path, b"".join(rest))
    step = exchange(area.root_of(path), staged, path, staged + "-old", made, before)
    if step is not None:
        return [step]
    return [retire(path), Place(staged, path, made, retired_by_plan=True)]


def _directory(line: bytes, path: str) -> str:
    """Return the directory that a line adds to the path, resolved, or an empty string."""
    text = os.fsdecode(line.strip())
    if not text or text.startswith(("#", "import ", "import\t")) or "\0" in text:
        return ""
    return os.path.realpath(os.path.join(os.path.dirname(path), text))


def _stage(area: StagingArea, path: str, content: bytes) -> tuple[str, Identity]:
    import shutil
    import tempfile

    descriptor, staged = tempfile.mkstemp(prefix=_NAME + "-", dir=area.root_of(path).trash)
    with open(descriptor, "wb") as stream:
        stream.write(content)
    found = os.stat(path)
    with suppress(PermissionError):
        os.chown(staged, found.st_uid, found.st_gid)
    shutil.copymode(path, staged)
    made = identity(staged)
    assert made is not None
    return staged, made
