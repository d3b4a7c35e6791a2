"""Directories that a plan takes away as a whole: removed by what is known to be in them.

Whoever takes no lock may put something into one between the last look at it and its going. That is
what is left when all that was known has been removed, and it is brought back.
"""

from __future__ import annotations

import os

from sagepip.ground import console
from sagepip.ground.filesystem import make_directories, place
from sagepip.ground.removing import KnownDirectory, remove_known

_BYTECODE = "__pycache__"


class DepartingDirectories:
    """The live directories that one plan takes away as a whole, and what is known of them."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str, KnownDirectory]] = []

    def expect(self, live: str, later: str, contents: KnownDirectory) -> None:
        """Note a directory.

        Args:
            live: its live path.
            later: where it will be once the plan is carried out.
            contents: what is in it.
        """
        self._found.append((live, later, contents))

    def clear(self) -> None:
        """Remove them, after the commit and without the lock; bring back what came late.

        What cannot be removed is left to the end of the transaction.
        """
        for live, later, contents in self._found:
            remove_known(later, contents)
            _bring_back(live, later, contents)


def _bring_back(live: str, later: str, known: KnownDirectory) -> None:
    try:
        names = os.listdir(later)
    except OSError:
        return  # gone, as nearly always
    directories = {one.name: one for one in known.directories}
    for name in sorted(set(names).difference(known.files)):
        home = os.path.join(live, name)
        if name in directories:
            if name != _BYTECODE:  # bytecode goes with its modules
                _bring_back(home, os.path.join(later, name), directories[name])
            continue
        if os.path.lexists(home):
            continue  # the new version has that name, and would have replaced it a moment later
        try:
            make_directories(live)
            place(os.path.join(later, name), home)
        except OSError as error:
            console.warn(f"{home} came during the change and is lost: {error.strerror}")
