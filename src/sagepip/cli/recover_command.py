"""``sagepip recover``."""

from __future__ import annotations

from sagepip.cli.commands import Invocation
from sagepip.cli.environment import lock_timeout
from sagepip.cli.site_command import Form, find_site, print_json, print_lines, read_command_line
from sagepip.cli.site_options import JSON, LOCK_TIMEOUT, SAYING, TARGET, where_options

_ABOUT = """\
Finish or undo an interrupted change of a site, under its lock, and remove what it left. Every
command that changes a site does so first; this one does nothing else."""
_FORM = Form(
    _ABOUT,
    (("Where", (*where_options("recover"), TARGET, LOCK_TIMEOUT)), ("Output", (JSON, *SAYING))),
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

    from sagepip.operations.recover import lock_homes, recover_site

    timeout = lock_timeout(line.settings, invocation.environ)
    homes = lock_homes(find_site(line.settings, invocation.environ))
    reports = [recover_site(home, timeout) for home in homes]
    if line.settings.flag("json"):
        first, *others = [report.as_json() for report in reports]
        print_json({**first, "others": others})
    else:
        print_lines([str(report) for report in reports])
    return 1 if any(report.left for report in reports) else 0
