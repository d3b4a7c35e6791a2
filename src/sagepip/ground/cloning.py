"""Copy files with everything that ``cp -Rp`` keeps, and extended attributes."""

from __future__ import annotations

import errno
import os
import stat

from sagepip.ground.c_library import find_function
from sagepip.ground.file_content import SMALL, copy_again, copy_content, is_same_content
from sagepip.ground.filesystem import hard_link, identity, identity_of, remove_file
from sagepip.ground.listing import list_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HAS_EXTENDED = hasattr(os, "listxattr")
_HAS_FLAGS = hasattr(os, "chflags")
_PERMISSIONS = 0o7777
_SET_ID = stat.S_ISUID | stat.S_ISGID
_SPECIAL = _SET_ID | stat.S_ISVTX
_NO_ATTRIBUTE = frozenset(
    {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENODATA, errno.EINVAL, errno.EPERM}
)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PRIVATE = 0o600
_READERS = stat.S_IRGRP | stat.S_IROTH
_ALL_OR_NONE = (0, _READERS)

Owner = tuple[int, int]
Likeness = tuple[int, int, int]
"""What a file is like: kind and mode, owner and group."""


# FICLONE: the bits of the direction are swapped on PowerPC, MIPS, SPARC and Alpha.
_SHARE = (0x40049409, 0x80049409)


