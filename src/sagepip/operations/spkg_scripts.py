"""The scripts that a package leaves for later: those of its removal, and its test suite.

They lie in ``scripts/NAME``, each a program of its own that brings the functions of recipes and the
variables of the version that it came with, as with Sage's ``sage-spkg``. Scripts of the package may
append to them. What a kill broke off may run them again.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal

from sagepip.build.child_process import run_to_log
from sagepip.build.hooks import jobserver_descriptors
from sagepip.ground import console
from sagepip.ground.errors import BuildError
from sagepip.ground.filesystem import (
    make_directories,
    publish_file,
    remove_directory_if_empty,
    remove_file,
    remove_tree,
    walk_files,
)
from sagepip.ground.project_names import canonical_name
from sagepip.ground.timing import phase
from sagepip.operations.spkg_change import Change
from sagepip.operations.spkg_environment import ScriptsOf, write_commands
from sagepip.operations.spkg_recipe import Recipe
from sagepip.operations.spkg_tree import distribution_names, end_of_log

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping

HELPERS = os.path.join(os.path.dirname(__file__), "spkg_helpers.sh")
_STEPS = ("prerm", "piprm", "postrm", "check")


class ScriptFailed(BuildError):
    """A script that a package has left failed.

    Args:
        problem: as in the base class.
        log: what it has written to.
    """

    def __init__(self, problem: str, log: str) -> None:
        super().__init__(problem, advice=f"see {log}", output=end_of_log(log))
        self.log = log


class KeptScripts:
    """The scripts that an installed package has left.

    Args:
        owner: the package.
        change: what holds its lock.
        check: as of :meth:`ScriptsOf.environ`.
    """

    def __init__(self, owner: ScriptsOf, change: Change, *, check: str = "no") -> None:
        self._owner = owner
        self._change = change
        self._check = check
        self._directory = os.path.join(owner.tree.scripts, owner.name)

    def has(self, step: str) -> bool:
        """Whether there is a script for a step that can be run."""
        return os.access(self._path(step), os.X_OK)

    def run(self, step: str, *, places: tuple[str, ...] = ()) -> None:
        """Run the script of a step, if there is one; what it says is in the package's log.

        Args:
            step: its name without ``spkg-``.
            places: it begins in the first of these directories that is there; else in SAGE_ROOT,
                or in the prefix.

        Raises:
            ScriptFailed: it failed.
        """
        if not self.has(step):
            return
        owner, path = self._owner, self._path(step)
        commands = os.path.join(self._change.place, "commands")
        write_commands(commands)
        environ = owner.environ(commands, self._check)
        log = owner.tree.log(f"{owner.name}-{owner.version}")
        found = (one for one in (*places, owner.root) if one and os.path.isdir(one))
        try:
            with phase("command", f"{step} of {owner.name}-{owner.version}"):
                status = run_to_log(
                    [path],
                    what=f"{owner.name}-{owner.version}",
                    log_path=log,
                    environ=environ,
                    cwd=next(found, owner.tree.prefix),
                    follow=console.verbosity > 0,
                    pass_fds=(
                        self._change.descriptor,
                        *jobserver_descriptors(environ.get("MAKEFLAGS", "")),
                    ),
                )
            how = f"ended by {signal.Signals(-status).name}" if status < 0 else ""
            how = f"exit status {status}" if status > 0 else how
        except OSError as error:
            how = f"cannot be run: {error.strerror}"
        finally:
            remove_tree(commands)
        if how:
            raise ScriptFailed(f"{path} of {owner.name}-{owner.version}: {how}", log)

    def run_or_warn(self, step: str, consequence: str) -> None:
        """Run the script of a step, if there is one; a failure is a warning.

        Args:
            step: its name without ``spkg-``.
            consequence: what may follow from a failure.
        """
        try:
            self.run(step)
        except ScriptFailed as error:
            console.warn(f"{error.problem}: {consequence} ({error.advice})")

    def run_before_removal(self) -> None:
        """Run ``prerm``, which may object; to what a kill or a failure has left it may not.

        Raises:
            ScriptFailed: it objects.
        """
        if self._change.is_broken_off:
            self.run_or_warn("prerm", "what is left of the package goes nevertheless")
        else:
            self.run("prerm")

    def replace(self, recipe: Recipe, package: str) -> None:
        """Put the scripts of a version that is published in the place of those of an older one.

        Args:
            recipe: its recipe.
            package: the directory in which it was built.
        """
        for step in _STEPS:
            name = f"spkg-{step}"
            part = os.path.join(self._change.place, name)
            body = os.path.join(package, f"{name}.in")
            plain = os.path.join(package, name)
            if os.path.isfile(body):
                self._write(part, body, step, recipe, package)
            elif os.access(plain, os.X_OK):
                shutil.copy2(plain, part)
            else:
                remove_file(self._path(step))
                continue
            make_directories(self._directory)
            publish_file(part, self._path(step))
        self.drop_directory()

    def drop(self) -> None:
        """Remove them all: the package is gone."""
        remove_tree(self._directory)

    def drop_directory(self) -> None:
        """Remove their directory if it is empty."""
        if os.path.isdir(self._directory):
            remove_directory_if_empty(self._directory)

    def _path(self, step: str) -> str:
        return os.path.join(self._directory, f"spkg-{step}")

    def _write(self, path: str, body: str, step: str, recipe: Recipe, package: str) -> None:
        """Write a script that needs nothing of what is there now."""
        with open(HELPERS, encoding="utf-8") as stream:
            helpers = stream.read()
        with open(body, encoding="utf-8", errors="surrogateescape") as stream:
            text = stream.read()
        # A test suite may be the source's, or the recipe's own.
        if step == "check":
            begins, place = (package, recipe.directory), package
        else:
            begins, place = (self._owner.root, self._owner.tree.prefix), self._owner.root
        variables = {**self._owner.variables(), "SAGE_PKG_DIR": place}
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(_HEAD.format(step=step, package=recipe.full_name))
            stream.write(f"{_exports(variables)}\n{helpers}\n")
            first, second = map(shlex.quote, begins)
            stream.write(f"cd {first} 2>/dev/null || cd {second} || exit 1\n\n{text}")
        os.chmod(path, 0o755)


def name_wheels(owner: ScriptsOf, staged: str, upstream: str = "") -> None:
    """Name the wheels of what a package installs, in its ``spkg-requirements.txt``.

    Test suites read that for the wheel, and other packages as constraints.

    Args:
        owner: the package.
        staged: what corresponds to its prefix.
        upstream: the wheel that it is made of, which will be stored.
    """
    names = set(distribution_names(path for path, _ in walk_files(staged)))
    stored = {*os.listdir(owner.tree.wheels), *filter(None, [upstream])}
    wheels = {canonical_name(one.partition("-")[0]): one for one in stored if one.endswith(".whl")}
    directory = os.path.relpath(os.path.join(owner.tree.scripts, owner.name), owner.tree.prefix)
    path = os.path.join(staged, directory, "spkg-requirements.txt")
    text = _read(path)
    for name in sorted(names & wheels.keys()):
        wheel = os.path.join(owner.tree.wheels, wheels[name])
        if f"file://{wheel}\n" not in text:
            text += f"{wheels[name].partition('-')[0]} @ file://{wheel}\n"
    if text:
        make_directories(os.path.dirname(path))
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)


def _read(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as stream:
        return stream.read()


_HEAD = """\
#!/usr/bin/env bash
# spkg-{step} of {package}, as sagepip has installed it.

"""


def _exports(variables: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(one)}\n" for name, one in variables.items())
