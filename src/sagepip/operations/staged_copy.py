"""Staged copy: publish a staged tree in a prefix, in one transaction."""

from __future__ import annotations

import os
import stat

from sagepip.ground import console
from sagepip.ground.cloning import Cloner
from sagepip.ground.destination import LiveRoot
from sagepip.ground.errors import (
    CommitError,
    ConflictError,
    RecoveryError,
    TargetError,
    UsageError,
)
from sagepip.ground.light_dataclass import dataclass, field, replace
from sagepip.ground.timing import TimeSpent, phase, take
from sagepip.operations.manifest import Manifest
from sagepip.staging.copy_space import check_copy_fits
from sagepip.staging.staged_tree import StagedTree, read_staged_tree
from sagepip.staging.tree_staging import TreeStaging
from sagepip.transaction.copy_planner import CopyPlanner
from sagepip.transaction.installed import InstalledDistribution, list_installed
from sagepip.transaction.journal import has_state
from sagepip.transaction.locks import SiteLocks
from sagepip.transaction.prefix_observation import python_of
from sagepip.transaction.prefix_sites import own_sites
from sagepip.transaction.record import recorded_path
from sagepip.transaction.recovery import tidy
from sagepip.transaction.staging_area import StagedDistribution
from sagepip.transaction.steps import Plan
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import Transaction, begin_transaction

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagepip.ground.listing import Listing


@dataclass(frozen=True)
class CopyRequest:
    """One call of ``copy``.

    Attributes:
        staged: the staged tree: what corresponds to the prefix.
        prefix: where to publish it; made if it is missing.
        move: take the files instead of copying them; the staged tree is empty afterwards.
        manifest: where to write the list of what was published, or None.
        null: end each path in the manifest with NUL instead of a newline.
        overwrite: shell patterns of files that may be replaced whoever owns them.
        lock_timeout: seconds to wait for the locks, or None for ever.
    """

    staged: str
    prefix: str
    move: bool = False
    manifest: str | None = None
    null: bool = False
    overwrite: tuple[str, ...] = ()
    lock_timeout: float | None = None


@dataclass(frozen=True)
class CopiedDistribution:
    """A distribution in the tree.

    Attributes:
        name: as its metadata is named.
        version: likewise.
        replaced: the versions that it took the place of.
    """

    name: str
    version: str
    replaced: tuple[str, ...]


@dataclass(frozen=True)
class CopyReport:
    """What one call of ``copy`` did.

    Attributes:
        prefix: the resolved prefix.
        distributions: those in the tree.
        files: how many files and links it held.
        sites: the directories whose locks were held.
        lock_waited_seconds: how long the call waited for the locks.
        lock_held_seconds: how long it held them.
        time: where the time of the whole call went.
    """

    prefix: str
    distributions: tuple[CopiedDistribution, ...]
    files: int
    sites: tuple[str, ...]
    lock_waited_seconds: float
    lock_held_seconds: float
    time: TimeSpent = field(default_factory=TimeSpent)


class _SitesAppeared(Exception):
    """The prefix has got a site since the locks were chosen."""


def staged_copy(request: CopyRequest) -> CopyReport:
    """Publish a staged tree; all of it, or nothing.

    Args:
        request: what, where and how.

    Returns:
        What was done; the manifest has been written.

    Raises:
        SagepipError: nothing was published (see :mod:`sagepip.ground.errors`).
    """
    if not request.staged or not request.prefix:
        # An unset variable, most likely; it must not stand for the working directory.
        raise UsageError("STAGED or PREFIX is empty", advice="give two directories")
    prefix = os.path.realpath(request.prefix)
    with phase("read"):
        tree = read_staged_tree(request.staged)
        _check_apart(tree, prefix)
        _check_directories(tree, prefix)
    with Manifest(request.manifest, null=request.null) as manifest:
        manifest.write(tree)
        while True:
            try:
                report = _Copy(request, tree, prefix).run()
                break
            except _SitesAppeared:
                continue
        manifest.publish()
    return replace(report, time=take())


