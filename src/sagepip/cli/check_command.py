"""``sagepip check``."""

from __future__ import annotations

import os

from sagepip.cli.commands import Invocation
from sagepip.cli.pip_options import PIP_WITHOUT_EFFECT, REFUSED_OFFLINE
from sagepip.cli.site_command import Form, find_site, print_json, print_lines, read_command_line
from sagepip.cli.site_options import JSON, SAYING, TARGET, where_options
from sagepip.ground import console

_ABOUT = """\
Check whether what is installed has the runtime dependencies that it declares, in versions that it
accepts, and is for this platform: as pip check, in its words. What the interpreter would see in
PYTHONPATH counts, too. Takes no lock and changes nothing. Exit status: 0, or 1 if something is
missing."""
_FORM = Form(
    _ABOUT,
    (("Where", (*where_options("check"), TARGET)), ("Output", (JSON, *SAYING))),
    without_effect=PIP_WITHOUT_EFFECT,
    refused=REFUSED_OFFLINE,
)


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

    from sagepip.operations.check import CheckRequest, Kind, check

    destination = find_site(line.settings, invocation.environ)
    # A place that was named is looked at alone.
    path = invocation.environ.get("PYTHONPATH", "") if destination.is_default else ""
    directories = tuple(os.path.abspath(one) for one in path.split(os.pathsep) if one)
    report = check(CheckRequest(destination, directories))
    if line.settings.flag("json"):
        print_json(
            {
                "site": report.site,
                "checked": report.checked,
                "problems": [vars(one) for one in report.problems],
            }
        )
        return 1 if report.problems else 0
    lines = []
    for one in report.problems:
        if one.kind is Kind.UNREADABLE:
            console.warn(str(one))
        else:
            lines.append(str(one))
    if not report.problems:
        lines.append("No broken requirements found.")
    if console.verbosity >= 0:
        print_lines(lines)
    return 1 if report.problems else 0
