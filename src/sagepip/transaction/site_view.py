"""What is installed where a destination's distributions will be used."""

from __future__ import annotations

from sagepip.ground.destination import Destination
from sagepip.ground.headers import Headers
from sagepip.ground.project_names import canonical_name
from sagepip.ground.requirements import parse_requirement
from sagepip.transaction.installed import InstalledDistribution, select_installed
from sagepip.transaction.metadata_names import scan_metadata

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.requirements import Requirement


def visible_directories(destination: Destination) -> list[str]:
    """Return the directories whose distributions count as installed, the destination's first.

    With a ``--root`` or ``--target`` only the destination itself counts; otherwise what the
    target interpreter sees counts too, as for pip.
    """
    directories = list(destination.metadata_directories)
    alone = bool(destination.root) or destination.scheme.data == destination.scheme.purelib
    if not alone:
        directories += destination.python.site_directories
    return list(dict.fromkeys(directories))


def module_directories(destination: Destination) -> list[str]:
    """Return the resolved directories of a destination where modules and metadata lie."""
    live = destination.live_roots
    return list(dict.fromkeys(root.resolved for root in live if root.holds_modules))


class SiteView:
    """Answers questions about what is installed; METADATA is read only of what is asked for.

    Args:
        directories: where to look; the first one that has a distribution hides the others'.
        ignored: treat everything as absent (``--ignore-installed``).
    """

    def __init__(self, directories: list[str], *, ignored: bool = False) -> None:
        self._scanned = [] if ignored else scan_metadata(directories)
        self._by_name: dict[str, Sequence[InstalledDistribution]] = {}

    def find(self, name: str) -> InstalledDistribution | None:
        """Return the installed distribution of a project, or None."""
        return next(iter(self.find_all(name)), None)

    def find_all(self, name: str) -> Sequence[InstalledDistribution]:
        """Return all installed distributions of a project, the one that counts first."""
        canonical = canonical_name(name)
        found = self._by_name.get(canonical)
        if found is None:
            installed = select_installed(self._scanned, {canonical})
            found = [one for one in installed if not one.is_remnant]
            self._by_name[canonical] = found
        return found

    def satisfies(self, requirement: Requirement) -> bool:
        """Whether an installed version satisfies the specifier of a requirement."""
        found = self.find(requirement.name)
        if found is None:
            return False
        from packaging.version import Version

        try:
            version = Version(found.stated_version)
        except ValueError:
            return not requirement.specifier
        return requirement.specifier.contains(version, prereleases=True)

    def headers(self, name: str) -> Headers | None:
        """Return the METADATA of an installed distribution, or None."""
        found = self.find(name)
        if found is None:
            return None
        text = found.read(found.headers_name)
        return None if text is None else Headers(text)


def active_requirements(
    headers: Headers, extras: frozenset[str], environment: Mapping[str, str]
) -> Iterator[Requirement]:
    """Return the runtime requirements of a distribution that apply.

    Args:
        headers: its METADATA.
        extras: the extras asked for.
        environment: the marker values of the target interpreter.
    """
    return active(headers.get_all("Requires-Dist"), extras, environment)


def active(
    requires: Iterable[str], extras: frozenset[str], environment: Mapping[str, str]
) -> Iterator[Requirement]:
    """Yield those requirements of a distribution that apply.

    Args:
        requires: all of them, with markers.
        extras: the extras asked for.
        environment: the marker values of the target interpreter.
    """
    wanted = {canonical_name(extra) for extra in extras}
    for text in requires:
        try:
            requirement = parse_requirement(text)
            applies = requirement.marker is None or any(
                requirement.marker.evaluate({**environment, "extra": extra})
                for extra in ("", *sorted(wanted))
            )
        except ValueError:
            continue  # as pip: an old distribution's mistake is not the user's
        if applies:
            yield requirement
