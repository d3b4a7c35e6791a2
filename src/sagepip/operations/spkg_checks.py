"""For which packages the test suite is run: ``SAGE_CHECK`` and ``SAGE_CHECK_PACKAGES``."""

from __future__ import annotations

import re

from sagepip.ground.light_dataclass import dataclass

CHOICES = ("yes", "warn", "no")
# Of Sage's Makefile: they are known to fail.
_UNLESS_SAID = {"yes": "!python3,?meson_python"}


@dataclass(frozen=True)
class Checks:
    """Which test suites are run.

    Attributes:
        default: ``yes``, ``warn`` (a failure is a warning) or ``no``; anything else is ``no``.
        packages: what holds for some in its place, as ``SAGE_CHECK_PACKAGES`` says it: names with
            ``!`` for ``no``, ``?`` for ``warn`` or nothing for ``yes``, between commas, colons or
            blanks; None for Sage's own exceptions.
    """

    default: str = "no"
    packages: str | None = None

    def of(self, name: str) -> str:
        """Return ``yes``, ``warn`` or ``no`` for a package."""
        found = self.default if self.default in CHOICES else "no"
        said = _UNLESS_SAID.get(found, "") if self.packages is None else self.packages
        for clause in re.split(r"[,:\s]+", said):
            if clause.translate({ord("!"): None, ord("?"): None}) == name:
                found = "no" if "!" in clause else "warn" if "?" in clause else "yes"
        return found
