"""Find the distributions that satisfy requirements; pip is the resolver of record.

It is not asked where its answer is beyond doubt (:mod:`sagepip.build.plain_resolution`).
"""

from __future__ import annotations

import os

from sagepip.build.hashes import MISMATCH, HashChecking, file_digest
from sagepip.build.pip_runner import run_pip
from sagepip.build.plain_resolution import resolve_plainly
from sagepip.build.sources import PackageSources, file_url
from sagepip.ground.errors import BuildError, TargetError
from sagepip.ground.light_dataclass import dataclass, replace
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sagepip.build.wheel_shelf import ShelvedWheel

# A wheel that is replaced in the wheelhouse between pip's look and ours is no error.
_TRIES = 3
_TAIL_LINES = 40


@dataclass(frozen=True)
class ResolvedFile:
    """A distribution that pip chose, on disk.

    Attributes:
        name: of the project, as its metadata spells it.
        version: as its metadata spells it.
        path: absolute; a wheel, an sdist, or the source directory of a direct reference.
        sha256: its digest in hexadecimal, or None where there is none (a directory).
        url: where pip found it.
        requested: whether a requirement asked for it, not only a dependency.
        is_direct: whether it was named by a path or URL and not found by name.
        metadata: its core metadata, as in pip's report (PEP 566 JSON); at least its name, version
            and ``requires_dist``.
        is_plain: whether it was chosen without pip: then nothing but files of its project and of
            those that were chosen with it could lead to another choice.
    """

    name: str
    version: str
    path: str
    sha256: str | None
    url: str
    requested: bool
    is_direct: bool
    metadata: Mapping[str, Any]
    is_plain: bool = False

    @property
    def digest_key(self) -> tuple[str, str, str]:
        """What tells one file from another, however it was asked for."""
        return (self.name, self.version, self.sha256 or self.url)

    @property
    def is_wheel(self) -> bool:
        """Whether it can be unpacked as it is."""
        return self.path.endswith(".whl")


def resolve(
    requirements: Sequence[str],
    *,
    python: TargetPython,
    sources: PackageSources,
    ignore_installed: bool,
    download_directory: str,
    upgrade: bool = False,
    force_reinstall: bool = False,
    ignore_requires_python: bool = False,
    no_deps: bool = False,
    constraints: Sequence[str] = (),
    build_isolation: bool = True,
    hash_checking: HashChecking = HashChecking.OFF,
) -> list[ResolvedFile]:
    """Find what has to be installed to satisfy requirements, dependencies included.

    Args:
        requirements: as on pip's command line, paths absolute.
        python: the interpreter they are for.
        sources: where to look.
        ignore_installed: answer as if nothing were installed.
        download_directory: where files from an index go; made if missing.
        upgrade: the newest, though an installed version satisfies.
        force_reinstall: also what is installed in the right version.
        ignore_requires_python: distributions that say they do not support this Python as well.
        no_deps: the requirements alone.
        constraints: constraint files.
        hash_checking: unless OFF the requirements are lines of a requirement file, with hashes.
        build_isolation: ask a source for its metadata in isolation; else against what is installed.

    Returns:
        The distributions, each on local disk.

    Raises:
        TargetError: a requirement cannot be satisfied; one line that says which and why.
        BuildError: a source had to be asked for its metadata, and its build failed.
    """
    if not requirements:
        return []
    if ignore_installed and build_isolation and python.accepts_like_running:
        # The answer is the same, and pip need not start a second time for another interpreter.
        python = TargetPython.running()
    for requirement in requirements:
        if not requirement.strip() or requirement.lstrip().startswith("-"):
            raise TargetError(
                f"not a requirement: {requirement!r}", advice="give NAME, NAME==VERSION or a path"
            )
    if ignore_installed and not ignore_requires_python and hash_checking is HashChecking.OFF:
        plain = resolve_plainly(
            requirements, python=python, sources=sources, constraints=constraints, no_deps=no_deps
        )
        if plain is not None:
            return [_plain(*one) for one in plain]
    import tempfile

    arguments = ["install", "--dry-run", "--no-user", "--progress-bar", "off"]
    switches = {
        "--ignore-installed": ignore_installed,
        "--upgrade": upgrade,
        "--force-reinstall": force_reinstall,
        "--ignore-requires-python": ignore_requires_python,
        "--no-deps": no_deps,
        "--no-build-isolation": not build_isolation,
    }
    arguments += [option for option, given in switches.items() if given]
    for constraint in constraints:
        arguments += ["--constraint", constraint]
    for constraint in sources.build_constraints:
        arguments += ["--build-constraint", constraint]
    with tempfile.TemporaryDirectory(prefix="sagepip-resolve-") as private:
        report = os.path.join(private, "report.json")
        arguments += ["--report", report]
        arguments += _requirement_words(requirements, hash_checking, private)
        for attempt in range(1, _TRIES + 1):
            before = _stamps(sources)
            try:
                found = _run(arguments, report, python, sources)
            except TargetError:
                if attempt == _TRIES or _stamps(sources) == before:
                    raise
                continue
            if attempt == _TRIES or all(os.path.exists(one.path) for one in found if one.path):
                break
    files = _fetch_missing(found, python, sources, download_directory)
    if hash_checking is not HashChecking.OFF:
        _check_digests(files)
    return files


