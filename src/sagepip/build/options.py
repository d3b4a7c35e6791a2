"""How wheels are to be built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sagepip.build.sources import PackageSources


@dataclass(frozen=True)
class BuildOptions:
    """How a source becomes a wheel.

    Attributes:
        sources: where build requirements come from.
        isolation: build in an environment that holds the build requirements alone (PEP 517);
            otherwise against what is installed for the target interpreter.
        check_dependencies: without isolation, refuse when build requirements are missing.
        config_settings: for the backend; a repeated key has a list.
        verbosity: 0 keeps the build's output for the case of failure; 1 and up stream it.
        keep_build: keep the environment and the log of a successful build too.
        hook_timeout: how long a build hook may take, in seconds; None for ever.
    """

    sources: PackageSources = field(default_factory=PackageSources)
    isolation: bool = True
    check_dependencies: bool = False
    config_settings: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    verbosity: int = 0
    keep_build: bool = False
    hook_timeout: float | None = None
