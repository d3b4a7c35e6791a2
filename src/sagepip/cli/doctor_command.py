"""``sagepip doctor``."""

from __future__ import annotations

from sagepip.cli.commands import Invocation
from sagepip.cli.environment import lock_timeout
from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.site_command import Form, find_site, print_json, print_lines, read_command_line
from sagepip.cli.site_options import (
    JSON,
    LOCK_TIMEOUT,
    SAYING,
    TARGET,
    break_system_packages,
    where_options,
)
from sagepip.ground import console
from sagepip.ground.timing import phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from sagepip.operations.doctor import DoctorReport

_ABOUT = """\
Find damage of known kinds that other tools, or a kill, left in a site, and say what to do about
it. With --fix, remove what is certainly rubbish, in one step under the lock: what pip left under
names with ~, metadata without METADATA and RECORD, bytecode without source, what interrupted
commands left. Exit status: 0 healthy, 4 damage remains."""
_FIX = Option(("--fix",), Kind.ON, Status.OWN, "fix", "repair what can be repaired without a doubt")
_WHERE = (*where_options("look at"), TARGET, break_system_packages("repair"), LOCK_TIMEOUT)
_FORM = Form(_ABOUT, (("What to do", (_FIX,)), ("Where", _WHERE), ("Output", (JSON, *SAYING))))
_DAMAGED = 4


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

    from sagepip.operations.doctor import DoctorRequest, doctor

    request = DoctorRequest(
        find_site(line.settings, invocation.environ),
        fix=line.settings.flag("fix"),
        break_system_packages=line.settings.flag("break_system_packages"),
        lock_timeout=lock_timeout(line.settings, invocation.environ),
    )
    with phase("check"):
        report = doctor(request)
    if line.settings.flag("json"):
        recovery = report.recovery
        print_json(
            {
                "site": report.site,
                "removed": [vars(one) for one in report.removed],
                "recovered": str(recovery.recovered) if recovery and recovery.recovered else None,
                "orphans_removed": recovery.swept if recovery else 0,
                "remaining": [vars(one) for one in report.remaining],
            }
        )
    else:
        print_lines(_lines(report))
    return _DAMAGED if report.remaining else 0


def _lines(report: DoctorReport) -> list[str]:
    lines = [f"fixed: removed {one.path} ({one.symptom.value})" for one in report.removed]
    recovery = report.recovery
    if recovery is not None and (recovery.recovered or recovery.swept):
        lines.insert(0, f"fixed: {recovery}")
    lines += [str(one) for one in report.remaining]
    if console.verbosity >= 0:
        count, fixable = len(report.remaining), sum(one.is_fixable for one in report.remaining)
        text = f"{report.site}: {count or 'no'} problem{'s' * (count != 1)}"
        lines.append(f"{text}, {fixable} of them for --fix" if fixable else text)
    return lines
