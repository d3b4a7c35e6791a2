"""Where distributions may come from: wheelhouses, and the package index where it is allowed."""

from __future__ import annotations

import os

from sagepip.ground.light_dataclass import dataclass

# What stands for itself in the path of a URL (RFC 3986); nearly all paths are made of it.
_UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~/"


@dataclass(frozen=True)
class PackageSources:
    """Where pip may look for distributions, and which of them it may take.

    Attributes:
        find_links: wheelhouses: absolute paths of directories (or of files), in the order given.
        no_index: whether the package index was forbidden (``--no-index``).
        index_url: the index asked for (``-i``), or None for the one that pip is configured for.
        constraints: constraint files for what is installed (``-c``).
        build_constraints: constraint files for build requirements (``--build-constraint``).
        no_binary: names (or ``:all:``) of which no wheel may be taken, after pip's folding.
        only_binary: names (or ``:all:``) of which no sdist may be taken, after pip's folding.
        prefer_binary: whether an older wheel is better than a newer sdist.
    """

    find_links: tuple[str, ...] = ()
    no_index: bool = False
    index_url: str | None = None
    constraints: tuple[str, ...] = ()
    build_constraints: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    prefer_binary: bool = False

    @property
    def index_allowed(self) -> bool:
        """Whether pip may go to an index: asked for, or neither forbidden nor a wheelhouse given.

        A build that has a wheelhouse must not silently reach for the network (DESIGN.md,
        Commands).
        """
        if self.no_index:
            return False
        return self.index_url is not None or not self.find_links


def file_url(path: str) -> str:
    """Return the URL of a file or directory."""
    if path.strip(_UNRESERVED):  # there is something else in it
        from urllib.parse import quote

        path = quote(os.fsencode(path))
    return f"file://{path}"
