"""The file that ``SAGEPIP_TRACE`` names: what happens in each command, a line of JSON an event.

All commands of a build append to one file. What one has to say is written by one call in append
mode, so that lines are not mixed up; a kill or a full disk may leave the beginning of a line, which
readers pass over. Under a lock nothing is written: that would make others wait.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time

import sagepip
from sagepip.ground import timing
from sagepip.ground.message_log import without_credentials

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "SAGEPIP_TRACE"
OPENING = '{"sagepip_trace": 1, '
"""How each line begins; nothing within a line looks like it, as quotes are escaped there."""
SUFFIX = ".jsonl"
_LONGEST = 2000


def begin_trace(path: str, program: str, words: Sequence[str]) -> None:
    """Record from now on, and what is known of the time before.

    A trace that cannot be written is no reason to fail: the command's end says so.

    Args:
        path: the file, which is made if it is missing, as is its directory; or a directory, in
            which this process gets a file of its own.
        program: how the command was called.
        words: its words.
    """
    recorder = TraceRecorder(path)
    recorder.open()
    recorder.command(program, words)
    timing.begin_recording(recorder)
    recorder.flush()


class TraceRecorder:
    """Writes the events of this process.

    Args:
        path: as :func:`begin_trace` takes it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1
        self._held = 0
        self._lines: list[str] = []
        self._problem = ""
        self._pid = os.getpid()
        self._run = f"{self._pid}-{time.time_ns():x}"
        self._open = f"{OPENING}{json.dumps({'run': self._run})[1:-1]}, "

    def open(self) -> None:
        """Open the file; where that fails, remember why."""
        path = self._path
        if not os.path.isabs(path):
            self._problem = (
                f"no trace: {VARIABLE} is a relative path: {path} (commands run in many "
                "directories: give an absolute one)"
            )
            return
        # A FIFO that nobody reads would hold up the command for ever.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            is_directory = path.endswith(os.sep)
            os.makedirs(path if is_directory else os.path.dirname(path), exist_ok=True)
            if is_directory or os.path.isdir(path):
                path = os.path.join(path, f"{socket.gethostname()}-{self._run}{SUFFIX}")
            self._descriptor = os.open(path, flags, 0o666)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._problem = f"no trace: cannot write {self._path} ({VARIABLE}): {reason}"

    def command(self, program: str, words: Sequence[str]) -> None:
        """Tell what command this process is."""
        try:
            directory = os.getcwd()
        except OSError:
            directory = ""
        now = time.monotonic()
        began = timing.began()
        self._add(
            "command",
            began,
            wall=round(time.time() - now + began, 6),
            pid=self._pid,
            parent=os.getppid(),
            host=socket.gethostname(),
            boot=_boot(),
            version=sagepip.__version__,
            program=program,
            words=_shortened(words),
            directory=directory,
        )

    def begin(self, phase: str, what: str, at: float) -> None:
        """A phase begins."""
        self._add("begin", at, phase=phase, **({"what": _clean(what)} if what else {}))
        self._flush_if_free()

    def end(self, phase: str, at: float, cpu: float, *, failed: bool) -> None:
        """The phase that began last ends."""
        more = {"failed": True} if failed else {}
        self._add("end", at, phase=phase, cpu=round(cpu, 6), **more)
        self._flush_if_free()

    def waiting(self, lock: str, who: str, at: float) -> None:
        """A lock has to be waited for."""
        self._add("waiting", at, lock=lock, holder=_clean(who))

    def acquired(self, lock: str, at: float, *, shared: bool) -> None:
        """A lock is held from now on."""
        self._held += 1
        self._add("acquired", at, lock=lock, **({"shared": True} if shared else {}))

    def released(self, lock: str, at: float) -> None:
        """A lock was released."""
        self._held -= 1
        self._add("released", at, lock=lock)

    def subject(self, what: str) -> None:
        """It is known what the command does."""
        self._add("subject", time.monotonic(), what=_clean(what))

    def finish(self, status: int, problem: str, at: float, cpu: float) -> str:
        """Tell how the command ends; return what has kept us from our work."""
        more = {"problem": _clean(" ".join(problem.split()))} if problem else {}
        self._add("exit", at, status=status, cpu=round(cpu, 6), **more)
        self.flush()
        self._close()
        return self._problem

    def flush(self) -> None:
        """Write what is held back, all in one call."""
        data = "".join(self._lines).encode()
        self._lines.clear()
        if self._descriptor < 0 or not data:
            return
        try:
            if os.write(self._descriptor, data) == len(data):
                return
            reason = os.strerror(errno.ENOSPC)  # only a full disk takes a part
        except OSError as error:
            reason = str(error.strerror)
        self._close()
        self._problem = f"the trace {self._path} ends before its time: {reason}"

    def _close(self) -> None:
        # In this order: a signal in between must not have it closed twice.
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _flush_if_free(self) -> None:
        if not self._held:
            self.flush()

    def _add(self, event: str, at: float, **more: object) -> None:
        if self._descriptor >= 0:
            fields = json.dumps({"event": event, "at": round(at, 6), **more})
            self._lines.append(f"{self._open}{fields[1:]}\n")


def _clean(text: str) -> str:
    return without_credentials(text[:_LONGEST])


def _shortened(words: Sequence[str]) -> list[str]:
    """Return the first words of a command line, without passwords."""
    found: list[str] = []
    size = 0
    for word in words:
        size += len(word) + 1
        if size > _LONGEST:
            found.append("...")
            break
        found.append(_clean(word))
    return found


def _boot() -> str:
    """Return what tells this run of the machine, whose clock the times are of, from others."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
