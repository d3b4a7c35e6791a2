"""What ``--log`` begins."""

from __future__ import annotations

from sagepip.cli.commands import Invocation
from sagepip.cli.settings import Settings


def begin_log_if_asked(settings: Settings, invocation: Invocation) -> None:
    """Begin the log, with the command line as its first line.

    Args:
        settings: the values of the options.
        invocation: the command line.

    Raises:
        TargetError: it cannot be written.
    """
    path = settings.text("log")
    if path is None:
        return
    import os
    import shlex

    from sagepip import __version__
    from sagepip.ground.message_log import begin_log

    try:
        where = os.getcwd()
    except OSError:
        where = "a directory that has been removed"
    words = shlex.join([*invocation.program.split(), *invocation.words])
    begin_log(path, f"sagepip {__version__}: {words} (in {where})")
