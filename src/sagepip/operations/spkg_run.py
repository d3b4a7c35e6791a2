"""Run GNU make for packages: its own lines kept apart, nothing of it left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

from sagepip.build.child_process import signals_wait
from sagepip.build.offspring import Offspring, orphans_come_to_us
from sagepip.ground.errors import SagepipError, TargetError
from sagepip.ground.filesystem import make_directories, publish_file, remove_tree
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_dataclass import dataclass
from sagepip.transaction.owner_mark import seize_directory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PREFIX = "run-"
_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.5
# make: *** [FILE:LINE: TARGET] Error 1
_FAILED_TARGET = re.compile(
    r"^\S+: \*\*\* \[(?:.*:\d+: )?(?P<target>.+)\] (?P<how>.+)$", re.MULTILINE
)


@dataclass(frozen=True)
class Failure:
    """A package that was not built.

    Attributes:
        name: the package.
        problem: what failed, and what to do; one line.
        log: its log, or an empty string.
    """

    name: str
    problem: str
    log: str


class Run:
    """One run of make, with a directory for what it and its children write.

    Attributes:
        directory: it goes in the end.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._messages = os.path.join(directory, "messages")

    def make(self, words: Sequence[str]) -> int:
        """Run make to its end, and end what is left of it.

        Its own messages are kept, see :meth:`messages`; descriptor :attr:`stderr` leads its
        children to where ours go. When we are ended, so is make; when we are killed, the kernel
        ends it, and it its children (Linux).

        Args:
            words: the command line.

        Returns:
            The exit status, negative for a signal.

        Raises:
            TargetError: it cannot be run.
        """
        with open(self._messages, "wb") as messages, orphans_come_to_us():
            offspring = Offspring()
            try:
                with signals_wait():
                    process = subprocess.Popen(
                        words,
                        stdin=subprocess.DEVNULL,
                        stderr=messages,
                        close_fds=False,  # the jobserver of a make in which we run
                        preexec_fn=_ends_with(os.getpid()),
                    )
                try:
                    with _without_stragglers():
                        return process.wait()
                except BaseException:
                    # An interrupt that was typed it has had, but one that was sent only to us not.
                    process.terminate()
                    process.wait()
                    raise
            except OSError as error:
                problem = f"cannot run GNU make: {error.strerror}"
                raise TargetError(problem, advice="install make") from error
            finally:
                # What a child that was killed has left: the scripts of packages.
                offspring.end()

    def messages(self) -> str:
        """Return what make itself said on stderr."""
        with open(self._messages, encoding="utf-8", errors="replace") as stream:
            return stream.read().rstrip("\n")

    def failures(self, targets: Mapping[str, tuple[str, str]]) -> list[Failure]:
        """Return what failed: as its children wrote it down; of one that was killed, as make says.

        Args:
            targets: the names of the packages, and their logs, by the targets of make.
        """
        found = {}
        for one in sorted(os.listdir(self.directory)):
            if one.endswith(".failed"):
                with open(os.path.join(self.directory, one), encoding="utf-8") as stream:
                    failure = Failure(**json.load(stream))
                found[failure.name] = failure
        for match in _FAILED_TARGET.finditer(self.messages()):
            name, log = targets.get(match["target"], ("", ""))
            if name and name not in found:
                problem = f"{name} was not built: its process ended ({match['how']}) (see {log})"
                found[name] = Failure(name, problem, log)
        return list(found.values())


@contextmanager
def _without_stragglers() -> Iterator[None]:
    """During the body end what comes to us, and is not ours: the script of a builder that died.

    They share the pipe of make's jobserver, and make, before it ends, waits until that is closed.
    """
    stragglers, ended = Offspring(), threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            stragglers.end()

    thread = threading.Thread(target=watch, name="sagepip-stragglers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def write_failure(directory: str, name: str, error: SagepipError) -> None:
    """Write down that a package failed, for the process that runs make.

    Args:
        directory: that of the run.
        name: the package.
        error: why.
    """
    failure = Failure(name, str(error), getattr(error, "log", ""))
    part = os.path.join(directory, f"{name}.part")
    with open(part, "w", encoding="utf-8") as stream:
        json.dump(vars(failure), stream)
    publish_file(part, os.path.join(directory, f"{name}.failed"))


@contextmanager
def new_run(state: str) -> Iterator[Run]:
    """Make the directory of a run, and remove those of runs that were killed.

    Args:
        state: where.
    """
    make_directories(state)
    for name in os.listdir(state):
        path = os.path.join(state, name)
        if name.startswith(_PREFIX) and (abandoned := seize_directory(path)) >= 0:
            remove_tree(path)
            os.close(abandoned)
    directory = tempfile.mkdtemp(prefix=_PREFIX, dir=state)
    held = seize_directory(directory)
    try:
        yield Run(directory)
    finally:
        remove_tree(directory)
        if held >= 0:
            os.close(held)


def _ends_with(parent: int) -> Callable[[], None] | None:
    """Return what a child calls to be ended when its parent is killed; None where it cannot."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
