"""``sagepip status``."""

from __future__ import annotations

from sagepip.cli.commands import Invocation
from sagepip.cli.site_command import Form, find_site, print_json, print_lines, read_command_line
from sagepip.cli.site_options import JSON, SAYING, TARGET, where_options

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from sagepip.operations.status import SiteStatus

_ABOUT = """\
Show who holds the lock of a site and who waits for it, whether a change was interrupted, and the
transactions in progress. Waits for nothing and changes nothing. Exit status: 0, or 4 if there is
something for sagepip recover to do."""
_FORM = Form(_ABOUT, (("Where", (*where_options("look at"), TARGET)), ("Output", (JSON, *SAYING))))
_TO_RECOVER = 4


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

    from sagepip.operations.recover import lock_homes
    from sagepip.operations.status import site_status

    homes = lock_homes(find_site(line.settings, invocation.environ))
    status, *others = [site_status(home) for home in homes]
    needs_recovery = any(one.needs_recovery for one in (status, *others))
    if line.settings.flag("json"):
        from dataclasses import asdict

        print_json(
            {
                **asdict(status),
                "others": [asdict(one) for one in others],
                "needs_recovery": needs_recovery,
            }
        )
    else:
        print_lines([text for one in (status, *others) for text in _lines(one)])
    return _TO_RECOVER if needs_recovery else 0


def _lines(status: SiteStatus) -> list[str]:
    lines = [f"site: {status.site}"]
    if status.lock in ("free", "unknown"):
        lines.append(f"lock: {status.lock}")
    else:
        held = "held by readers" if status.lock == "shared" else "held"
        who = "; ".join(str(one) for one in status.holders) or "a process that cannot be seen"
        lines.append(f"lock: {held}{':' if status.lock == 'shared' else ' by'} {who}")
        lines.append(f"waiting: {'unknown' if status.waiters is None else status.waiters}")
    journal = status.journal
    if journal is None:
        lines.append("journal: none")
    elif journal.state == "unreadable":
        lines.append(f"journal: unreadable: {journal.what}")
    else:
        advice = "; run sagepip recover" if journal.state == "hot" else ""
        lines.append(f"journal: {journal.state}: {journal.what}, by {journal.owner}{advice}")
    for one in status.transactions:
        owner = f", {one.owner}" if one.owner is not None else ""
        lines.append(f"transaction: {one.state}: {one.name}{owner}")
    return lines
