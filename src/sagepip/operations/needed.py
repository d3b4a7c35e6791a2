"""Which of the distributions that pip chose are needed, where pip cannot see the destination.

pip looks at the site of an interpreter. For a ``--prefix``, ``--root`` or ``--target`` it answers
as if nothing were installed; what the destination has already, and what only that would need, is
taken out of its answer here.
"""

from __future__ import annotations

from sagepip.ground.headers import Headers
from sagepip.ground.project_names import canonical_name
from sagepip.transaction.site_view import SiteView, active_requirements

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.requirements import Requirement

    from sagepip.build.resolution import ResolvedFile


def headers_of(one: ResolvedFile) -> Headers:
    """Return the fields of METADATA that matter here, as pip reported them."""
    fields = [f"Name: {one.name}", f"Version: {one.version}"]
    fields += [f"Requires-Dist: {text}" for text in one.metadata.get("requires_dist", [])]
    return Headers("\n".join(fields))


def needed_files(
    files: Sequence[ResolvedFile],
    direct: Iterable[tuple[Headers, frozenset[str]]],
    named: Iterable[Requirement],
    site: SiteView,
    environment: Mapping[str, str],
    *,
    upgrade: bool,
) -> list[ResolvedFile]:
    """Return those that what is installed does not make superfluous.

    Args:
        files: what pip chose, as if nothing were installed.
        direct: METADATA and extras of what is going to be installed anyway.
        named: the requirements that the user named.
        site: what is installed.
        environment: the marker values of the target interpreter.
        upgrade: take what is named though an installed version satisfies.
    """
    chosen = {canonical_name(one.name): one for one in files}
    reached: set[str] = set()
    seen: set[tuple[str, bool]] = set()
    queue = [(requirement, upgrade) for requirement in named]
    for headers, extras in direct:
        queue += [(one, False) for one in active_requirements(headers, extras, environment)]
    while queue:
        requirement, wanted = queue.pop()
        requirement.marker = None
        if (str(requirement), wanted) in seen:
            continue
        seen.add((str(requirement), wanted))
        name = canonical_name(requirement.name)
        if name in chosen and (wanted or not site.satisfies(requirement)):
            reached.add(name)
            found: Headers | None = headers_of(chosen[name])
        else:
            # What is installed is taken to have what it needs, but for extras.
            found = site.headers(requirement.name) if requirement.extras else None
        if found is not None:
            extras = frozenset(requirement.extras)
            queue += [(one, False) for one in active_requirements(found, extras, environment)]
    return [one for one in files if canonical_name(one.name) in reached]