class _Copy:
    """One try, with the locks that the prefix asks for at its beginning."""

    def __init__(self, request: CopyRequest, tree: StagedTree, prefix: str) -> None:
        self._request = request
        self._tree = tree
        self._prefix = prefix
        self._installed = [
            one
            for directory in tree.module_directories
            for one in list_installed([os.path.join(tree.path, directory)])
        ]
        self._modules = [self._live(one) for one in tree.module_directories]
        sites = [self._live(one) for one in tree.sites]
        own = own_sites(prefix)
        # The journal is where whoever comes next will look for it: in a site, once there is one.
        first = own or sites[:1] or [prefix]
        # Copies from before the prefix had a site may still be at work under its own lock.
        also = [prefix] if has_state(prefix) else []
        self._homes = list(dict.fromkeys([*first, *(own or [prefix]), *also, *sites]))

    def run(self) -> CopyReport:
        """Stage, plan, commit."""
        request = self._request
        SiteLocks(self._homes).check_obtainable()
        with phase("recover"):
            for home in self._homes:
                tidy(home, request.lock_timeout)
        check_copy_fits(self._tree, self._prefix, move=request.move)
        with begin_transaction(
            self._homes[0], self._territory(), self._homes[1:], self._modules
        ) as transaction:
            self._adopt_attributes(transaction.made)
            staging = TreeStaging(self._tree, self._prefix, transaction.area)
            planner = self._planner(transaction)

            def plan() -> Plan:
                self._check_locks()
                return planner.plan()

            def still_current() -> bool:
                self._check_locks()
                return planner.still_current()

            try:
                with phase("copy"):
                    self._fill(staging, transaction)
                self._warn_of_missing_files()
                transaction.commit(
                    plan,
                    still_current,
                    self._what(),
                    lock_timeout=request.lock_timeout,
                    discard_lock=False,
                )
                planner.clear_trash()
            except RecoveryError:
                raise  # what was moved is named in the journal, which is kept
            except BaseException:
                planner.drop()
                staging.restore()
                raise
            lock = transaction.lock
        if request.move:
            with phase("clean"):
                staging.remove_source()
        return CopyReport(
            self._prefix,
            tuple(self._entry(one, planner.replaced) for one in self._installed),
            len(self._tree.files),
            tuple(self._homes),
            lock.waited_seconds,
            lock.held_seconds,
        )

    def _live(self, path: str) -> str:
        """Return where a path of the staged tree goes."""
        return os.path.normpath(os.path.join(self._prefix, path))

    def _territory(self) -> Territory:
        roots = [LiveRoot(one, os.path.realpath(one), True) for one in self._modules]
        if self._prefix not in self._modules:
            roots.append(LiveRoot(self._prefix, self._prefix, False))
        return Territory(roots, os.path.join(self._prefix, "bin"), self._prefix)

    def _fill(self, staging: TreeStaging, transaction: Transaction) -> None:
        try:
            if self._request.move:
                staging.move()
            else:
                staging.copy()
        except OSError as error:
            what = self._tree.path if error.filename is None else error.filename
            raise CommitError(
                f"cannot stage {what}: {error.strerror}",
                advice=f"nothing was changed; is there space below {transaction.directory}?",
            ) from error

    def _planner(self, transaction: Transaction) -> CopyPlanner:
        staged = [
            StagedDistribution(
                one.name,
                one.version,
                self._live(os.path.relpath(one.metadata_path, self._tree.path)),
                frozenset(),
            )
            for one in self._installed
        ]
        # Of the prefix's own sites, too: the owners of programs that are in the way.
        directories = dict.fromkeys([*self._modules, *own_sites(self._prefix)])
        groups: dict[str, list[str]] = {}
        for directory in directories:
            groups.setdefault(python_of(directory), []).append(directory)
        names = {
            tuple(group): [
                one.name for one in staged if os.path.dirname(one.metadata_path) in group
            ]
            for group in groups.values()
        }
        return CopyPlanner(
            transaction.area,
            staged,
            frozenset(map((self._prefix.rstrip(os.sep) + os.sep).__add__, self._tree.files)),
            names,
            self._listing_of,
            overwrite=self._request.overwrite,
        )

    def _listing_of(self, live: str) -> Listing | None:
        """Return what is staged for a live directory, if it was copied there name by name."""
        directory = live[len(self._prefix) :].strip(os.sep)
        # Directories of modules are staged elsewhere.
        if self._request.move or any(
            os.path.dirname(one) == directory for one in self._tree.module_directories
        ):
            return None
        return self._tree.listings.get(directory)

    def _check_locks(self) -> None:
        """Begin again if the locks are not the right ones any more, or will not be."""
        now = {*own_sites(self._prefix), *([self._prefix] if has_state(self._prefix) else [])}
        if not now <= set(self._homes):
            raise _SitesAppeared

    def _adopt_attributes(self, made: Sequence[str]) -> None:
        """Give directories that had to be made beforehand what they have in the tree.

        Their times change when they are filled, and must: they tell what comes and goes in a site.
        """
        cloner = Cloner()
        for path in made:
            staged = os.path.join(self._tree.path, os.path.relpath(path, self._prefix))
            is_within = path == self._prefix or path.startswith(self._prefix + os.sep)
            if is_within and os.path.isdir(staged):
                cloner.clone_directory_attributes(staged, path)

    def _warn_of_missing_files(self) -> None:
        for one in self._installed:
            try:
                rows = one.record or []
            except ConflictError as error:
                console.warn(str(error))
                continue
            paths = (recorded_path(row, one.directory) for row in rows)
            missing = [path for path in paths if self._is_missing(path)]
            if missing:
                console.warn(
                    f"{one.label} in {self._tree.path} lists {len(missing)} files that are "
                    f"neither there nor in the prefix: {missing[0]}"
                )

    def _is_missing(self, staged: str) -> bool:
        # Relative to the prefix: what a second staged copy brings may be there already.
        path = os.path.relpath(staged, self._tree.path)
        return not (
            os.path.lexists(os.path.join(self._tree.path, path))
            or os.path.lexists(self._live(path))
        )

    def _what(self) -> str:
        names = ", ".join(one.label for one in self._installed)
        return f"copy {names or self._tree.path}"

    def _entry(
        self, one: InstalledDistribution, replaced: Sequence[InstalledDistribution]
    ) -> CopiedDistribution:
        site = self._live(os.path.relpath(one.directory, self._tree.path))
        versions = [
            old.stated_version
            for old in replaced
            if old.name == one.name
            and python_of(os.path.dirname(old.metadata_path)) == python_of(site)
        ]
        return CopiedDistribution(one.name, one.stated_version, tuple(versions))


