"""Compile modules on all processors while their wheel is still being unpacked.

The workers are forks of this process: nothing is imported for them, and what they make is, byte for
byte, what this process would have made. They read the staged sources and write nothing on disk, so
there is nothing to be cleaned up after them, and a sweep has nothing to fear from one that has not
yet noticed that its parent was killed. They hold none of the parent's descriptors: a lock of a
process that was killed is free at once.

Jobs and answers are numbers of fixed size in pipes, whoever is free takes the next; what they stand
for (paths, code) is in files without a name. What no worker has answered, because it was killed or
never started, is compiled here.
"""

from __future__ import annotations

import gc
import os
import struct
import sys

from sagepip.ground.c_library import find_function
from sagepip.ground.light_contextlib import contextmanager, suppress
from sagepip.ground.light_typing import BinaryIO, cast
from sagepip.ground.signals import signal
from sagepip.ground.timing import has_forked

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Compile = Callable[[str, str], bytes | None]

# Where in its file something lies, and how long it is.
_JOB = struct.Struct("<QQ")
# Which job it was, whose file the code is in, where in it, and how long it is; 0 if it failed.
_ANSWER = struct.Struct("<QQQQ")
_PATHS_END = b"\0"
# Bytes of source; the compiler takes some 100 ms for them. Less is not worth another process.
_SHARE = 1 << 20
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1


