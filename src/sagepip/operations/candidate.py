"""A wheel that is going to be installed, and where it came from."""

from __future__ import annotations

from sagepip.ground.light_dataclass import dataclass, field
from sagepip.staging.wheel import WheelMetadata

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True)
class Candidate:
    """A wheel that is going to be installed.

    Attributes:
        metadata: what it says of itself, and where it is.
        requested: whether the user named it.
        is_direct: whether the user named the file or directory itself.
        url: where it came from.
        sha256: of the file at ``url``, in hexadecimal; empty for a directory.
        extras: the extras asked for.
        build_seconds: how long it took to build; 0 if it was not built.
        is_editable: whether it is an editable wheel of the directory at ``url`` (PEP 660).
    """

    metadata: WheelMetadata
    requested: bool
    is_direct: bool
    url: str
    sha256: str
    extras: frozenset[str] = field(default=frozenset())
    build_seconds: float = 0.0
    is_editable: bool = False

    @property
    def wheel(self) -> str:
        """The path of the wheel."""
        return self.metadata.path

    @property
    def direct_url(self) -> dict[str, Any] | None:
        """The contents of ``direct_url.json`` (PEP 610), or None where it does not apply."""
        if not self.is_direct:
            return None
        if self.is_editable:
            return {"url": self.url, "dir_info": {"editable": True}}
        if not self.sha256:
            return {"url": self.url, "dir_info": {}}
        hashes = {"sha256": self.sha256}
        return {
            "url": self.url,
            "archive_info": {"hash": f"sha256={self.sha256}", "hashes": hashes},
        }

    def __str__(self) -> str:
        """Return where it came from, in the words of a message."""
        return f"-e {self.url}" if self.is_editable else self.url
