"""Make an empty virtual environment of an interpreter, and describe it as a destination."""

from __future__ import annotations

import os

from sagepip.ground import console
from sagepip.ground.deferred_modules import DeferredModules
from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import TargetError
from sagepip.ground.interpreter_probe import scheme_paths
from sagepip.ground.target_python import TargetPython


def create_environment(path: str, python: TargetPython) -> None:
    """Make an empty virtual environment, without pip, of an interpreter's kind.

    Args:
        path: where; what is there is replaced.
        python: the interpreter; may be a virtual environment's own.

    Raises:
        TargetError: it has no usable ``venv`` module.
    """
    if python.is_of_running_base:
        try:
            _create(path)
        except OSError as error:
            raise _no_environment(path, python, error.strerror or str(error)) from error
    else:
        _create_with(path, python)
    if not os.path.exists(os.path.join(path, "bin", "python")):
        raise _no_environment(path, python, "it has no bin/python")


class _NoLogger:
    """Who is told by ``venv`` what it could not do as it was asked to."""

    def __init__(self, name: str) -> None:
        """Have no name."""

    def warning(self, text: str, *values: object) -> None:
        """Say so."""
        console.detail(text % values)


def _create(path: str) -> None:
    # What is left out it does not come to: it sets up no pip, copies nothing, and logs little.
    stand_ins: dict[str, dict[str, object]] = {"shutil": {}, "subprocess": {}}
    with DeferredModules("venv", {"logging": {"getLogger": _NoLogger}, **stand_ins}):
        import venv  # noqa: F401
    from venv import EnvBuilder

    class Builder(EnvBuilder):
        def setup_scripts(self, context: object) -> None:
            """Make none of those that activate it: a build starts no shell."""

        def _venv_path(self, env_dir: str, name: str) -> str:
            bases = ("base", "platbase", "installed_base", "installed_platbase")
            return scheme_paths("venv", dict.fromkeys(bases, env_dir))[name]

    Builder(symlinks=True, with_pip=False, clear=True).create(path)


def _create_with(path: str, python: TargetPython) -> None:
    import subprocess

    from sagepip.build.child_environ import hook_environ

    done = subprocess.run(
        [python.executable, "-I", "-m", "venv", "--without-pip", "--symlinks", "--clear", path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=hook_environ(None),
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise _no_environment(path, python, said[-1] if said else f"status {done.returncode}")


def _no_environment(path: str, python: TargetPython, reason: str) -> TargetError:
    return TargetError(
        f"{python.executable} cannot make the build environment {path}: {reason}",
        advice="install its venv module (python3-venv on Debian), or use --no-build-isolation",
    )


def destination_inside(path: str, executable: str, python: TargetPython) -> Destination:
    """Describe an environment as a destination, without asking its interpreter.

    It is the target interpreter in another prefix: tags and markers are the target's.

    Args:
        path: the environment's directory.
        executable: its interpreter.
        python: the interpreter that it was made of.
    """
    inside = python.as_environment(executable, path)
    return find_destination(inside, prefix=path)
