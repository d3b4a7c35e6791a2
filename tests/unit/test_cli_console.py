"""The console scripts, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(sys.executable).parent


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Return an environment without the machine's PIP_ and PYTHON variables."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", **extra}


def run(where: Path, program: str, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a console script in a directory."""
    return subprocess.run(
        [SCRIPTS / program, *words],
        cwd=where,
        env=environment(where, **extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("program", ["sagepip", "sage-pip-lock"])
def test_version(tmp_path: Path, program: str) -> None:
    """--version answers on stdout for every script, those not built yet included."""
    from sagepip import __version__

    done = run(tmp_path, program, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"sagepip {__version__} from /")
    assert done.stdout.count("\n") == 1


def test_version_imports_next_to_nothing(tmp_path: Path) -> None:
    """Beyond what an empty program imports, --version needs four small modules."""

    def imported(*words: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *words],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=True,
        )
        return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    extra = imported(str(SCRIPTS / "sage-pip-install"), "--version") - imported("-c", "pass")
    own = {"sagepip", "sagepip.cli", "sagepip.cli.main", "sagepip.cli.startup"}
    # The script itself may be one that imports re, as older installers write it.
    assert {name for name in extra if name.startswith("sagepip")} == own
    assert not extra & {"argparse", "optparse", "dataclasses", "inspect", "packaging", "typing"}


@pytest.mark.parametrize(
    ("program", "words", "says"),
    [
        ("sagepip", ["-v", "-h"], "uninstall"),
        ("sagepip", ["install", "--help"], "Usage: sagepip install [OPTIONS] TARGET"),
        ("sagepip", ["--help", "install"], "Subcommands:"),
        ("sage-pip-install", [".", "-h"], "Usage: sage-pip-install [OPTIONS] TARGET"),
        ("sagepip", ["--no-index", "install", "--version"], "sagepip 0"),
    ],
)
def test_help(tmp_path: Path, program: str, words: list[str], says: str) -> None:
    """Help goes to stdout, also where stdout is plain ASCII."""
    done = run(tmp_path, program, *words, LC_ALL="C", PYTHONIOENCODING="ascii", COLUMNS="70")
    assert (done.returncode, done.stderr) == (0, "")
    assert says in done.stdout
    assert all(len(line) <= 76 for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("program", "words", "status", "says"),
    [
        ("sagepip", [], 2, "no subcommand"),
        ("sagepip", ["instal"], 2, "no such subcommand: instal"),
        ("sagepip", ["-v", "trace"], 2, "no trace (give the FILE that SAGEPIP_TRACE named)"),
        ("sage-pip-uninstall", ["-y"], 2, "nothing to uninstall"),
        ("sage-staged-copy", ["a"], 2, "sage-staged-copy takes two operands, not 1"),
        ("sage-staged-copy", ["a", "b"], 1, "a is not a directory"),
        ("sage-pip-lock", ["-s", "-x", "--", "true"], 2, "-s, -x and -u exclude each other"),
        ("sage-pip-install", [], 2, "nothing to install"),
        ("sage-pip-install", ["--user", "."], 2, "--user is not supported (install into"),
        ("sage-pip-install", ["--no-dep", "."], 2, "unknown option: --no-dep (did you mean"),
        ("sage-pip-install", ["-e", "x.whl"], 1, "no such file or directory: x.whl"),
        ("sage-pip-install", ["-e", "."], 1, "no project in the directory ."),
        ("sage-pip-install", ["--log=/dev/null/x", "."], 1, "cannot write the log /dev/null/x"),
        ("sage-pip-install", ["install", "./x.whl"], 1, "no such file or directory: ./x.whl"),
        ("sage-pip-install", ["./a\nb\x1b[31m.whl"], 1, r"./a b\x1b[31m.whl"),
        ("sage-pip-install", ["-r", "no.txt"], 1, "cannot read the requirement file no.txt"),
        ("sage-pip-install", ["--python=no", "x"], 1, "no such interpreter: no (--python)"),
        (
            "sagepip",
            ["-vvv", "--no-input", "--timeout", "5", "install", "--no-deps", "./x"],
            1,
            "no such file or directory: ./x",
        ),
    ],
)
def test_errors(tmp_path: Path, program: str, words: list[str], status: int, says: str) -> None:
    """An error is one line that begins with Error, the last one, and an exit status."""
    done = run(tmp_path, program, *words)
    assert (status, "") == (done.returncode, done.stdout)
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("Error: ")
    assert says in lines[-1]
    assert all(line.startswith("sagepip: ") for line in lines[:-1])
    assert len(lines) == 1 or "-vvv" in words


def test_debug(tmp_path: Path) -> None:
    """SAGEPIP_DEBUG=1 shows the traceback above the line; =0 does not."""
    done = run(tmp_path, "sage-pip-install", "./x", SAGEPIP_DEBUG="1")
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: no such file")
    assert "Traceback" not in run(tmp_path, "sage-pip-install", "./x", SAGEPIP_DEBUG="0").stderr


@pytest.mark.parametrize("how", ["script", "module"])
def test_foreign_modules_stay_out(tmp_path: Path, how: str) -> None:
    """Modules in PYTHONPATH and in the working directory do not become part of sagepip."""
    for place in ("path", "work"):
        (tmp_path / place / "packaging").mkdir(parents=True)
        for name in ("packaging/__init__", "dataclasses", "shlex", "difflib", "urllib", "typing"):
            trap = f"open({str(tmp_path / 'trapped')!r}, 'a').write({name!r})\nraise SystemExit(99)"
            (tmp_path / place / f"{name}.py").write_text(trap)
    script = [str(SCRIPTS / "sage-pip-install")]
    module = [sys.executable, "-m", "sagepip", "install"]
    done = subprocess.run(
        [*(script if how == "script" else module), "x; python_version<'3'", "-C", "a"],
        cwd=tmp_path / "work",
        env=environment(
            tmp_path, PYTHONPATH=f"{tmp_path}/path:", SAGE_PIP_INSTALL_FLAGS="--no-deps"
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not (tmp_path / "trapped").exists()
    assert done.stderr.startswith("Error: not of the form KEY=VALUE: --config-settings a")
    assert done.returncode == 2


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(tmp_path: Path, closed: str) -> None:
    """A closed standard descriptor changes neither the exit status nor what is said elsewhere."""
    done = subprocess.run(
        ["sh", "-c", f'"$0" ./x.whl {closed}', SCRIPTS / "sage-pip-install"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    expected = "" if "2>" in closed else "Error: no such file or directory: ./x.whl"
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == (1 if expected else 0)


def test_install_flags_reach_the_script(tmp_path: Path) -> None:
    """SAGE_PIP_INSTALL_FLAGS is read by the console script from its own environment."""
    done = run(tmp_path, "sage-pip-install", ".", SAGE_PIP_INSTALL_FLAGS="--user")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: SAGE_PIP_INSTALL_FLAGS: --user is not supported")
