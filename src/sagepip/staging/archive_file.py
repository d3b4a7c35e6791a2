"""The file of a wheel: its central directory is read once, the file open only while it is read."""

from __future__ import annotations

import os

from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_typing import BinaryIO, cast
from sagepip.staging.zip_library import zipfile

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ArchiveFile:
    """A zip file that can be opened again without reading its directory again.

    Args:
        path: of it.
    """

    def __init__(self, path: str) -> None:
        self._stream = _Stream(path)
        self._zip: zipfile.ZipFile | None = None

    @contextmanager
    def opened(self) -> Iterator[zipfile.ZipFile]:
        """Open it; what was read of it before still holds, unless it is another file by now.

        Raises:
            OSError: it cannot be opened.
            BadZipFile: it is no zip file.
        """
        with self._stream.opened() as is_same:
            if self._zip is None or not is_same:
                self._zip = zipfile.ZipFile(cast(BinaryIO, self._stream))
            yield self._zip

    def is_same(self) -> bool:
        """Whether the file is still the one that was read."""
        return self._stream.is_same()


class _Stream:
    """A file that is open at times, as ``zipfile`` wants to see it."""

    read: Callable[..., bytes]
    seek: Callable[..., int]
    tell: Callable[[], int]
    seekable: Callable[[], bool]
    fileno: Callable[[], int]

    def __init__(self, path: str) -> None:
        self.name = path
        self._seen: tuple[int, ...] = ()

    @contextmanager
    def opened(self) -> Iterator[bool]:
        """Open the file; yield whether it is the one that was opened before."""
        with open(self.name, "rb") as stream:
            seen = _identity(os.fstat(stream.fileno()))
            is_same, self._seen = seen == self._seen, seen
            self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell
            self.seekable, self.fileno = stream.seekable, stream.fileno
            yield is_same

    def is_same(self) -> bool:
        """Whether the file is the one that was opened last."""
        try:
            return _identity(os.stat(self.name)) == self._seen
        except OSError:
            return False


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
