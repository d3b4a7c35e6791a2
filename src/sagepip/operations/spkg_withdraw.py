"""Take files of a package out of a prefix, in one transaction: what Sage's records list."""

from __future__ import annotations

import os

from sagepip.ground import console
from sagepip.ground.destination import LiveRoot
from sagepip.ground.filesystem import is_real_directory
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.transaction.journal import has_state
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.locks import SiteLocks
from sagepip.transaction.prefix_observation import PrefixObservation, python_of
from sagepip.transaction.prefix_sites import own_sites
from sagepip.transaction.recovery import tidy
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import begin_transaction
from sagepip.transaction.uninstall_planner import UninstallPlanner

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_LISTS = {"METADATA": ".dist-info", "PKG-INFO": ".egg-info"}


@dataclass(frozen=True)
class Withdrawn:
    """What became of files.

    Attributes:
        removed: those that are gone, absolute.
        missing: those that were not there.
        shared: those that stay, and the distribution that lists them.
    """

    removed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    shared: tuple[tuple[str, str], ...] = ()


class _SitesAppeared(Exception):
    """The prefix has got a site since the locks were chosen."""


def withdraw_files(
    prefix: str, files: Iterable[str], what: str, *, lock_timeout: float | None = None
) -> Withdrawn:
    """Remove files of a prefix, and the directories that are empty then; all of them, or none.

    A distribution whose metadata is among them goes as a whole. What another distribution lists
    stays.

    Args:
        prefix: absolute and resolved.
        files: relative to it.
        what: whose they are, for messages.
        lock_timeout: seconds to wait for the locks, or None for ever.

    Returns:
        What became of them.

    Raises:
        SagepipError: nothing was removed (see :mod:`sagepip.ground.errors`).
    """
    # First: what is there of an interrupted change may come back, or go.
    for home in _homes(prefix):
        tidy(home, lock_timeout)
    there, missing = _look(prefix, files)
    # Of a file that somebody has removed by hand, the directory may still be there, empty.
    going = there | {one for one in missing if os.path.isdir(os.path.dirname(one))}
    if not going:
        return Withdrawn(missing=tuple(sorted(missing)))
    while True:
        try:
            shared = _remove(prefix, going, what, lock_timeout)
            break
        except _SitesAppeared:
            continue
    return Withdrawn(
        tuple(sorted(there - shared.keys())), tuple(sorted(missing)), tuple(sorted(shared.items()))
    )


def _look(prefix: str, files: Iterable[str]) -> tuple[set[str], list[str]]:
    """Return the resolved paths of what is there of some files, and what is not."""
    there, missing = set(), []
    for one in files:
        path = os.path.normpath(os.path.join(prefix, one.lstrip(os.sep)))
        live = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        parts = os.path.relpath(live, prefix).split(os.sep)
        # A record is a file that anybody may have edited; nothing outside the prefix goes.
        if parts[0] in (os.pardir, os.curdir):
            console.warn(f"{one} is left alone: it does not lie in {prefix}")
        elif any(part.startswith(STATE_DIRECTORY) for part in parts):
            console.warn(f"{one} is left alone: it is sagepip's own")
        elif not os.path.lexists(live):
            missing.append(live)
        # A record lists no directories; sage-spkg takes a blank in a name for the next file.
        elif not is_real_directory(live):
            there.add(live)
    return there, missing


def _remove(
    prefix: str, files: Collection[str], what: str, lock_timeout: float | None
) -> dict[str, str]:
    """Remove files in one transaction; return those that stay, and whose they are."""
    found = _distributions(files)
    modules = sorted({*own_sites(prefix), *found})
    homes = list(dict.fromkeys([*_homes(prefix), *found]))
    SiteLocks(homes).check_obtainable()
    for home in homes:
        tidy(home, lock_timeout)
    names: dict[tuple[str, ...], list[str]] = {}
    for python in dict.fromkeys(map(python_of, modules)):
        group = [one for one in modules if python_of(one) == python]
        names[tuple(group)] = [name for one in group for name in found.get(one, ())]
    roots = [LiveRoot(one, one, True) for one in modules]
    if prefix not in modules:
        roots.append(LiveRoot(prefix, prefix, False))
    territory = Territory(roots, os.path.join(prefix, "bin"), prefix)

    def observe() -> PrefixObservation:
        if not set(_homes(prefix)) <= set(homes):
            raise _SitesAppeared
        return PrefixObservation(names, files, territory)

    with begin_transaction(homes[0], territory, homes[1:]) as transaction:
        planner = UninstallPlanner(transaction.area, observe, files)
        transaction.commit(
            planner.plan,
            planner.still_current,
            f"remove {what}",
            lock_timeout=lock_timeout,
            discard_lock=False,
        )
    return {path: owner for path, owner in planner.shared.items() if path in files}


def _homes(prefix: str) -> list[str]:
    """Return the directories whose locks a change of a prefix needs."""
    own = own_sites(prefix) or [prefix]
    return [*own, *([prefix] if has_state(prefix) else [])]


def _distributions(files: Collection[str]) -> dict[str, list[str]]:
    """Return the names of the distributions whose metadata is among files, by their directory."""
    found: dict[str, list[str]] = {}
    for path in files:
        metadata, name = os.path.split(path)
        site, own = os.path.split(metadata)
        if name in _LISTS and own.endswith(_LISTS[name]):
            found.setdefault(site, []).append(canonical_name(own.partition("-")[0]))
    return found
