"""The files of a lock: where they are, how they are made and opened, and for whom.

A lock has levels. The first is the lock file itself. A command that runs under somebody's lock
(a child of ``sage-pip-lock``) holds the next one instead, so that two such commands exclude each
other; it is a flock on a directory that is there anyway, ``.sagepip``, and the one after that on
the site itself.
"""

from __future__ import annotations

import errno
import os
import stat

from sagepip.ground.filesystem import make_directories, open_regular
from sagepip.ground.light_contextlib import suppress
from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.holder import Holder

STATE_DIRECTORY = ".sagepip"
_LOCK = "lock"
_GATE = "gate"
DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""What a system answers to a user who may not write."""


@dataclass(frozen=True)
class LockFiles:
    """The files of one lock.

    Attributes:
        name: what is locked, in messages: the site, or the file.
        lock: the first level, a file.
        inner: the levels behind it, directories.
        gate: the file to queue at before the lock; empty for a lock that is not a site's.
    """

    name: str
    lock: str
    inner: tuple[str, ...] = ()
    gate: str = ""

    @classmethod
    def of_site(cls, site: str) -> LockFiles:
        """Return the files of a site's lock.

        Args:
            site: the resolved site directory.
        """
        directory = os.path.join(site, STATE_DIRECTORY)
        return cls(
            site, os.path.join(directory, _LOCK), (directory, site), os.path.join(directory, _GATE)
        )

    @classmethod
    def of_file(cls, path: str) -> LockFiles:
        """Return a lock file as it is named; a site's own is recognised.

        Args:
            path: the file; it may not exist.
        """
        resolved = os.path.realpath(path)
        directory, name = os.path.split(resolved)
        if name == _LOCK and os.path.basename(directory) == STATE_DIRECTORY:
            return cls.of_site(os.path.dirname(directory))
        return cls(path, resolved)

    @property
    def levels(self) -> tuple[str, ...]:
        """The paths of all levels, the outermost first."""
        return (self.lock, *self.inner)

    def holder(self) -> Holder | None:
        """Return who holds the lock exclusively, as its holder wrote it down, if it did."""
        try:
            with open_regular(self.lock) as stream:
                return Holder.parse(stream.read(4096)) if self.gate else None
        except OSError:
            return None

    def make(self) -> None:
        """Make the files that are missing; who may write to the site may lock it.

        Raises:
            OSError: they cannot be made.
        """
        if not self.gate:
            make_directories(os.path.dirname(self.lock))
            os.close(self.open_lock(writing=True))
            return
        directory, site = self.inner
        make_for_writers(directory, site)
        writers = _writers(os.stat(site))
        for path in (self.gate, self.lock):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                continue
            try:
                _admit(descriptor, site, writers)
            finally:
                os.close(descriptor)

    def open_lock(self, *, writing: bool) -> int:
        """Open the lock file.

        Args:
            writing: to write a line about the holder into it; a plain lock file is made, too.

        Raises:
            OSError: as ``open(2)``.
        """
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        if self.gate:
            return os.open(self.lock, flags | (os.O_RDWR if writing else os.O_RDONLY))
        try:
            return os.open(self.lock, flags | os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            if not os.path.exists(self.lock):
                raise
            return os.open(self.lock, flags | os.O_RDONLY)

    def open_gate(self) -> int:
        """Open the gate; for reading only where no more is allowed.

        Raises:
            OSError: as ``open(2)``.
        """
        try:
            return os.open(self.gate, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno not in DENIED or not os.path.exists(self.gate):
                raise
            return os.open(self.gate, os.O_RDONLY | os.O_CLOEXEC)


def make_for_writers(directory: str, site: str) -> None:
    """Make a directory of a site's that is missing; who may write to the site may write to it.

    Raises:
        OSError: it cannot be made.
    """
    if make_directories(directory):
        writers = _writers(os.stat(site))
        _admit(directory, site, writers | (writers & 0o022) >> 1)


def _writers(site: os.stat_result) -> int:
    """Return the bits by which others than its owner may read and write what lies in a site."""
    shared = site.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return shared | shared << 1


def _admit(made: str | int, site: str, bits: int) -> None:
    """Give those who may write to a site the same right to what was just made in it.

    Otherwise the umask of the user who happens to come first would lock all others out.
    """
    if not bits:
        return
    found, group = os.stat(made), os.stat(site).st_gid
    with suppress(PermissionError):
        # Not in that group: then its members have to ask for it.
        if found.st_gid != group:
            os.chown(made, -1, group)
    with suppress(PermissionError):
        os.chmod(made, stat.S_IMODE(found.st_mode) | bits)