def worker_count(source_bytes: int) -> int:
    """Return how many workers are worth their start, beside this process.

    Args:
        source_bytes: how much there is to compile.
    """
    if not hasattr(os, "fork"):
        return 0
    threads = sys.modules.get("threading")
    if threads is not None and threads.active_count() > 1:
        return 0  # a fork would hold what they have locked for ever
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    return min(processors - 1, source_bytes // _SHARE)


@contextmanager
def warnings_ignored() -> Iterator[None]:
    """Say nothing of what the compiler finds odd, in the body of a ``with`` statement."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class CompileWorkers:
    """Some processes that compile.

    Args:
        count: how many; may be 0.
        compile_source: compiles the file at a path, another path inside; None if it cannot.
    """

    def __init__(self, count: int, compile_source: Compile) -> None:
        import warnings  # noqa: F401 (for the children, before there are any)

        self._compile = compile_source
        self._numbers: dict[tuple[str, str], int] = {}
        self._answers: dict[int, tuple[int, int, int]] = {}
        self._waiting: list[bytes] = []
        self._children: list[int] = []
        self._descriptions = _nameless()
        self._code = [_nameless() for _ in range(count + 1)]
        self._jobs, self._post = os.pipe()
        self._results, self._answer = os.pipe()
        os.set_blocking(self._post, False)
        try:
            for index in range(count):
                self._fork(index)
            self._close("_answer")
        except BaseException:
            self.close()
            raise

    def add(self, source: str, embedded: str) -> None:
        """Have a module compiled.

        Args:
            source: its path; the file is complete.
            embedded: the path that its code is to say.
        """
        text = os.fsencode(source) + _PATHS_END + os.fsencode(embedded)
        offset = self._descriptions.tell()
        self._descriptions.write(text)
        self._descriptions.flush()
        self._numbers[(source, embedded)] = offset
        self._waiting.append(_JOB.pack(offset, len(text)))
        self._send()

    def finish(self) -> None:
        """Compile what no worker has taken, and wait for the rest."""
        while self._waiting:
            # Not from the pipe, which the workers may have emptied: it would wait for ever.
            self._do_here(self._waiting.pop())
            self._send()
        self._close("_post")
        while job := os.read(self._jobs, _JOB.size):
            self._do_here(job)
        self._read_answers(blocking=True)

    def code(self, source: str, embedded: str) -> tuple[bool, bytes | None]:
        """Return whether a module is done, and its code, if it could be compiled.

        Args:
            source: as it was given to :meth:`add`.
            embedded: the same.
        """
        answer = self._answers.get(self._numbers.get((source, embedded), -1))
        if answer is None:
            return False, None
        whose, offset, length = answer
        return True, _read(self._code[whose], offset, length) if length else None

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        for child in self._children:
            os.kill(child, signal.SIGKILL)
        for child in self._children:
            os.waitpid(child, 0)
        self._children.clear()
        for pipe_end in ("_jobs", "_post", "_results", "_answer"):
            self._close(pipe_end)
        for file in (self._descriptions, *self._code):
            file.close()

    # ------------------------------------------------------------------ in this process

    def _close(self, pipe_end: str) -> None:
        """Close a descriptor of ours, if it is open."""
        descriptor: int = getattr(self, pipe_end)
        # First: a signal after the system call must not have it closed again.
        setattr(self, pipe_end, -1)
        if descriptor >= 0:
            os.close(descriptor)

    def _send(self) -> None:
        """Post what is waiting, as far as there is room."""
        sent = 0
        try:
            for job in self._waiting:
                os.write(self._post, job)
                sent += 1
        except BlockingIOError:
            self._read_answers(blocking=False)
        del self._waiting[:sent]

    def _do_here(self, job: bytes) -> None:
        self._note(self._work(job, len(self._code) - 1))
        self._read_answers(blocking=False)

    def _read_answers(self, *, blocking: bool) -> None:
        """Read what there is; if blocking, until all workers have ended."""
        os.set_blocking(self._results, blocking)
        with suppress(BlockingIOError):
            while answers := os.read(self._results, _ANSWER.size * 128):
                self._note(answers)

    def _note(self, answers: bytes) -> None:
        for number, whose, offset, length in _ANSWER.iter_unpack(answers):
            self._answers[number] = (whose, offset, length)

    def _work(self, job: bytes, own: int) -> bytes:
        """Do a job, and keep the code in the file of that number; return the answer."""
        out = self._code[own]
        offset, length = _JOB.unpack(job)
        source, _, embedded = _read(self._descriptions, offset, length).partition(_PATHS_END)
        code = self._compile(os.fsdecode(source), os.fsdecode(embedded)) or b""
        start = out.tell()
        out.write(code)
        out.flush()
        return _ANSWER.pack(offset, own, start, len(code))

    # ------------------------------------------------------------------ in a worker

    def _fork(self, own: int) -> None:
        """Start a worker that keeps its code in the file of that number."""
        parent = os.getpid()
        # No handler of the parent's must run in the child.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            child = os.fork()
            if child == 0:
                try:
                    self._run(parent, mask, own)
                finally:
                    os._exit(1)
            # Before any signal may arrive: what is not known is not ended.
            self._children.append(child)
            has_forked(child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _run(self, parent: int, mask: Iterable[int], own: int) -> None:
        _die_with_parent()
        for one in _SIGNALS:
            if signal.getsignal(one) != signal.SIG_IGN:
                signal.signal(one, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        gc.disable()
        files = (self._descriptions, self._code[own])
        _close_others({self._jobs, self._answer, *(file.fileno() for file in files)})
        with warnings_ignored():
            while os.getppid() == parent and (job := os.read(self._jobs, _JOB.size)):
                os.write(self._answer, self._work(job, own))
        os._exit(0)


def _nameless() -> BinaryIO:
    """Return a file that only this process and its children know."""
    if hasattr(os, "memfd_create"):
        with suppress(OSError):
            return open(os.memfd_create("sagepip"), "w+b")
    import tempfile

    return cast(BinaryIO, tempfile.TemporaryFile())


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, offset)


def _die_with_parent() -> None:
    """Have the kernel end this process with its parent, where it can."""
    if sys.platform == "linux":
        prctl = find_function("prctl")
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _close_others(keep: set[int]) -> None:
    """Let go of all descriptors but these; the standard ones lead to nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    try:
        found = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        found = list(range(os.sysconf("SC_OPEN_MAX")))
    for descriptor in found:
        if descriptor > 2 and descriptor not in keep:
            with suppress(OSError):
                os.close(descriptor)
