"""What ``build`` made, for people and for programs."""

from __future__ import annotations

from sagepip.build.members import Member
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import TimeSpent

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


@dataclass(frozen=True)
class BuiltEntry:
    """One wheel or sdist that was stored.

    Attributes:
        name: of the project, as its metadata says.
        version: as its metadata says.
        path: absolute.
        sha256: its digest, in hexadecimal.
        size: in bytes.
        url: what it was made of, or the wheel itself where there was one already.
        source_sha256: the digest of the file at ``url``; empty for a directory.
        is_built: whether it was built (else it was there).
        seconds: how long the build took, its environment included; 0 if it was there.
        provision_seconds: how much of that went into the environment.
        requirements: the build requirements, as they were resolved; None without isolation.
        config_settings: those that the backend was given.
        log_path: the log of the build, if it was kept; else None.
    """

    name: str
    version: str
    path: str
    sha256: str
    size: int
    url: str = ""
    source_sha256: str = ""
    is_built: bool = False
    seconds: float = 0.0
    provision_seconds: float = 0.0
    requirements: Sequence[Member] | None = None
    config_settings: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    log_path: str | None = None


@dataclass(frozen=True)
class BuildReport:
    """What one call of ``build`` made.

    Attributes:
        python: the interpreter that it was built for.
        directory: where it is stored.
        entries: in the order in which the targets were given.
        time: where the time of the whole call went.
    """

    python: TargetPython
    directory: str
    entries: tuple[BuiltEntry, ...]
    time: TimeSpent = field(default_factory=TimeSpent)

    def as_json(self) -> dict[str, Any]:
        """Return it in the format of docs/build-command.md."""
        from sagepip import __version__

        return {
            "version": "1",
            "sagepip_version": __version__,
            "python": {
                "executable": self.python.executable,
                "version": ".".join(map(str, self.python.version)),
                "tag": self.python.tags[0],
            },
            "directory": self.directory,
            "built": [_entry_as_json(entry) for entry in self.entries],
            "time": self.time.as_json(),
        }


def _entry_as_json(entry: BuiltEntry) -> dict[str, Any]:
    kind = "wheel" if entry.path.endswith(".whl") else "sdist"
    held = entry.requirements
    return {
        "name": entry.name,
        "version": entry.version,
        kind: entry.path,
        "sha256": entry.sha256,
        "size": entry.size,
        "is_built": entry.is_built,
        "source": {"url": entry.url, "sha256": entry.source_sha256 or None},
        "seconds": {
            "total": round(entry.seconds, 6),
            "provisioning": round(entry.provision_seconds, 6),
        },
        "build_requirements": None
        if held is None
        else [{"name": one.name, "version": one.version, "sha256": one.sha256} for one in held],
        "config_settings": dict(entry.config_settings),
        "log": entry.log_path,
    }
