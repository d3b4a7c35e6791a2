"""Modules of sagepip are found without a search, and only where that changes nothing."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import cache_from_source, module_from_spec
from pathlib import Path

import pytest

import sagepip
from sagepip.ground.own_modules import OwnModules

TAG = sys.implementation.cache_tag or ""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A directory of a package, with a module and a package that have bytecode."""
    (tmp_path / "inner").mkdir()
    for name in ("plain.py", "inner/__init__.py"):
        (tmp_path / name).write_text("value = __name__\n")
        py_compile.compile(str(tmp_path / name), doraise=True)
    return tmp_path


def find(name: str, *path: Path) -> ModuleSpec | None:
    return OwnModules(TAG).find_spec(name, [str(one) for one in path])


def same(name: str, path: Sequence[str]) -> tuple[dict[str, object], dict[str, object]]:
    """Return what this finder and the interpreter's say of a module."""
    told = []
    for spec in (OwnModules(TAG).find_spec(name, path), PathFinder.find_spec(name, path)):
        assert spec is not None
        module = module_from_spec(spec)
        assert spec.loader is not None
        spec.loader.exec_module(module)
        names = ("__name__", "__file__", "__cached__", "__package__", "__path__", "__doc__")
        found: dict[str, object] = {one: getattr(module, one, None) for one in names}
        found["names"] = sorted(vars(module))
        found["parent"], found["place"] = spec.parent, spec.submodule_search_locations
        told.append(found)
    return told[0], told[1]


@pytest.mark.parametrize("name", ["sagepip.x.plain", "sagepip.x.inner"])
def test_as_the_interpreter_finds_them(package: Path, name: str) -> None:
    """Modules and packages look as they always do."""
    ours, theirs = same(name, [str(package)])
    assert ours == theirs


def test_all_of_ours() -> None:
    """So do all modules that are loaded here."""
    home = os.path.dirname(sagepip.__file__)
    ours, theirs = same("sagepip.ground.errors", [os.path.join(home, "ground")])
    assert ours == theirs
    assert "SagepipError" in str(ours["names"])


def test_what_is_left_to_others(package: Path) -> None:
    """Modules of others, of more than one place, and none."""
    assert find("sagepip.x.plain", package) is not None
    assert find("other.plain", package) is None
    assert find("sagepip.x.plain", package, package) is None
    assert find("sagepip.x.absent", package) is None
    assert OwnModules(TAG).find_spec("sagepip.plain", None) is None
    assert OwnModules("other-1").find_spec("sagepip.x.plain", [str(package)]) is None


def test_bytecode_of_another_source(package: Path) -> None:
    """The time and the size of the source decide, as they do for the interpreter."""
    source = package / "plain.py"
    found = source.stat()
    os.utime(source, ns=(found.st_atime_ns, found.st_mtime_ns + 2_000_000_000))
    assert find("sagepip.x.plain", package) is None
    os.utime(source, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert find("sagepip.x.plain", package) is not None
    source.write_text("value = 1234567\n")
    os.utime(source, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert find("sagepip.x.plain", package) is None


def test_bytecode_that_is_not_usable(package: Path) -> None:
    """Bytecode that is told by a hash, cut off, of another interpreter, or not there."""
    source, bytecode = package / "plain.py", Path(cache_from_source(str(package / "plain.py")))
    whole = bytecode.read_bytes()
    for content in (whole[:-3], whole[:10], b"", b"\0\0\0\0" + whole[4:], whole[:16] + b"N"):
        bytecode.write_bytes(content)
        found = find("sagepip.x.plain", package)
        assert found is None, content
    py_compile.compile(
        str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, doraise=True
    )
    assert find("sagepip.x.plain", package) is None
    bytecode.unlink()
    assert find("sagepip.x.plain", package) is None


SHOW = """
import sys
from sagepip.cli import startup
startup.import_quickly()
startup.import_quickly()
from sagepip.ground import errors
kinds = [type(one).__name__ for one in sys.meta_path]
print(kinds.count("OwnModules"), type(errors.__loader__).__name__, errors.VALUE)
"""


def shown(directory: Path, *options: str, **environ: str) -> str:
    """Run a program with another copy of sagepip; return what it says."""
    done = subprocess.run(
        [sys.executable, *options, "-c", SHOW],
        env={**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_change_of_a_module_is_seen(tmp_path: Path) -> None:
    """Nobody runs what a module was before it was edited; its bytecode is made anew."""
    home = Path(sagepip.__file__).parent
    for name in ("", "cli", "ground"):
        (tmp_path / "sagepip" / name).mkdir(exist_ok=True)
    for name in ("", "cli/", "ground/"):
        (tmp_path / f"sagepip/{name}__init__.py").write_text("__version__ = '1'\n")
    for name in ("cli/startup.py", "ground/own_modules.py"):
        (tmp_path / "sagepip" / name).write_bytes((home / name).read_bytes())
    module = tmp_path / "sagepip" / "ground" / "errors.py"
    module.write_text("VALUE = 1\n")
    assert shown(tmp_path) == "1 SourceFileLoader 1"  # which writes bytecode
    assert shown(tmp_path) == "1 _Loader 1"
    module.write_text("VALUE = 22\n")
    assert shown(tmp_path) == "1 SourceFileLoader 22"
    assert shown(tmp_path) == "1 _Loader 22"
    # What else says where bytecode is.
    assert shown(tmp_path, "-O") == "0 SourceFileLoader 22"
    assert shown(tmp_path, PYTHONPYCACHEPREFIX=str(tmp_path / "x")) == "0 SourceFileLoader 22"
