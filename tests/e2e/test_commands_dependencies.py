"""Names at a terminal: resolved from a wheelhouse, with what they need."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment

from tests.e2e.commands import Terminal, installed, site_of
from tests.guarantees import versions, violations_of_g1
from tests.wheels import make_wheel

SATISFIED = "Requirement already satisfied: "


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse: top needs mid needs leaf; top[draw] needs plot; lack needs what is absent."""
    place = tmp_path / "house"
    make_wheel(place, "leaf", "1", {"leaf.py": "V = 1\n"})
    make_wheel(place, "leaf", "2", {"leaf.py": "V = 2\n"})
    old_python = ('leaf>=1; python_version > "3"', 'absent; python_version < "3"')
    make_wheel(place, "mid", "1", {"mid.py": ""}, requires=old_python)
    make_wheel(
        place,
        "top",
        "1",
        {"top.py": ""},
        requires=("mid", 'plot; extra == "draw"', 'absent; extra == "never"'),
        metadata="Provides-Extra: draw\nProvides-Extra: never\n",
    )
    make_wheel(place, "plot", "1", {"plot.py": ""})
    make_wheel(place, "needs_old", "1", {"needs_old.py": ""}, requires=("leaf<2",))
    make_wheel(place, "lack", "1", {"lack.py": ""}, requires=("leaf", "absent>3"))
    return place


@pytest.fixture
def fresh(tmp_path: Path) -> VirtualEnvironment:
    """A virtual environment of the test's own."""
    return VirtualEnvironment.create(tmp_path / "fresh")


def test_transitive_dependencies_extras_and_markers(
    terminal: Terminal, house: Path, fresh: VirtualEnvironment
) -> None:
    """A name brings all that it needs, of its extras those asked for, and what is named is so."""
    settings = {"SAGE_VENV": fresh.root, "PIP_FIND_LINKS": house}
    done = terminal.install("top", settings=settings)
    assert installed(done) == {"top-1", "mid-1", "leaf-2"}
    requested = {path.parent.name for path in fresh.site.glob("*.dist-info/REQUESTED")}
    assert requested == {"top-1.dist-info"}
    done = terminal.install("Top [Draw]", settings=settings)
    assert "plot-1" in installed(done)
    assert "leaf-2" not in installed(done)
    assert violations_of_g1(fresh.site) == []
    # With nothing to do it says so, extras or not; nothing is written.
    done = terminal.install("top[draw]", "leaf>=1", settings=settings)
    assert done.stdout.splitlines() == [
        f"{SATISFIED}top==1 in {fresh.site}",
        f"{SATISFIED}leaf==2 in {fresh.site}",
    ]


def test_no_deps(terminal: Terminal, house: Path) -> None:
    """--no-deps installs what is named and nothing else, of names and of files."""
    prefix = terminal.where / "prefix"
    words = ("--no-deps", "--prefix", prefix, "-f", house)
    done = terminal.run("sagepip", "install", *words, "lack", house / "top-1-py3-none-any.whl")
    assert installed(done) == {"lack-1", "top-1"}
    assert done.stderr == ""


def test_destdir_takes_no_dependencies(terminal: Terminal, house: Path) -> None:
    """What is staged into a DESTDIR is what is named: dependencies are the live tree's."""
    settings = {"SAGE_DESTDIR": terminal.where / "root", "SAGE_SPKG_WHEELS": house}
    words = ("--prefix", "/final", "lack", house / "top-1-py3-none-any.whl")
    done = terminal.run("sage-pip-install", *words, settings=settings)
    assert installed(done) == {"lack-1", "top-1"}
    assert done.stderr == ""


def test_upgrade_and_force(terminal: Terminal, house: Path, fresh: VirtualEnvironment) -> None:
    """A satisfied name is left alone; -U takes the newest; --force-reinstall writes it again."""
    settings = {"SAGE_VENV": fresh.root, "PIP_FIND_LINKS": house}
    terminal.install("leaf==1", settings=settings)
    done = terminal.install("leaf", settings=settings)
    assert done.stdout == f"{SATISFIED}leaf==1 in {fresh.site}\n"
    assert installed(terminal.install("-U", "leaf", settings=settings)) == {"leaf-2"}
    assert versions(fresh.site, "leaf") == ["2"]
    inode = (fresh.site / "leaf-2.dist-info").stat().st_ino
    done = terminal.install("-U", "leaf", settings=settings)
    assert done.stdout == f"{SATISFIED}leaf==2 in {fresh.site}\n"
    assert (fresh.site / "leaf-2.dist-info").stat().st_ino == inode
    assert installed(terminal.install("--force-reinstall", "leaf", settings=settings)) == {"leaf-2"}
    assert (fresh.site / "leaf-2.dist-info").stat().st_ino != inode
    assert installed(terminal.install("needs-old", settings=settings)) == {"needs_old-1", "leaf-1"}


