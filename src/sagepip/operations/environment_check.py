"""Whether an environment may be changed by anybody but the system's package manager."""

from __future__ import annotations

from sagepip.ground.destination import Destination
from sagepip.ground.errors import TargetError


def check_not_externally_managed(destination: Destination, *, overridden: bool) -> None:
    """Refuse to change the own schemes of an externally managed interpreter (PEP 668).

    Args:
        destination: what is going to be changed.
        overridden: go on all the same (``--break-system-packages``).

    Raises:
        TargetError: it is externally managed.
    """
    marker = destination.python.externally_managed
    if marker and destination.is_default and not overridden:
        raise TargetError(
            f"the environment of {destination.python.executable} is externally managed ({marker})",
            advice="use the system's package manager; --break-system-packages overrides",
        )
