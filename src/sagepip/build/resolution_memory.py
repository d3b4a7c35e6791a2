"""Remember what pip chose from a wheelhouse, for as long as the wheelhouse is the same.

What pip chooses depends on the files of the projects that it looks at. These, as far as sagepip can
tell which they are, are noted with an answer; it holds while not one of them has come, gone or
changed. Where an index may be asked nothing is remembered.
"""

from __future__ import annotations

import os

from sagepip.build.cache import Cache, guarded, key_of, unguarded, write_file
from sagepip.build.sources import PackageSources
from sagepip.build.unpacked_wheels import WheelMember
from sagepip.build.wheelhouse import SDIST_SUFFIXES
from sagepip.ground import console
from sagepip.ground.light_contextlib import suppress
from sagepip.ground.light_json import dumps, loads
from sagepip.ground.project_names import canonical_name

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import Any

# (wheelhouse, file name, size, modified, changed, inode)
FileState = list[str | int]


class ResolutionMemory:
    """The answer for one list of requirements.

    Args:
        cache: where it is kept.
        requirements: in one spelling and order.
        sources: where pip looks.
        interpreter: what tells the interpreter from others (:func:`sagepip.build.cache.key_of`).
    """

    def __init__(
        self,
        cache: Cache,
        requirements: Sequence[str],
        sources: PackageSources,
        interpreter: str,
    ) -> None:
        self._path = ""
        self._sources = sources
        self._requirements = tuple(requirements)
        constraints = _contents(sources.build_constraints)
        if sources.index_allowed or constraints is None or any("@" in one for one in requirements):
            return
        parts = [
            self._requirements,
            sources.find_links,
            sources.no_binary,
            sources.only_binary,
            sources.prefer_binary,
            constraints,
            interpreter,
        ]
        self._path = os.path.join(cache.resolutions, key_of(parts))

    def recall(self) -> list[WheelMember] | None:
        """Return what pip chose, if it would choose the same now; else None."""
        if not self._path:
            return None
        try:
            found = _read(self._path)
            if found["state"] != _state(self._sources.find_links, found["projects"]):
                return None
            os.utime(self._path)
        except (OSError, ValueError):
            return None
        return [WheelMember(*one) for one in found["members"]]

    def observe(self) -> object:
        """Return what the answer is going to depend on; to be asked before pip is."""
        return _state(self._sources.find_links, None) if self._path else None

    def remember(
        self, observed: object, members: Iterable[WheelMember], projects: Iterable[str] | None
    ) -> None:
        """Note what pip chose.

        Args:
            observed: what :meth:`observe` returned before pip was asked.
            members: what it chose.
            projects: those whose files alone it depended on; None if that is not known.
        """
        if not isinstance(observed, list):
            return
        # Read after the answer, at worst of other files: but their state is that of before it.
        concerned = (
            _closure(self._requirements, self._sources.find_links)
            if projects is None
            else sorted(map(canonical_name, projects))
        )
        wanted = None if concerned is None else frozenset(concerned)
        found = {
            "projects": concerned,
            "state": [one for one in observed if _concerns(str(one[1]), wanted)],
            "members": [[one.name, one.version, one.sha256, one.wheel] for one in members],
        }
        try:
            text = dumps(found).encode()
            write_file(self._path, guarded(text))
        except OSError as error:
            console.detail(f"cannot remember a resolution: {self._path}: {error.strerror}")


def leads_nowhere(path: str, digests: Collection[str]) -> bool:
    """Whether what was remembered can be of no use any more.

    Args:
        path: where it is kept.
        digests: those of the wheels that the cache has.

    Returns:
        Whether it is damaged, a file that it depends on is not as it was, or a wheel has gone.
    """
    try:
        found = _read(path)
        if any(one != _file_state(one[0], one[1]) for one in found["state"]):
            return True
    except (OSError, ValueError):
        return True
    return any(
        one.sha256 not in digests and not os.path.exists(one.wheel)
        for one in (WheelMember(*each) for each in found["members"])
    )


def _read(path: str) -> dict[str, Any]:
    with open(path, "rb") as stream:
        found: dict[str, Any] = loads(unguarded(stream.read()))
    return found


def _contents(constraints: Iterable[str]) -> list[str] | None:
    """Return the texts of constraint files; None if they may lead to others."""
    found = []
    for path in constraints:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read()
        except OSError:
            return None  # pip is going to say it better
        if any(line.lstrip().startswith("-") for line in text.splitlines()) or "${" in text:
            return None
        found.append(text)
    return found


def _state(find_links: Iterable[str], projects: Sequence[str] | None) -> list[FileState] | None:
    """Return the files that belong to projects, or, for None, all that could.

    Returns:
        They in a fixed order; None if there is something else than directories of files.
    """
    wanted = None if projects is None else frozenset(projects)
    # Most files of a wheelhouse are out of the question at their first word.
    beginnings = tuple({one.partition("-")[0] for one in wanted or ()})
    found: list[FileState] = []
    for place in find_links:
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if wanted is not None and not entry.name.lower().startswith(beginnings):
                        continue
                    if not _is_archive(entry.name) or not _concerns(entry.name, wanted):
                        continue
                    # Not of the directory: a link that leads nowhere, or a file just removed.
                    with suppress(FileNotFoundError):
                        found.append(_file_state(place, entry.name))
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            return None  # an archive, or a page of links
        except OSError:
            return None
    return sorted(found, key=lambda one: (str(one[0]), str(one[1])))


def _file_state(place: str, name: str) -> FileState:
    found = os.stat(os.path.join(place, name))
    return [
        *(place, name, found.st_size),
        *(found.st_mtime_ns, found.st_ctime_ns, found.st_ino),
    ]


def _is_archive(name: str) -> bool:
    return name.endswith((".whl", *SDIST_SUFFIXES))


def _concerns(name: str, projects: frozenset[str] | None) -> bool:
    """Whether a file may belong to one of the projects: its name begins with theirs."""
    if projects is None:
        return True
    # Of a wheel the name ends at the first dash; of an sdist any dash may end it.
    words = canonical_name(name).split("-")
    return any("-".join(words[: end + 1]) in projects for end in range(len(words)))


def _closure(requirements: Iterable[str], find_links: Sequence[str]) -> list[str] | None:
    """Return all projects that a resolution can have to do with.

    Returns:
        Their canonical names, sorted: those of the requirements and of whatever any wheel of
        theirs may need, under any marker; None if that cannot be told: an sdist does not say what
        it needs until it is built.
    """
    from sagepip.build.wheelhouse import candidates_by_project
    from sagepip.ground.errors import SagepipError
    from sagepip.ground.requirements import BadRequirement, parse_requirement
    from sagepip.staging.wheel import read_wheel_metadata

    # Once: looking through a large wheelhouse for each project would take seconds.
    files = candidates_by_project(find_links)
    waiting = [str(canonical_name(parse_requirement(one).name)) for one in requirements]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for path in files.get(name, ()):
            if not path.endswith(".whl"):
                return None
            try:
                needs = read_wheel_metadata(path).headers.get_all("Requires-Dist")
                found = [parse_requirement(one) for one in needs]
            except (SagepipError, BadRequirement):
                return None
            if any(one.url for one in found):
                return None
            waiting += [str(canonical_name(one.name)) for one in found]
    return sorted(seen)
