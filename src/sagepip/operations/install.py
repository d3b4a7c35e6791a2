"""Install: collect wheels, stage them, and publish all of them in one transaction."""

from __future__ import annotations

import os
import sys
import time

from sagepip.ground import console
from sagepip.ground.errors import CommitError, TargetError
from sagepip.ground.json_text import json_text
from sagepip.ground.light_contextlib import nullcontext
from sagepip.ground.light_dataclass import replace
from sagepip.ground.project_names import canonical_name
from sagepip.ground.timing import phase, take
from sagepip.operations.candidate import Candidate
from sagepip.operations.candidates import CandidateCollector
from sagepip.operations.recover import lock_homes, tidy_destination
from sagepip.operations.remembered_bytecode import remembered_bytecode
from sagepip.operations.report import InstalledEntry, InstallReport, UnchangedEntry
from sagepip.operations.request import InstallRequest
from sagepip.operations.work_directory import WorkDirectory
from sagepip.transaction.installed import InstalledDistribution, find_installed
from sagepip.transaction.kept_files import KeptFilesChanged
from sagepip.transaction.locks import SiteLocks
from sagepip.transaction.staging_area import StagedDistribution
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import Transaction, begin_transaction

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence


def install(request: InstallRequest) -> InstallReport:
    """Install what is asked for; all of it, or nothing.

    Args:
        request: what, where and how.

    Returns:
        What was done; also written to ``request.report``.

    Raises:
        SagepipError: nothing was installed (see :mod:`sagepip.ground.errors`).
    """
    _check_environment(request)
    _check_report(request)
    if not request.dry_run:
        SiteLocks(lock_homes(request.destination)).check_obtainable()
        tidy_destination(request.destination, request.lock_timeout)
    with WorkDirectory() as work:
        with phase("targets"):
            collector = CandidateCollector(request, work)
            candidates = collector.collect()
        with phase("compare"):
            wanted, unchanged = _without_unchanged(request, candidates)
        unchanged = [*collector.unchanged, *unchanged]
        if not wanted or request.dry_run:
            entries = tuple(_entry(one, (), 0) for one in wanted)
            report = InstallReport(
                entries, tuple(unchanged), request.destination.site, request.dry_run
            )
        else:
            try:
                report = _publish(request, wanted, unchanged, keep=True)
            except KeptFilesChanged as error:
                console.detail(f"{error.problem}; all of it is unpacked")
                report = _publish(request, wanted, unchanged, keep=False)
    report = replace(report, time=take())
    if request.report is not None:
        _write_report(request, report)
    return report


def _check_environment(request: InstallRequest) -> None:
    """Refuse an environment that belongs to another package manager (PEP 668)."""
    destination = request.destination
    marker = destination.python.externally_managed
    if not marker or not destination.is_default:
        return
    if request.break_system_packages or request.dry_run:
        return
    raise TargetError(
        f"the environment of {destination.python.executable} is externally managed ({marker})",
        advice="install into a venv or with --prefix; --break-system-packages overrides",
    )


def _check_report(request: InstallRequest) -> None:
    """Refuse a report that cannot be written while nothing has been changed."""
    if request.report is None or request.report == "-":
        return
    path = os.path.abspath(request.report)
    wanted = path if os.path.lexists(path) else os.path.dirname(path)
    if os.path.isdir(path) or not os.access(wanted, os.W_OK):
        raise TargetError(
            f"cannot write the report {request.report}", advice="give a path that can be written"
        )


def _without_unchanged(
    request: InstallRequest, candidates: Sequence[Candidate]
) -> tuple[list[Candidate], list[UnchangedEntry]]:
    if request.force_reinstall or request.ignore_installed:
        return list(candidates), []
    directories = request.destination.metadata_directories
    installed = find_installed(directories, [one.metadata.name for one in candidates])
    if not installed:
        return list(candidates), []
    from sagepip.operations.unchanged import is_installed_intact

    wanted: list[Candidate] = []
    unchanged: list[UnchangedEntry] = []
    for candidate in candidates:
        found = [one for one in installed if one.name == canonical_name(candidate.metadata.name)]
        # As in pip, to or from editable mode is a change whatever the files are.
        if (
            len(found) == 1
            and not candidate.is_editable
            and not found[0].is_editable
            and is_installed_intact(
                candidate.metadata, found[0], with_bytecode=request.compile_bytecode
            )
        ):
            version, directory = found[0].version, found[0].directory
            unchanged.append(UnchangedEntry(candidate.metadata.name, version, directory))
        else:
            wanted.append(candidate)
    return wanted, unchanged