class Cloner:
    """Copies files, links and directories; hard links among what it copied stay hard links."""

    def __init__(self) -> None:
        self._known: dict[Owner, str] = {}
        self._own = os.geteuid(), os.getegid()
        self._owns = self._own[0] == 0

    def clone(self, source: str, target: str) -> None:
        """Copy a file or symbolic link to a name that is absent.

        Args:
            source: what to copy; never followed if it is a link.
            target: its new name.
        """
        if os.path.islink(source):
            self._clone_link(source, target)
        else:
            read = os.open(source, _READ)
            try:
                self._clone_open_file(read, os.fstat(read), target, target)
            finally:
                os.close(read)

    def clone_into(
        self,
        source: str,
        files: Iterable[str],
        links: Iterable[str],
        target: str,
        present: str = "",
    ) -> None:
        """Copy files and symbolic links of one directory into another, where none of them is.

        Args:
            source: the directory that they are in.
            files: the names of the files.
            links: the names of the links.
            target: the other directory.
            present: a directory with files that nobody is going to write to. One that is large and
                the same in all that would be kept is given a name more, in place of a copy.
        """
        name, within = "", source + os.sep
        read_at = os.open(source, _DIRECTORY)
        try:
            write_at = os.open(target, _DIRECTORY)
            try:
                for name in links:
                    self._clone_link(within + name, target + os.sep + name)
                as_asked: set[Likeness] = set()
                for name in files:
                    self._clone_file(name, target, read_at, write_at, as_asked, present)
            finally:
                os.close(write_at)
        except OSError as error:
            # The name alone, or not even that, says nothing.
            raise OSError(error.errno, error.strerror, within + name if name else source) from error
        finally:
            os.close(read_at)

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
        found = list_directory(source)
        self.clone_into(source, found.files + found.others, found.links, target)
        for name in found.directories:
            self.clone_tree(os.path.join(source, name), os.path.join(target, name))
        self.clone_attributes(source, target)

    def _clone_link(self, source: str, target: str) -> None:
        os.symlink(os.readlink(source), target)
        self.clone_attributes(source, target)

    def _clone_file(
        self,
        name: str,
        target: str,
        read_at: int,
        write_at: int,
        as_asked: set[Likeness],
        present: str,
    ) -> None:
        """Copy one file, with as few calls of the system as it takes.

        Args:
            name: its name, in both directories.
            target: the path of the directory that the copy comes to.
            read_at: the directory that the file is in, open.
            write_at: the other one.
            as_asked: what files there are like that were made with the mode of the one that they
                are copies of, and are like it; whatever the umask, a list of rights that they
                inherit, or the file system have to say, others of that kind will be, too.
            present: see :meth:`clone_into`.
        """
        read = os.open(name, _READ, dir_fd=read_at)
        try:
            found = os.fstat(read)
            size, likeness = found.st_size, (found.st_mode, found.st_uid, found.st_gid)
            if likeness not in as_asked or size > SMALL or found.st_nlink > 1:
                path = target + os.sep + name
                may_be_there = present and size > SMALL and found.st_nlink == 1
                if may_be_there and self._link_same(read, found, present + os.sep + name, path):
                    return
                made = self._clone_open_file(read, found, name, path, write_at)
                if made == likeness:
                    as_asked.add(likeness)
                return
            write = os.open(name, _MAKE, likeness[0] & _PERMISSIONS, dir_fd=write_at)
            try:
                data = os.read(read, size + 1)
                if len(data) != size or (size and os.write(write, data) != size):
                    copy_again(read, write)
                if _HAS_EXTENDED and _copy_extended(read, write, follow=True):
                    os.fchmod(write, likeness[0] & _PERMISSIONS)
                os.utime(write, ns=(found.st_atime_ns, found.st_mtime_ns))
            finally:
                os.close(write)
        finally:
            os.close(read)

    def _link_same(self, read: int, found: os.stat_result, same: str, path: str) -> bool:
        """Give a file that is the same as another a name in place of a copy of that one.

        Args:
            read: the other one, open; it has one name, and is large.
            found: its status.
            same: what may be the same.
            path: the new name.

        Returns:
            Whether that was done.
        """
        # The flags that files have elsewhere would have to be compared, too.
        if not _HAS_EXTENDED or not (self._owns or self._own[0] == found.st_uid):
            return False
        try:
            other = os.open(same, _READ)
            try:
                there = os.fstat(other)
                is_same = (
                    there.st_nlink == 1
                    and _kept_of(there) == _kept_of(found)
                    and not _has_extended(read)
                    and not _has_extended(other)
                    and is_same_content(read, other, found.st_size)
                )
            finally:
                os.close(other)
            if not is_same or not hard_link(same, path):
                return False
        except OSError:
            return False  # what is wrong with the other will come up when it is copied
        # Somebody else may have put another there by now, or written to it.
        if identity(path) == identity_of(there):
            return True
        remove_file(path)
        return False

    def _clone_open_file(
        self,
        read: int,
        found: os.stat_result,
        target: str,
        path: str,
        write_at: int | None = None,
    ) -> Likeness | None:
        """Copy a file, whatever it is like.

        Args:
            read: the file, open.
            found: its status.
            target: the name of the copy, where ``write_at`` is.
            path: the path of the copy.
            write_at: the directory that it is made in, open.

        Returns:
            What a file is like that is made there with the mode of this one; None if that is not
            known, or not to be made use of.
        """
        if found.st_nlink > 1:
            first = self._known.setdefault((found.st_dev, found.st_ino), path)
            if first != path and hard_link(first, path):
                return None
        owner, mode = (found.st_uid, found.st_gid), found.st_mode & _PERMISSIONS
        # Otherwise the mode comes last: until then nobody may read what is secret from him.
        is_plain = owner == self._own and mode & _READERS in _ALL_OR_NONE and not mode & _SPECIAL
        write = os.open(target, _MAKE, mode if is_plain else _PRIVATE, dir_fd=write_at)
        try:
            made = os.fstat(write)
            copy_content(read, write, found.st_size)
            if owner != (made.st_uid, made.st_gid):
                mode = _mode(found, self._give_away(write, found, (made.st_uid, made.st_gid)))
            if _HAS_EXTENDED:
                _copy_extended(read, write, follow=True)
            os.fchmod(write, mode)
            os.utime(write, ns=(found.st_atime_ns, found.st_mtime_ns))
        finally:
            os.close(write)
        if _HAS_FLAGS:
            _copy_flags(found, path)
            return None
        return (made.st_mode, made.st_uid, made.st_gid) if is_plain else None

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


def _copy_extended(source: str | int, target: str | int, *, follow: bool) -> bool:
    """Copy the extended attributes of a file that is open, or of what a path names itself.

    Returns:
        Whether there are any.
    """
    try:
        names = os.listxattr(source, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTE:
            raise
        return False
    for name in names:
        try:
            value = os.getxattr(source, name, follow_symlinks=follow)
            os.setxattr(target, name, value, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTE:
                raise
    return bool(names)


def _has_extended(file: int) -> bool:
    try:
        return bool(os.listxattr(file))
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTE:
            raise
        return False


def _kept_of(found: os.stat_result) -> tuple[int, int, int, int, int]:
    """Return what is kept of a file and its status tells, and its size."""
    return found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_size


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
