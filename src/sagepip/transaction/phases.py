"""The order of what is published before the metadata that lists it."""

from __future__ import annotations

import os

from sagepip.ground.errors import ConflictError
from sagepip.ground.light_enum import Enum
from sagepip.transaction.steps import MakeDirectory, Step
from sagepip.transaction.territory import Territory


class Phase(Enum):
    """When a step comes (DESIGN.md, Commit protocol, 5 to 7)."""

    DIRECTORIES = 0
    MODULES = 1
    DATA = 2
    SCRIPTS = 3
    PTH = 4
    OLD_METADATA = 5


class PhasedSteps:
    """Steps that are put in order as they are found.

    Args:
        territory: the live roots, which tell modules from scripts and data.

    Attributes:
        made: the directories that the steps make.
    """

    def __init__(self, territory: Territory) -> None:
        self.made: set[str] = set()
        self._territory = territory
        self._steps: list[tuple[Phase, Step]] = []

    @property
    def in_order(self) -> list[Step]:
        """The steps in order."""
        return [step for _, step in sorted(self._steps, key=lambda pair: pair[0].value)]

    def add(self, live: str, step: Step) -> None:
        """Add a step about a live path, in the phase of its kind."""
        self.add_in(self._phase_of(live), step)

    def add_in(self, phase: Phase, step: Step) -> None:
        """Add a step in a phase."""
        self._steps.append((phase, step))

    def make_missing_directories(self, path: str) -> None:
        """Add the steps that make a live directory, and those above it, if it is missing.

        Raises:
            ConflictError: something else is in the way.
        """
        missing: list[str] = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for one in reversed(missing):
            if os.path.lexists(one):
                raise ConflictError(
                    f"{one} is in the way: it is not a directory",
                    advice="remove it, then try again",
                )
            if one not in self.made:
                self.made.add(one)
                self.add_in(Phase.DIRECTORIES, MakeDirectory(one))

    def _phase_of(self, live: str) -> Phase:
        root = self._territory.root_of(live)
        if root in self._territory.module_roots:
            top_level_pth = live.endswith(".pth") and os.path.dirname(live) == root
            return Phase.PTH if top_level_pth else Phase.MODULES
        if (live + os.sep).startswith(self._territory.scripts_root + os.sep):
            return Phase.SCRIPTS
        return Phase.DATA
