"""Build one package and publish it: what Sage's ``sage-spkg`` does."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

import sagepip
from sagepip.build.archive import unpack_sdist
from sagepip.build.child_process import run_to_log
from sagepip.build.hooks import jobserver_descriptors
from sagepip.build.output_text import tail
from sagepip.build.wheelhouse import store_wheel
from sagepip.ground import console
from sagepip.ground.errors import BuildError, SagepipError
from sagepip.ground.filesystem import make_directories, remove_file, remove_tree, walk_files
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.timing import phase, subject
from sagepip.operations.spkg_change import Change, changing
from sagepip.operations.spkg_recipe import Recipe
from sagepip.operations.spkg_removal import remove_superseded
from sagepip.operations.spkg_tree import SpkgTree
from sagepip.operations.spkg_upstream import find_upstream
from sagepip.operations.staged_copy import CopyRequest, staged_copy

_COMMANDS = {
    "sagepip": "sagepip",
    "sage-pip-install": "sage_pip_install",
    "sage-pip-uninstall": "sage_pip_uninstall",
    "sage-staged-copy": "sage_staged_copy",
    "sage-pip-lock": "sage_pip_lock",
}
_DROPPED = ("PIP_", "PYTHON", "SAGE_", "VIRTUAL_ENV", "PKG_NAME", "PKG_BASE", "PKG_VER", "DESTDIR")
_LAST_LINES = 20


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


def own_command(entry: str) -> list[str]:
    """Return the command line that starts one of sagepip's console scripts.

    Args:
        entry: the function of :mod:`sagepip.cli.main`.
    """
    import site

    home = os.path.dirname(os.path.dirname(os.path.abspath(sagepip.__file__)))
    is_found = home in map(os.path.abspath, site.getsitepackages())
    path = "" if is_found else f"sys.path.insert(0, {home!r}); "
    name = next(name for name, one in _COMMANDS.items() if one == entry)
    code = f"import sys; {path}sys.argv[0] = {name!r}; "
    code += f"from sagepip.cli.main import {entry} as main; sys.exit(main())"
    return [sys.executable, "-I", "-c", code]


@dataclass(frozen=True)
class Built:
    """What became of the building of a package.

    Attributes:
        full_name: its name and version.
        by_another: whether another process built it while its lock was waited for.
    """

    full_name: str
    by_another: bool


def build_package(recipe: Recipe, tree: SpkgTree, *, index: bool) -> Built:
    """Fetch, unpack, patch, build, stage, publish and record a package.

    Args:
        recipe: which.
        tree: where.
        index: whether its upstream file may be fetched.

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
        _Package(recipe, tree, change).build(index=index)
        return Built(recipe.full_name, False)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


class _Package:
    def __init__(self, recipe: Recipe, tree: SpkgTree, change: Change) -> None:
        self._recipe = recipe
        self._tree = tree
        self._change = change
        self._place = os.path.join(tree.builds, recipe.full_name)
        self._destdir = os.path.join(self._place, "destdir")
        self._staged = self._destdir + tree.prefix
        self._bin = os.path.join(self._place, "bin")
        self._package = os.path.join(self._place, "package")
        self._log = tree.log(recipe.full_name)

    def build(self, *, index: bool) -> None:
        recipe, tree = self._recipe, self._tree
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
            self._drop_lib64()
            step = "publish"
            files = self._publish()
            for step in ("pipinst", "postinst"):
                self._run_script(step)
        except SagepipError as error:
            raise self._failed(step, error) from error
        except OSError as error:
            raise self._failed(step, BuildError(f"{error.filename}: {error.strerror}")) from error
        if self._change.earlier is not None:
            remove_superseded(tree, recipe.name, self._change.earlier.files, files)
        self._change.finish(files, version=recipe.version)
        remove_tree(self._place)

    def _unpack(self, *, index: bool) -> None:
        recipe = self._recipe
        shutil.copytree(recipe.directory, self._package)
        make_directories(self._staged)
        make_directories(self._bin)
        # What some build systems put into lib64 belongs into lib.
        make_directories(os.path.join(self._staged, "lib"))
        os.symlink("lib", os.path.join(self._staged, "lib64"))
        self._write_commands()
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

    def _drop_lib64(self) -> None:
        path = os.path.join(self._staged, "lib64")
        if os.path.islink(path):
            remove_file(path)

    def _write_commands(self) -> None:
        for name, entry in _COMMANDS.items():
            path = os.path.join(self._bin, name)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(f'#!/bin/sh\nexec {shlex.join(own_command(entry))} "$@"\n')
            os.chmod(path, 0o755)

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
            helpers = os.path.join(os.path.dirname(__file__), "spkg_helpers.sh")
            self._run(step, ["bash", "-c", '. "$0"; . "$1"', helpers, body])

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
        recipe, tree = self._recipe, self._tree
        environ = {k: v for k, v in os.environ.items() if not k.startswith(_DROPPED)}
        path = [self._bin, os.path.join(tree.prefix, "bin"), environ.get("PATH", os.defpath)]
        return {
            **environ,
            "PATH": os.pathsep.join(path),
            "MAKE": "make",
            "UNAME": os.uname().sysname,
            "SAGE_ROOT": os.path.dirname(os.path.dirname(os.path.dirname(recipe.directory))),
            "SAGE_LOCAL": tree.prefix,
            "SAGE_INST_LOCAL": tree.prefix,
            "SAGE_VENV": tree.prefix,
            "SAGE_SHARE": os.path.join(tree.prefix, "share"),
            "SAGE_DESTDIR": self._destdir,
            "SAGE_DESTDIR_LOCAL": self._staged,
            "SAGE_SPKG_WHEELS": tree.wheels,
            "SAGE_SPKG_INST": tree.records,
            "SAGE_SPKG_SCRIPTS": tree.scripts,
            "SAGE_LOGS": tree.logs,
            "SAGE_DISTFILES": tree.upstream,
            "SAGE_BUILD_DIR": tree.builds,
            "SAGE_PKG_DIR": self._package,
            "SAGE_NUM_THREADS": os.environ.get("SAGE_NUM_THREADS", "1"),
            "PKG_NAME": recipe.full_name,
            "PKG_BASE": recipe.name,
            "PKG_VER": recipe.version,
            "PKG_VERSION": recipe.version,
        }

    def _publish(self) -> list[str]:
        files = sorted(os.path.relpath(path, self._staged) for path, _ in walk_files(self._staged))
        self._change.begin(self._recipe.version, files)
        try:
            if os.listdir(self._staged):
                staged_copy(CopyRequest(self._staged, self._tree.prefix, move=True))
        except BaseException:
            # It was rolled back, unless an interrupt came after its end.
            if all(os.path.lexists(os.path.join(self._staged, one)) for one in files):
                self._change.take_back()
            raise
        upstream = self._recipe.upstream
        if upstream is not None and upstream.is_wheel:
            # Those that come later find it among the build requirements.
            store_wheel(os.path.join(self._package, "dist", upstream.file_name), self._tree.wheels)
        return files

    def _failed(self, step: str, error: SagepipError) -> StepFailed:
        return StepFailed(
            f"{self._recipe.full_name} failed in its step {step}: {error.problem}",
            advice=error.advice or f"see {self._log}; what it was built from is in {self._place}",
            output=end_of_log(self._log),
            log=self._log,
        )


def end_of_log(path: str) -> str:
    """Return the last lines of a package's log, with its path above them."""
    lines = tail(path, lines=_LAST_LINES)
    return f"--- the end of {path}\n{lines}\n---" if lines else ""
