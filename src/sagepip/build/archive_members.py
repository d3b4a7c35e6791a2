"""What may be in a source archive: one top-level directory, and nothing that leads out of it.

The names are followed here, in memory, through the archive's own links, because what a link means
on disk depends on the links that were written before it: extraction filters that ask the disk
have been fooled that way.
"""

from __future__ import annotations

import unicodedata

from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_functools import cached_property

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_LINKS = 40
_MOST_NAME_BYTES = 255

_Key = tuple[str, ...]


class Unacceptable(Exception):
    """Why an archive is refused."""


@dataclass(frozen=True)
class Member:
    """One member of an archive.

    Attributes:
        name: as it stands in the archive.
        kind: ``file``, ``directory``, ``symlink``, ``hardlink`` or ``device``.
        link: what a link leads to.
    """

    name: str
    kind: str
    link: str = ""

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The components of the name, checked.

        Raises:
            Unacceptable: the name is absolute, climbs, or cannot be a name.
        """
        return _parts(self.name, f"{self.name!r}")


def check_members(members: Sequence[Member]) -> str:
    """Check all members of an archive together.

    Args:
        members: in the order of the archive.

    Returns:
        The name of the one top-level directory.

    Raises:
        Unacceptable: with the reason.
    """
    tree = _Tree()
    tops: set[str] = set()
    for member in members:
        if member.kind == "device":
            raise Unacceptable(f"{member.name!r} is neither a file, a directory nor a link")
        if not member.parts:
            if member.kind != "directory":
                raise Unacceptable(f"{member.name!r} is no name for a file")
            continue
        tops.add(member.parts[0])
        tree.enter(member)
    if len(tops) != 1:
        raise Unacceptable(
            "it is empty"
            if not tops
            else f"it has several top-level names: {', '.join(sorted(tops)[:4])}"
        )
    (top,) = tops
    if any(len(m.parts) == 1 and m.kind != "directory" for m in tree.members.values()):
        raise Unacceptable(f"its top-level {top!r} is not a directory")
    for member in tree.members.values():
        _check_way(tree, member)
        if member.kind == "symlink":
            _check_symlink(tree, member)
        elif member.kind == "hardlink":
            _check_hardlink(tree, member)
    return top


class _Tree:
    """The names in an archive, and once more those that are links.

    Some file systems take two spellings for one name: what counts is whether a name could be a
    link somewhere.
    """

    def __init__(self) -> None:
        self.members: dict[_Key, Member] = {}
        self._links: dict[_Key, Member] = {}
        self._folded: set[_Key] = set()

    def enter(self, member: Member) -> None:
        """Add a member; the same file or directory may come again, a link may not."""
        folded = _fold(member.parts)
        is_link = member.kind in ("symlink", "hardlink")
        before = self.members.get(member.parts)
        if (
            folded in self._links
            or (is_link and folded in self._folded)
            or (before is not None and before.kind != member.kind)
        ):
            raise Unacceptable(f"{member.name!r} is there twice")
        if is_link:
            self._links[folded] = member
        self._folded.add(folded)
        self.members[member.parts] = member

    def find(self, parts: Sequence[str]) -> Member | None:
        """Return the member of a name, a link before others."""
        return self._links.get(_fold(parts)) or self.members.get(tuple(parts))


def _check_way(tree: _Tree, member: Member) -> None:
    """No member may lie below a file or behind a link."""
    for length in range(1, len(member.parts)):
        above = tree.find(member.parts[:length])
        if above is not None and above.kind != "directory":
            raise Unacceptable(f"{member.name!r} lies below {above.name!r}, a {above.kind}")


def _check_symlink(tree: _Tree, member: Member) -> None:
    """Follow a symlink as the kernel would; it must stay in the top-level directory."""
    place = list(member.parts[:-1])
    waiting = _link_parts(member)
    followed = 1
    while waiting:
        part = waiting.pop(0)
        if part == "..":
            place.pop()
            if not place:
                raise Unacceptable(f"the link {member.name!r} leads out of it: {member.link!r}")
            continue
        place.append(part)
        met = tree.find(place)
        if met is not None and met.kind == "symlink":
            followed += 1
            if followed > _MOST_LINKS:
                raise Unacceptable(f"the link {member.name!r} leads round in circles")
            place.pop()
            waiting = _link_parts(met) + waiting


def _check_hardlink(tree: _Tree, member: Member) -> None:
    target = tree.find(_parts(member.link, f"the link {member.name!r}"))
    if target is None or target.kind not in ("file", "hardlink"):
        raise Unacceptable(f"the link {member.name!r} leads to no file in it: {member.link!r}")


def _link_parts(member: Member) -> list[str]:
    if member.link.startswith("/") or "\0" in member.link or not member.link:
        raise Unacceptable(f"the link {member.name!r} leads out of it: {member.link!r}")
    return [part for part in member.link.split("/") if part not in ("", ".")]


def _parts(name: str, what: str) -> tuple[str, ...]:
    if name.startswith("/") or "\0" in name:
        raise Unacceptable(f"{what} has an absolute or impossible name")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Unacceptable(f"{what} climbs out of it")
    if any(len(part.encode("utf-8", "surrogateescape")) > _MOST_NAME_BYTES for part in parts):
        raise Unacceptable(f"{what} is too long a name")
    return parts


def _fold(parts: Sequence[str]) -> _Key:
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
