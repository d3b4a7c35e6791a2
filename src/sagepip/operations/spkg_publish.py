"""Publish what a Sage tree's own ``sage-spkg`` has staged, and end the package's older version.

The older version stays until the new one is there. Sage's installation records are read, not
written: ``sage-spkg`` writes that of the new version once its last step has succeeded, and
``sage-spkg-uninstall`` removes that of a package whose files are withdrawn.
"""

from __future__ import annotations

import json
import os
import subprocess

from sagepip.ground import console
from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import remove_directory_if_empty, remove_file
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.operations.spkg_tree import SpkgTree, distribution_names
from sagepip.operations.spkg_withdraw import Withdrawn, withdraw_files
from sagepip.operations.staged_copy import CopyReport, CopyRequest, staged_copy

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class PublishRequest:
    """One call of ``spkg publish``.

    Attributes:
        name: the package.
        staged: what corresponds to the prefix; it is empty afterwards.
        tree: where to publish it.
        keep_existing: leave all of an older version.
        lock_timeout: seconds to wait for the locks, or None for ever.
    """

    name: str
    staged: str
    tree: SpkgTree
    keep_existing: bool = False
    lock_timeout: float | None = None


def publish(request: PublishRequest) -> CopyReport:
    """Publish a staged package; then remove what only its older version had.

    Args:
        request: what and where.

    Returns:
        What was published.

    Raises:
        TargetError: a script of the older version failed.
        SagepipError: nothing was published (see :mod:`sagepip.operations.staged_copy`).
    """
    old = None if request.keep_existing else _Older.find(request.tree, request.name)
    files = _files_below(request.staged)
    if old is not None:
        old.run_script("prerm")
    report = staged_copy(
        CopyRequest(
            request.staged, request.tree.prefix, move=True, lock_timeout=request.lock_timeout
        )
    )
    if old is not None:
        old.end(files, request.lock_timeout)
    return report


def withdraw(tree: SpkgTree, name: str, *, lock_timeout: float | None = None) -> Withdrawn:
    """Remove the files of a package, in one transaction; those that others' records list stay.

    Its scripts are not run, and its records stay: ``sage-spkg-uninstall`` does the rest.

    Args:
        tree: where.
        name: the package.
        lock_timeout: seconds to wait for the locks, or None for ever.

    Returns:
        What became of the files.

    Raises:
        SagepipError: nothing was removed.
    """
    old = _Older.find(tree, name)
    return Withdrawn() if old is None else old.withdraw(lock_timeout)


def _files_below(directory: str) -> set[str]:
    """Return files and links, relative to the directory."""
    found = set()
    for where, directories, names in os.walk(directory):
        links = [one for one in directories if os.path.islink(os.path.join(where, one))]
        found |= {os.path.relpath(os.path.join(where, one), directory) for one in names + links}
    return found


class _Older:
    """What is installed of a package.

    Args:
        tree: where.
        name: the package.
        stamps: its installation records, the last one written at the end.
        files: what it brought, relative to the prefix.
    """

    def __init__(self, tree: SpkgTree, name: str, stamps: Sequence[str], files: set[str]) -> None:
        self._tree = tree
        self._name = name
        self._stamps = stamps
        self._files = files

    @classmethod
    def find(cls, tree: SpkgTree, name: str) -> _Older | None:
        stamps = [one for one in _records(tree) if os.path.basename(one).partition("-")[0] == name]
        stamps.sort(key=os.path.getmtime)
        files = set[str]()
        for one in stamps:
            files |= _recorded_files(one)
        return cls(tree, name, stamps, files) if stamps else None

    def run_script(self, step: str) -> None:
        """Run a script that the older version left, if it did."""
        path = os.path.join(self._tree.scripts, self._name, f"spkg-{step}")
        if not os.access(path, os.X_OK):
            return
        done = subprocess.run([path], check=False)
        if done.returncode:
            raise TargetError(
                f"the script {path} of the installed version failed with exit status "
                f"{done.returncode}",
                advice="correct it or what it needs, and run sage-spkg again",
            )

    def withdraw(self, lock_timeout: float | None) -> Withdrawn:
        """Remove all its files but those that another record lists."""
        files = self._files - self._of_others()
        return withdraw_files(self._tree.prefix, files, self._name, lock_timeout=lock_timeout)

    def _of_others(self) -> set[str]:
        """Return what the records of other packages list."""
        paths = [path for path in _records(self._tree) if path not in self._stamps]
        return set[str]().union(*map(_recorded_files, paths))

    def end(self, files: set[str], lock_timeout: float | None) -> None:
        """Remove what the new version does not have; its files have been published."""
        others = self._of_others()
        gone = _projects(self._files) - _projects(files) - _projects(others)
        if gone:
            self._uninstall(sorted(gone), lock_timeout)
        withdraw_files(
            self._tree.prefix,
            self._files - files - others,
            f"the older {self._name}",
            lock_timeout=lock_timeout,
        )
        try:
            self.run_script("postrm")
        except TargetError as error:
            console.warn(str(error))
        self._remove_scripts(files)
        # The package does not count as installed until its last step has succeeded.
        for path in self._stamps:
            remove_file(path)

    def _uninstall(self, names: Sequence[str], lock_timeout: float | None) -> None:
        """Uninstall distributions that the new version has not got."""
        if not os.path.exists(self._tree.python):
            return
        from sagepip.ground.destination import find_destination
        from sagepip.ground.target_python import find_target_python
        from sagepip.operations.uninstall import UninstallRequest, uninstall

        destination = find_destination(find_target_python(self._tree.python, {}))
        uninstall(UninstallRequest(tuple(names), destination, lock_timeout=lock_timeout))

    def _remove_scripts(self, files: set[str]) -> None:
        """Remove the scripts that are for later, but for the new version's."""
        directory = os.path.join(self._tree.scripts, self._name)
        if not os.path.isdir(directory):
            return
        prefix = self._tree.prefix
        names = [os.path.relpath(os.path.join(directory, one), prefix) for one in _names(directory)]
        for one in set(names) - files:
            remove_file(os.path.join(prefix, one))
        remove_directory_if_empty(directory)


def _names(directory: str) -> list[str]:
    return [one.name for one in os.scandir(directory) if not one.is_dir(follow_symlinks=False)]


def _projects(files: set[str]) -> set[str]:
    """Return the projects whose wheel or metadata is among the files."""
    wheels = (os.path.basename(one) for one in files if one.endswith(".whl"))
    return {*distribution_names(files), *(canonical_name(one.partition("-")[0]) for one in wheels)}


def _records(tree: SpkgTree) -> list[str]:
    if not os.path.isdir(tree.records):
        return []
    names = [one for one in os.listdir(tree.records) if not one.startswith(".")]
    return [os.path.join(tree.records, one) for one in names]


def _recorded_files(path: str) -> set[str]:
    """Return what a record lists; an old one, without a list, has nothing to say."""
    try:
        with open(path, encoding="utf-8") as stream:
            files = json.load(stream)["files"]
        return {os.path.normpath(str(one).lstrip(os.sep)) for one in files}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError) as error:
        console.detail(f"{path} lists no files: {error!r}")
        return set()
