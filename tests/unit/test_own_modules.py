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
    py_compile.compile(os.path.join(home, "ground", "errors.py"), doraise=True)
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


def run_package(directory: Path, files: dict[str, str], code: str) -> list[str]:
    """Make modules of a copy of sagepip, with bytecode, and run a program; return its lines."""
    home = directory / "copy"
    (home / "sagepip" / "ground").mkdir(parents=True)
    ground = Path(sagepip.__file__).parent / "ground"
    files = {
        "__init__": "",
        "ground/__init__": "",
        "ground/own_modules": (ground / "own_modules.py").read_text(),
        "part/__init__": "",
        **files,
    }
    for name, content in files.items():
        path = home / "sagepip" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        py_compile.compile(str(path))  # one that does not compile has none
    begin = f"""
import sys
sys.path.insert(0, {str(home)!r})
from sagepip.ground.own_modules import find_own_modules_quickly
find_own_modules_quickly()
import sagepip.part
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", begin + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


LINE = "from sagepip.part import log\n"
LOG = "said = []\n"
TOLD = """
from sagepip.part import log
print(*log.said)
"""


def saying(name: str, *first: str, after: str = "") -> str:
    """Return a module that imports others, and then says its name."""
    lines = [LINE, *(f"from sagepip.part.{one} import VALUE as {one}\n" for one in first)]
    return f"{''.join(lines)}log.said.append({name!r})\nVALUE = {name!r}\n{after}"


def test_what_is_imported_is_loaded_first(tmp_path: Path) -> None:
    """Each once, before who imports it, and as the interpreter would have left it."""
    files = {"part/log": LOG, "part/c": saying("c"), "part/b": saying("b", "c")}
    files["part/a"] = saying("a", "b", "c")
    show = """
import sagepip.part.a as a, sagepip.part.c as c, importlib, pickle
print(a.b, a.c, sagepip.part.c is sys.modules["sagepip.part.c"] is c)
from importlib.machinery import PathFinder
spec = PathFinder.find_spec("sagepip.part.c", sagepip.part.__path__)
print(c.__file__ == spec.origin, c.__cached__ == spec.cached, c.__package__ == "sagepip.part")
print(c.__spec__ == spec or (c.__spec__.origin, c.__spec__.name) == (spec.origin, spec.name))
print(c.__loader__ is c.__spec__.loader, c.__name__, hasattr(c, "__path__"))
print(c.__spec__.loader.get_source("sagepip.part.c").count("VALUE"))
try:
    from sagepip.part.c import absent
except ImportError as error:
    print(error.name)
print(importlib.reload(c) is c, len(log.said))
"""
    assert run_package(tmp_path, files, "import sagepip.part.a" + TOLD + show) == [
        "c b a",
        "b c True",
        "True True True",
        "True",
        "True sagepip.part.c False",
        "1",
        "sagepip.part.c",
        "True 4",
    ]


def test_the_interpreter_is_asked_for_little(tmp_path: Path) -> None:
    """For none of what is loaded first; and such modules say quickly that they are no packages."""
    files = {"part/log": LOG, "part/c": saying("c"), "part/b": saying("b", "c")}
    files["part/a"] = saying("a", "b", "c")
    code = """
from sagepip.ground.own_modules import OwnModules
asked, find = [], OwnModules.find_spec
OwnModules.find_spec = lambda self, name, *more: asked.append(name) or find(self, name, *more)
import sagepip.part.a
print(*asked)
for name in "abc":
    kind = type(sys.modules["sagepip.part." + name])
    print(kind.__getattribute__ is object.__getattribute__)
"""
    told = run_package(tmp_path, files, code)
    assert told == ["sagepip.part.a sagepip.part.log", "True", "True", "True"]


def test_what_type_checkers_import_is_not(tmp_path: Path) -> None:
    """What stands below TYPE_CHECKING is for them alone; nor is what a function imports."""
    checked = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from sagepip.part import b\n"
    inside = "def f():\n    from sagepip.part.b import VALUE\n"
    files = {"part/log": LOG, "part/b": saying("b"), "part/a": saying("a", after=checked + inside)}
    code = "import sagepip.part.a" + TOLD + "print('sagepip.part.b' in sys.modules)"
    assert run_package(tmp_path, files, code) == ["a", "False"]


CIRCLES = {
    "from": "from sagepip.part.b import VALUE as b\n",
    "whole": "import sagepip.part.b\n",
}


@pytest.mark.parametrize("circle", CIRCLES)
@pytest.mark.parametrize("begin", ["a", "c"])
def test_a_circle_is_as_the_interpreter_has_it(tmp_path: Path, circle: str, begin: str) -> None:
    """Every module runs once, and one may import what another has said before it imports it."""
    files = {"part/log": LOG, "part/b": saying("b", "a"), "part/c": saying("c", "a")}
    files["part/a"] = LINE + "VALUE = 'a'\n" + CIRCLES[circle] + "log.said.append('a')\n"
    plain = (
        "from sagepip.ground.own_modules import OwnModules\nOwnModules._load = lambda *_: None\n"
    )
    code = f"import sagepip.part.{begin}" + TOLD
    for number, program in enumerate((code, plain + code)):
        (told,) = run_package(tmp_path / str(number), files, program)
        assert sorted(told.split()) == sorted({"a", "b", begin}), number


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("1 / 0\n", "ZeroDivisionError"),
        ("import sagepip.part.absent\n", "ModuleNotFoundError"),
        ("def f(:\n", "SyntaxError"),
    ],
)
def test_one_that_fails(tmp_path: Path, content: str, error: str) -> None:
    """It fails where it is imported, and can be caught there."""
    files = {"part/log": LOG, "part/bad": content}
    files["part/a"] = (
        LINE + "log.said.append('begun')\ntry:\n    import sagepip.part.bad\n"
        "except Exception as error:\n    log.said.append(type(error).__name__)\n"
    )
    code = "import sagepip.part.a" + TOLD + "print('sagepip.part.bad' in sys.modules)"
    assert run_package(tmp_path, files, code) == [f"begun {error}", "False"]


def test_an_interrupt_ends_it(tmp_path: Path) -> None:
    """It is not an error of the module."""
    files = {
        "part/log": LOG,
        "part/bad": LINE + "log.said.append('bad')\nraise KeyboardInterrupt\n",
    }
    files["part/a"] = "import sagepip.part.bad\n"
    code = """
try:
    import sagepip.part.a
except KeyboardInterrupt:
    left = [one for one in ("sagepip.part.a", "sagepip.part.bad") if one in sys.modules]
    print("interrupted", left)
"""
    assert run_package(tmp_path, files, code + TOLD) == ["interrupted []", "bad"]


def test_not_beside_other_threads(tmp_path: Path) -> None:
    """They could meet a module that is half loaded; the interpreter has locks for that."""
    files = {"part/log": LOG, "part/b": saying("b"), "part/a": saying("a", "b")}
    code = """
import threading
stop = threading.Event()
threading.Thread(target=stop.wait).start()
from sagepip.ground.own_modules import OwnModules
OwnModules._load = None
import sagepip.part.a
stop.set()
"""
    assert run_package(tmp_path, files, code + TOLD) == ["b a"]
