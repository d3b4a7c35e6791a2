"""Copy files with everything that ``cp -Rp`` keeps, and extended attributes."""

from __future__ import annotations

import errno
import os
import stat

from sagepip.ground.c_library import find_function
from sagepip.ground.filesystem import hard_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

_CHUNK = 1 << 30
_BUFFER = 1 << 20
# Read and written at once: there are no blocks that could be shared to speak of.
_SMALL = 1 << 16
_HAS_EXTENDED = hasattr(os, "listxattr")
_HAS_FLAGS = hasattr(os, "chflags")
_PERMISSIONS = 0o7777
_SET_ID = stat.S_ISUID | stat.S_ISGID
# The kernel, the file system, or the two file systems together have no such call.
_NO_RANGE = frozenset(
    {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY}
)
_NO_ATTRIBUTE = frozenset(
    {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENODATA, errno.EINVAL, errno.EPERM}
)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
# The mode comes last: until then nobody else may read what may be secret.
_PRIVATE = 0o600

Owner = tuple[int, int]


# FICLONE: the bits of the direction are swapped on PowerPC, MIPS, SPARC and Alpha.
_SHARE = (0x40049409, 0x80049409)


class Cloner:
    """Copies files, links and directories; hard links among what it copied stay hard links."""

    def __init__(self) -> None:
        self._known: dict[Owner, str] = {}
        self._owns = os.geteuid() == 0

    def clone(self, source: str, target: str) -> None:
        """Copy a file or symbolic link to a name that is absent.

        Args:
            source: what to copy; never followed if it is a link.
            target: its new name.
        """
        if os.path.islink(source):
            self._clone_link(source, target)
        else:
            self._clone_file(source, target, target)

    def clone_into(self, source: str, entries: Iterable[os.DirEntry[str]], target: str) -> None:
        """Copy files and symbolic links of one directory into another, where none of them is.

        Args:
            source: the directory that they are in.
            entries: they, as found there.
            target: the other directory.
        """
        path = source
        read = os.open(source, _DIRECTORY)
        try:
            write = os.open(target, _DIRECTORY)
            try:
                owner: Owner | None = None
                for entry in entries:
                    path, name = entry.path, entry.name
                    copy = target + os.sep + name
                    if entry.is_symlink():
                        self._clone_link(path, copy)
                    else:
                        owner = self._clone_file(name, name, copy, read, write, owner)
            finally:
                os.close(write)
        except OSError as error:
            # The name alone, or not even that, says nothing.
            raise OSError(error.errno, error.strerror, path) from error
        finally:
            os.close(read)

    def clone_attributes(self, source: str, target: str) -> None:
        """Give a file, link or directory the owner, mode, times and attributes of another."""
        found, made = os.lstat(source), os.lstat(target)
        # Before the mode: a change of owner takes the set-user-id bit away.
        given = self._give_away(target, found, (made.st_uid, made.st_gid))
        if _HAS_EXTENDED:
            _copy_extended(source, target, follow=False)
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(target, _mode(found, given))
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)
        if _HAS_FLAGS:
            _copy_flags(found, target)

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
        with os.scandir(source) as scanned:
            entries = list(scanned)
        self.clone_into(source, (one for one in entries if not _is_directory(one)), target)
        for entry in filter(_is_directory, entries):
            self.clone_tree(entry.path, os.path.join(target, entry.name))
        self.clone_attributes(source, target)

    def _clone_link(self, source: str, target: str) -> None:
        os.symlink(os.readlink(source), target)
        self.clone_attributes(source, target)

    def _clone_file(
        self,
        source: str,
        target: str,
        path: str,
        read_at: int | None = None,
        write_at: int | None = None,
        owner: Owner | None = None,
    ) -> Owner | None:
        """Copy one file, with as few calls of the system as it takes.

        Args:
            source: its name, where ``read_at`` is.
            target: the name of the copy, where ``write_at`` is.
            path: the path of the copy.
            read_at: the directory that the one is in, open.
            write_at: the directory that the other is in, open.
            owner: whose a file is that is made there, if it is known.

        Returns:
            The same, if it is known by now.
        """
        read = os.open(source, _READ, dir_fd=read_at)
        try:
            found = os.fstat(read)
            if found.st_nlink > 1:
                first = self._known.setdefault((found.st_dev, found.st_ino), path)
                if first != path and hard_link(first, path):
                    return owner
            write = os.open(target, _MAKE, _PRIVATE, dir_fd=write_at)
            try:
                _copy_content(read, write, found.st_size)
                if owner is None:
                    made = os.fstat(write)
                    owner = made.st_uid, made.st_gid
                mode = found.st_mode & _PERMISSIONS
                if owner != (found.st_uid, found.st_gid):
                    mode = _mode(found, self._give_away(write, found, owner))
                if _HAS_EXTENDED:
                    _copy_extended(read, write, follow=True)
                os.fchmod(write, mode)
                os.utime(write, ns=(found.st_atime_ns, found.st_mtime_ns))
            finally:
                os.close(write)
        finally:
            os.close(read)
        if _HAS_FLAGS:
            _copy_flags(found, path)
        return owner

    def _give_away(self, target: str | int, found: os.stat_result, owner: Owner) -> bool:
        """Give a file an owner and a group, as far as this user may; return whether it has them."""
        user, group = found.st_uid, found.st_gid
        if owner == (user, group):
            return True
        if not self._owns:
            user = -1
        if self._owns or owner[1] != group:
            try:
                os.chown(target, user, group, follow_symlinks=isinstance(target, int))
            except PermissionError:
                if self._owns:
                    raise
                return False
        return self._owns or owner[0] == found.st_uid


