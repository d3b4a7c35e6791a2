"""The only module that renames, links, makes or removes anything on disk outside of staging.

Three reversible primitives change live trees, each one system call: :func:`place`, :func:`swap`
and retire (a place into the trash); with :func:`make_directory`. Everything else here is for
directories that belong to sagepip alone.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from sagepip.ground.c_library import find_function, get_errno
from sagepip.ground.light_contextlib import suppress
from sagepip.ground.light_functools import cache

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

Identity = tuple[int, int, int]
"""What a name refers to, whatever it is called: inode, and of a file also time (ns) and size.

Renames keep all three. The inode alone would not do: it is given to another file once the first
has gone. The device is left out: it changes when a file system is mounted again, and what is
compared lies on one mount.
"""

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a directory is opened, if it is one and no link."""
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_DARWIN_RENAME_SWAP = 2
_DARWIN_RENAME_EXCL = 4
# What a kernel or a file system without the flag answers.
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


class ExchangeUnsupported(OSError):
    """The file system has no call that exchanges two names."""


def identity(path: str) -> Identity | None:
    """Return what ``path`` names itself (not through a link), or None if there is nothing."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return identity_of(found)


def identity_of(found: os.stat_result) -> Identity:
    """Return the identity of what an ``lstat`` was made of."""
    if stat.S_ISDIR(found.st_mode):
        return (found.st_ino, -1, -1)  # what comes and goes in a directory changes its time
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def place(source: str, target: str) -> None:
    """Rename to a name that must be absent.

    Raises:
        FileExistsError: ``target`` is there.
        OSError: as ``rename(2)``.
    """
    rename_flags = _rename_with_flags()
    if rename_flags is not None:
        flag = _DARWIN_RENAME_EXCL if sys.platform == "darwin" else _RENAME_NOREPLACE
        code = rename_flags(source, target, flag)
        if code == 0:
            return
        if code not in _UNSUPPORTED:
            raise OSError(code, os.strerror(code), source, None, target)
    # Without the flag a window stays, which only a writer without the lock can fall into.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
    os.rename(source, target)


def swap(first: str, second: str) -> None:
    """Exchange what two names refer to, in one step; both must be there.

    Raises:
        ExchangeUnsupported: the kernel or the file system cannot.
        OSError: as ``renameat2(2)``.
    """
    rename_flags = _rename_with_flags()
    code = errno.ENOSYS
    if rename_flags is not None:
        flag = _DARWIN_RENAME_SWAP if sys.platform == "darwin" else _RENAME_EXCHANGE
        code = rename_flags(first, second, flag)
    if code == 0:
        return
    if code in _UNSUPPORTED:
        raise ExchangeUnsupported(code, os.strerror(code), first, None, second)
    raise OSError(code, os.strerror(code), first, None, second)


@cache
def can_exchange(directory: str) -> bool:
    """Whether names in ``directory`` can be exchanged, tried on two files made there."""
    first, second = _probes(directory, "exchange-")
    try:
        for path in (first, second):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        before = identity(first)
        try:
            swap(first, second)
        except OSError:
            return False
        return identity(second) == before
    finally:
        _remove_probes(first, second)


@cache
def can_link(directory: str) -> bool:
    """Whether files in ``directory`` can have two names, tried on one made there."""
    first, second = _probes(directory, "link-")
    try:
        os.close(os.open(first, os.O_CREAT | os.O_WRONLY, 0o600))
        return hard_link(first, second) and identity(first) == identity(second)
    finally:
        _remove_probes(first, second)


def _probes(directory: str, beginning: str) -> tuple[str, str]:
    """Make a directory for a trial in one of sagepip's own; return two absent paths in it."""
    while True:
        probe = os.path.join(directory, beginning + os.urandom(8).hex())
        try:
            os.mkdir(probe, 0o700)
        except FileExistsError:
            continue
        return os.path.join(probe, "first"), os.path.join(probe, "second")


def _remove_probes(first: str, second: str) -> None:
    remove_file(first)
    remove_file(second)
    os.rmdir(os.path.dirname(first))


def can_rename_between(first: str, second: str) -> bool:
    """Whether a rename can lead from one directory into the other, without changing either.

    Renaming a name that does not exist tells: the kernel looks at the mounts before it looks for
    the name (EXDEV before ENOENT). Comparing ``st_dev`` does not: a bind mount of the same file
    system has the same number and refuses all the same.
    """
    if os.stat(first).st_dev != os.stat(second).st_dev:
        return False
    try:
        os.rename(os.path.join(first, ".sagepip-none"), os.path.join(second, ".sagepip-none"))
    except OSError as error:
        return error.errno == errno.ENOENT
    return False


def can_move_directory(directory: str, pinned: str) -> bool:
    """Whether a directory as a whole can be renamed to another place on its mount.

    It cannot where it comes from a lower layer of an overlay file system (EXDEV), where something
    is mounted on it (EBUSY), and where it may not be written to (EACCES). Renaming it onto a
    directory that is not empty tells, and changes nothing.

    Args:
        directory: a real directory.
        pinned: a directory with something in it, where ``directory`` would be moved to.
    """
    try:
        os.rename(directory, pinned)
    except OSError as error:
        return error.errno in (errno.ENOTEMPTY, errno.EEXIST)
    raise AssertionError(f"{pinned} was empty")


