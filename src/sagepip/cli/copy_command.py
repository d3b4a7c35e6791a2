"""``sagepip copy`` and ``sage-staged-copy``."""

from __future__ import annotations

from sagepip.cli.commands import Invocation
from sagepip.cli.copy_options import COPY
from sagepip.cli.environment import lock_timeout
from sagepip.cli.site_command import print_json, read_command_line
from sagepip.ground.errors import UsageError


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    line = read_command_line(invocation, COPY)
    if line is None:
        return 0
    settings = line.settings
    if len(line.words) != 2:
        raise UsageError(
            f"{invocation.program} takes two operands, not {len(line.words)}",
            advice="STAGED PREFIX; see --help",
        )

    from sagepip.cli.messages import print_done
    from sagepip.operations.staged_copy import CopyRequest, staged_copy

    staged, prefix = line.words
    report = staged_copy(
        CopyRequest(
            staged,
            prefix,
            move=settings.flag("move"),
            manifest=settings.text("manifest"),
            null=settings.flag("null"),
            overwrite=tuple(settings.items("overwrite")),
            lock_timeout=lock_timeout(settings, invocation.environ),
        )
    )
    if settings.flag("json"):
        from dataclasses import asdict

        print_json(asdict(report))
    else:
        done = [f"Successfully installed {one.name}-{one.version}" for one in report.distributions]
        print_done([*done, f"Copied {report.files} files to {report.prefix}"])
    return 0
