"""Watch the log of a running program: copy it to stderr, tell of silence, keep a time limit."""

from __future__ import annotations

import codecs
import os
import sys
import threading
import time

from sagepip.build.output_text import clean
from sagepip.ground import console
from sagepip.ground.light_contextlib import contextmanager, suppress

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

_FOLLOW_SECONDS = 0.1
_SILENCE_SECONDS = 600.0
_CHUNK = 1 << 16


class LogWatch:
    """A thread that looks at a log while the program that writes it runs.

    Args:
        stream: the log, open for reading, at the place where the program begins to write.
        log_path: its path, for messages.
        what: the program, in the words of messages.
        follow: copy what is written to stderr; the file of ``--log`` gets it anyhow.
        time_limit: how long the program may take, in seconds; None for ever.
        on_limit: ends the program; called, in the thread, when the limit has passed.

    Attributes:
        expired: whether the limit has passed.
    """

    def __init__(
        self,
        stream: BufferedReader,
        log_path: str,
        what: str,
        *,
        follow: bool,
        time_limit: float | None,
        on_limit: Callable[[], object],
    ) -> None:
        self.expired = False
        self._stream = stream
        self._log_path = log_path
        self._what = what
        self._follow = follow
        self._limit = None if time_limit is None else time.monotonic() + time_limit
        self._on_limit = on_limit
        self._noted = _SILENCE_SECONDS
        self._finished = threading.Event()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch during the body."""
        thread = threading.Thread(target=self._run, name="sagepip-log-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._finished.set()
            thread.join()

    def _run(self) -> None:
        while not self._finished.wait(self._pause()):
            self._copy(last=False)
            self._tell_of_silence()
            self._keep_limit()
        self._copy(last=True)

    def _pause(self) -> float:
        """Return how long nothing has to be done, unless the program ends."""
        pause = self._noted - self._silence()
        if self._limit is not None and not self.expired:
            pause = min(pause, self._limit - time.monotonic())
        if self._is_read:
            pause = min(pause, _FOLLOW_SECONDS)
        return max(pause, 0.01)

    @property
    def _is_read(self) -> bool:
        return self._follow or console.to_log is not None

    def _keep_limit(self) -> None:
        if self._limit is not None and not self.expired and time.monotonic() >= self._limit:
            self.expired = True
            self._on_limit()

    def _tell_of_silence(self) -> None:
        """Say that nothing was written for long; again when that has doubled."""
        silence = self._silence()
        if silence < _SILENCE_SECONDS:
            self._noted = _SILENCE_SECONDS
        elif silence >= self._noted:
            self._noted = 2 * silence
            with suppress(OSError, ValueError):  # a stderr that is closed must not end the watch
                console.note(
                    f"{self._what} has written nothing for {duration(silence)} and still runs; "
                    f"log: {self._log_path}"
                )

    def _silence(self) -> float:
        """Return for how long nothing has been written."""
        return max(0.0, time.time() - os.fstat(self._stream.fileno()).st_mtime)

    def _copy(self, *, last: bool) -> None:
        """Copy what is new, in whole lines unless a line stays unfinished for a while."""
        if not self._is_read:
            return
        is_new = False
        while chunk := self._stream.read(_CHUNK):
            is_new = True
            lines, newline, self._pending = (
                self._pending + self._decoder.decode(chunk)
            ).rpartition("\n")
            self._write(lines + newline)
            if len(self._pending) > _CHUNK:
                self._flush()
        if last or not is_new:
            self._flush()

    def _flush(self) -> None:
        text, self._pending = self._pending, ""
        self._write(text)

    def _write(self, text: str) -> None:
        if not text:
            return
        console.log(clean(text))
        if not self._follow:
            return
        try:
            sys.stderr.write(clean(text))
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            self._follow = False  # it is closed: that must not end the build


def duration(seconds: float) -> str:
    """Return a length of time in words."""
    if seconds < 120:
        return f"{seconds:g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes"
