"""``sagepip adopt``."""

from __future__ import annotations

import os
import sys

from sagepip.cli.commands import Invocation
from sagepip.cli.environment import lock_timeout
from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.site_command import Form, print_lines, read_command_line
from sagepip.cli.site_options import LOCK_TIMEOUT, SAYING
from sagepip.ground import console
from sagepip.ground.errors import TargetError, UsageError

_ABOUT = """\
Put sagepip in place of the calls of pip in a tree of Sage 10.7: in the scripts that build, store,
install, copy and uninstall. Without --apply the changes are shown, and nothing is changed. The
tree gets a copy of sagepip as a zip application: nothing else has to be installed. See
docs/sage.md."""


def _on(name: str, dest: str, help_text: str) -> Option:
    return Option((name,), Kind.ON, Status.OWN, dest, help_text)


_WHAT = (
    _on("--apply", "apply", "make the changes, all of them or none, and keep the originals"),
    _on("--undo", "undo", "restore the originals"),
    Option(
        ("--pyz",),
        Kind.TEXT,
        Status.OWN,
        "pyz",
        "the zip application; default: the one that runs this",
        "FILE",
    ),
    LOCK_TIMEOUT,
)
_FORM = Form(_ABOUT, (("What to do", _WHAT), ("Output", SAYING)), "SAGE_ROOT")


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    line = read_command_line(invocation, _FORM)
    if line is None:
        return 0
    if len(line.words) != 1:
        raise UsageError(
            f"{invocation.program} takes one tree, not {len(line.words)}", advice="SAGE_ROOT"
        )
    if not line.words[0]:
        # An unset variable, most likely; it must not stand for the working directory.
        raise UsageError("SAGE_ROOT is empty", advice="give the root of a Sage tree")
    settings = line.settings
    if settings.flag("apply") and settings.flag("undo"):
        raise UsageError("--apply and --undo exclude each other", advice="give one of them")
    from sagepip.cli.messages import print_done
    from sagepip.operations import adopt

    root = os.path.realpath(line.words[0])
    timeout = lock_timeout(settings, invocation.environ)
    if settings.flag("undo"):
        restored = adopt.undo(root, lock_timeout=timeout)
        print_done([*(f"Restored {path}" for path in restored), f"{root} is as it was"])
        return 0
    archive = _read_archive(settings.text("pyz"))
    if settings.flag("apply"):
        changed = adopt.apply(root, archive, lock_timeout=timeout)
        done = "has been adopted" if changed else "is already adopted"
        print_done([*(f"Changed {path}" for path in changed), f"{root} {done}"])
        return 0
    changes = adopt.plan(root, archive, lock_timeout=timeout)
    print_lines(adopt.diff(changes).splitlines())
    if changes:
        console.note("nothing was changed; the same command with --apply makes these changes")
    else:
        print_done([f"{root} is already adopted"])
    return 0


def _read_archive(given: str | None) -> bytes:
    """Return the zip application: the one that was given, or that runs this.

    Raises:
        UsageError: this does not run from one, and none was given.
        TargetError: it cannot be read, or holds another version of sagepip.
    """
    import io
    import zipfile

    import sagepip
    from sagepip.ground.filesystem import open_regular

    path = given or _running_archive()
    if path is None:
        raise UsageError(
            "sagepip does not run from its zip application here",
            advice="give it with --pyz FILE; make pyz makes it",
        )
    try:
        with open_regular(path) as stream:
            data = stream.read()
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            version = opened.read("CONTENT").decode().rpartition("-")[0]
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is no such file"
        raise TargetError(
            f"cannot use {path} as sagepip's zip application: {problem}", advice="run make pyz"
        ) from error
    if version != sagepip.__version__:
        raise TargetError(
            f"{path} is sagepip {version}, this is {sagepip.__version__}",
            advice="run that one, or make pyz",
        )
    return data


def _running_archive() -> str | None:
    """Return the path of the zip application that this process was started from, if it was."""
    path = os.path.dirname(getattr(sys.modules["__main__"], "__file__", None) or "")
    return path if os.path.isfile(path) else None
