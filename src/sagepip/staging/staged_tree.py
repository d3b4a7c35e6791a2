"""Read a staged tree: a DESTDIR's prefix, as ``make install`` or ``pip install --root`` left it."""

from __future__ import annotations

import os

from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.prefix_sites import SITE_NAMES

_METADATA = (".dist-info", ".egg-info")


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


@dataclass
class StagedTree:
    """What is in a staged tree; paths are relative to it.

    Attributes:
        path: the tree, absolute and resolved.
        directories: all directories but the tree itself, parents first.
        files: everything else: files and symbolic links.
        sites: the directories named site-packages or dist-packages.
        module_directories: these, and all others that hold the metadata of distributions; none
            lies within another: what lies in a site belongs to a distribution, vendored metadata
            for example.
        skipped: what is sagepip's own in it, and not published.
    """

    path: str
    directories: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)
    module_directories: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


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
    with os.scandir(os.path.join(tree.path, directory)) as scanned:
        entries = sorted(scanned, key=_name)
    if not in_site and os.path.basename(directory or tree.path) in SITE_NAMES:
        tree.sites.append(directory)
        in_site = True
    found = [directory] if any(one.name.endswith(_METADATA) for one in entries) else []
    above = directory and directory + os.sep
    for entry in entries:
        name = entry.name
        path = above + name
        if name.startswith(STATE_DIRECTORY):
            tree.skipped.append(path)
        # What a file system tells with the name: no file is looked at for it.
        elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
            tree.files.append(path)
        elif entry.is_dir(follow_symlinks=False):
            tree.directories.append(path)
            found += _read(tree, path, in_site=in_site)
        else:
            raise TargetError(
                f"{entry.path} is neither a file, a directory nor a link",
                advice="a device, pipe or socket cannot be published; remove it",
            )
    return found


def _is_within(path: str, directory: str) -> bool:
    return path != directory and (not directory or path.startswith(directory + os.sep))
