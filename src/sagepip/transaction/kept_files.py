"""Files of an installed distribution that stay, being what would have been put in their place."""

from __future__ import annotations

import os

from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import Identity
from sagepip.ground.light_dataclass import NamedTuple
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.steps import DirectoryStamp

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping


class KeptFiles(NamedTuple):
    """What an installed distribution and the one that replaces it have in common, byte for byte.

    Attributes:
        installed: the installed distribution.
        metadata: the stamp of its metadata, taken before anything else was looked at.
        files: the live paths, and what each was when its content was compared.
    """

    installed: InstalledDistribution
    metadata: DirectoryStamp
    files: Mapping[str, Identity]

    def still_holds(self) -> bool:
        """Whether all of it is as it was when it was compared."""
        return self.metadata.still_holds() and all(
            _is_as_it_was(path, found) for path, found in self.files.items()
        )

    def check(self) -> None:
        """Raise that something is not as it was when it was compared.

        Raises:
            KeptFilesChanged: it is not.
        """
        if not self.still_holds():
            raise KeptFilesChanged(
                f"{self.installed.label} changed while it was compared with what replaces it",
                advice="try again",
            )


def _is_as_it_was(path: str, found: Identity) -> bool:
    try:
        now = os.lstat(path)
    except OSError:
        return False
    # None of them was a directory, whose time would not count.
    return (now.st_ino, now.st_mtime_ns, now.st_size) == found


class KeptFilesChanged(ConflictError):
    """What was to stay is not there any more: all of the distribution has to be staged."""
