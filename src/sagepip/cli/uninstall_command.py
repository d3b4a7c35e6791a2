"""``sagepip uninstall`` and ``sage-pip-uninstall``."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

from sagepip.cli import startup
from sagepip.cli.commands import Invocation
from sagepip.cli.environment import given_by_pip_variables, lock_timeout
from sagepip.cli.option import Kind, Status
from sagepip.cli.settings import Given, Settings
from sagepip.cli.uninstall_options import GROUPS, UNINSTALL
from sagepip.ground import console
from sagepip.ground.errors import UsageError
from sagepip.operations.option_words import read_words

_ABOUT = """\
Remove distributions from a site, all of them or none, in one step under its lock. Files that
another distribution lists stay. A NAME that is not installed is passed over with a warning."""
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:$|[\[<>=!~;@ (])")


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    given, words = _read(invocation)
    settings = Settings(given)
    if shown := settings.any_of(Kind.HELP, Kind.VERSION):
        sys.stdout.write(startup.version_line() if shown is Kind.VERSION else _help(invocation))
        return 0
    settings = Settings([*given_by_pip_variables(UNINSTALL, invocation.environ), *given])
    console.verbosity = settings.count("verbose") - settings.count("quiet")
    for option in settings.options:
        if option.status is Status.NO_EFFECT:
            console.detail(f"{option.name} has no effect: {option.advice}")
    names = _names(words, settings, invocation.environ)

    from sagepip.ground.destination import find_destination
    from sagepip.ground.target_python import find_target_python
    from sagepip.operations.uninstall import UninstallRequest, uninstall
    from sagepip.transaction.installed import InstalledDistribution

    def ask(found: list[InstalledDistribution]) -> bool:
        listed = ", ".join(f"{one.name} {one.version}" for one in found)
        if not sys.stdin.isatty():
            raise UsageError(f"remove {listed}? nobody is there to answer", advice="give --yes")
        sys.stderr.write(f"Remove {listed} from {destination.site}? [Y/n] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("", "y", "yes")

    python = find_target_python(settings.text("python"), invocation.environ)
    destination = find_destination(
        python, root=settings.text("root"), prefix=settings.text("prefix")
    )
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
        sys.stderr.write(f"WARNING: Skipping {name} as it is not installed.\n")
    if console.verbosity >= 0:
        for name, version in report.removed:
            sys.stdout.write(f"Successfully uninstalled {name}-{version}\n")
    return 0


def _read(invocation: Invocation) -> tuple[list[Given], list[str]]:
    given, words = [], list[str]()
    leading_name = invocation.program == "sage-pip-uninstall"
    for word in read_words(invocation.words, UNINSTALL.takes_value):
        if word.name:
            given.append(Given.by_word(UNINSTALL.get(word.name), word.value))
        elif leading_name and word.value == "uninstall" and not word.literal:
            leading_name = False
        else:
            leading_name = False
            words.append(word.value or "")
    return given, words


def _names(words: Sequence[str], settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the projects: of a requirement, only the name counts, as for pip."""
    from sagepip.operations.requirements_file import read_requirements

    texts = list(words)
    files = settings.items("requirement")
    for path in files:
        texts += [line.text for line in read_requirements(path, environ).requirements]
    if not words and not files:
        raise UsageError("nothing to uninstall", advice="give a NAME or -r FILE; see --help")
    names = []
    for text in texts:
        match = _NAME.match(text)
        if match is None:
            raise UsageError(f"not the name of a project: {text}", advice="give names, not files")
        names.append(match[1])
    return tuple(dict.fromkeys(names))


def _help(invocation: Invocation) -> str:
    from sagepip.cli.help_text import help_text
    from sagepip.cli.pip_options import PIP_WITHOUT_EFFECT

    usage = f"{invocation.program} [OPTIONS] NAME…"
    return help_text(usage, _ABOUT, GROUPS, PIP_WITHOUT_EFFECT)
