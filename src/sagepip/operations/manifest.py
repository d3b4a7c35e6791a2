"""The manifest of a staged copy: what was published, one path a line."""

from __future__ import annotations

import errno
import os
import stat

from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import publish_file, remove_file
from sagepip.staging.staged_tree import StagedTree

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from types import TracebackType


class Manifest:
    """A list that is written before the change and gets its name after it.

    What is no regular file (``/dev/stdout``, a pipe) is not replaced but written to.

    Args:
        path: where it goes; None for none at all.
        null: end each path with NUL, so that a name may hold a newline.
    """

    def __init__(self, path: str | None, *, null: bool) -> None:
        self._path = path
        self._end = b"\0" if null else b"\n"
        self._temporary = ""
        self._text = b""

    def __enter__(self) -> Manifest:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was not published."""
        if self._temporary:
            remove_file(self._temporary)

    def write(self, tree: StagedTree) -> None:
        """Write the paths of all files and links, and of empty directories with a slash.

        Raises:
            TargetError: it cannot be written, it would be published itself, or a name holds a
                newline.
        """
        if self._path is None:
            return
        path = os.path.realpath(self._path)
        if path.startswith(tree.path + os.sep):
            raise TargetError(
                f"the manifest {self._path} lies in the staged tree", advice="write it elsewhere"
            )
        above = {os.path.dirname(one) for one in [*tree.files, *tree.directories]}
        empty = [one + os.sep for one in tree.directories if one not in above]
        paths = sorted(os.fsencode(one) for one in [*tree.files, *empty])
        odd = next((one for one in paths if self._end in one), None)
        if odd is not None:
            raise TargetError(
                f"{os.fsdecode(odd)!r} holds a newline, which ends a path in the manifest",
                advice="give -0 (and read it with xargs -0)",
            )
        self._text = b"".join(one + self._end for one in paths)
        try:
            if not self._is_written_to():
                self._write_aside(path)
        except OSError as error:
            raise TargetError(
                f"cannot write the manifest {self._path}: {error.strerror}",
                advice="give a path that can be written",
            ) from error

    def publish(self) -> None:
        """Give it its name.

        Raises:
            TargetError: that is not possible, though the tree has been published.
        """
        if self._path is None:
            return
        try:
            if self._temporary:
                publish_file(self._temporary, os.path.realpath(self._path))
            else:
                with open(self._path, "wb") as stream:
                    stream.write(self._text)
        except OSError as error:
            raise TargetError(
                f"copied, but cannot write the manifest {self._path}: {error.strerror}",
                advice="give a path that can be written",
            ) from error

    def _is_written_to(self) -> bool:
        assert self._path is not None
        try:
            mode = os.stat(self._path).st_mode
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._path)
        return not stat.S_ISREG(mode)

    def _write_aside(self, path: str) -> None:
        import tempfile

        directory = os.path.dirname(path)
        descriptor, self._temporary = tempfile.mkstemp(prefix=".manifest-", dir=directory)
        with open(descriptor, "wb") as stream:
            stream.write(self._text)
            os.fchmod(stream.fileno(), 0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
