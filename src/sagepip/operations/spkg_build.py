"""Build one package and publish it: what Sage's ``sage-spkg`` does."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

import sagepip
from sagepip.build.archive import unpack_sdist
from sagepip.build.wheelhouse import store_wheel
from sagepip.ground.errors import BuildError, SagepipError
from sagepip.ground.filesystem import make_directories, remove_tree
from sagepip.ground.timing import phase, subject
from sagepip.operations.spkg_recipe import Recipe
from sagepip.operations.spkg_removal import remove_superseded
from sagepip.operations.spkg_tree import Record, SpkgTree
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
_LAST_LINES = 15


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


def build_package(recipe: Recipe, tree: SpkgTree, *, index: bool) -> Record:
    """Fetch, unpack, patch, build, stage, publish and record a package.

    Args:
        recipe: which.
        tree: where.
        index: whether its upstream file may be fetched.

    Returns:
        Its record.

    Raises:
        BuildError: a step failed; the prefix is as it was. Its log and its directory are kept.
        SagepipError: it could not be published.
    """
    return _Package(recipe, tree).build(index=index)


class _Package:
    def __init__(self, recipe: Recipe, tree: SpkgTree) -> None:
        self._recipe = recipe
        self._tree = tree
        self._place = os.path.join(tree.builds, recipe.full_name)
        self._destdir = os.path.join(self._place, "destdir")
        self._staged = self._destdir + tree.prefix
        self._bin = os.path.join(self._place, "bin")
        self._package = os.path.join(self._place, "package")
        self._log = os.path.join(tree.logs, f"{recipe.full_name}.log")

    def build(self, *, index: bool) -> Record:
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
            step = "publish"
            files = self._publish()
            for step in ("pipinst", "postinst"):
                self._run_script(step)
        except SagepipError as error:
            raise self._failed(step, error) from error
        except OSError as error:
            raise self._failed(step, BuildError(f"{error.filename}: {error.strerror}")) from error
        old = tree.find_records().get(recipe.name)
        if old is not None:
            remove_superseded(tree, old, files)
        record = tree.write_record(recipe.name, recipe.version, files)
        remove_tree(self._place)
        return record

    def _unpack(self, *, index: bool) -> None:
        recipe = self._recipe
        shutil.copytree(recipe.directory, self._package)
        make_directories(self._staged)
        make_directories(self._bin)
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
        script = f"{step} of {self._recipe.full_name}"
        with open(self._log, "ab") as log, phase("command", script):
            # The descriptors of make's jobserver are left to it.
            done = subprocess.run(
                command,
                cwd=self._package,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=False,
                check=False,
            )
        if done.returncode:
            raise BuildError(f"exit status {done.returncode}")

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
        manifest = os.path.join(self._place, "manifest")
        files: list[str] = []
        if os.listdir(self._staged):
            staged_copy(
                CopyRequest(
                    self._staged, self._tree.prefix, move=True, manifest=manifest, null=True
                )
            )
            with open(manifest, "rb") as stream:
                files = [os.fsdecode(one) for one in stream.read().split(b"\0") if one]
        upstream = self._recipe.upstream
        if upstream is not None and upstream.is_wheel:
            # Those that come later find it among the build requirements.
            store_wheel(os.path.join(self._package, "dist", upstream.file_name), self._tree.wheels)
        return [one for one in files if not one.endswith(os.sep)]

    def _failed(self, step: str, error: SagepipError) -> BuildError:
        with open(self._log, encoding="utf-8", errors="replace") as stream:
            lines = stream.read().splitlines()[-_LAST_LINES:]
        return BuildError(
            f"{self._recipe.full_name} failed in its step {step}: {error.problem}",
            advice=error.advice or f"see {self._log}; what it was built from is in {self._place}",
            output="\n".join([f"--- the end of {self._log}", *lines, "---"]) if lines else "",
        )
