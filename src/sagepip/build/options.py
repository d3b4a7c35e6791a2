"""How wheels are to be built."""

from __future__ import annotations

from sagepip.build.sources import PackageSources
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.light_enum import Enum

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Isolation(Enum):
    """What a build sees of Python packages."""

    WHEELHOUSE = "wheelhouse"
    """Its build requirements alone, from wheelhouses or the index (PEP 517)."""
    INSTALLED = "installed"
    """Its build requirements alone, copied from what the target interpreter has."""
    NONE = "none"
    """What is installed for the target interpreter."""


@dataclass(frozen=True)
class BuildOptions:
    """How a source becomes a wheel.

    Attributes:
        sources: where build requirements come from.
        isolation: what builds see of Python packages.
        check_dependencies: without isolation, refuse when build requirements are missing.
        may_do_without: where build requirements are nowhere to be had, build without isolation.
        config_settings: for the backend; a repeated key has a list.
        verbosity: 0 keeps the build's output for the case of failure; 1 and up stream it.
        keep_build: keep the environment and the log of a successful build too.
        hook_timeout: how long a build hook may take, in seconds; None for ever.
        lock_timeout: seconds to wait for the lock of a site that is copied from, or None for ever.
    """

    sources: PackageSources = field(default_factory=PackageSources)
    isolation: Isolation = Isolation.WHEELHOUSE
    check_dependencies: bool = False
    may_do_without: bool = False
    config_settings: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    verbosity: int = 0
    keep_build: bool = False
    hook_timeout: float | None = None
    lock_timeout: float | None = None

    @property
    def is_isolated(self) -> bool:
        """Whether builds get an environment of their own."""
        return self.isolation is not Isolation.NONE
