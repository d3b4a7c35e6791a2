"""A few of the command lines of distributions, run for real on generated projects."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.e2e.commands import Settings, Terminal, installed, site_of
from tests.guarantees import versions, violations_of_g1
from tests.wheels import make_wheel

XY = f"{sys.version_info[0]}.{sys.version_info[1]}"
SAGE = ("--verbose", "--no-index", "--disable-pip-version-check", "--isolated", "--no-cache-dir")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal in a directory with a project, which builds itself, and two wheels."""
    make_project(tmp_path / "source", "sourced", in_tree=TINY_BACKEND)
    script = "[console_scripts]\nwheeled = wheeled:main\n"
    files = {"wheeled.py": "def main(): pass\n"}
    make_wheel(tmp_path / "dist", "wheeled", "1", files, entry_points=script)
    make_wheel(tmp_path / "house", "housed", "2", {"housed.py": ""})
    return Terminal(tmp_path)


def check(prefix: Path, name: str, version: str) -> Path:
    """Check that a distribution is there and whole; return its site directory."""
    site = site_of(prefix)
    assert versions(site, name) == [version]
    assert violations_of_g1(site) == []
    return site


def test_sage_with_a_file(terminal: Terminal) -> None:
    """Sage's call with -r and a wheelhouse installs what the file names, offline."""
    where = terminal.where
    (where / "req.txt").write_text("housed >= 1\n")
    words = ("install", *SAGE, "--find-links=house", "--prefix=p", "-r", "req.txt")
    assert installed(terminal.install(*words)) == {"housed-2"}
    check(where / "p", "housed", "2")
    done = terminal.run("sagepip", "install", *SAGE, "--prefix=q", "housed", status=1)
    assert "housed" in done.stderr
    assert not (where / "q").exists()


def test_staged_and_removed(terminal: Terminal) -> None:
    """SAGE_DESTDIR stages with the final paths inside; uninstalling is of the live prefix."""
    where = terminal.where
    wheel = "dist/wheeled-1-py3-none-any.whl"
    terminal.install(wheel, "--prefix=/opt/x", settings={"SAGE_DESTDIR": where / "stage"})
    site = check(where / "stage/opt/x", "wheeled", "1")
    assert not list((where / "stage").rglob(".sagepip"))
    assert site == where / f"stage/opt/x/lib/python{XY}/site-packages"
    terminal.install(wheel, "--prefix=live")
    words = ("--isolated", "--disable-pip-version-check", "--yes", "--no-input", "--prefix=live")
    done = terminal.run("sage-pip-uninstall", "uninstall", *words, "wheeled", "absent")
    assert done.stdout == "Successfully uninstalled wheeled-1\n"
    assert done.stderr == "WARNING: Skipping absent as it is not installed.\n"
    assert versions(site_of(where / "live"), "wheeled") == []
    assert not (where / "live/bin/wheeled").exists()


def test_spack(terminal: Terminal) -> None:
    """Options before the subcommand, a setting for the backend, and a prefix; no isolation."""
    done = terminal.run(
        *("sagepip", "-vvv", "--no-input", "--no-cache-dir", "--disable-pip-version-check"),
        *("install", "--no-deps", "--ignore-installed", "--no-build-isolation"),
        *("--no-warn-script-location", "--no-index", "--prefix=../p", "--config-settings=a=b"),
        ".",
        cwd=terminal.where / "source",
    )
    assert installed(done) == {"sourced-1.0"}
    check(terminal.where / "p", "sourced", "1.0")


def test_fedora(terminal: Terminal) -> None:
    """%pyproject_wheel and %pyproject_install: build into a directory, install from it by name."""
    where = terminal.where
    quiet = ("--disable-pip-version-check", "--progress-bar", "off")
    built = terminal.run(
        *("sagepip", "build", "--wheel-dir", "whl", "--no-deps", "--use-pep517"),
        *("--no-build-isolation", *quiet, "--no-clean", "--verbose", "."),
        cwd=where / "source",
    )
    assert built.stdout == f"{where}/source/whl/sourced-1.0-py3-none-any.whl\n"
    done = terminal.run(
        *("sagepip", "install", "--root", "r", "--prefix=/usr", "--no-deps", *quiet),
        *("--ignore-installed", "--no-warn-script-location", "--no-index", "--no-cache-dir"),
        *("--find-links", "source/whl", "sourced==1.0"),
    )
    assert installed(done) == {"sourced-1.0"}
    check(where / "r/usr", "sourced", "1.0")


def test_arch(terminal: Terminal) -> None:
    """As python -m build without a TARGET, then as installer with --destdir and the wheel."""
    source = terminal.where / "source"
    built = terminal.run("sagepip", "build", "--wheel", "--no-isolation", cwd=source)
    (wheel,) = (source / "dist").glob("*.whl")
    assert built.stdout == f"{wheel}\n"
    terminal.install("--destdir", "pkg", "--prefix=/usr", wheel)
    check(terminal.where / "pkg/usr", "sourced", "1.0")


@pytest.mark.parametrize(
    "words", [("-n", "-w"), ("-w", "-n", "-x", "--config-setting", "builddir=d", "."), ("-nw", ".")]
)
def test_buildroot_and_termux(terminal: Terminal, words: tuple[str, ...]) -> None:
    """As python -m build with its -w, which takes no value: the wheel lies in dist."""
    source = terminal.where / "source"
    built = terminal.run("sagepip", "build", *words, cwd=source)
    assert built.stdout == f"{source}/dist/sourced-1.0-py3-none-any.whl\n"
    assert [one.name for one in (source / "dist").iterdir()] == ["sourced-1.0-py3-none-any.whl"]


def test_yocto(terminal: Terminal) -> None:
    """As python -m installer: scripts begin with what was named, and reinstalling renews them."""
    wheel = "dist/wheeled-1-py3-none-any.whl"
    script = terminal.where / "d/usr/bin/wheeled"
    for interpreter in ("/usr/bin/env python3", "/opt/p y/bin/python"):
        words = ("--compile-bytecode=0", "--interpreter", interpreter, "--prefix=/usr")
        assert installed(terminal.install(*words, "--destdir=d", wheel)) == {"wheeled-1"}
        check(terminal.where / "d/usr", "wheeled", "1")
        text = script.read_text()
        assert interpreter in text
        assert text.startswith("#!/usr/bin/env python3\n") == (" python3" in interpreter)


def test_conda(terminal: Terminal) -> None:
    """The builder's variables alone: no index, no isolation, no dependencies; reinstalled."""
    settings: Settings = {
        "PIP_NO_INDEX": "True",
        "PIP_NO_DEPENDENCIES": "True",
        "PIP_NO_BUILD_ISOLATION": "False",
        "PIP_IGNORE_INSTALLED": "True",
        "PIP_PREFIX": terminal.where / "p",
    }
    for _ in range(2):
        done = terminal.run("sagepip", "install", "./source", "-vv", settings=settings)
        assert installed(done) == {"sourced-1.0"}
    check(terminal.where / "p", "sourced", "1.0")


def test_target_without_bytecode(terminal: Terminal) -> None:
    """--target takes the modules themselves; --no-compile leaves bytecode out."""
    done = terminal.install(
        *("--no-deps", "--no-compile", "--target", "t", "-f", "house"), "--no-index", "housed"
    )
    assert installed(done) == {"housed-2"}
    assert (terminal.where / "t/housed.py").exists()
    assert not list((terminal.where / "t").rglob("*.pyc"))
    assert violations_of_g1(terminal.where / "t") == []
