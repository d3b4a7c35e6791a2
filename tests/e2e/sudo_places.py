"""Ways to become root for tests: ``sudo``, and what stands in where that may not be changed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUILDER = 65534
"""A user and a group without rights."""

_RECORDS = """\
#!{python}
import json, os, sys
words = sys.argv[1:]
while words[0].startswith("-"):
    words.pop(0)
with open({log!r}, "a") as log:
    log.write(json.dumps(words) + "\\n")
os.execvp(words[0], words)
"""

_ASKS = """\
#!{python}
import json, os, socket, sys
words = sys.argv[1:]
while words[0].startswith("-"):
    words.pop(0)
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({path!r})
    request = json.dumps([words, dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(asked, [str(len(request)).rjust(12).encode()], [0, 1, 2])
    asked.sendall(request)
    sys.exit(int(asked.recv(12)))
"""


def why_no_sudo() -> str:
    """Return why the real ``sudo`` cannot be used here, or an empty string."""
    if shutil.which("sudo") is None:
        return "there is no sudo here"
    words = ["sudo", "-n", "-E", "true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"sudo does not let us: {done.stderr.strip()}" if done.returncode else ""


class RecordingSudo:
    """A program that does what it is told, as whoever calls it, and writes it down.

    Args:
        where: a directory.
    """

    def __init__(self, where: Path) -> None:
        self._log = where / "sudo.log"
        self.program = _write(
            where / "sudo", _RECORDS.format(python=sys.executable, log=str(self._log))
        )

    def told(self) -> list[list[str]]:
        """Return the command lines since the last time."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return [json.loads(one) for one in lines]


@contextmanager
def root_at_hand(where: Path, python: str) -> Iterator[RootAtHand]:
    """Run what a user without rights asks for, as root, during the body; only root can.

    Args:
        where: a directory that the user can read.
        python: an interpreter that the user can run.
    """
    path = where / "root"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o777)
        listening.listen()
        program = _write(where / "sudo", _ASKS.format(python=python, path=str(path)))
        found = RootAtHand(program)
        thread = threading.Thread(target=found.serve, args=(listening,), daemon=True)
        thread.start()
        yield found
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


class RootAtHand:
    """What runs command lines as root for the program that stands in for ``sudo``.

    Args:
        program: that program.

    Attributes:
        told: the command lines.
    """

    def __init__(self, program: Path) -> None:
        self.program = program
        self.told: list[list[str]] = []

    def serve(self, listening: socket.socket) -> None:
        """Do what is asked for until nobody can ask any more."""
        while True:
            try:
                asked, _ = listening.accept()
            except OSError:
                return
            with asked:
                size, descriptors, _, _ = socket.recv_fds(asked, 12, 3)
                with asked.makefile("rb") as stream:
                    words, environ, directory = json.loads(stream.read(int(size)))
                self.told.append(words)
                stdin, stdout, stderr = descriptors
                done = subprocess.run(
                    words,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    env=environ,
                    cwd=directory,
                    check=False,
                )
                asked.sendall(str(done.returncode).encode())
                for one in descriptors:
                    socket.close(one)


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path
