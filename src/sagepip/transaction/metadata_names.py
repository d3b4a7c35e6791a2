"""The names of all metadata in a site, from one look at its directories and nothing below them."""

from __future__ import annotations

import os

from sagepip.ground.light_dataclass import NamedTuple
from sagepip.ground.project_names import canonical_name
from sagepip.ground.site_names import METADATA, Entry, site_names

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# With more of them reading every name in full is quicker.
_MOST_NAMES = 40
# NAME-VERSION.dist-info has two dashes. A name with more may be read otherwise than it looks.
_PLAIN_DASHES = 2
_ODD = "odd"


_MOST_KNOWN = 8
# By their identities, which no others have while they are here.
_known: dict[int, tuple[Collection[Entry], dict[str, list[Entry]]]] = {}


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
            found[resolved] = MetadataNames(directory, resolved, site_names(resolved).metadata)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return list(found.values())


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries in the order in which they count: what a link leads to comes last.

    That is so on the interpreter's path, too.
    """
    return sorted(entries, key=lambda one: (one[0].endswith(METADATA[2]), one))


def candidates(entries: Collection[Entry], names: Collection[str]) -> Collection[Entry]:
    """Return which entries may be metadata of one of some projects: to be looked at closely.

    Args:
        entries: of a site; there may be thousands.
        names: canonical names.
    """
    wanted = set(names)
    if len(wanted) > _MOST_NAMES:
        return entries
    # Most names are told apart by their first letter.
    begins = {letter for one in wanted for letter in (one[:1], one[:1].upper())} | set("-_.")
    by_letter = _by_letter(entries)
    near = [one for letter in begins for one in by_letter.get(letter, ())]

    def may_be(name: str) -> bool:
        spelt = canonical_name(name)
        return any(
            # Of a name that ends with a dash, nonsense as it is, the end has run into the rest.
            spelt.startswith(one) and (one[-1:] == "-" or not spelt[len(one) :][:1].isalnum())
            for one in wanted
        )

    return [*by_letter.get(_ODD, ()), *(one for one in near if may_be(one[0]))]


def _by_letter(entries: Collection[Entry]) -> dict[str, list[Entry]]:
    """Return entries by the first letters of their names; what is to be looked at is apart.

    The same listing is asked several times in a command.
    """
    known = _known.get(id(entries))
    if known is not None:
        return known[1]
    found: dict[str, list[Entry]] = {}
    for one in entries:
        name = one[0]
        is_plain = name.isascii() and name.count("-") <= _PLAIN_DASHES
        letter = name[0] if is_plain else _ODD
        if letter in found:
            found[letter].append(one)
        else:
            found[letter] = [one]
    if isinstance(entries, tuple):  # which stays as it is
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[id(entries)] = entries, found
    return found
