"""The file that ``--log`` names: everything that is said, whatever ``-v`` and ``-q`` say."""

from __future__ import annotations

import os
import re
import time

from sagepip.ground import console
from sagepip.ground.errors import TargetError

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def begin_log(path: str, opening: str) -> None:
    """Write what is said from now on to a file as well, behind what it holds.

    Each line has the time and the number of the process: with ``PIP_LOG`` the commands of one
    build share the file.

    Args:
        path: the file; it and its directory are made if missing.
        opening: its first line.

    Raises:
        TargetError: it cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        # A FIFO that nobody reads would hold up the command for ever.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o666)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TargetError(
            f"cannot write the log {path}: {reason}", advice="give --log a path to write to"
        ) from error
    console.to_log = _writer(descriptor, path)
    console.to_log(opening)


def without_credentials(text: str) -> str:
    """Return text without the passwords of addresses."""
    return _CREDENTIALS.sub("****", text)


def _writer(descriptor: int, path: str) -> Callable[[str], None]:
    pid = os.getpid()

    def write(text: str) -> None:
        now = time.time()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))
        start = f"{moment},{int(now * 1000) % 1000:03} [{pid}] "
        lines = without_credentials(text).rstrip("\n").split("\n")
        data = "".join(f"{start}{line}\n" for line in lines)
        try:
            # At once: others append to the same file.
            os.write(descriptor, data.encode("utf-8", "backslashreplace"))
        except OSError as error:
            # A message that is lost must not end what it tells of.
            console.to_log = None
            console.warn(f"the log {path} ends here: {error.strerror}")

    return write