def test_missing_dependency_of_a_name(
    terminal: Terminal, house: Path, fresh: VirtualEnvironment
) -> None:
    """The strict command refuses; sage-pip-install warns, and installs all that there is."""
    settings = {"SAGE_VENV": fresh.root, "PIP_FIND_LINKS": house}
    line = terminal.refuse(fresh.root, "lack", settings=settings)
    assert "absent>3" in line
    assert "lack" in line
    done = terminal.install("lack", settings=settings)
    assert installed(done) == {"lack-1", "leaf-2"}
    warning = "WARNING: lack 1 needs absent>3, which is neither installed nor in the wheelhouse\n"
    assert done.stderr == warning
    # It is no different when all of it is there but what is missing.
    done = terminal.install("-U", "lack", settings=settings)
    assert (installed(done), done.stderr) == (set(), warning)


def test_missing_dependency_of_a_file(
    terminal: Terminal, house: Path, fresh: VirtualEnvironment
) -> None:
    """The same for a wheel; --missing-deps chooses for both commands."""
    settings = {"SAGE_VENV": fresh.root, "PIP_FIND_LINKS": house}
    wheel = house / "lack-1-py3-none-any.whl"
    line = terminal.refuse(fresh.root, wheel, settings=settings)
    assert "not installed and not in the wheelhouse: lack 1 needs absent>3" in line
    line = terminal.run(
        "sage-pip-install", "--missing-deps=error", wheel, status=1, settings=settings
    ).stderr
    assert "lack 1 needs absent>3" in line
    done = terminal.run("sagepip", "install", "--missing-deps=warn", wheel, settings=settings)
    assert installed(done) == {"lack-1", "leaf-2"}
    assert done.stderr.count("WARNING") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["leaf==1", "leaf==2"], ["leaf==1", "leaf==2"]),
        (["needs-old", "leaf==2"], ["needs-old 1 depends on leaf<2", "leaf==2"]),
    ],
)
def test_conflict(
    terminal: Terminal,
    house: Path,
    fresh: VirtualEnvironment,
    words: list[str],
    says: list[str],
) -> None:
    """Versions that cannot be had together are refused, though one of them is installed."""
    settings = {"SAGE_VENV": fresh.root, "PIP_FIND_LINKS": house}
    terminal.install(house / "leaf-2-py3-none-any.whl", settings=settings)
    line = terminal.refuse(fresh.root, *words, settings=settings)
    assert all(text in line for text in says), line
    if words[0] == "needs-old":
        done = terminal.run("sage-pip-install", *words, status=1, settings=settings)
        assert done.stderr.startswith("Error: ")


def test_prefix_that_pip_cannot_see(terminal: Terminal, house: Path) -> None:
    """What a prefix has already satisfies, though the interpreter does not look there."""
    prefix = terminal.where / "prefix"
    words = ("--prefix", prefix, "-f", house)
    terminal.install(*words, "leaf==1")
    assert installed(terminal.install(*words, "mid")) == {"mid-1"}
    assert versions(site_of(prefix), "leaf") == ["1"]
    assert installed(terminal.install(*words, "top[draw]", "leaf")) == {"top-1", "plot-1"}
    assert installed(terminal.install(*words, "-U", "leaf")) == {"leaf-2"}
    # What is installed need not be in the wheelhouse any more.
    for path in house.glob("mid-*"):
        path.unlink()
    make_wheel(house, "later", "1", {"later.py": ""}, requires=("mid",))
    done = terminal.run("sagepip", "install", *words, "later")
    assert (installed(done), done.stderr) == ({"later-1"}, "")


def test_extras_between_files(terminal: Terminal, house: Path) -> None:
    """A wheel that needs an extra of another wheel of the same call gets what that needs."""
    asks = make_wheel(terminal.where, "asks", "1", {"asks.py": ""}, requires=("top[draw]",))
    prefix = terminal.where / "prefix"
    words = ("--prefix", prefix, "-f", house, asks, house / "top-1-py3-none-any.whl")
    terminal.install("--prefix", prefix, "-f", house, "mid")
    assert installed(terminal.install(*words)) == {"asks-1", "top-1", "plot-1"}
