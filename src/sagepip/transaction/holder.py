"""Who holds a lock, as its holder wrote it down."""

from __future__ import annotations

import os
import sys
import time

from sagepip.ground.light_dataclass import dataclass


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as its holder wrote it down.

    Attributes:
        pid: process number on ``host``.
        host: name of the machine.
        since: seconds since the epoch.
        command: the command line, shortened.
    """

    pid: int
    host: str
    since: float
    command: str

    def line(self) -> bytes:
        """Return the line that is kept in the lock file."""
        return f"{self.pid} {self.host} {self.since:.3f} {self.command}\n".encode()

    @classmethod
    def parse(cls, data: bytes) -> Holder | None:
        """Read the line of the lock file; None if it is empty or not one of ours."""
        text = data.decode("utf-8", "replace").strip()
        # Whoever may lock may write there: it must not play with the terminal of who waits.
        parts = "".join(one if one.isprintable() else "?" for one in text).split(" ", 3)
        try:
            pid, host, since, command = parts
            time.localtime(float(since))
            return cls(int(pid), host, float(since), command)
        except (ValueError, OverflowError, OSError):
            return None

    @classmethod
    def current(cls) -> Holder:
        """Describe this process, from now on."""
        command = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])[:200]
        command = command.encode("ascii", "backslashreplace").decode().replace("\n", " ")
        return cls(os.getpid(), os.uname().nodename, time.time(), command)

    def __str__(self) -> str:
        """Return it in the words of a message."""
        started = time.strftime("%H:%M:%S", time.localtime(self.since))
        seconds = max(0.0, time.time() - self.since)
        return (
            f"process {self.pid} on {self.host} since {started} ({seconds:.0f} s): {self.command}"
        )


def write_holder(descriptor: int) -> None:
    """Write down that this process holds the lock whose file is open."""
    line = Holder.current().line()
    try:
        os.pwrite(descriptor, line, 0)
        os.ftruncate(descriptor, len(line))
    except OSError:
        return  # a full disk must not stop a commit for the sake of a message


def clear_holder(descriptor: int) -> None:
    """Take the line about the holder away."""
    try:
        os.ftruncate(descriptor, 0)
    except OSError:
        return  # a stale line misleads a message at most
