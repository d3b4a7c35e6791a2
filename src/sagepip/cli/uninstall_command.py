"""``sagepip uninstall`` and ``sage-pip-uninstall``."""

from __future__ import annotations

import sys

from sagepip.cli import messages
from sagepip.cli.commands import Invocation
from sagepip.cli.environment import lock_timeout
from sagepip.cli.settings import Settings
from sagepip.cli.site_command import find_site, print_json, read_command_line
from sagepip.cli.uninstall_options import UNINSTALL
from sagepip.ground.errors import UsageError
from sagepip.ground.timing import START_UP, phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:$|[\[<>=!~;@ (])"


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    script = invocation.program == "sage-pip-uninstall"
    line = read_command_line(invocation, UNINSTALL, leading_name="uninstall" if script else "")
    if line is None:
        return 0
    settings = line.settings
    with phase("targets"):
        names = _names(line.words, settings, invocation.environ)

    with phase(START_UP):
        from sagepip.operations.uninstall import UninstallRequest, uninstall
        from sagepip.transaction.installed import InstalledDistribution

    def ask(found: list[InstalledDistribution]) -> bool:
        listed = ", ".join(one.label for one in found)
        if not sys.stdin.isatty():
            raise UsageError(f"remove {listed}? nobody is there to answer", advice="give --yes")
        sys.stderr.write(f"Remove {listed} from {destination.site}? [Y/n] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("", "y", "yes")

    with phase("targets"):
        destination = find_site(settings, invocation.environ)
    report = uninstall(
        UninstallRequest(
            names,
            destination,
            break_system_packages=settings.flag("break_system_packages"),
            lock_timeout=lock_timeout(settings, invocation.environ),
            confirm=None if settings.flag("yes") else ask,
        )
    )
    for name in report.missing:
        # In pip's words: scripts filter this line out of both streams.
        messages.print_notice(f"WARNING: Skipping {name} as it is not installed.")
    if settings.flag("json"):
        print_json(report.as_json())
    else:
        messages.print_done(
            f"Successfully uninstalled {name}-{version}".rstrip("-")
            for name, version in report.removed
        )
    return 0


def _names(words: Sequence[str], settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the projects: of a requirement, only the name counts, as for pip."""
    texts = list(words)
    files = settings.items("requirement")
    for path in files:
        from sagepip.operations.requirements_file import read_requirements

        texts += [line.text for line in read_requirements(path, environ).requirements]
    if not words and not files:
        raise UsageError("nothing to uninstall", advice="give a NAME or -r FILE; see --help")
    names = []
    for text in texts:
        if _is_plain(text):
            names.append(text)
            continue
        import re

        match = re.match(_NAME, text)
        if match is None:
            raise UsageError(f"not the name of a project: {text}", advice="give names, not files")
        names.append(match[1])
    return tuple(dict.fromkeys(names))


def _is_plain(text: str) -> bool:
    """Whether a text is nothing but a name."""
    letters = text.replace("-", "").replace("_", "").replace(".", "")
    return text.isascii() and letters.isalnum() and text[0].isalnum() and text[-1].isalnum()
