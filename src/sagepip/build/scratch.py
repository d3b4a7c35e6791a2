"""Private directories below TMPDIR, which the next build removes if their process was killed.

Each holds a file that its process has locked (:class:`sagepip.transaction.owner_mark.OwnerMark`).
The kernel frees the lock however the process ends; whoever can take it may remove the directory.
One that is kept, as that of a failed build, loses the file.
"""

from __future__ import annotations

import os
import stat
import sys

from sagepip.ground.filesystem import remove_file, remove_tree
from sagepip.transaction.owner_mark import OwnerMark

_PREFIX = "sagepip-"
_MARK = ".sagepip-owner"


class ScratchDirectory:
    """A directory of this process's; made at once.

    Args:
        kind: a part of its name.

    Attributes:
        path: absolute.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, kind: str = "") -> None:
        place = _temporary_directory()
        _sweep(place)
        while True:
            self.path = _made(place, _PREFIX + kind)
            self._mark = OwnerMark(os.path.join(self.path, _MARK))
            try:
                if self._mark.take():
                    return
            except FileNotFoundError:
                continue  # another process took it for one that was left

    def keep(self) -> None:
        """Leave it to the user."""
        remove_file(self._mark.path)
        self._mark.drop()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        remove_tree(self.path)
        self._mark.drop()


def _temporary_directory() -> str:
    """Return where temporary files go, as ``tempfile`` does; that takes a while to load."""
    if "tempfile" not in sys.modules:
        named = (os.environ.get(variable) for variable in ("TMPDIR", "TEMP", "TMP"))
        first = next(filter(None, named), "/tmp")
        if os.path.isdir(first) and os.access(first, os.W_OK | os.X_OK):
            return os.path.abspath(first)
    import tempfile

    return os.path.abspath(tempfile.gettempdir())


def _made(place: str, prefix: str) -> str:
    path = os.path.join(place, prefix + os.urandom(8).hex())
    try:
        os.mkdir(path, 0o700)
    except OSError:
        # There may be no space, and another place that has some; or the name is taken.
        import tempfile

        return os.path.abspath(tempfile.mkdtemp(prefix=prefix))
    return path


def _sweep(directory: str) -> None:
    """Remove what this user's processes have left that were killed."""
    try:
        with os.scandir(directory) as entries:
            found = [one.path for one in entries if one.name.startswith(_PREFIX)]
    except OSError:
        return
    for path in found:
        mark = OwnerMark(os.path.join(path, _MARK))
        try:
            if _is_ours(path) and _is_ours(mark.path) and mark.take_over():
                remove_tree(path)
        except OSError:
            continue  # it has none, or has gone
        finally:
            mark.drop()


def _is_ours(path: str) -> bool:
    found = os.lstat(path)
    return found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode)
