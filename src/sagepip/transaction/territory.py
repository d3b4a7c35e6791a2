"""The live directories that a change may touch, and what in them it must leave alone.

Everything that is written, replaced or removed in live trees goes through :meth:`Territory.locate`:
what a wheel brings, and what an installed RECORD claims. Neither is to be trusted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from sagepip.ground.destination import Destination, LiveRoot
from sagepip.ground.errors import TargetError
from sagepip.transaction.lock import STATE_DIRECTORY

_INTERPRETER = re.compile(r"(python|pythonw|pypy)\d*(\.\d+)*t?(\.exe)?", re.IGNORECASE)
_METADATA = (".dist-info", ".egg-info", ".egg-link")


class OutOfBounds(ValueError):
    """A path that a change must not touch; the text says why."""


class Territory:
    """The live roots of a change.

    Args:
        live: the roots.
        scripts: the directory of scripts.
        data: the prefix.

    Attributes:
        roots: the resolved live roots, the deepest first.
        module_roots: those that hold modules and metadata.
        scripts_root: the resolved directory of scripts.
        data_root: the resolved prefix.
    """

    def __init__(self, live: Sequence[LiveRoot], scripts: str, data: str) -> None:
        # The deepest root that holds a path is its root: site-packages before the prefix.
        self._by_depth = sorted(live, key=lambda root: len(root.resolved), reverse=True)
        self.roots = list(dict.fromkeys(root.resolved for root in self._by_depth))
        self.module_roots = [root.resolved for root in live if root.holds_modules]
        self.scripts_root = os.path.realpath(scripts)
        self.data_root = os.path.realpath(data)
        self._spelt = {
            spelling: root.resolved
            for root in live
            if root.holds_modules
            for spelling in (root.path, root.resolved)
        }
        self._parents: dict[str, str] = {}

    @classmethod
    def of(cls, destination: Destination) -> Territory:
        """Return the territory of a destination.

        Raises:
            TargetError: with a DESTDIR, a root leads out of it through a link.
        """
        live = destination.live_roots
        if destination.root:
            _check_within(live, os.path.realpath(destination.root))
        scheme = destination.scheme
        return cls(live, destination.live(scheme.scripts), destination.live(scheme.data))

    def root_of(self, live: str) -> str:
        """Return the deepest root that holds a resolved path.

        Raises:
            OutOfBounds: there is none.
        """
        for root in self.roots:
            if live.startswith(root.rstrip(os.sep) + os.sep):
                return root
        raise OutOfBounds(f"{live} lies outside the target's directories")

    def is_data(self, live: str) -> bool:
        """Whether a resolved path lies below the data root and below none of the others."""
        if live.startswith(self.scripts_root.rstrip(os.sep) + os.sep):
            return False  # also where they have no root of their own: in a staged copy
        return self.root_of(live) == self.data_root and self.data_root not in self.module_roots

    def locate(self, path: str, own_metadata: str = "") -> str:
        """Return the one resolved live path of a file that a distribution has or will have.

        Args:
            path: absolute and normalised, as the scheme spells it.
            own_metadata: the name of the distribution's own metadata directory.

        Raises:
            OutOfBounds: it must not be touched.
        """
        parent, name = os.path.split(path)
        resolved = self._parents.get(parent)
        if resolved is None:
            resolved = self._parents[parent] = os.path.realpath(parent)
        live = os.path.join(resolved, name)
        root = self.root_of(live)
        self._check_links(path, live)
        parts = live[len(root) :].strip(os.sep).split(os.sep)
        if any(part.startswith(STATE_DIRECTORY) for part in parts):
            raise OutOfBounds(f"{live} is sagepip's own")
        if resolved == self.scripts_root and _INTERPRETER.fullmatch(name):
            raise OutOfBounds(f"{live} is the name of an interpreter")
        if name == "pyvenv.cfg" and resolved == self.data_root:
            raise OutOfBounds(f"{live} configures the interpreter")
        # importlib.metadata finds metadata whatever the case of its name.
        is_metadata = root in self.module_roots and parts[0].lower().endswith(_METADATA)
        if is_metadata and parts[0] != own_metadata:
            raise OutOfBounds(f"{live} is metadata of another distribution")
        return live

    def _check_links(self, path: str, live: str) -> None:
        """Refuse what is reached through a link below site-packages: others' source trees."""
        for spelling, resolved in self._spelt.items():
            if path.startswith(spelling + os.sep) and resolved + path[len(spelling) :] != live:
                raise OutOfBounds(f"{path} is reached through a link to {os.path.dirname(live)}")


def _check_within(roots: Sequence[LiveRoot], destdir: str) -> None:
    for root in roots:
        if os.path.commonpath([root.resolved, destdir]) != destdir:
            raise TargetError(
                f"{root.path} leads out of --root {destdir}, to {root.resolved}",
                advice="a link in the DESTDIR points to the live tree; remove it",
            )
