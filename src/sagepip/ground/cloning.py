"""Copy files with everything that ``cp -Rp`` keeps, and extended attributes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from typing import BinaryIO

from sagepip.ground.filesystem import hard_link

_CHUNK = 1 << 30
_SET_ID = stat.S_ISUID | stat.S_ISGID
# The kernel, the file system, or the two file systems together have no such call.
_NO_RANGE = frozenset(
    {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY}
)


class Cloner:
    """Copies files, links and directories; hard links among what it copied stay hard links."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str] = {}
        self._owns = os.geteuid() == 0

    def clone(self, source: str, target: str) -> None:
        """Copy a file or symbolic link to a name that is absent.

        Args:
            source: what to copy; never followed if it is a link.
            target: its new name.
        """
        found = os.lstat(source)
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(source), target)
        else:
            key = (found.st_dev, found.st_ino)
            first = self._known.get(key)
            if first is not None and hard_link(first, target):
                return
            if found.st_nlink > 1:
                self._known.setdefault(key, target)
            with open(source, "rb") as stream:
                copy_bytes(stream, target)
        self.clone_attributes(source, target)

    def clone_attributes(self, source: str, target: str) -> None:
        """Give a file, link or directory the owner, mode, times and attributes of another."""
        found = os.lstat(source)
        # Before the mode: a change of owner takes the set-user-id bit away.
        given = self._give_away(target, found)
        shutil.copystat(source, target, follow_symlinks=False)
        if not given and found.st_mode & _SET_ID and not stat.S_ISLNK(found.st_mode):
            # As cp does: it would lend the rights of another than its owner had in mind.
            os.chmod(target, stat.S_IMODE(found.st_mode) & ~_SET_ID)

    def clone_directory_attributes(self, source: str, target: str) -> None:
        """Do the same for a directory that is going to be renamed, or filled further.

        That cannot be done to one that may not be written to: it becomes writable for its owner.
        """
        self.clone_attributes(source, target)
        if not os.access(target, os.W_OK):
            os.chmod(target, stat.S_IMODE(os.stat(target).st_mode) | stat.S_IWUSR)

    def clone_tree(self, source: str, target: str) -> None:
        """Copy what is in a directory into another, which is made if it is missing.

        A directory gets its attributes after what is in it, so that its time stays.
        """
        if not os.path.isdir(target):
            os.mkdir(target, 0o700)
        with os.scandir(source) as entries:
            for entry in entries:
                path = os.path.join(target, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    self.clone_tree(entry.path, path)
                else:
                    self.clone(entry.path, path)
        self.clone_attributes(source, target)

    def _give_away(self, target: str, found: os.stat_result) -> bool:
        """Give a file an owner and a group, as far as this user may; return whether it has them."""
        if self._owns:
            os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
            return True
        made = os.lstat(target)
        if made.st_gid != found.st_gid:
            try:
                os.chown(target, -1, found.st_gid, follow_symlinks=False)
            except PermissionError:
                return False
        return made.st_uid == found.st_uid


def _private(path: str, flags: int) -> int:
    # The mode comes last: until then nobody else may read what may be secret.
    return os.open(path, flags, 0o600)


def copy_bytes(read: BinaryIO, target: str) -> None:
    """Copy what is in an open file to a name that is absent; the copy is for its owner alone.

    Args:
        read: the file, at its beginning; nothing has been read of it.
        target: the name.
    """
    with open(target, "xb", buffering=0, opener=_private) as write:
        # Shares the blocks where the file system can, and stays in the kernel where it cannot.
        if hasattr(os, "copy_file_range"):
            try:
                while os.copy_file_range(read.fileno(), write.fileno(), _CHUNK):
                    pass
            except OSError as error:
                if error.errno not in _NO_RANGE:
                    raise
        # What is left: all of it without that call, nothing after it.
        read.seek(write.tell())
        shutil.copyfileobj(read, write, 1 << 20)
