"""What builds with real backends leave behind, and whether they make the same bytes again."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tests.e2e.backend_projects import PROJECTS
from tests.e2e.build_fixtures import make_sdist
from tests.e2e.commands import Done, Settings, Terminal
from tests.guarantees import snapshot

pytestmark = pytest.mark.index
OTHER_TIME = 1_600_000_000


def install(
    terminal: Terminal,
    project: Path,
    wheels: Path,
    *words: str | Path,
    settings: Settings | None = None,
    status: int = 0,
) -> Done:
    """Install a project into a prefix of its own."""
    options = ("--no-index", "--no-deps", "--find-links", wheels, "--prefix", "/opt/demo")
    done = terminal.run(
        "sage-pip-install", *options, *words, project, settings=settings, status=status
    )
    assert status or list(terminal.temporary.iterdir()) == []
    return done


def names_in(wheelhouse: Path) -> set[str]:
    """Return the members of the one wheel in a directory that are no metadata."""
    (wheel,) = wheelhouse.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def state_of(tree: Path) -> dict[str, tuple[int, int]]:
    """Return mode and time of all files in a tree."""
    found = ((path, path.lstat()) for path in tree.rglob("*") if not path.is_dir())
    return {str(path.relative_to(tree)): (one.st_mode, one.st_mtime_ns) for path, one in found}


@pytest.mark.parametrize("backend", PROJECTS)
def test_source_tree_is_left_as_it_was(
    terminal: Terminal, backend_wheels: Path, session_cache: Path, backend: str
) -> None:
    """No bytecode, no file changed, and only what the documentation says of the backend."""
    source = PROJECTS[backend].write(terminal.where / "source")
    cache = source / "demo" / "__pycache__"
    cache.mkdir()
    (cache / "user.cpython-311.pyc").write_text("the user's own")
    contents, state = snapshot(source), state_of(source)
    settings: dict[str, str | Path] = {
        "SAGEPIP_CACHE_DIR": session_cache,
        "PYTHONDONTWRITEBYTECODE": "",
        "SAGE_SPKG_WHEELS": terminal.where / "built",
    }
    install(terminal, source, backend_wheels, "--root", terminal.where / "r", settings=settings)
    assert {path.name for path in source.iterdir()} == {
        *(name.split("/")[0] for name in PROJECTS[backend].files),
        *PROJECTS[backend].leaves,
    }
    after = snapshot(source)
    assert {name: after.get(name) for name in contents} == contents
    now = state_of(source)
    assert {name: now.get(name) for name in state} == state
    assert list(source.rglob("__pycache__")) == [cache]
    compiled = any(name.endswith(".so") for name in names_in(terminal.where / "built"))
    assert compiled == PROJECTS[backend].compiled


@pytest.mark.parametrize("backend", PROJECTS)
def test_same_bytes_again(
    terminal: Terminal, backend_wheels: Path, session_cache: Path, backend: str
) -> None:
    """With SOURCE_DATE_EPOCH, wheel and installation do not depend on when or where they are made.

    The times of the files, the temporary directory, the seed of hashes, the user's own bytecode
    settings, the locale and what earlier builds left in the tree differ.
    """
    source = PROJECTS[backend].write(terminal.where / "source")
    made = []
    for number in (1, 2):
        wheels, root = (terminal.where / f"{name}-{number}" for name in ("built", "root"))
        temporary = terminal.where / ("t" if number == 1 else "another-temporary-directory")
        temporary.mkdir()
        settings: dict[str, str | Path] = {
            "SAGEPIP_CACHE_DIR": session_cache,
            "SOURCE_DATE_EPOCH": "1700000000",
            "SAGE_SPKG_WHEELS": wheels,
            "TMPDIR": temporary,
        }
        if number == 2:
            settings |= {"LC_ALL": "C", "PYTHONHASHSEED": "", "PYTHONDONTWRITEBYTECODE": "1"}
            for path in source.rglob("*"):
                os.utime(path, (OTHER_TIME, OTHER_TIME))
        install(terminal, source, backend_wheels, "--root", root, settings=settings)
        (wheel,) = wheels.iterdir()
        made.append((wheel.name, wheel.read_bytes(), snapshot(root)))
    assert made[0][0] == made[1][0]
    assert made[0][1] == made[1][1], "the wheel"
    assert made[0][2] == made[1][2], "what is installed, bytecode and RECORD included"
    assert any(name.endswith(".pyc") for name in made[0][2])


def test_same_bytes_of_an_archive(
    terminal: Terminal, backend_wheels: Path, session_cache: Path
) -> None:
    """What debuggers are told of the source's directory is the same each time, if it is free."""
    source = PROJECTS["setuptools, C"].write(terminal.where / "source")
    archive = make_sdist(terminal.where / "archives", source, "demo", "1.0")
    taken = terminal.where / "t" / "sagepip-of-demo-1.0.tar.gz"
    taken.mkdir(parents=True)
    settings: dict[str, str | Path] = {
        "SAGEPIP_CACHE_DIR": session_cache,
        "SOURCE_DATE_EPOCH": "1700000000",
        "CFLAGS": "-g",
    }
    made = []
    for number in (1, 2, 3):
        wheels, root = (terminal.where / f"{name}-{number}" for name in ("built", "root"))
        settings |= {"SAGE_SPKG_WHEELS": wheels} | ({"TMPDIR": taken.parent} if number == 3 else {})
        install(terminal, archive, backend_wheels, "--root", root, settings=settings)
        (wheel,) = wheels.iterdir()
        made.append((wheel.read_bytes(), snapshot(root)))
    assert made[0] == made[1]
    assert made[0] != made[2], "the directory is in there"
    assert [*taken.parent.rglob("*")] == [taken], "what is not sagepip's is left alone"


