"""The least work of a staged copy, by an interpreter that imports nothing but ``os``.

Run as a file: ``python -I -S copy_work.py copy|replace STAGED PREFIX``. What ``cp -Rp`` keeps is
kept: modes, owners, times, links, and extended attributes, for which each file has to be asked.
Nothing is planned, locked or written down, and nothing is looked at twice.

``copy`` fills an empty prefix. ``replace`` makes the new tree beside what is there, exchanges each
name for the new one, and removes the old ones then, as whoever must be able to go back until the
end has to; it takes for granted that nothing else is there. A large file that is the same in size
and time is compared, and given a second name if it is the same in all, which takes less than to
copy it.
"""

import os
import stat
import sys

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SMALL = 1 << 16
_COMPARED = 1 << 15
_OWN = os.geteuid(), os.getegid()

Known = list[tuple[str, list[str]]]
"""The directories that were copied, the innermost first, and the names of the files in each."""


def copy(source: str, target: str, known: Known, present: str = "") -> None:
    """Copy what is in a directory to another, which is there, and give it its attributes.

    Args:
        source: the one.
        target: the other.
        known: grows by what is copied.
        present: where the same may be already.
    """
    with os.scandir(source) as scanned:
        entries = list(scanned)
    read_at, write_at = os.open(source, _DIRECTORY), os.open(target, _DIRECTORY)
    names = []
    for entry in entries:
        name = entry.name
        if entry.is_file(follow_symlinks=False):
            names.append(name)
            _copy_file(name, read_at, write_at, present)
        elif entry.is_symlink():
            names.append(name)
            os.symlink(os.readlink(name, dir_fd=read_at), name, dir_fd=write_at)
            _keep(entry.path, f"{target}/{name}", os.lstat(entry.path))
        else:
            os.mkdir(name, 0o700, dir_fd=write_at)
            copy(entry.path, f"{target}/{name}", known, present and f"{present}/{name}")
    _keep(read_at, write_at, os.fstat(read_at))
    os.close(read_at)
    os.close(write_at)
    known.append((target, names))


def _copy_file(name: str, read_at: int, write_at: int, present: str) -> None:
    read = os.open(name, _READ, dir_fd=read_at)
    found = os.fstat(read)
    if present and found.st_size > _SMALL and _is_same(read, found, f"{present}/{name}"):
        os.link(f"{present}/{name}", name, dst_dir_fd=write_at)
        os.close(read)
        return
    write = os.open(name, _MAKE, found.st_mode & 0o777, dir_fd=write_at)
    if found.st_size <= _SMALL:
        os.write(write, os.read(read, _SMALL))
    else:
        while os.copy_file_range(read, write, 1 << 30):
            pass
    if found.st_mode & 0o7000 or (found.st_uid, found.st_gid) != _OWN:
        os.chown(write, found.st_uid, found.st_gid)
        os.chmod(write, stat.S_IMODE(found.st_mode))
    for attribute in os.listxattr(read):
        os.setxattr(write, attribute, os.getxattr(read, attribute))
    os.utime(write, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.close(write)
    os.close(read)


def _is_same(read: int, found: os.stat_result, path: str) -> bool:
    other = os.open(path, _READ)
    there = os.fstat(other)
    done, size = 0, found.st_size
    if _kept(there) == _kept(found) and not os.listxattr(read) and not os.listxattr(other):
        while part := os.pread(read, _COMPARED, done):
            if part != os.pread(other, _COMPARED, done):
                break
            done += len(part)
    os.close(other)
    return done == size


def _kept(found: os.stat_result) -> tuple[int, ...]:
    return found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_size


def _keep(source: str | int, target: str | int, found: os.stat_result) -> None:
    """Give a directory or a link the attributes of another."""
    follow = isinstance(target, int)
    if (found.st_uid, found.st_gid) != _OWN:
        os.chown(target, found.st_uid, found.st_gid, follow_symlinks=follow)
    if follow:
        os.chmod(target, stat.S_IMODE(found.st_mode))
    for attribute in os.listxattr(source, follow_symlinks=follow):
        value = os.getxattr(source, attribute, follow_symlinks=follow)
        os.setxattr(target, attribute, value, follow_symlinks=follow)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=follow)


def replace(source: str, prefix: str) -> None:
    """Copy beside, exchange, remove."""
    new, old = f"{prefix}/.new", f"{prefix}/.old"
    os.mkdir(new, 0o700)
    os.mkdir(old, 0o700)
    known: Known = []
    copy(source, new, known, prefix)
    for name in os.listdir(new):
        os.rename(f"{prefix}/{name}", f"{old}/{name}")
        os.rename(f"{new}/{name}", f"{prefix}/{name}")
    for directory, names in known:
        # The same names are in what was there before.
        path = old + directory[len(new) :]
        descriptor = os.open(path, _DIRECTORY)
        for name in names:
            os.unlink(name, dir_fd=descriptor)
        os.close(descriptor)
        os.rmdir(path)
    os.rmdir(new)


def main() -> None:
    """Do what the words say."""
    work, source, prefix = sys.argv[1:]
    os.umask(0)
    if work == "copy":
        copy(source, prefix, [])
    else:
        replace(source, prefix)


if __name__ == "__main__":
    main()