def _publish(
    request: InstallRequest,
    candidates: Sequence[Candidate],
    unchanged: Sequence[UnchangedEntry],
    *,
    keep: bool,
) -> InstallReport:
    # Loaded before anything is begun: sagepip may be replacing itself.
    with phase("targets"):
        import sagepip.staging.unpack
        import sagepip.transaction.planner  # noqa: F401

    destination = request.destination
    # What a --root, --prefix or --target names may not be there yet; its resolved form is asked
    # for once, before anything is made.
    site = destination.site
    started = time.monotonic()
    others = lock_homes(destination)[1:]
    with begin_transaction(site, Territory.of(destination), others) as transaction:
        staged = _stage(request, candidates, transaction, keep=keep)
        stage_seconds = time.monotonic() - started
        replaced = _commit(request, staged, transaction)
        lock = transaction.lock
    entries = []
    for candidate, one in zip(candidates, staged, strict=True):
        name = canonical_name(one.name)
        versions = tuple(old.stated_version for old in replaced if old.name == name)
        entries.append(_entry(candidate, versions, len(one.files)))
    return InstallReport(
        tuple(entries),
        tuple(unchanged),
        site,
        lock_waited_seconds=lock.waited_seconds,
        lock_held_seconds=lock.held_seconds,
        stage_seconds=stage_seconds,
    )


def _stage(
    request: InstallRequest,
    candidates: Sequence[Candidate],
    transaction: Transaction,
    *,
    keep: bool,
) -> list[StagedDistribution]:
    from sagepip.staging.unpack import stage_wheel

    installed = _installed(request, candidates) if keep else {}
    staged = []
    for candidate in candidates:
        console.detail(f"staging {candidate.wheel}")
        additional = {"INSTALLER": b"sagepip\n"}
        if candidate.requested:
            additional["REQUESTED"] = b""
        if candidate.direct_url is not None:
            additional["direct_url.json"] = json_text(candidate.direct_url).encode()
        name, python = canonical_name(candidate.metadata.name), request.destination.python
        remembered = (
            remembered_bytecode(name, python) if request.compile_bytecode else nullcontext()
        )
        try:
            with phase("unpack", os.path.basename(candidate.wheel)), remembered as memory:
                staged.append(
                    stage_wheel(
                        candidate.metadata,
                        request.destination,
                        transaction.area,
                        additional_metadata=additional,
                        compile_bytecode=request.compile_bytecode,
                        ignore_requires_python=request.ignore_requires_python,
                        accept_bad_record=name in request.accept_bad_record,
                        memory=memory,
                        installed=installed.get(name),
                    )
                )
        except OSError as error:
            raise CommitError(
                f"cannot unpack {candidate.wheel} to {transaction.directory}: {error.strerror}",
                advice="nothing was changed; is the disk full?",
            ) from error
    return staged


def _installed(
    request: InstallRequest, candidates: Sequence[Candidate]
) -> dict[str, InstalledDistribution]:
    """Return the one version of each project that will be replaced, where it is no link."""
    names = [canonical_name(one.metadata.name) for one in candidates if not one.is_editable]
    found = find_installed(request.destination.metadata_directories, names)
    return {
        one.name: one
        for one in found
        if one.is_dist_info
        and not one.is_remnant
        and [one.name] == [other.name for other in found if other.name == one.name]
    }


def _commit(
    request: InstallRequest, staged: Sequence[StagedDistribution], transaction: Transaction
) -> Sequence[InstalledDistribution]:
    """Publish what is staged; return what it replaced."""
    from sagepip.transaction.planner import Planner

    destination = request.destination
    planner = Planner(
        transaction.area,
        staged,
        request.destination.metadata_directories,
        overwrite=request.overwrite,
    )
    what = "install " + ", ".join(f"{one.name} {one.version}" for one in staged)
    transaction.commit(
        planner.plan,
        planner.still_current,
        what,
        lock_timeout=request.lock_timeout,
        discard_lock=bool(destination.root),
    )
    with phase("clean"):
        planner.clear_trash()
    return planner.replaced


def _entry(candidate: Candidate, replaced: tuple[str, ...], files: int) -> InstalledEntry:
    metadata = candidate.metadata
    return InstalledEntry(
        name=metadata.name,
        version=metadata.version,
        requested=candidate.requested,
        wheel=os.path.basename(metadata.path),
        url=candidate.url,
        sha256=candidate.sha256,
        is_direct=candidate.is_direct,
        is_editable=candidate.is_editable,
        replaced=replaced,
        files=files,
        build_seconds=candidate.build_seconds,
        metadata={
            "name": metadata.name,
            "version": metadata.version,
            "requires_dist": list(metadata.headers.get_all("Requires-Dist")),
            "requires_python": metadata.headers.get("Requires-Python"),
        },
    )


def _write_report(request: InstallRequest, report: InstallReport) -> None:
    import json

    text = json.dumps(report.as_json(request.destination.python.markers), indent=2)
    if request.report == "-" or request.report is None:
        sys.stdout.write(text + "\n")
        return
    try:
        with open(request.report, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
    except OSError as error:
        raise TargetError(
            f"installed, but cannot write the report {request.report}: {error.strerror}",
            advice="give a path that can be written",
        ) from error