def make_directory(path: str) -> bool:
    """Make one directory; return whether it was made (False: it was there)."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return False
    return True


def restore_directory(path: str, mode: int, user: int, group: int) -> None:
    """Make a directory again with the permissions and the owner that it had.

    Its permissions come with it: a kill may follow at any moment.
    """
    mask = os.umask(0)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return  # somebody else was quicker
    finally:
        os.umask(mask)
    made = os.stat(path)
    if (made.st_uid, made.st_gid) != (user, group):
        os.chown(path, user, group)
    if stat.S_IMODE(made.st_mode) != mode:
        os.chmod(path, mode)


def open_regular(path: str) -> BufferedReader:
    """Open a file to read it, if it is one: opening a pipe would wait for a writer for ever.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return open(descriptor, "rb")


def make_directories(path: str) -> list[str]:
    """Make a directory and its missing parents; return those made, outermost first."""
    missing: list[str] = []
    while path and not os.path.isdir(path):
        missing.append(path)
        parent = os.path.dirname(path)
        if parent == path:
            break
        path = parent
    return [one for one in reversed(missing) if make_directory(one)]


def remove_directory_if_empty(path: str) -> bool:
    """Remove a directory if nothing is in it; return whether it is gone."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        # In a directory that may not be changed the permission is looked at before the contents.
        if error.errno in (
            *(errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY),
            *(errno.EACCES, errno.EPERM, errno.EROFS),
        ):
            return False
        raise
    return True


def link_or_copy(source: str, target: str) -> None:
    """Give a file (or symlink) a second name, or copy it where links are not to be had."""
    if not hard_link(source, target):
        import shutil

        shutil.copy2(source, target, follow_symlinks=False)


def hard_link(path: str, name: str) -> bool:
    """Give a file another name; return False where the file system cannot have it there."""
    try:
        os.link(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EMLINK, errno.EPERM, *_UNSUPPORTED):
            return False
        raise
    return True


def replace_file(new: str, path: str, kept: str) -> None:
    """Rename a file over another, which is given a name elsewhere first: none is ever absent.

    Args:
        new: what comes.
        path: the name that it gets.
        kept: the name that what is there keeps; it has it already where a kill came in between.
    """
    if identity(kept) != identity(path) and not hard_link(path, kept):
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), path)
    os.rename(new, path)


def make_link(target: str, path: str) -> None:
    """Make a symbolic link; a file or link that bears its name goes."""
    remove_file(path)
    os.symlink(target, path)


def publish_file(temporary: str, final: str) -> None:
    """Give a file that was written under a temporary name its final one, replacing the old."""
    os.replace(temporary, final)


def remove_file(path: str) -> None:
    """Remove a file; it may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def remove_tree(path: str) -> bool:
    """Remove a file or directory of sagepip's own with all in it; return whether it is gone.

    Directories that were installed without write permission are made writable first. What cannot
    be removed stays for the next sweep. No link is followed, not even one that comes meanwhile.
    """
    if not is_real_directory(path):
        remove_file(path)
        return True
    try:
        _remove_contents(path, None)
        try:
            os.rmdir(path)
        except PermissionError:
            os.chmod(os.path.dirname(path), 0o700)
            os.rmdir(path)
    except OSError:
        return not os.path.lexists(path)
    return True


def _remove_contents(path: str, above: int | None) -> None:
    """Remove what is in a directory, as far as it goes."""
    try:
        descriptor = os.open(path, DIRECTORY, dir_fd=above)
    except PermissionError:
        os.chmod(path, 0o700, dir_fd=above)
        descriptor = os.open(path, DIRECTORY, dir_fd=above)
    try:
        with os.scandir(descriptor) as entries:
            found = [(one.name, one.is_dir(follow_symlinks=False)) for one in entries]
        for name, is_directory in found:
            with suppress(OSError):
                if is_directory:
                    _remove_contents(name, descriptor)
                _remove_from(name, descriptor, os.rmdir if is_directory else os.unlink)
    finally:
        os.close(descriptor)


def _remove_from(name: str, directory: int, remove: Callable[..., None]) -> None:
    try:
        remove(name, dir_fd=directory)
    except PermissionError:
        os.fchmod(directory, 0o700)
        remove(name, dir_fd=directory)


def walk_files(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the path and ``lstat`` of everything below a directory that is not a directory."""
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.is_dir(follow_symlinks=False):
                yield from walk_files(entry.path)
            else:
                yield entry.path, entry.stat(follow_symlinks=False)


def is_real_directory(path: str) -> bool:
    """Whether ``path`` itself is a directory (not a link to one)."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


@cache
def _rename_with_flags() -> _RenameWithFlags | None:
    is_at = sys.platform != "darwin"
    function = find_function("renameat2" if is_at else "renamex_np")
    return None if function is None else _RenameWithFlags(function, at=is_at)


class _RenameWithFlags:
    """``renameat2`` or ``renamex_np``: returns 0 or the error number."""

    def __init__(self, function: Callable[..., int], *, at: bool) -> None:
        self._function = function
        self._at = at

    def __call__(self, first: str, second: str, flag: int) -> int:
        old, new = os.fsencode(first), os.fsencode(second)
        while True:
            if self._at:
                result = self._function(_AT_FDCWD, old, _AT_FDCWD, new, flag)
            else:
                result = self._function(old, new, flag)
            if result == 0:
                return 0
            code = get_errno()
            if code != errno.EINTR:
                return code
