"""A private directory for what is unpacked, built and fetched; made only if it is needed."""

from __future__ import annotations

import os
from types import TracebackType


class WorkDirectory:
    """A directory below TMPDIR that is made at first use and removed at the end.

    Most calls install a wheel that is there: they make none, and leave none if they are killed.
    """

    def __init__(self) -> None:
        self._path = ""

    def __enter__(self) -> WorkDirectory:
        """Return it; nothing is made yet."""
        return self

    def path(self, *names: str) -> str:
        """Return a path below the directory, which exists from now on."""
        import tempfile

        if not self._path:
            self._path = tempfile.mkdtemp(prefix="sagepip-")
        return os.path.join(self._path, *names)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Remove it with all that is in it."""
        from sagepip.ground.filesystem import remove_tree

        if self._path:
            remove_tree(self._path)