def _check_apart(tree: StagedTree, prefix: str) -> None:
    """Refuse a tree that would be published in itself.

    The tree itself may lie in the prefix: Sage builds in PREFIX/var/tmp.
    """
    if tree.path == prefix or _lies_in(prefix, tree.path):
        raise TargetError(
            f"{prefix} lies in {tree.path}", advice="stage outside the prefix (DESTDIR)"
        )
    if not _lies_in(tree.path, prefix):
        return
    own = os.path.relpath(tree.path, prefix)
    below = own + os.sep
    for path in (*tree.directories, *tree.files):
        if path == own or path.startswith(below):
            raise TargetError(
                f"{tree.path} lies where it holds something for: {path}",
                advice="stage outside the prefix (DESTDIR)",
            )


def _lies_in(inner: str, outer: str) -> bool:
    return inner.startswith(outer.rstrip(os.sep) + os.sep)


def _check_directories(tree: StagedTree, prefix: str) -> None:
    """Refuse a staged directory where the prefix has a link (``lib64`` → ``lib``) or a file.

    Below the directories of modules the file may be the older version's: the planner knows.
    """
    modules = tuple(one + os.sep for one in tree.module_directories)
    absent: set[str] = set()
    for directory in tree.directories:
        if os.path.dirname(directory) in absent:
            absent.add(directory)
            continue
        live = os.path.join(prefix, directory)
        try:
            mode = os.lstat(live).st_mode
        except (FileNotFoundError, NotADirectoryError):
            absent.add(directory)
            continue
        if stat.S_ISLNK(mode):
            raise ConflictError(
                f"{live} is a link to {os.readlink(live)}, and a directory in the staged tree",
                advice="build the package with that directory instead (--libdir for lib64)",
            )
        if not stat.S_ISDIR(mode) and not directory.startswith(modules):
            raise ConflictError(
                f"{live} is a file, and a directory in the staged tree",
                advice="remove the one or the other",
            )
