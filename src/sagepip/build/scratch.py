"""Private directories below TMPDIR, which the next build removes if their process was killed.

Each holds a file that its process has locked (:class:`sagepip.transaction.owner_mark.OwnerMark`).
The kernel frees the lock however the process ends; whoever can take it may remove the directory.
One that is kept, as that of a failed build, loses the file.
"""

from __future__ import annotations

import os
import stat
import tempfile

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
        _sweep(tempfile.gettempdir())
        while True:
            self.path = os.path.abspath(tempfile.mkdtemp(prefix=_PREFIX + kind))
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
