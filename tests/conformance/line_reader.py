"""From a command line, read by the real command in-process, to the request that it comes to.

All of a request is compared with one without options, so that an option that reaches the wrong
field, or one more, is found.
"""

from __future__ import annotations

import glob
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sagepip.build.hashes import HashChecking
from sagepip.build.options import BuildOptions
from sagepip.build.sources import PackageSources
from sagepip.cli import dispatch
from sagepip.ground import console
from sagepip.ground.destination import Destination
from sagepip.ground.target_python import TargetPython
from sagepip.operations.build import BuildRequest
from sagepip.operations.check import CheckRequest
from sagepip.operations.request import InstallRequest, MissingDependencies
from sagepip.operations.staged_copy import CopyRequest
from sagepip.operations.targets import NamedRequirement, SourceDirectory, Target, WheelFile
from sagepip.operations.uninstall import UninstallRequest
from tests.conformance.command_lines import Line
from tests.wheels import make_wheel

Request = InstallRequest | BuildRequest | UninstallRequest | CheckRequest | CopyRequest
SCRIPTS = {
    "sagepip": "",
    "sage-pip-install": "install",
    "sage-pip-uninstall": "uninstall",
    "sage-staged-copy": "copy",
    "sage-pip-lock": "lock",
}


class Asked(BaseException):
    """What a command would have been done: nothing on the way to the caller may catch it."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


def _asked(request: Request) -> None:
    raise Asked(request)


@dataclass(frozen=True)
class Reader:
    """Reads command lines in a directory with a project, a wheel and a wheelhouse.

    Attributes:
        here: the directory.
        patch: for the environment.
    """

    here: Path
    patch: pytest.MonkeyPatch

    def read(self, line: Line) -> Request | int:
        """Return the request that a line comes to, or the status with which it is refused."""
        for name, value in line.environ.items():
            self.patch.setenv(name, value.replace("{here}", str(self.here)))
        program, *words = shlex.split(line.text)
        words = [one for word in words for one in (glob.glob(word) if "*" in word else [word])]
        try:
            return dispatch.run(program, SCRIPTS[program], words)
        except Asked as asked:
            return asked.request


@contextmanager
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Make the directory, clean the environment, and catch requests.

    Args:
        tmp_path: the directory.
        monkeypatch: undoes it.
    """
    for name in os.environ:
        if name.startswith(("PIP_", "SAGE", "PYTHON")) and name != "SAGEPIP_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setattr(console, "verbosity", 0)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    make_wheel(tmp_path / "dist", "demo", "1.0", {"demo.py": ""})
    for name in ("pyproject.toml", "c.txt", "b.txt", "sub/pyproject.toml", "house/any"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "req.txt").write_text("listed\n")
    for command in ("install", "build", "uninstall", "check"):
        monkeypatch.setattr(f"sagepip.operations.{command}.{command}", _asked)
    monkeypatch.setattr("sagepip.operations.staged_copy.staged_copy", _asked)
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
    yield Reader(tmp_path, monkeypatch)
    console.to_log = None
    for number, handler in before.items():
        signal.signal(number, handler)


# ---------------------------------------------------------------------- what a request says


def describe(request: Request, here: Path) -> dict[str, object]:
    """Return what a request asks for that a command without options does not.

    Every field of it, of its build and of its sources counts, under its own name (``compile`` for
    compile_bytecode, ``missing`` for missing_dependencies); paths below ``here`` are relative.
    """
    python = TargetPython.running()
    if isinstance(request, UninstallRequest):
        plain: Request = UninstallRequest((), _plain(python))
    elif isinstance(request, CopyRequest):
        plain = CopyRequest("", "")
    elif isinstance(request, CheckRequest):
        plain = CheckRequest(_plain(python))
    elif isinstance(request, BuildRequest):
        plain = BuildRequest((), python, str(here))
    else:
        plain = InstallRequest((), _plain(python))
    ours, theirs = _flat(request, here), _flat(plain, here)
    return {name: value for name, value in ours.items() if value != theirs[name]}


def _plain(python: TargetPython) -> Destination:
    from sagepip.ground.destination import find_destination

    return find_destination(python)


def _flat(request: object, here: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    names: Any = getattr(request, "__dataclass_fields__")  # noqa: B009
    for name in names:
        value = getattr(request, name)
        if isinstance(value, Destination):
            found |= _place(value, here)
        elif isinstance(value, BuildOptions | PackageSources):
            found |= _flat(value, here)
            if isinstance(value, PackageSources):
                found["index_allowed"] = value.index_allowed
        elif isinstance(value, TargetPython):
            found[name] = value.executable
        elif name == "targets":
            found[name] = tuple(_target(one, here) for one in value)
        elif name == "own_config_settings":
            found[name] = {_target(one, here): dict(given) for one, given in value.items()}
        elif name == "confirm":
            found["asks"] = value is not None
        elif name == "isolation":
            found[name] = value.value
        elif isinstance(value, MissingDependencies):
            found["missing"] = value.value
        elif isinstance(value, HashChecking):
            found[name] = value.name.lower()
        else:
            found[_SHORT.get(name, name)] = _relative(value, here)
    return found


_SHORT = {"compile_bytecode": "compile"}


def _place(one: Destination, here: Path) -> dict[str, object]:
    plain = _plain(one.python)
    found: dict[str, object] = {"python": one.python.executable, "prefix": "", "target": ""}
    found["root"] = _relative(one.root, here)
    found["interpreter"] = one.interpreter
    if one.scheme.purelib == one.scheme.data:
        found["target"] = _relative(one.scheme.data, here)
    elif one.scheme != plain.scheme:
        found["prefix"] = _relative(one.scheme.data, here)
    return found


def _target(one: Target, here: Path) -> str:
    if isinstance(one, NamedRequirement):
        return f"name:{one.requirement}"
    if isinstance(one, SourceDirectory):
        kind = "editable" if one.editable else "dir"
    else:
        kind = "wheel" if isinstance(one, WheelFile) else "sdist"
    extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
    return f"{kind}:{os.path.relpath(one.path, here)}{extras}"


def _relative(value: object, here: Path) -> object:
    if isinstance(value, tuple):
        return tuple(_relative(one, here) for one in value)
    if isinstance(value, str) and value.startswith(f"{here}/"):
        return os.path.relpath(value, here)
    return value
