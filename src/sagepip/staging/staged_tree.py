"""Read a staged tree: a DESTDIR's prefix, as ``make install`` or ``pip install --root`` left it."""

from __future__ import annotations

import os

from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.ground.listing import Listing, list_directory
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.prefix_sites import SITE_NAMES

_METADATA = (".dist-info", ".egg-info")
# Stands before each name of a directory and behind it: no name holds it.
_BETWEEN = "/"


@dataclass
class StagedTree:
    """What is in a staged tree; paths are relative to it.

    Attributes:
        path: the tree, absolute and resolved.
        directories: all directories but the tree itself, parents first.
        files: everything else: files and symbolic links, those of a directory before those of
            the directories in it.
        sites: the directories named site-packages or dist-packages.
        module_directories: these, and all others that hold the metadata of distributions; none
            lies within another: what lies in a site belongs to a distribution, vendored metadata
            for example.
        skipped: what is sagepip's own in it, and not published.
        listings: what is in the tree and each of its directories, without what is skipped.
    """

    path: str
    directories: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)
    module_directories: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    listings: dict[str, Listing] = field(default_factory=dict)


def read_staged_tree(path: str) -> StagedTree:
    """Read a staged tree.

    Args:
        path: the directory that corresponds to the prefix.

    Raises:
        TargetError: it is no directory, cannot be read, or holds what cannot be published.
    """
    if not os.path.isdir(path):
        raise TargetError(
            f"{path} is not a directory", advice="give the staged tree, DESTDIR/PREFIX"
        )
    tree = StagedTree(os.path.realpath(path))
    try:
        with_metadata = _read(tree, "")
    except OSError as error:
        raise TargetError(
            f"cannot read the staged tree: {error.filename}: {error.strerror}",
            advice="nothing was changed",
        ) from error
    # A stray one above the sites must not make a site of all that is below it.
    others = [one for one in with_metadata if not any(_is_within(site, one) for site in tree.sites)]
    found = sorted({*tree.sites, *others})
    tree.module_directories += [
        one for one in found if not any(_is_within(one, other) for other in found)
    ]
    return tree


def _read(tree: StagedTree, directory: str, *, in_site: bool = False) -> list[str]:
    """Read a directory and all below it; return those that hold metadata."""
    path = tree.path + os.sep + directory if directory else tree.path
    listing = list_directory(path)
    if not in_site and os.path.basename(path) in SITE_NAMES:
        tree.sites.append(directory)
        in_site = True
    above = directory and directory + os.sep
    # All names at once: there may be many, and next to none of them is one of these.
    names = _BETWEEN.join(["", *(_BETWEEN.join(one) for one in listing), ""])
    if _BETWEEN + STATE_DIRECTORY in names:
        listing = _without_own(tree, above, listing)
    if listing.others:
        raise TargetError(
            f"{path + os.sep + listing.others[0]} is neither a file, a directory nor a link",
            advice="a device, pipe or socket cannot be published; remove it",
        )
    found = [directory] if any(one + _BETWEEN in names for one in _METADATA) else []
    tree.listings[directory] = listing
    tree.files += [above + name for name in listing.files]
    tree.files += [above + name for name in listing.links]
    for name in listing.directories:
        tree.directories.append(above + name)
        found += _read(tree, above + name, in_site=in_site)
    return found


def _without_own(tree: StagedTree, above: str, listing: Listing) -> Listing:
    """Leave out what is sagepip's own, and note it."""
    own = {name for names in listing for name in names if name.startswith(STATE_DIRECTORY)}
    tree.skipped += [above + name for name in sorted(own)]
    return Listing(*([name for name in names if name not in own] for names in listing))


def _is_within(path: str, directory: str) -> bool:
    return path != directory and (not directory or path.startswith(directory + os.sep))
