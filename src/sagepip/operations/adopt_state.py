"""What ``sagepip adopt`` remembers of a Sage tree: the originals, and what it made of them."""

from __future__ import annotations

import json
import os

from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass, field

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY = "build/.sagepip-adopted"
"""Where it is kept in the tree."""
STATE = "state.json"
"""The file in it that says what was done; without it nothing was."""


@dataclass(frozen=True)
class Adopted:
    """A file that was changed.

    Attributes:
        original: the digest of the original; None: there was none.
        mode: the permissions of the original.
        adopted: the digest of what it became.
        earlier: the digest of what an earlier sagepip had made of it; a kill may have left it so.
    """

    original: str | None
    mode: int
    adopted: str
    earlier: str | None = None

    def is_written(self, digest: str) -> bool:
        """Whether a digest is that of something that sagepip made of the file."""
        return digest in (self.adopted, self.earlier)


@dataclass(frozen=True)
class AdoptionState:
    """What was done to a tree.

    Attributes:
        directory: where it is kept, absolute.
        files: by path relative to the tree; empty: nothing was done.
    """

    directory: str
    files: Mapping[str, Adopted] = field(default_factory=dict)

    def original_path(self, path: str) -> str:
        """Return where the original of a file is kept."""
        return os.path.join(self.directory, "originals", path)

    def read_original(self, path: str) -> bytes:
        """Return the original of a file.

        Raises:
            TargetError: it is not what was kept.
        """
        import hashlib

        place = self.original_path(path)
        try:
            with open(place, "rb") as stream:
                data = stream.read()
        except OSError as error:
            raise TargetError(
                f"cannot read the original {place}: {error.strerror}",
                advice="take the file from Sage's own sources",
            ) from error
        if hashlib.sha256(data).hexdigest() != self.files[path].original:
            raise TargetError(
                f"{place} is not the original that was kept",
                advice="take the file from Sage's own sources",
            )
        return data

    def as_json(self) -> str:
        """Return the text of the file."""
        files = {
            path: {
                "original": one.original,
                "mode": one.mode,
                "adopted": one.adopted,
                "earlier": one.earlier,
            }
            for path, one in self.files.items()
        }
        return json.dumps({"version": 1, "files": files}, indent=2) + "\n"


def read_state(root: str) -> AdoptionState:
    """Return what was done to a tree.

    Args:
        root: the tree.

    Raises:
        TargetError: what is there cannot be read.
    """
    directory = os.path.join(root, DIRECTORY)
    path = os.path.join(directory, STATE)
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
        if content["version"] != 1:
            raise ValueError(f"version {content['version']}")
        files = {
            _inside(str(path)): Adopted(
                one["original"], int(one["mode"]), str(one["adopted"]), one.get("earlier")
            )
            for path, one in content["files"].items()
        }
    except FileNotFoundError:
        return AdoptionState(directory)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(
            f"cannot read {path}: {error}", advice="is it of a newer sagepip?"
        ) from error
    return AdoptionState(directory, files)


def _inside(path: str) -> str:
    if os.path.isabs(path) or os.path.normpath(path) != path or path.startswith(".."):
        raise ValueError(f"{path} is no path in the tree")
    return path
