"""Keep an interpreter with the backend in it for the hooks of one build."""

from __future__ import annotations

import os
import sys
import threading

from sagepip.build.offspring import Offspring, orphans_come_to_us
from sagepip.ground.light_contextlib import suppress
from sagepip.ground.light_json import dumps

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

HOST_FILE = os.path.join(os.path.dirname(__file__), "hook_host.py")
"""What the process runs; not imported here, as it has modules of its own."""

# A file that is run as a program is compiled each time; this takes the bytecode that is there. It
# writes none: it may be of another interpreter than sagepip's. The working directory goes from the
# import path before anything is imported.
_START = """\
import sys
del sys.path[0]
sys.dont_write_bytecode = True
from importlib.machinery import SourceFileLoader
__file__ = sys.argv.pop(1)
exec(SourceFileLoader(__name__, __file__).get_code(__name__))
"""


class HookHost:
    """A process that hooks are forked from (:mod:`sagepip.build.hook_host`).

    Args:
        python: the interpreter.
        log_path: the log that it writes to.
        environ: the whole environment of the hooks.
        cwd: their working directory.
        pass_fds: descriptors that they inherit.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        python: str,
        *,
        log_path: str,
        environ: Mapping[str, str],
        cwd: str,
        pass_fds: Sequence[int],
    ) -> None:
        self._start = (python, log_path, dict(environ), cwd, tuple(pass_fds))
        self._process: subprocess.Popen[bytes] | None = None
        self._offspring = Offspring()
        self._requests = self._answers = -1
        self._waiting = b""

    @staticmethod
    def is_possible() -> bool:
        """Whether forking is safe here (the system libraries of macOS do not bear it)."""
        return sys.platform != "darwin"

    def start(self) -> None:
        """Start it, unless it runs.

        Raises:
            OSError: it cannot be started.
        """
        import subprocess

        from sagepip.build.child_process import signals_wait

        if self._process is not None and self._process.poll() is None:
            return
        self.end()
        python, log_path, environ, cwd, pass_fds = self._start
        self._offspring = Offspring()
        theirs, self._requests = os.pipe()
        self._answers, theirs_too = os.pipe()
        try:
            with open(log_path, "ab") as log, signals_wait():
                self._process = self._offspring.leader = subprocess.Popen(
                    [python, "-c", _START, HOST_FILE, str(theirs), str(theirs_too)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env=environ,
                    pass_fds=(theirs, theirs_too, *pass_fds),
                    start_new_session=True,
                )
        except BaseException:
            self.end()
            raise
        finally:
            os.close(theirs)
            os.close(theirs_too)

    def is_for(self, python: str, environ: Mapping[str, str], cwd: str) -> bool:
        """Whether it would run a hook as it is asked for."""
        own_python, _, own_environ, own_cwd, _ = self._start
        return (own_python, own_environ, own_cwd) == (python, dict(environ), cwd)

    def run(self, words: Sequence[str]) -> HostedHook:
        """Begin a hook.

        Args:
            words: the script of pyproject_hooks, and its arguments.
        """
        assert self._process is not None
        with suppress(BrokenPipeError):  # it has died; whoever waits for the answer finds out
            os.write(self._requests, dumps(list(words)).encode() + b"\n")
        return HostedHook(self)

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    def answer(self) -> int | None:
        """Return the next answer; None if there will be none, as it has ended."""
        while b"\n" not in self._waiting:
            data = os.read(self._answers, 1 << 16)
            if not data:
                return None
            self._waiting += data
        line, _, self._waiting = self._waiting.partition(b"\n")
        return int(line)

    def status(self) -> int:
        """Return its own exit status, once it has ended."""
        assert self._process is not None
        return self._process.wait()

    def kill(self) -> None:
        """Kill it: also one that a hook has stopped."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """End it, and what the backend started when it was imported."""
        if self._process is not None:
            # Between hooks it has nothing to finish.
            with orphans_come_to_us():
                self._process.kill()
                self._process.wait()
                self._offspring.end()
            self._process = None
        # In this order: a signal in between must not have one closed twice.
        descriptors = self._requests, self._answers
        self._requests = self._answers = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)
        self._waiting = b""


class HostedHook:
    """A hook in a process that was forked from a host; like a ``subprocess.Popen``."""

    def __init__(self, host: HookHost) -> None:
        self._host = host
        self._pid: int | None = None
        self._status: int | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """The number of its process; the host's while that imports the backend for it."""
        return self._host.pid if self._pid is None else self._pid

    def poll(self) -> int | None:
        """Return its exit status if it is known that it has ended."""
        return self._status

    def kill(self) -> None:
        """Have its end be known: if the host does not tell of it, the host ends, too."""
        if self._status is None:
            self._host.kill()

    def wait(self) -> int:
        """Wait for its end; return its exit status, negative for a signal."""
        with self._lock:
            if self._pid is None:
                self._pid = self._host.answer()
            if self._status is None:
                self._status = self._host.answer()
            if self._status is None:
                # What ended the host ended the hook: importing the backend, or somebody else.
                self._status = self._host.status()
            return self._status
