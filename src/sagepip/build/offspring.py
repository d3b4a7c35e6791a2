"""End a program with everything that it started, wherever that has moved to."""

from __future__ import annotations

import os
import sys
import time

from sagepip.build.child_process import signals_wait
from sagepip.ground.c_library import Int, byref, find_function
from sagepip.ground.light_contextlib import contextmanager, suppress
from sagepip.ground.light_typing import Protocol
from sagepip.ground.signals import signal

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

_GRACE_SECONDS = 3.0
_STEP_SECONDS = 0.02
_ROUNDS = 100
_SET_CHILD_SUBREAPER = 36
_GET_CHILD_SUBREAPER = 37


class Program(Protocol):
    """A running program, as ``subprocess.Popen`` has it."""

    @property
    def pid(self) -> int:
        """The number of its process, leader of a process group."""

    def poll(self) -> int | None:
        """Return its exit status if it has ended."""

    def kill(self) -> None:
        """See to it that it ends, if it has not."""

    def wait(self) -> int:
        """Wait for its end; return its exit status."""


class Offspring:
    """A program, its process group, and on Linux those of its descendants that left the group.

    The kernel gives a process whose parent has ended to us (see :func:`orphans_come_to_us`); so
    also one that made a session of its own is found among our children.

    To be made before the program is started, while orphans come to us.

    Attributes:
        leader: the program, leader of a process group, once it has been started.
    """

    def __init__(self) -> None:
        self.leader: Program | None = None
        self._others = children()

    def end(self) -> bool:
        """End what is left: SIGTERM, a little patience, SIGKILL; return whether any was."""
        found = True
        try:
            found = self._signal(signal.SIGTERM)
            if not found and self.leader is not None and self.leader.poll() is None:
                # It has gone, and nobody tells: who should, has been stopped, perhaps by it.
                found = True
            if found:
                self._signal(signal.SIGCONT)  # one that is stopped does not hear anything else
                deadline = time.monotonic() + _GRACE_SECONDS
                while self._signal(0) and time.monotonic() < deadline:
                    time.sleep(_STEP_SECONDS)
        finally:
            if found:
                # Also when a second interrupt breaks off the patience; a third one waits.
                with signals_wait():
                    self._kill()
        return found

    def _kill(self) -> None:
        for _ in range(_ROUNDS):
            # Each that dies may leave children of its own to us.
            if not self._signal(signal.SIGKILL):
                break
            time.sleep(_STEP_SECONDS)
        if self.leader is not None:
            self.leader.kill()
            self.leader.wait()

    def _signal(self, number: int) -> bool:
        """Send a signal to all that is left; return whether anything is."""
        left, others = False, self._others
        if self.leader is not None:
            self.leader.poll()  # reaps it: a zombie keeps its group in existence
            left = _signal_group(self.leader.pid, number)
            others |= {self.leader.pid}
        for pid in children() - others:
            left |= _signal_child(pid, number)
        return left


@contextmanager
def orphans_come_to_us() -> Iterator[None]:
    """Have descendants whose parents end become our children during the body (Linux only)."""
    if sys.platform != "linux":
        yield
        return
    prctl = find_function("prctl")
    assert prctl is not None  # all that Linux runs with have it
    before = Int(0)
    prctl(_GET_CHILD_SUBREAPER, byref(before), 0, 0, 0)
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


def children() -> frozenset[int]:
    """Return the process numbers of our children; nothing where the kernel does not tell."""
    found: set[int] = set()
    with suppress(OSError):
        for thread in os.listdir("/proc/self/task"):
            # A thread may end meanwhile.
            with suppress(OSError), open(f"/proc/self/task/{thread}/children") as stream:
                found.update(map(int, stream.read().split()))
    return frozenset(found)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group of nothing but zombies.
        return False
    return True


def _signal_child(pid: int, number: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        os.kill(pid, number)
    except (ChildProcessError, ProcessLookupError, PermissionError):
        return False  # it has ended, or is another user's
    return True
