"""Build one package and publish it: what Sage's ``sage-spkg`` does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

from sagepip.build.archive import unpack_sdist
from sagepip.build.child_process import run_to_log
from sagepip.build.hooks import jobserver_descriptors
from sagepip.build.wheelhouse import store_wheel
from sagepip.ground import console
from sagepip.ground.errors import BuildError, SagepipError, TargetError
from sagepip.ground.filesystem import (
    make_directories,
    remove_file,
    remove_tree,
    walk_files,
)
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.timing import phase, subject
from sagepip.operations.spkg_change import KEEP, Change, changing
from sagepip.operations.spkg_environment import ScriptsOf, write_commands
from sagepip.operations.spkg_recipe import Recipe
from sagepip.operations.spkg_removal import remove_superseded
from sagepip.operations.spkg_scripts import HELPERS, KeptScripts, ScriptFailed, name_wheels
from sagepip.operations.spkg_tree import SpkgTree, distribution_names, end_of_log
from sagepip.operations.spkg_upstream import find_upstream
from sagepip.operations.staged_copy import CopyRequest, staged_copy

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class StepFailed(BuildError):
    """A step of a package failed.

    Args:
        problem: as in the base class.
        advice: as in the base class.
        output: as in the base class.
        log: the package's log.
    """

    def __init__(self, problem: str, *, advice: str, output: str, log: str) -> None:
        super().__init__(problem, advice=advice, output=output)
        self.log = log


@dataclass(frozen=True)
class Built:
    """What became of the building of a package.

    Attributes:
        full_name: its name and version.
        by_another: whether another process built it while its lock was waited for.
    """

    full_name: str
    by_another: bool


def build_package(
    recipe: Recipe,
    tree: SpkgTree,
    *,
    index: bool,
    check: str = "no",
    lock_timeout: float | None = None,
) -> Built:
    """Fetch, unpack, patch, build, stage, publish and record a package.

    Args:
        recipe: which.
        tree: where.
        index: whether its upstream file may be fetched.
        check: ``yes`` to run its test suite, ``warn`` to have a failure of it be a warning, ``no``.
        lock_timeout: seconds to wait for the locks of the prefix, or None for ever.

    Returns:
        What was done.

    Raises:
        StepFailed: a step failed. Up to the publishing the prefix is as it was; after it the files
            are there, without a record. Its log and its directory are kept.
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    record = os.path.join(tree.records, recipe.full_name)
    before = _stamp(record)
    with changing(tree, recipe.name) as change:
        if _stamp(record) not in (before, None):
            return Built(recipe.full_name, True)
        _Package(recipe, tree, change, check, lock_timeout).build(index=index)
        return Built(recipe.full_name, False)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


