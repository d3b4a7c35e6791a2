"""``sagepip verify``."""

from __future__ import annotations

from sagepip.cli.commands import Invocation
from sagepip.cli.site_command import Form, find_site, print_json, print_lines, read_command_line
from sagepip.cli.site_options import JSON, SAYING, TARGET, where_options
from sagepip.ground import console
from sagepip.ground.timing import phase

_ABOUT = """\
Compare what is installed with its metadata: files missing, altered or extra, METADATA or RECORD
bad, two versions, entry points without their module. Without NAME, everything. Takes no lock and
changes nothing. Exit status: 0 intact, 4 damage found."""
_FORM = Form(
    _ABOUT,
    (("Where", (*where_options("check"), TARGET)), ("Output", (JSON, *SAYING))),
    "[NAME…]",
)
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

    from sagepip.operations.verify import VerifyReport, VerifyRequest, verify

    def summary(report: VerifyReport) -> str:
        count = len(report.findings)
        found = f"{count} finding{'s' * (count != 1)}" if count else "intact"
        checked = len(report.checked)
        text = f"{report.site}: {checked} distribution{'s' * (checked != 1)} checked, {found}"
        if report.unchecked:
            text += f"; {len(report.unchecked)} not checked"
        if report.nobodys:
            text += f"; {len(report.nobodys)} top-level modules are nobody's"
        return text + (" (-v lists them)" if report.unchecked or report.nobodys else "")

    request = VerifyRequest(find_site(line.settings, invocation.environ), line.words)
    with phase("check"):
        report = verify(request)
    if line.settings.flag("json"):
        print_json(
            {
                "site": report.site,
                "checked": [{"name": name, "version": v} for name, v in report.checked],
                "unchecked": [{"name": name, "version": v} for name, v in report.unchecked],
                "findings": [vars(one) for one in report.findings],
                "nobodys": report.nobodys,
            }
        )
        return _DAMAGED if report.findings else 0
    lines = [str(one) for one in report.findings]
    if console.verbosity > 0:
        lines += [
            f"{name} {version}".rstrip() + ": not checked (it lists no files, or is the system's)"
            for name, version in report.unchecked
        ]
        lines += [f"nobody's: {path}" for path in report.nobodys]
    if console.verbosity >= 0:
        lines.append(summary(report))
    print_lines(lines)
    return _DAMAGED if report.findings else 0
