"""From what the user asked for to wheels: build sources, resolve names and dependencies."""

from __future__ import annotations

from sagepip.build.hashes import HashChecking, file_digest
from sagepip.build.options import Isolation
from sagepip.build.sources import file_url
from sagepip.ground import console
from sagepip.ground.errors import TargetError
from sagepip.ground.light_functools import cached_property
from sagepip.ground.project_names import canonical_name
from sagepip.ground.requirements import parse_requirement
from sagepip.operations.candidate import Candidate
from sagepip.operations.dependencies import (
    Unsatisfied,
    check_requirements,
    find_unsatisfied,
    split_by_availability,
)
from sagepip.operations.hash_checks import (
    check_stated_hashes,
    lines_of,
    requirement_line,
)
from sagepip.operations.report import UnchangedEntry
from sagepip.operations.request import InstallRequest, MissingDependencies
from sagepip.operations.targets import NamedRequirement, SourceArchive, SourceDirectory, WheelFile
from sagepip.operations.work_directory import WorkDirectory
from sagepip.staging.wheel import read_wheel_metadata
from sagepip.transaction.site_view import SiteView, visible_directories

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.requirements import Requirement

    from sagepip.build.resolution import ResolvedFile
    from sagepip.operations.source_builds import SourceBuilds, SourceWheel


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
        # What is staged for a live tree will find its dependencies there, and the live tree is
        # not looked at: they are no business of a DESTDIR.
        self._no_deps = request.no_deps or bool(request.destination.root)
        if self._no_deps and not request.no_deps:
            console.detail("runtime dependencies are left alone: the target is a DESTDIR")
        self.unchanged: list[UnchangedEntry] = []

    def collect(self) -> list[Candidate]:
        """Return the wheels to install, the requested ones first.

        Raises:
            TargetError: something cannot be found or used, or a dependency is missing.
            BuildError: a source cannot be built.
        """
        check_stated_hashes(self._request.targets, self._request.hash_checking)
        named: list[Requirement] = []
        direct: list[Candidate] = []
        for target in self._request.targets:
            if isinstance(target, NamedRequirement):
                named.append(parse_requirement(target.requirement))
            else:
                direct.append(self._direct_candidate(target))
        _check_one_of_each(direct)
        named = [one for one in named if not self._comes_along(one, direct)]
        if all(self._is_there(one) for one in named):
            # All or none: what is left alone must not be changed for the sake of the others.
            dependencies = self._dependencies(direct, [])
        else:
            dependencies = self._dependencies(direct, named)
        coming = {canonical_name(one.metadata.name) for one in dependencies}
        for one in named:
            found = self._site.find(one.name)
            if found is not None and canonical_name(one.name) not in coming:
                self.unchanged.append(UnchangedEntry(one.name, found.version, found.directory))
        return direct + dependencies

    @cached_property
    def _builds(self) -> SourceBuilds:
        # Most calls build nothing, and the modules that build take long to load.
        from sagepip.operations.source_builds import SourceBuilds

        stored = None if self._request.dry_run else self._request.stored_wheels
        return SourceBuilds(self._python, self._work, stored)

    def _direct_candidate(self, target: SourceDirectory | SourceArchive | WheelFile) -> Candidate:
        url = file_url(target.path)
        if isinstance(target, WheelFile):
            metadata, seconds = read_wheel_metadata(target.path), 0.0
            if not self._no_deps:
                check_requirements(target.path, metadata.headers)
        else:
            made = self._build(target)
            metadata, seconds = made.metadata, made.built.seconds
        if target.name and canonical_name(target.name) != canonical_name(metadata.name):
            raise TargetError(
                f"{target.path} is {metadata.name} {metadata.version}, not {target.name}",
                advice="correct the name before the @, or the path after it",
            )
        directory = target if isinstance(target, SourceDirectory) else None
        return Candidate(
            metadata,
            requested=True,
            is_direct=True,
            url=url,
            sha256="" if directory else file_digest(target.path),
            extras=target.extras,
            build_seconds=seconds,
            is_editable=bool(directory and directory.editable),
        )

    def _build(self, target: SourceDirectory | SourceArchive) -> SourceWheel:
        options = self._request.build_options(target)
        if isinstance(target, SourceDirectory) and target.editable:
            return self._builds.editable_wheel(target.path, options)
        by_way_of_sdist = self._request.sdist_then_wheel
        return self._builds.wheel(target.path, options, by_way_of_sdist=by_way_of_sdist)

    # ------------------------------------------------------------------ names and dependencies

    def _comes_along(self, requirement: Requirement, direct: Iterable[Candidate]) -> bool:
        """Whether a named requirement is what one of the files or directories is.

        Raises:
            TargetError: it is, but not in that version.
        """
        name = canonical_name(requirement.name)
        for candidate in direct:
            if canonical_name(candidate.metadata.name) == name:
                if requirement.specifier.contains(candidate.metadata.version, prereleases=True):
                    return True
                raise TargetError(
                    f"{requirement} and {candidate.wheel} ({candidate.metadata.version}) were "
                    "both asked for",
                    advice="give one of them",
                )
        return False

    def _is_there(self, requirement: Requirement) -> bool:
        """Whether a named requirement is installed beyond doubt, without asking pip."""
        request = self._request
        if request.upgrade or request.force_reinstall or request.ignore_installed:
            return False
        return not requirement.extras and self._site.satisfies(requirement)

    def _dependencies(self, direct: list[Candidate], named: list[Requirement]) -> list[Candidate]:
        """Find what else has to be installed: named requirements, and what all of them need."""
        request = self._request
        unsatisfied = [] if self._no_deps else self._unsatisfied(direct, [], [])
        if not named and not unsatisfied:
            return []
        sources = request.build.sources
        if not sources.index_allowed:
            _, missing = split_by_availability(unsatisfied, sources.find_links)
            if missing and request.missing_dependencies is MissingDependencies.ERROR:
                raise TargetError(
                    f"not installed and not in the wheelhouse: {'; '.join(map(str, missing))}",
                    advice="put wheels of them there, or give --no-deps or --missing-deps warn",
                )
            if missing:
                return self._step_by_step(direct, named, None)
        try:
            files = self._ask_pip(direct, named, no_deps=self._no_deps)
        except TargetError as error:
            if sources.index_allowed or self._no_deps:
                raise
            refuses = request.missing_dependencies is MissingDependencies.ERROR
            if refuses and not self._is_unseen:
                raise
            try:
                return self._step_by_step(direct, named, error)
            except TargetError:
                # What pip says of all at once is clearer, unless it stumbled on what is missing.
                if refuses:
                    raise error from None
                raise
        return self._resolved_candidates(files, direct, named)

    def _step_by_step(
        self, direct: list[Candidate], named: list[Requirement], error: TargetError | None
    ) -> list[Candidate]:
        """Resolve without what is missing: what is wanted alone, then what that needs, and so on.

        Every step asks for all that is wanted so far together, so that a conflict is found.

        Args:
            direct: the files and directories.
            named: the named requirements.
            error: why pip could not resolve all at once; raised if it is not for what is missing.
        """
        wanted = {str(one): one for one in named}
        while True:
            files = self._ask_pip(direct, list(wanted.values()), no_deps=True) if wanted else []
            unsatisfied = self._unsatisfied(direct, files, wanted.values())
            available, missing = split_by_availability(
                unsatisfied, self._request.build.sources.find_links
            )
            new = {str(one): one for one in available if str(one) not in wanted}
            if not new:
                break
            wanted.update(new)
        if error is not None and not (missing or self._is_unseen):
            raise error
        if missing and self._request.missing_dependencies is MissingDependencies.ERROR:
            raise error or TargetError(f"missing: {'; '.join(map(str, missing))}")
        for one in missing:
            console.warn(f"{one}, which is neither installed nor in the wheelhouse")
        return self._resolved_candidates(files, direct, named)

    def _needed(
        self, files: Sequence[ResolvedFile], direct: list[Candidate], named: list[Requirement]
    ) -> Sequence[ResolvedFile]:
        """Leave out what is superfluous, where pip could not see that it is."""
        request = self._request
        if not self._is_unseen or request.force_reinstall or request.ignore_installed:
            return files
        from sagepip.operations.needed import needed_files

        return needed_files(
            files,
            [] if self._no_deps else [(one.metadata.headers, one.extras) for one in direct],
            named,
            self._site,
            self._python.markers,
            upgrade=request.upgrade,
        )

    def _unsatisfied(
        self,
        direct: Iterable[Candidate],
        files: Sequence[ResolvedFile],
        wanted: Iterable[Requirement],
    ) -> list[Unsatisfied]:
        """Return what these would lack on the site; ``wanted`` tells the extras of files."""
        extras: dict[str, frozenset[str]] = {}
        for one in wanted:
            name = canonical_name(one.name)
            extras[name] = extras.get(name, frozenset()) | frozenset(one.extras)
        coming = [(one.metadata.headers, one.metadata.label, one.extras) for one in direct]
        own = {canonical_name(one.metadata.name) for one in direct}
        for file in files:
            from sagepip.operations.needed import headers_of

            name = canonical_name(file.name)
            if name not in own:
                label = f"{file.name} {file.version}"
                coming.append((headers_of(file), label, extras.get(name, frozenset())))
        there = extras.keys() - own - {canonical_name(file.name) for file in files}
        for left in sorted(there):
            # Asked for, and left as it is installed.
            if (headers := self._site.headers(left)) is not None:
                coming.append((headers, f"{left} {headers.get('Version')}", extras[left]))
        if not any(headers.get_all("Requires-Dist") for headers, _, _ in coming):
            return []  # without the values of markers, which are asked of packaging
        return find_unsatisfied(coming, self._site, self._python.markers)

    @property
    def _is_unseen(self) -> bool:
        """Whether pip, which looks at the interpreter's own site, cannot see what is installed."""
        visible = visible_directories(self._request.destination)
        return not set(self._python.site_directories).issuperset(visible)

    def _ask_pip(
        self, direct: Iterable[Candidate], wanted: Iterable[Requirement], *, no_deps: bool
    ) -> list[ResolvedFile]:
        from sagepip.build.resolution import resolve

        request = self._request
        if request.hash_checking is HashChecking.OFF:
            texts = [one.wheel + _brackets(one.extras) for one in direct]
            texts += [str(one) for one in wanted]
        else:
            texts = [requirement_line(one.metadata.name, one.extras, one.wheel) for one in direct]
            texts += [line for one in wanted for line in lines_of(str(one), request.targets)]
        return resolve(
            texts,
            python=self._python,
            sources=request.build.sources,
            ignore_installed=request.ignore_installed or self._is_unseen,
            download_directory=self._work.path("fetched"),
            upgrade=request.upgrade,
            force_reinstall=request.force_reinstall,
            ignore_requires_python=request.ignore_requires_python,
            no_deps=no_deps,
            constraints=request.build.sources.constraints,
            build_isolation=request.build.isolation is Isolation.WHEELHOUSE,
            hash_checking=request.hash_checking,
        )

    def _resolved_candidates(
        self, files: Sequence[ResolvedFile], direct: list[Candidate], named: list[Requirement]
    ) -> list[Candidate]:
        own = {canonical_name(one.metadata.name) for one in direct}
        asked = {canonical_name(one.name): one for one in named}
        found: list[Candidate] = []
        for one in self._needed(files, direct, named):
            name = canonical_name(one.name)
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
            made = self._builds.wheel(one.path, self._request.build)
            metadata, seconds = made.metadata, made.built.seconds
        return Candidate(
            metadata, requested, one.is_direct, one.url, one.sha256 or "", extras, seconds
        )


def _check_one_of_each(candidates: Iterable[Candidate]) -> None:
    seen: dict[str, Candidate] = {}
    for candidate in candidates:
        name = canonical_name(candidate.metadata.name)
        other = seen.setdefault(name, candidate)
        if other is not candidate:
            raise TargetError(
                f"{other} and {candidate} are both {candidate.metadata.name}",
                advice="give one of them",
            )


def _brackets(extras: frozenset[str]) -> str:
    return f"[{','.join(sorted(extras))}]" if extras else ""