class _Package:
    def __init__(
        self,
        recipe: Recipe,
        tree: SpkgTree,
        change: Change,
        check: str,
        lock_timeout: float | None,
    ) -> None:
        self._recipe = recipe
        self._tree = tree
        self._change = change
        self._place = os.path.join(tree.builds, recipe.full_name)
        self._destdir = os.path.join(self._place, "destdir")
        self._staged = self._destdir + tree.prefix
        self._bin = os.path.join(self._place, "bin")
        self._package = os.path.join(self._place, "package")
        self._log = tree.log(recipe.full_name)
        self._check = check
        self._lock_timeout = lock_timeout
        self._is_published = False
        root = os.path.dirname(os.path.dirname(os.path.dirname(recipe.directory)))
        self._owner = ScriptsOf(tree, recipe.name, recipe.version, root)
        earlier = change.earlier.version if change.earlier else ""
        self._older = KeptScripts(ScriptsOf(tree, recipe.name, earlier, root), change)
        self._own = KeptScripts(self._owner, change, check=check)

    def build(self, *, index: bool) -> None:
        recipe = self._recipe
        subject(f"build {recipe.full_name}")
        remove_tree(self._place)
        with open(self._log, "wb"):
            pass
        step = "unpack"
        try:
            with phase("sdist", recipe.full_name):
                self._unpack(index=index)
            for step in ("preinst", "build", "install"):
                self._run_script(step)
            self._drop_unwanted()
            if self._change.earlier is not None:
                step = "prerm"
                self._older.run_before_removal()
            step = "publish"
            files = self._publish()
            step = "pipinst"
            self._run_script(step)
            step = "withdraw"
            self._end_older(files)
            step = "postinst"
            self._run_script(step)
            step = "check"
            tested = self._test()
        except SagepipError as error:
            raise self._failed(step, error) from error
        except OSError as error:
            raise self._failed(step, BuildError(f"{error.filename}: {error.strerror}")) from error
        self._change.finish(files, version=recipe.version, test_result=tested)
        if os.environ.get("SAGE_KEEP_BUILT_SPKGS") == "yes":
            with open(os.path.join(self._place, KEEP), "wb"):
                pass
        else:
            remove_tree(self._place)

    def _unpack(self, *, index: bool) -> None:
        recipe = self._recipe
        shutil.copytree(recipe.directory, self._package)
        make_directories(self._staged)
        make_directories(self._bin)
        # What some build systems put into lib64 belongs into lib.
        make_directories(os.path.join(self._staged, "lib"))
        os.symlink("lib", os.path.join(self._staged, "lib64"))
        write_commands(self._bin)
        self._refuse_what_cannot_be_built()
        if recipe.upstream is None:
            return
        path = find_upstream(recipe, recipe.upstream, self._tree.upstream, index=index)
        if recipe.upstream.is_wheel:
            make_directories(os.path.join(self._package, "dist"))
            shutil.copy(path, os.path.join(self._package, "dist"))
            return
        unpacked = unpack_sdist(path, os.path.join(self._place, "unpacked"))
        os.symlink(unpacked, os.path.join(self._package, "src"))
        for patch in recipe.patches():
            with open(self._log, "ab") as log:
                command = ["patch", "-p1", "--batch", "-i", patch]
                done = subprocess.run(command, cwd=unpacked, stdout=log, stderr=log, check=False)
            if done.returncode:
                raise BuildError(f"the patch {patch} does not apply")

    def _refuse_what_cannot_be_built(self) -> None:
        recipe = self._recipe
        if recipe.upstream is None and not self._has_script("install"):
            is_pip = recipe.file("requirements.txt") is not None
            kind = "is for pip" if is_pip else "stands for what the system has"
            advice = "install its requirements.txt with sage-pip-install -r" if is_pip else ""
            raise TargetError(
                f"{recipe.name} {kind}: it has neither an upstream file nor spkg-install.in",
                advice=advice or "install that; SPKG.rst may say how",
            )
        for name in os.listdir(self._package):
            if name.startswith("spkg-") and name.endswith(".in"):
                with open(os.path.join(self._package, name), "rb") as stream:
                    if stream.read(2) == b"#!":
                        problem = f"{name} begins with #!, but it is read by bash"
                        raise TargetError(problem, advice="remove that line, or .in from the name")

    def _drop_unwanted(self) -> None:
        path = os.path.join(self._staged, "lib64")
        if os.path.islink(path):
            remove_file(path)
        lib = os.path.join(self._staged, "lib")
        # libtool's notes name what was there when the library was built.
        for one in os.listdir(lib) if os.path.isdir(lib) else ():
            if one.endswith(".la"):
                remove_file(os.path.join(lib, one))

    def _run_script(self, step: str) -> None:
        name = f"spkg-{step}"
        body = self._recipe.file(f"{name}.in")
        plain = os.path.join(self._package, name)
        if body is None and os.access(plain, os.X_OK):
            self._run(step, [plain])
        elif body is None:
            upstream = self._recipe.upstream
            if step == "install" and upstream is not None and upstream.is_wheel:
                self._run(step, ["/bin/sh", "-c", "exec sage-pip-install dist/*.whl"])
        else:
            self._run(step, ["bash", "-c", '. "$0"; . "$1"', HELPERS, body])

    def _run(self, step: str, command: Sequence[str]) -> None:
        environ = self._environ()
        # What takes part holds the lock, too: should we be killed, nobody else begins meanwhile.
        # The descriptors of make's jobserver are left to it.
        with phase("command", f"{step} of {self._recipe.full_name}"):
            status = run_to_log(
                command,
                what=self._recipe.full_name,
                log_path=self._log,
                environ=environ,
                cwd=self._package,
                follow=console.verbosity > 0,
                pass_fds=(
                    self._change.descriptor,
                    *jobserver_descriptors(environ.get("MAKEFLAGS", "")),
                ),
            )
        if status < 0:
            raise BuildError(f"ended by {signal.Signals(-status).name}")
        if status:
            raise BuildError(f"exit status {status}")

    def _environ(self) -> Mapping[str, str]:
        environ = self._owner.environ(self._bin, self._check)
        if not self._is_published:
            environ["SAGE_DESTDIR"] = self._destdir
            environ["SAGE_DESTDIR_LOCAL"] = self._staged
        return {**environ, "SAGE_PKG_DIR": self._package}

    def _publish(self) -> list[str]:
        upstream = self._recipe.upstream
        wheel = upstream.file_name if upstream is not None and upstream.is_wheel else ""
        name_wheels(self._owner, self._staged, wheel)
        files = _files_below(self._staged)
        self._change.begin(self._recipe.version, files)
        try:
            if os.listdir(self._staged):
                staged_copy(
                    CopyRequest(
                        self._staged,
                        self._tree.prefix,
                        move=True,
                        lock_timeout=self._lock_timeout,
                    )
                )
        except BaseException:
            # It was rolled back, unless an interrupt came after its end.
            if all(os.path.lexists(os.path.join(self._staged, one)) for one in files):
                self._change.take_back()
            raise
        if wheel:
            # Those that come later find it among the build requirements.
            store_wheel(os.path.join(self._package, "dist", wheel), self._tree.wheels)
        self._is_published = True
        return files

    def _end_older(self, files: Sequence[str]) -> None:
        """Remove what only an older version had, and put our scripts in the place of its own."""
        recipe, earlier = self._recipe, self._change.earlier
        if earlier is not None:
            # It would uninstall the distribution by which the new version has replaced the old.
            if not distribution_names(files) and not self._has_script("pipinst"):
                self._older.run_or_warn("piprm", "distributions may be left")
            remove_superseded(
                self._tree, recipe.name, earlier.files, files, lock_timeout=self._lock_timeout
            )
            self._older.run_or_warn("postrm", "files or settings may be left")
        self._own.replace(recipe, self._package)

    def _has_script(self, step: str) -> bool:
        plain = os.path.join(self._package, f"spkg-{step}")
        return self._recipe.file(f"spkg-{step}.in") is not None or os.access(plain, os.X_OK)

    def _test(self) -> str:
        """Run the test suite, if that is wanted; return what Sage's records say of it."""
        if self._check == "no":
            return ""
        if not self._own.has("check"):
            return "not available"
        try:
            self._own.run("check", places=(self._package,))
        except ScriptFailed as error:
            if self._check != "warn":
                raise
            problem = f"Failures testing package {self._recipe.full_name} (ignored)"
            console.warn(f"{problem}: {error.problem} ({error.advice})")
            return "failed"
        return "passed"

    def _failed(self, step: str, error: SagepipError) -> StepFailed:
        log = error.log if isinstance(error, ScriptFailed) else self._log
        return StepFailed(
            f"{self._recipe.full_name} failed in its step {step}: {error.problem}",
            advice=error.advice or f"see {log}; what it was built from is in {self._place}",
            output=end_of_log(log),
            log=log,
        )


def _files_below(directory: str) -> list[str]:
    return sorted(os.path.relpath(path, directory) for path, _ in walk_files(directory))
