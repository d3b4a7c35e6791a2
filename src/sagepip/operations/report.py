"""What an installation did, for people and for programs."""

from __future__ import annotations

from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.timing import TimeSpent

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@dataclass(frozen=True)
class InstalledEntry:
    """One distribution that was installed (or, in a dry run, would be).

    Attributes:
        name: as its METADATA says.
        version: as its METADATA says.
        requested: whether the user named it (else it is a dependency).
        wheel: the file name of the wheel.
        url: where it came from, as in direct_url.json.
        sha256: the digest of the file at ``url``, in hexadecimal; empty for a directory.
        is_direct: whether the user named the file or directory itself.
        replaced: the versions that it replaced.
        files: how many files it has, bytecode included; 0 in a dry run.
        build_seconds: how long its wheel took to build; 0 if it was there.
        metadata: name, version, requires_dist and requires_python of its METADATA.
        is_editable: whether it leads to the directory at ``url``.
    """

    name: str
    version: str
    requested: bool
    wheel: str
    url: str
    sha256: str
    is_direct: bool
    replaced: tuple[str, ...]
    files: int
    build_seconds: float
    metadata: Mapping[str, Any]
    is_editable: bool = False


@dataclass(frozen=True)
class UnchangedEntry:
    """One distribution that was there already.

    Attributes:
        name: the project's name.
        version: the installed version.
        directory: where it is installed.
    """

    name: str
    version: str
    directory: str


@dataclass(frozen=True)
class InstallReport:
    """What one call of ``install`` did.

    Attributes:
        installed: in the order of publication.
        unchanged: what was asked for and was there already.
        site: the resolved site directory.
        dry_run: whether nothing was changed.
        lock_waited_seconds: how long the call waited for the lock.
        lock_held_seconds: how long it held it.
        stage_seconds: how long unpacking and compiling took.
        time: where the time of the whole call went.
    """

    installed: tuple[InstalledEntry, ...]
    unchanged: tuple[UnchangedEntry, ...]
    site: str
    dry_run: bool = False
    lock_waited_seconds: float = 0.0
    lock_held_seconds: float = 0.0
    stage_seconds: float = 0.0
    time: TimeSpent = field(default_factory=TimeSpent)

    def as_json(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return it in the format of pip's installation report, with sagepip's additions.

        Args:
            environment: the marker values of the target interpreter.
        """
        from sagepip import __version__

        return {
            "version": "1",
            "sagepip_version": __version__,
            "install": [_entry_as_json(entry) for entry in self.installed],
            "environment": dict(environment),
            "sagepip": {
                "site": self.site,
                "dry_run": self.dry_run,
                "lock_waited_seconds": round(self.lock_waited_seconds, 6),
                "lock_held_seconds": round(self.lock_held_seconds, 6),
                "stage_seconds": round(self.stage_seconds, 6),
                "time": self.time.as_json(),
                "unchanged": [
                    {"name": one.name, "version": one.version, "directory": one.directory}
                    for one in self.unchanged
                ],
            },
        }


def _entry_as_json(entry: InstalledEntry) -> dict[str, Any]:
    info: dict[str, Any] = {"url": entry.url}
    if entry.sha256:
        info["archive_info"] = {
            "hash": f"sha256={entry.sha256}",
            "hashes": {"sha256": entry.sha256},
        }
    else:
        info["dir_info"] = {"editable": True} if entry.is_editable else {}
    return {
        "download_info": info,
        "is_direct": entry.is_direct,
        "is_yanked": False,
        "requested": entry.requested,
        "metadata": dict(entry.metadata),
        "sagepip": {
            "wheel": entry.wheel,
            "replaced": list(entry.replaced),
            "files": entry.files,
            "build_seconds": round(entry.build_seconds, 6),
        },
    }
