"""Private directories for what is unpacked, built and fetched; made only if it is needed."""

from __future__ import annotations

import os

from sagepip.ground.timing import phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from types import TracebackType

    from sagepip.build.scratch import ScratchDirectory


class WorkDirectory:
    """A directory below TMPDIR that is made at first use and removed at the end.

    Most calls install a wheel that is there: they make none. What a killed one leaves the next one
    that needs such a directory removes.
    """

    def __init__(self) -> None:
        self._scratch: ScratchDirectory | None = None
        self._fixed: list[str] = []

    def __enter__(self) -> WorkDirectory:
        """Return it; nothing is made yet."""
        return self

    def path(self, *names: str) -> str:
        """Return a path below the directory, which exists from now on."""
        if self._scratch is None:
            from sagepip.build.scratch import ScratchDirectory

            self._scratch = ScratchDirectory()
        return os.path.join(self._scratch.path, *names)

    def of_source(self, archive: str, otherwise: str) -> str:
        """Return the directory that a source archive is unpacked into.

        Compilers write it into what they make. Where the same bytes are asked for again, it is
        one that has the same path each time, unless another build is in it.

        Args:
            archive: the path of the archive.
            otherwise: a directory, which may be missing, for all other cases.
        """
        import tempfile

        if not os.environ.get("SOURCE_DATE_EPOCH"):
            return otherwise
        fixed = os.path.join(tempfile.gettempdir(), f"sagepip-of-{os.path.basename(archive)}")
        try:
            os.mkdir(fixed, 0o700)
        except OSError:
            return otherwise
        self._fixed.append(fixed)
        return fixed

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Remove it with all that is in it."""
        from sagepip.ground.filesystem import remove_tree

        with phase("clean"):
            if self._scratch is not None:
                self._scratch.remove()
            for path in self._fixed:
                remove_tree(path)
