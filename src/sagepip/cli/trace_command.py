"""``sagepip trace``."""

from __future__ import annotations

import os
import sys

from sagepip.cli.commands import Invocation
from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.site_command import Form, print_json, print_lines, read_command_line
from sagepip.cli.site_options import JSON, SAYING
from sagepip.ground import console
from sagepip.ground.errors import TargetError, UsageError

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_ABOUT = """\
Show where the time of commands went that ran with SAGEPIP_TRACE=FILE: of each its phases, who
waited for whom at a lock, and what all of them took together. FILE, one or more, is what
SAGEPIP_TRACE named; without one, what it names now."""
_OUTPUT = (
    Option(("--all",), Kind.ON, Status.OWN, "all", "list everything, not only what took longest"),
    JSON,
    Option(
        ("--chrome",),
        Kind.TEXT,
        Status.OWN,
        "chrome",
        "write a timeline for Perfetto or chrome://tracing; - writes it to stdout, and no report",
        "FILE",
    ),
    *SAYING,
)
_FORM = Form(_ABOUT, (("Output", _OUTPUT),), "[FILE ...]")


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
    named = invocation.environ.get("SAGEPIP_TRACE")
    paths = line.words or ((named,) if named else ())
    if not paths or not all(paths):
        raise UsageError("no trace", advice="give the FILE that SAGEPIP_TRACE named")
    chrome = line.settings.text("chrome")
    if chrome is not None:
        _check_apart(chrome, paths)

    from sagepip.operations.trace_summary import as_json, summarise

    summary = summarise(paths)
    if summary.passed_over:
        reasons = ", ".join(f"{count} {why}" for why, count in summary.passed_over.items())
        console.warn(f"passed over of the trace: {reasons}")
    if not summary.runs:
        raise TargetError(
            f"no command of sagepip is in {', '.join(paths)}",
            advice="set SAGEPIP_TRACE to its path, and run some",
        )
    if chrome is not None:
        from sagepip.operations.trace_chrome import chrome_trace

        _write(chrome, chrome_trace(summary))
        if chrome == "-":
            return 0
    if line.settings.flag("json"):
        print_json(as_json(summary))
    else:
        from sagepip.cli.trace_text import report_lines

        print_lines(report_lines(summary, everything=line.settings.flag("all")))
    return 0


def _check_apart(chrome: str, paths: Sequence[str]) -> None:
    """Refuse to write over what is read."""
    if not os.path.exists(chrome):
        return
    for path in paths:
        if os.path.exists(path) and os.path.samefile(path, chrome):
            raise UsageError(f"--chrome would overwrite {path}", advice="give another file")


def _write(path: str, value: object) -> None:
    import json

    text = json.dumps(value) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TargetError(
            f"cannot write {path}: {reason}", advice="give --chrome a path to write to"
        ) from error
