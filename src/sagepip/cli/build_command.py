"""``sagepip build``."""

from __future__ import annotations

import os
import sys

from sagepip.cli.build_options import BUILD
from sagepip.cli.commands import Invocation
from sagepip.cli.site_command import print_json, print_lines, read_command_line
from sagepip.ground.timing import START_UP, phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    line = read_command_line(invocation, BUILD)
    if line is None:
        return 0
    if line.settings.flag("no_color"):
        os.environ["NO_COLOR"] = "1"

    from sagepip.cli.build_request import build_request

    with phase("targets"):
        request = build_request(line.settings, line.words, invocation.environ)
    with phase(START_UP):
        from sagepip.operations.build import build
    report = build(request)
    if line.settings.flag("json"):
        print_json(report.as_json())
    else:
        _print_paths([entry.path for entry in report.entries])
    return 0


def _print_paths(paths: Sequence[str]) -> None:
    """Print paths, one a line: for a script the very bytes, for a terminal what it can show."""
    if sys.stdout.isatty():
        print_lines(paths)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(os.fsencode(path) + b"\n" for path in paths))