@pytest.mark.parametrize("backend", ["setuptools", "setuptools, C"])
def test_deleted_module_does_not_come_back(
    terminal: Terminal, backend_wheels: Path, session_cache: Path, backend: str
) -> None:
    """What an earlier build left in ``build/lib``, sagepip's or another's, is in no wheel."""
    source = PROJECTS[backend].write(terminal.where / "source")
    (source / "demo" / "old.py").write_text("")
    (source / "build" / "lib" / "demo").mkdir(parents=True)
    (source / "build" / "lib" / "demo" / "older.py").write_text("")
    settings: dict[str, str | Path] = {
        "SAGEPIP_CACHE_DIR": session_cache,
        "SAGE_SPKG_WHEELS": terminal.where / "built",
    }
    names = []
    for number in (1, 2):
        root = terminal.where / f"root-{number}"
        install(terminal, source, backend_wheels, "--root", root, settings=settings)
        names.append(names_in(terminal.where / "built"))
        (source / "demo" / "old.py").unlink(missing_ok=True)
    assert "demo/old.py" in names[0]
    assert "demo/old.py" not in names[1]
    assert "demo/older.py" not in names[0] | names[1]


def test_own_build_directory(terminal: Terminal, backend_wheels: Path, session_cache: Path) -> None:
    """Who builds the same tree again and again can say where, and keep what is compiled."""
    source = PROJECTS["setuptools, C"].write(terminal.where / "source")
    option = "-C--build-option=build --build-base=build"
    settings = {"SAGEPIP_CACHE_DIR": session_cache}
    root = terminal.where / "root"
    install(terminal, source, backend_wheels, option, "--root", root, settings=settings)
    assert list(source.glob("build/temp.*/demo.o"))


def test_user_configuration_of_distutils_is_not_read(
    terminal: Terminal, backend_wheels: Path, session_cache: Path
) -> None:
    """A ~/.pydistutils.cfg that moves modules elsewhere and changes versions does neither."""
    source = PROJECTS["setuptools"].write(terminal.where / "source")
    configuration = "[install]\ninstall_lib = /elsewhere\n[egg_info]\ntag_build = .dev7\n"
    home = Path(terminal.environ["HOME"])
    home.mkdir(exist_ok=True)
    (home / ".pydistutils.cfg").write_text(configuration)
    settings: dict[str, str | Path] = {
        "SAGEPIP_CACHE_DIR": session_cache,
        "SAGE_SPKG_WHEELS": terminal.where / "built",
    }
    root = terminal.where / "root"
    done = install(terminal, source, backend_wheels, "--root", root, settings=settings)
    assert done.stdout == "Successfully installed demo-1.0\n"
    assert names_in(terminal.where / "built") == {"demo/__init__.py"}


@pytest.mark.parametrize("backend", ["meson", "scikit-build", "setuptools, C"])
def test_destdir_of_a_make_takes_nothing_away(
    terminal: Terminal, backend_wheels: Path, session_cache: Path, backend: str
) -> None:
    """``make install DESTDIR=...`` exports it; cmake would install the extension there."""
    source = PROJECTS[backend].write(terminal.where / "source")
    settings: dict[str, str | Path] = {
        "SAGEPIP_CACHE_DIR": session_cache,
        "SAGE_SPKG_WHEELS": terminal.where / "built",
        "DESTDIR": terminal.where / "stage",
    }
    root = terminal.where / "root"
    install(terminal, source, backend_wheels, "--root", root, settings=settings)
    assert any(name.endswith(".so") for name in names_in(terminal.where / "built"))
    assert not (terminal.where / "stage").exists()
