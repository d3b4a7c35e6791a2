"""The commands: data only."""

from __future__ import annotations

from sagepip.ground.light_dataclass import dataclass

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Command:
    """A subcommand of ``sagepip``.

    Attributes:
        name: the subcommand.
        summary: what it does, one line.
        module: the module with its ``run(invocation)``.
        options: where its options are, MODULE.NAME, if that is not ``_FORM`` in its module.
    """

    name: str
    summary: str
    module: str
    options: str = ""


@dataclass(frozen=True)
class Invocation:
    """One call of a command.

    Attributes:
        program: how the command was called, ``sagepip install`` or ``sage-pip-install``.
        words: its words, without the program and the subcommand.
        environ: the environment.
    """

    program: str
    words: tuple[str, ...]
    environ: Mapping[str, str]


COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command(
            "install",
            "build where needed, then install",
            module="sagepip.cli.install_command",
            options="sagepip.cli.install_options.INSTALL",
        ),
        Command(
            "uninstall",
            "remove distributions",
            module="sagepip.cli.uninstall_command",
            options="sagepip.cli.uninstall_options.UNINSTALL",
        ),
        Command(
            "copy",
            "publish a staged tree",
            module="sagepip.cli.copy_command",
            options="sagepip.cli.copy_options.COPY",
        ),
        Command(
            "lock",
            "run a command under the lock of a site",
            module="sagepip.cli.lock_command",
            options="sagepip.cli.lock_options.LOCK",
        ),
        Command(
            "build",
            "build wheels, or sdists, and store them",
            module="sagepip.cli.build_command",
            options="sagepip.cli.build_options.BUILD",
        ),
        Command(
            "check",
            "check dependencies of what is installed, as pip check",
            module="sagepip.cli.check_command",
        ),
        Command(
            "verify",
            "check what is installed against its RECORD",
            module="sagepip.cli.verify_command",
        ),
        Command(
            "doctor",
            "find damage of known kinds and repair it",
            module="sagepip.cli.doctor_command",
        ),
        Command(
            "status",
            "show the lock, its holder and what is under way",
            module="sagepip.cli.status_command",
        ),
        Command(
            "recover", "finish or undo an interrupted change", module="sagepip.cli.recover_command"
        ),
        Command(
            "spkg", "build and install packages from recipes", module="sagepip.cli.spkg_command"
        ),
        Command("adopt", "make a Sage tree use sagepip", module="sagepip.cli.adopt_command"),
        Command("trace", "show where the time went", module="sagepip.cli.trace_command"),
        Command(
            "cache",
            "show and prune the cache of build environments",
            module="sagepip.cli.cache_command",
            options="sagepip.cli.cache_options.CACHE",
        ),
    )
}