def _plain(one: ShelvedWheel, requested: bool) -> ResolvedFile:
    found = one.metadata()
    metadata: dict[str, Any] = {"name": found.name, "version": found.version}
    if needs := list(found.headers.get_all("Requires-Dist")):
        metadata["requires_dist"] = needs
    return ResolvedFile(
        name=found.name,
        version=found.version,
        path=one.path,
        sha256=one.sha256,
        url=file_url(one.path),
        requested=requested,
        is_direct=False,
        metadata=metadata,
        is_plain=True,
    )


def _requirement_words(
    requirements: Sequence[str], hash_checking: HashChecking, private: str
) -> list[str]:
    """Return the words that name the requirements; hashes can be given in a file only."""
    if hash_checking is HashChecking.OFF:
        return list(requirements)
    path = os.path.join(private, "requirements.txt")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("".join(f"{line}\n" for line in requirements))
    is_required = hash_checking is HashChecking.REQUIRED
    return ["--require-hashes" if is_required else "--no-require-hashes", "--requirement", path]


def _check_digests(files: Sequence[ResolvedFile]) -> None:
    """Refuse a file that is not the one whose hash pip has compared."""
    for one in files:
        if one.sha256 and (actual := file_digest(one.path)) != one.sha256:
            raise TargetError(
                f"{MISMATCH}: {one.name}=={one.version} from {one.url}: it was replaced meanwhile; "
                f"Expected sha256 {one.sha256}, Got {actual}",
                advice="try again when nobody changes the wheelhouse",
            )


def _stamps(sources: PackageSources) -> list[int]:
    """Return when the wheelhouses were changed last."""
    found = []
    for place in sources.find_links:
        try:
            found.append(os.stat(place).st_mtime_ns)
        except OSError:
            found.append(0)
    return found


def _run(
    arguments: Sequence[str], report: str, python: TargetPython, sources: PackageSources
) -> list[ResolvedFile]:
    """Run pip once; files that are not on local disk yet have an empty path."""
    import json

    with phase("resolve"):
        outcome = run_pip(arguments, python=python, sources=sources)
    if outcome.exit_status != 0:
        raise _failure(outcome.output, sources)
    try:
        with open(report, encoding="utf-8") as stream:
            items = json.load(stream)["install"]
        return [_resolved(item) for item in items]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"pip's report cannot be read: {error!r}", advice="is this a supported pip?"
        ) from error


def _failure(output: str, sources: PackageSources) -> TargetError | BuildError:
    from sagepip.build.pip_messages import explain

    explanation = explain(output, sources)
    if explanation.is_build:
        return BuildError(
            explanation.problem,
            advice=explanation.advice,
            output="\n".join(output.splitlines()[-_TAIL_LINES:]),
        )
    return TargetError(explanation.problem, advice=explanation.advice)


def _resolved(item: Mapping[str, Any]) -> ResolvedFile:
    download: Mapping[str, Any] = item["download_info"]
    archive: Mapping[str, Any] = download.get("archive_info", {})
    url: str = download["url"]
    if vcs := download.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    if subdirectory := download.get("subdirectory"):
        url += f"#subdirectory={subdirectory}"
    metadata: Mapping[str, Any] = item["metadata"]
    return ResolvedFile(
        name=metadata["name"],
        version=metadata["version"],
        path=_local_path(url, download.get("subdirectory", "")),
        sha256=archive.get("hashes", {}).get("sha256"),
        url=url,
        requested=bool(item["requested"]),
        is_direct=bool(item["is_direct"]),
        metadata=metadata,
    )


def _local_path(url: str, subdirectory: str) -> str:
    """Return the path of a ``file:`` URL; an empty string for any other."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    split = urlsplit(url)
    if split.scheme != "file":
        return ""
    path = url2pathname(split.path)
    return os.path.join(path, subdirectory) if subdirectory and os.path.isdir(path) else path


def _fetch_missing(
    found: list[ResolvedFile], python: TargetPython, sources: PackageSources, directory: str
) -> list[ResolvedFile]:
    """Have pip fetch what lies on an index, checked against the digests of its report."""
    missing = [one for one in found if not one.path]
    if not missing:
        return found
    os.makedirs(directory, exist_ok=True)
    fetched: dict[str, str] = {}
    for one in missing:
        # One run each, into a directory of its own: the file's name is then beyond doubt.
        place = os.path.join(directory, f"{len(fetched)}-{one.name}")
        os.makedirs(place, exist_ok=True)
        fetched[one.url] = _fetch(one, python, sources, place)
    return [replace(one, path=fetched[one.url]) if not one.path else one for one in found]


def _fetch(one: ResolvedFile, python: TargetPython, sources: PackageSources, place: str) -> str:
    url = one.url
    if one.sha256 and "#" not in url:
        url += f"#sha256={one.sha256}"
    arguments = ["download", "--no-deps", "--progress-bar", "off", "--dest", place]
    arguments.append("--ignore-requires-python")
    with phase("fetch", one.name):
        outcome = run_pip([*arguments, f"{one.name} @ {url}"], python=python, sources=sources)
    if outcome.exit_status != 0:
        raise _failure(outcome.output, sources)
    files = os.listdir(place)
    if len(files) != 1:
        raise TargetError(
            f"pip fetched {len(files)} files for {one.name} {one.version}, not one",
            advice="try again with -v",
        )
    return os.path.join(place, files[0])
