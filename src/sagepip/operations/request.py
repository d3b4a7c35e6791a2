"""What ``install`` is asked to do, free of any parser's objects."""

from __future__ import annotations

from sagepip.build.hashes import HashChecking
from sagepip.build.options import BuildOptions
from sagepip.ground.destination import Destination
from sagepip.ground.light_dataclass import dataclass, field, replace
from sagepip.ground.light_enum import Enum
from sagepip.operations.targets import Target

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MissingDependencies(Enum):
    """What to do about a runtime dependency that neither site nor wheelhouse can satisfy."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True)
class InstallRequest:
    """One call of ``install``.

    Attributes:
        targets: what to install, in the order given.
        destination: where to.
        build: how sources are built, and (``build.sources``) where requirements come from.
        own_config_settings: for each target of a requirement file the settings of its own line,
            which it gets *instead of* those in ``build`` (as in pip); see :meth:`build_options`.
        hash_checking: whether the hashes stated of archives are compared, and asked for of all.
        sdist_then_wheel: build the wheel of a directory from an sdist of it.
        stored_wheels: the directory in which built wheels are stored (SAGE_SPKG_WHEELS), or None.
        no_deps: leave runtime dependencies alone.
        missing_dependencies: refuse, or install with a warning.
        upgrade: take the newest version of named requirements though one is installed (``-U``).
        force_reinstall: replace what is installed even by the same.
        ignore_installed: do not look at what is installed when resolving; implies reinstalling.
        ignore_requires_python: install though Requires-Python says no.
        accept_bad_record: the names, normalised, of projects whose wheels are installed with a
            warning though their RECORD does not agree with their content.
        overwrite: shell patterns of files that may be replaced though they belong to another
            distribution or to nobody; relative to site-packages or to the prefix.
        break_system_packages: install though the environment is externally managed (PEP 668).
        compile_bytecode: write ``.pyc`` files.
        lock_timeout: seconds to wait for the lock, or None for ever.
        dry_run: say what would be installed and change nothing.
        report: the path of the JSON report, ``-`` for stdout, or None.
    """

    targets: tuple[Target, ...]
    destination: Destination
    build: BuildOptions = field(default_factory=BuildOptions)
    own_config_settings: Mapping[Target, Mapping[str, str | Sequence[str]]] = field(
        default_factory=dict
    )
    hash_checking: HashChecking = HashChecking.OFF
    sdist_then_wheel: bool = False
    stored_wheels: str | None = None
    no_deps: bool = False
    missing_dependencies: MissingDependencies = MissingDependencies.ERROR
    upgrade: bool = False
    force_reinstall: bool = False
    ignore_installed: bool = False
    ignore_requires_python: bool = False
    accept_bad_record: frozenset[str] = frozenset()
    overwrite: tuple[str, ...] = ()
    break_system_packages: bool = False
    compile_bytecode: bool = True
    lock_timeout: float | None = None
    dry_run: bool = False
    report: str | None = None

    def build_options(self, target: Target) -> BuildOptions:
        """Return how one of the targets is built."""
        own = self.own_config_settings.get(target)
        return self.build if own is None else replace(self.build, config_settings=own)
