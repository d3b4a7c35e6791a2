"""What a build environment is made of."""

from __future__ import annotations

from sagepip.ground.errors import BuildError
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_typing import Protocol
from sagepip.ground.target_python import TargetPython

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Member(Protocol):
    """A distribution that a build environment holds."""

    @property
    def name(self) -> str:
        """The project's name."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def sha256(self) -> str | None:
        """The digest of its wheel, in hexadecimal; None if it is made of no wheel."""

    @property
    def key(self) -> str:
        """What tells its contents from others'."""

    def unpack(self, tree: str, python: TargetPython) -> None:
        """Make a tree of it that lies as it will in an environment.

        Scripts begin with a placeholder for the environment's interpreter. What the tree consists
        of is written down in it (:func:`sagepip.build.tree_stamps.seal`).

        Args:
            tree: the directory to make.
            python: the interpreter that it is for.

        Raises:
            ChangedMember: it is not any more what was found.
            BuildError: it cannot be read or written.
            TargetError: it cannot be used for the interpreter.
        """


class MissingBuildRequirements(BuildError):
    """Build requirements are nowhere to be had."""


class ChangedMember(Exception):
    """A member is not any more what was found: its text is the path of what is another now."""


@dataclass(frozen=True)
class DescribedMember:
    """A distribution in a tree of the cache, as the tree says.

    Attributes:
        name: the project's name.
        version: its version.
        key: what tells its contents from others'.
    """

    name: str
    version: str
    key: str


def describe(members: Iterable[Member]) -> dict[str, Any]:
    """Return what is written down of the distributions in a tree.

    It is for :func:`sagepip.build.tree_stamps.seal`.
    """
    return {"members": [[one.name, one.version, one.key] for one in members]}


def described_members(about: Mapping[str, Any]) -> list[DescribedMember]:
    """Return the distributions in a tree; none if what it says cannot be read.

    Args:
        about: what :func:`describe` returned, as it was read.
    """
    try:
        return [DescribedMember(name, version, key) for name, version, key in about["members"]]
    except (KeyError, TypeError, ValueError):
        return []
