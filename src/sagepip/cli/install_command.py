"""``sagepip install`` and ``sage-pip-install``."""

from __future__ import annotations

import os
import sys

from sagepip.cli import messages, startup
from sagepip.cli.commands import Invocation
from sagepip.cli.environment import given_by_install_flags, given_by_pip_variables
from sagepip.cli.install_options import GROUPS, INSTALL
from sagepip.cli.log_option import begin_log_if_asked
from sagepip.cli.option import Kind, Status
from sagepip.cli.settings import Given, Settings
from sagepip.ground import console
from sagepip.ground.timing import START_UP, phase
from sagepip.operations.option_words import read_words

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_ABOUT = """\
Build wheels where needed and install them, safely beside other builds that do the same. TARGET is
a directory with a project (with its extras: .[plot]), an sdist, a wheel, NAME @ file:///PATH, or a
requirement that the wheelhouse can satisfy. PIP_ variables of these options are read as pip reads
them."""


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    script = invocation.program == "sage-pip-install"
    given, targets = _read(invocation.words, leading_name=script)
    settings = Settings(given)
    if shown := settings.any_of(Kind.HELP, Kind.VERSION):
        sys.stdout.write(startup.version_line() if shown is Kind.VERSION else _help(invocation))
        return 0
    console.verbosity = _verbosity(settings)
    settings = Settings(
        [
            *given_by_pip_variables(INSTALL, invocation.environ),
            *given_by_install_flags(INSTALL, invocation.environ),
            *given,
        ]
    )
    console.verbosity = _verbosity(settings)
    begin_log_if_asked(settings, invocation)
    for option in settings.options:
        if option.status is Status.NO_EFFECT:
            console.detail(f"{option.name} has no effect: {option.advice}")
    if settings.flag("no_color"):
        os.environ["NO_COLOR"] = "1"

    from sagepip.cli.install_request import build_request
    from sagepip.operations.request import MissingDependencies

    missing = MissingDependencies.WARN if script else MissingDependencies.ERROR
    with phase("targets"):
        request = build_request(settings, targets, invocation.environ, missing)
    with phase(START_UP):
        from sagepip.operations.install import install

    report = install(request)
    messages.print_result(report, to_stderr=request.report == "-")
    return 0


def _read(words: Sequence[str], *, leading_name: bool) -> tuple[list[Given], list[str]]:
    """Read the command line: the options given, and the targets."""
    given, targets = [], list[str]()
    for word in read_words(words, INSTALL.takes_value):
        if word.name:
            given.append(Given.by_word(INSTALL.get(word.name), word.value))
        elif leading_name and word.value == "install" and not word.literal:
            # Scripts that put sage-pip-install in place of pip leave pip's subcommand there.
            leading_name = False
        else:
            leading_name = False
            targets.append(word.value or "")
    return given, targets


def _verbosity(settings: Settings) -> int:
    return settings.count("verbose") - settings.count("quiet")


def _help(invocation: Invocation) -> str:
    from sagepip.cli.help_text import help_text
    from sagepip.cli.pip_options import PIP_WITHOUT_EFFECT

    usage = f"{invocation.program} [OPTIONS] TARGET..."
    return help_text(usage, _ABOUT, GROUPS, PIP_WITHOUT_EFFECT)
