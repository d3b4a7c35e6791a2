"""From what the user asked for to wheels: build sources, resolve names and dependencies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.request import pathname2url

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sagepip.build.archive import unpack_sdist
from sagepip.build.options import BuildOptions
from sagepip.build.project import build_wheel
from sagepip.build.resolution import ResolvedFile, resolve
from sagepip.build.wheelhouse import store_wheel
from sagepip.ground import console
from sagepip.ground.errors import TargetError
from sagepip.operations.dependencies import find_unsatisfied, split_by_availability
from sagepip.operations.report import UnchangedEntry
from sagepip.operations.request import InstallRequest, MissingDependencies
from sagepip.operations.site_view import SiteView, visible_directories
from sagepip.operations.targets import NamedRequirement, SourceArchive, SourceDirectory, WheelFile
from sagepip.operations.work_directory import WorkDirectory
from sagepip.staging.wheel import WheelMetadata, read_wheel_metadata


@dataclass(frozen=True)
class Candidate:
    """A wheel that is going to be installed.

    Attributes:
        metadata: what it says of itself, and where it is.
        requested: whether the user named it.
        is_direct: whether the user named the file or directory itself.
        url: where it came from.
        sha256: of the file at ``url``, in hexadecimal; empty for a directory.
        extras: the extras asked for.
        build_seconds: how long it took to build; 0 if it was not built.
    """

    metadata: WheelMetadata
    requested: bool
    is_direct: bool
    url: str
    sha256: str
    extras: frozenset[str] = field(default=frozenset())
    build_seconds: float = 0.0

    @property
    def wheel(self) -> str:
        """The path of the wheel."""
        return self.metadata.path

    @property
    def direct_url(self) -> dict[str, Any] | None:
        """The contents of ``direct_url.json`` (PEP 610), or None where it does not apply."""
        if not self.is_direct:
            return None
        if not self.sha256:
            return {"url": self.url, "dir_info": {}}
        hashes = {"sha256": self.sha256}
        return {
            "url": self.url,
            "archive_info": {"hash": f"sha256={self.sha256}", "hashes": hashes},
        }


class CandidateCollector:
    """Turns a request into candidates.

    Args:
        request: what was asked for.
        work: a private directory for what is unpacked, built and fetched.
    """

    def __init__(self, request: InstallRequest, work: WorkDirectory) -> None:
        self._request = request
        self._work = work
        self._python = request.destination.python
        self._site = SiteView(
            visible_directories(request.destination), ignored=request.ignore_installed
        )
        self._number = 0
        self.unchanged: list[UnchangedEntry] = []

    def collect(self) -> list[Candidate]:
        """Return the wheels to install, the requested ones first.

        Raises:
            TargetError: something cannot be found or used, or a dependency is missing.
            BuildError: a source cannot be built.
        """
        named: list[Requirement] = []
        direct: list[Candidate] = []
        for target in self._request.targets:
            if isinstance(target, NamedRequirement):
                named.append(Requirement(target.requirement))
            else:
                direct.append(self._direct_candidate(target))
        _check_one_of_each(direct)
        named = [one for one in named if not self._is_there(one, direct)]
        dependencies = self._dependencies(direct, named)
        return direct + dependencies

    def _direct_candidate(self, target: SourceDirectory | SourceArchive | WheelFile) -> Candidate:
        url = "file://" + pathname2url(target.path)
        if isinstance(target, WheelFile):
            metadata, seconds = read_wheel_metadata(target.path), 0.0
        else:
            metadata, seconds = self._build(target.path, self._request.build_options(target))
        if target.name and canonicalize_name(target.name) != canonicalize_name(metadata.name):
            raise TargetError(
                f"{target.path} is {metadata.name} {metadata.version}, not {target.name}",
                advice="correct the name before the @, or the path after it",
            )
        digest = "" if isinstance(target, SourceDirectory) else _sha256(target.path)
        return Candidate(metadata, True, True, url, digest, target.extras, seconds)

    def _build(self, path: str, options: BuildOptions) -> tuple[WheelMetadata, float]:
        self._number += 1
        work = self._work.path(f"build-{self._number}")
        os.mkdir(work)
        source = path
        if not os.path.isdir(path):
            unpacked = os.path.join(work, "source")
            os.mkdir(unpacked)
            source = unpack_sdist(path, unpacked)
        console.detail(f"building {path}")
        wheels = os.path.join(work, "wheel")
        os.mkdir(wheels)
        built = build_wheel(source, wheels, python=self._python, options=options)
        metadata = read_wheel_metadata(built.path)
        if self._request.stored_wheels:
            stored = store_wheel(built.path, self._request.stored_wheels)
            console.detail(f"stored {stored}")
        return metadata, built.seconds

    # ------------------------------------------------------------------ names and dependencies

    def _is_there(self, requirement: Requirement, direct: Iterable[Candidate]) -> bool:
        """Whether a named requirement needs nothing, because it is installed or comes along."""
        name = canonicalize_name(requirement.name)
        for candidate in direct:
            if canonicalize_name(candidate.metadata.name) == name:
                if requirement.specifier.contains(candidate.metadata.version, prereleases=True):
                    return True
                raise TargetError(
                    f"{requirement} and {candidate.wheel} ({candidate.metadata.version}) were "
                    "both asked for",
                    advice="give one of them",
                )
        request = self._request
        if request.upgrade or request.force_reinstall or request.ignore_installed:
            return False
        found = self._site.find(requirement.name)
        if found is None or requirement.extras or not self._site.satisfies(requirement):
            return False
        self.unchanged.append(UnchangedEntry(requirement.name, found.version, found.directory))
        return True

    def _dependencies(self, direct: list[Candidate], named: list[Requirement]) -> list[Candidate]:
        """Find what else has to be installed: named requirements, and what all of them need."""
        request = self._request
        environment = self._python.markers
        unsatisfied = (
            []
            if request.no_deps
            else find_unsatisfied(
                [(one.metadata.headers, one.metadata.label, one.extras) for one in direct],
                self._site,
                environment,
            )
        )
        if not named and not unsatisfied:
            return []
        sources = request.build.sources
        if not sources.index_allowed:
            available, missing = split_by_availability(unsatisfied, sources.find_links)
            if missing and request.missing_dependencies is MissingDependencies.ERROR:
                raise TargetError(
                    f"not installed and not in the wheelhouse: {'; '.join(map(str, missing))}",
                    advice="put wheels of them there, or give --no-deps or --missing-deps warn",
                )
            for one in missing:
                console.warn(f"{one}, which is neither installed nor in the wheelhouse")
            if missing:
                return self._resolve_what_is_there(direct, named, available)
        paths = [one.wheel + _brackets(one.extras) for one in direct]
        wanted = [str(one) for one in named]
        return self._resolve([*paths, *wanted], direct, named, no_deps=request.no_deps)

    def _resolve_what_is_there(
        self, direct: list[Candidate], named: list[Requirement], available: list[Requirement]
    ) -> list[Candidate]:
        """Resolve step by step, each without dependencies, where some are known to be missing."""
        chosen: dict[str, Candidate] = {}
        wanted = [*named, *available]
        known = {canonicalize_name(one.metadata.name) for one in direct}
        while wanted:
            new = self._resolve([str(one) for one in wanted], direct, named, no_deps=True)
            for one in new:
                chosen[canonicalize_name(one.metadata.name)] = one
            unsatisfied = find_unsatisfied(
                [(one.metadata.headers, one.metadata.label, one.extras) for one in new],
                self._site,
                self._python.markers,
            )
            available, missing = split_by_availability(
                [
                    one
                    for one in unsatisfied
                    if canonicalize_name(one.requirement.name) not in known | chosen.keys()
                ],
                self._request.build.sources.find_links,
            )
            for lacking in missing:
                console.warn(f"{lacking}, which is neither installed nor in the wheelhouse")
            wanted = list(available)
        return list(chosen.values())

    def _resolve(
        self,
        requirements: list[str],
        direct: list[Candidate],
        named: list[Requirement],
        *,
        no_deps: bool,
    ) -> list[Candidate]:
        request = self._request
        sources = request.build.sources
        visible = visible_directories(request.destination)
        pip_sees = set(request.destination.python.site_directories)
        files = resolve(
            requirements,
            python=self._python,
            sources=sources,
            # pip looks at the interpreter's own site: of no use where the destination is another.
            ignore_installed=request.ignore_installed or not pip_sees.issuperset(visible),
            download_directory=self._work.path("fetched"),
            upgrade=request.upgrade,
            force_reinstall=request.force_reinstall,
            ignore_requires_python=request.ignore_requires_python,
            no_deps=no_deps,
            constraints=sources.constraints,
        )
        own = {canonicalize_name(one.metadata.name) for one in direct}
        asked = {canonicalize_name(one.name): one for one in named}
        found: list[Candidate] = []
        for one in files:
            name = canonicalize_name(one.name)
            if name in own or (name not in asked and self._is_installed(one)):
                continue
            extras = frozenset(asked[name].extras) if name in asked else frozenset[str]()
            found.append(self._resolved_candidate(one, name in asked, extras))
        return found

    def _is_installed(self, one: ResolvedFile) -> bool:
        """Whether a dependency is installed in that very version already."""
        found = self._site.find(one.name)
        forced = self._request.force_reinstall
        return found is not None and found.version == one.version and not forced

    def _resolved_candidate(
        self, one: ResolvedFile, requested: bool, extras: frozenset[str]
    ) -> Candidate:
        seconds = 0.0
        if one.is_wheel:
            metadata = read_wheel_metadata(one.path)
        else:
            metadata, seconds = self._build(one.path, self._request.build)
        return Candidate(
            metadata, requested, one.is_direct, one.url, one.sha256 or "", extras, seconds
        )


def _check_one_of_each(candidates: Iterable[Candidate]) -> None:
    seen: dict[str, Candidate] = {}
    for candidate in candidates:
        name = canonicalize_name(candidate.metadata.name)
        other = seen.setdefault(name, candidate)
        if other is not candidate:
            raise TargetError(
                f"{other.url} and {candidate.url} are both {candidate.metadata.name}",
                advice="give one of them",
            )


def _brackets(extras: frozenset[str]) -> str:
    return f"[{','.join(sorted(extras))}]" if extras else ""


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
