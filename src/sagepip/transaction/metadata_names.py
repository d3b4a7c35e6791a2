"""The names of all metadata in a site, from one look at its directories and nothing below them."""

from __future__ import annotations

import os

from sagepip.ground.light_dataclass import NamedTuple
from sagepip.ground.project_names import canonical_name

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

METADATA = (".dist-info", ".egg-info", ".egg-link")
# With more of them reading every name in full is quicker.
_MOST_NAMES = 40
# NAME-VERSION.dist-info has two dashes. A name with more may be read otherwise than it looks.
_PLAIN_DASHES = 2

Entry = tuple[str, int]
"""The name and the inode of one metadata directory or file."""


class MetadataNames(NamedTuple):
    """What a directory holds of metadata.

    Attributes:
        directory: as the scheme spells it.
        resolved: its resolved path.
        entries: names and inodes, in no order.
    """

    directory: str
    resolved: str
    entries: Collection[Entry]


def scan_metadata(directories: Iterable[str]) -> list[MetadataNames]:
    """Return what some directories hold of metadata; each directory once, however it is spelt.

    Args:
        directories: as the scheme spells them; they may not exist.
    """
    found: dict[str, MetadataNames] = {}
    for directory in directories:
        resolved = os.path.realpath(directory)
        if resolved in found:
            continue
        try:
            with os.scandir(resolved) as entries:
                # What begins with ~ is what pip has put aside.
                named = [
                    (entry.name, entry.inode())
                    for entry in entries
                    if entry.name.endswith(METADATA) and entry.name[0] != "~"
                ]
        except (FileNotFoundError, NotADirectoryError):
            continue
        found[resolved] = MetadataNames(directory, resolved, named)
    return list(found.values())


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries in the order in which they count: what a link leads to comes last.

    That is so on the interpreter's path, too.
    """
    return sorted(entries, key=lambda one: (one[0].endswith(METADATA[2]), one))


def candidates_filter(names: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether the name of metadata may be that of one of some projects.

    It is to be quick, and says yes where the name must be looked at closely.

    Args:
        names: canonical names.
    """
    wanted = set(names)
    if len(wanted) > _MOST_NAMES:
        return lambda _: True
    # Most names are told apart by their first letter.
    begins = {letter for one in wanted for letter in (one[:1], one[:1].upper())} | set("-_.")

    def may_be(name: str) -> bool:
        if name[0] not in begins:
            return name.count("-") > _PLAIN_DASHES or not name.isascii()
        if name.count("-") > _PLAIN_DASHES or not name.isascii():
            return True
        spelt = canonical_name(name)
        return any(
            # Of a name that ends with a dash, nonsense as it is, the end has run into the rest.
            spelt.startswith(one) and (one[-1:] == "-" or not spelt[len(one) :][:1].isalnum())
            for one in wanted
        )

    return may_be
