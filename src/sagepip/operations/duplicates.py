"""Distributions that are installed more than once."""

from __future__ import annotations

from sagepip.transaction.installed import InstalledDistribution

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable


def find_duplicates(
    distributions: Iterable[InstalledDistribution],
) -> list[list[InstalledDistribution]]:
    """Return the groups of distributions that are installed more than once.

    A ``.dist-info`` beside an ``.egg-info`` of the same version is one installation, as some
    distributors make it.

    Args:
        distributions: those of a site.
    """
    by_name: dict[str, list[InstalledDistribution]] = {}
    for one in distributions:
        by_name.setdefault(one.name, []).append(one)
    found = []
    for group in by_name.values():
        modern = [one for one in group if one.is_dist_info]
        versions = {one.stated_version for one in group} - {""}
        if len(modern) > 1 or (len(group) > 1 and len(versions) > 1):
            found.append(group)
    return found