def copy_bytes(read: BinaryIO, target: str) -> None:
    """Copy what is in an open file to a name that is absent; the copy is for its owner alone.

    Args:
        read: the file, at its beginning; nothing has been read of it.
        target: the name.
    """
    write = os.open(target, _MAKE, _PRIVATE)
    try:
        _copy_content(read.fileno(), write, os.fstat(read.fileno()).st_size)
    finally:
        os.close(write)


def _copy_content(read: int, write: int, size: int) -> None:
    if size <= _SMALL:
        data = os.read(read, _SMALL)
        if len(data) == size and (not data or os.write(write, data) == size):
            return
        # It grows or shrinks, or the disk is full, which the next call will say.
        os.lseek(read, 0, os.SEEK_SET)
        os.lseek(write, 0, os.SEEK_SET)
    # Shares the blocks where the file system can, and stays in the kernel where it cannot.
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(read, write, _CHUNK):
                pass
        except OSError as error:
            if error.errno not in _NO_RANGE:
                raise
    # What is left: all of it without that call, nothing after it.
    os.lseek(read, os.lseek(write, 0, os.SEEK_CUR), os.SEEK_SET)
    while data := os.read(read, _BUFFER):
        view = memoryview(data)
        while view:
            view = view[os.write(write, view) :]


def _copy_extended(source: str | int, target: str | int, *, follow: bool) -> None:
    """Copy the extended attributes of a file that is open, or of what a path names itself."""
    try:
        names = os.listxattr(source, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTE:
            raise
        return
    for name in names:
        try:
            value = os.getxattr(source, name, follow_symlinks=follow)
            os.setxattr(target, name, value, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTE:
                raise


def _copy_flags(found: os.stat_result, target: str) -> None:
    """Copy the flags that a file has on BSD and macOS."""
    flags = getattr(found, "st_flags", 0)
    try:
        if flags:
            getattr(os, "chflags")(target, flags, follow_symlinks=False)  # noqa: B009
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTE:
            raise


def _mode(found: os.stat_result, given: bool) -> int:
    mode = stat.S_IMODE(found.st_mode)
    # As cp does: it would lend the rights of another than its owner had in mind.
    return mode if given else mode & ~_SET_ID


def _is_directory(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def shares_blocks(source: str, directory: str) -> bool:
    """Whether a copy of a file takes no space in a directory (btrfs, XFS and the like).

    Args:
        source: the file.
        directory: where the copy would be; nothing that has a name is made there.
    """
    if not hasattr(os, "O_TMPFILE"):
        return False
    ioctl = find_function("ioctl")
    if ioctl is None:
        return False
    try:
        with (
            open(source, "rb") as read,
            open(os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600), "wb") as write,
        ):
            return any(ioctl(write.fileno(), call, read.fileno()) == 0 for call in _SHARE)
    except OSError:
        return False
