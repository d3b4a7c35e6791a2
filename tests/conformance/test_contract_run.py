"""What the contract of the commands says of whole runs: words, streams, statuses, and who waits."""

from __future__ import annotations

import json
import os
import re
import stat
from functools import partial
from pathlib import Path

import pytest

from tests.conformance.contract import EXIT_STATUS
from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.e2e.commands import Terminal, error_line, site_of
from tests.guarantees import snapshot
from tests.wheels import make_wheel

FAILED, USAGE = EXIT_STATUS["failed"], EXIT_STATUS["usage"]
LOCK_TIMEOUT, DAMAGE = EXIT_STATUS["lock timeout"], EXIT_STATUS["damage"]


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal beside wheels: one that is fine, and one whose dependency is nowhere."""
    make_wheel(tmp_path, "fine", "1", {"fine.py": ""})
    make_wheel(tmp_path, "needy", "1", {"needy.py": ""}, requires=("nowhere>=2",))
    return Terminal(tmp_path)


FINE = "fine-1-py3-none-any.whl"
NEEDY = "needy-1-py3-none-any.whl"
HERE = ("--prefix", "p")


def test_results_on_stdout_in_pips_words(terminal: Terminal) -> None:
    """One line a distribution on stdout, and diagnosis on stderr; a name not installed no error."""
    assert terminal.install(*HERE, FINE).stdout == "Successfully installed fine-1\n"
    done = terminal.install(*HERE, FINE, "-v")
    assert (
        done.stdout
        == f"Requirement already satisfied: fine==1 in {site_of(terminal.where / 'p')}\n"
    )
    done = terminal.run("sage-pip-uninstall", "-y", *HERE, "fine", "absent", "Not_There")
    assert done.stdout == "Successfully uninstalled fine-1\n"
    assert done.stderr.splitlines() == [
        "WARNING: Skipping absent as it is not installed.",
        "WARNING: Skipping Not_There as it is not installed.",
    ]


def test_reports_for_programs(terminal: Terminal) -> None:
    """--report FILE and --json tell how long the lock was waited for and held."""
    terminal.install(*HERE, FINE, "--report", "r.json")
    written = json.loads((terminal.where / "r.json").read_text())
    done = terminal.install(*HERE, FINE, "--json", "--force-reinstall")
    printed = json.loads(done.stdout)
    assert done.stderr == "Successfully installed fine-1\n"
    for report in (written, printed):
        assert [one["metadata"]["name"] for one in report["install"]] == ["fine"]
        assert report["sagepip"]["lock_held_seconds"] > 0
        assert report["sagepip"]["lock_waited_seconds"] >= 0
    done = terminal.run("sagepip", "uninstall", "-y", *HERE, "--json", "fine", "absent")
    removed = json.loads(done.stdout)
    assert removed["removed"] == [{"name": "fine", "version": "1"}]
    assert removed["missing"] == ["absent"]
    assert removed["lock_held_seconds"] > 0
    done = terminal.run("sagepip", "recover", *HERE, "--json")
    assert json.loads(done.stdout)["recovered"] is None
    (terminal.where / "staged").mkdir()
    done = terminal.run("sagepip", "copy", "--json", "staged", "q")
    assert {"lock_waited_seconds", "lock_held_seconds"} <= json.loads(done.stdout).keys()
    line = error_line(
        terminal.run("sagepip", "install", FINE, "--json", "--report", "x", status=USAGE)
    )
    assert "--json and --report x exclude each other" in line


def test_missing_dependencies(terminal: Terminal) -> None:
    """Sagepip install refuses before any change, and names who needs it; sage-pip-install warns."""
    target = terminal.where / "p"
    line = terminal.refuse(target, *HERE, "--no-index", NEEDY)
    assert "needy 1 needs nowhere>=2" in line
    done = terminal.install(*HERE, "--no-index", NEEDY)
    assert done.stdout == "Successfully installed needy-1\n"
    assert "needy 1 needs nowhere>=2" in done.stderr
    assert done.stderr.startswith("WARNING: ")
    terminal.run("sagepip", "install", *HERE, "--no-index", "--no-deps", "-I", NEEDY)


def test_no_second_try(terminal: Terminal) -> None:
    """A build that fails is not tried again with weaker settings."""
    backend = (
        "def build_wheel(*_):\n    open('../tries', 'a').write('x')\n    raise SystemExit(1)\n"
    )
    make_project(terminal.where / "source", in_tree=backend)
    done = terminal.run("sage-pip-install", *HERE, "./source", status=FAILED)
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert (terminal.where / "tries").read_text() == "x"
    assert not (terminal.where / "p").exists()


def test_built_wheels_are_stored(terminal: Terminal) -> None:
    """SAGE_SPKG_WHEELS keeps one a project, whole, and readable as the umask says."""
    wheels = terminal.where / "wheels"
    for version, umask in (("1.0", 0o077), ("2.0", 0o022)):
        make_project(terminal.where / version, version=version, in_tree=TINY_BACKEND)
        terminal.install(
            *HERE,
            f"./{version}",
            settings={"SAGE_SPKG_WHEELS": wheels},
            preexec=partial(os.umask, umask),
        )
        (stored,) = wheels.iterdir()
        assert stored.name == f"demo-{version}-py3-none-any.whl"
        assert stat.S_IMODE(stored.stat().st_mode) == 0o666 & ~umask


def test_exit_statuses(terminal: Terminal) -> None:
    """1 failed, 2 wrong usage, 3 lock timeout, 4 damage: one line that begins with Error."""
    terminal.install(*HERE, FINE)
    before = snapshot(terminal.where / "p")
    for status, words in (
        (FAILED, ("./missing.whl",)),
        (FAILED, ("--no-index", "nowhere")),
        (USAGE, ("--nonsense", FINE)),
        (USAGE, ()),
    ):
        error_line(terminal.run("sagepip", "install", *HERE, *words, status=status))
    error_line(terminal.run("sagepip", "nonsense", status=USAGE))
    locked = ("sage-pip-lock", "--close", "p", "--", terminal.where / "nested.sh")
    (terminal.where / "nested.sh").write_text(
        "#!/bin/sh\n# Not as the child of the command that holds the lock: it would know.\n"
        f"env -u SAGEPIP_LOCK_HELD {program('sagepip')} install --prefix p -I {FINE} "
        "--lock-timeout 0\n"
    )
    (terminal.where / "nested.sh").chmod(0o755)
    line = error_line(terminal.run(*locked, status=LOCK_TIMEOUT))
    assert "lock" in line
    assert snapshot(terminal.where / "p") == before
    terminal.run("sagepip", "verify", *HERE)
    (site_of(terminal.where / "p") / "fine.py").unlink()
    assert "missing fine.py" in terminal.run("sagepip", "verify", *HERE, status=DAMAGE).stdout
    (site_of(terminal.where / "p") / "~ine").mkdir()
    terminal.run("sagepip", "doctor", *HERE, status=DAMAGE)


def program(name: str) -> Path:
    """Return the path of a console script."""
    from bench.environment import console_script

    return console_script(name)


def test_the_status_of_a_command_under_the_lock(terminal: Terminal) -> None:
    """sage-pip-lock ends as its command does, with the lock held meanwhile, shared or not."""
    terminal.install(*HERE, FINE)
    assert terminal.run("sage-pip-lock", "p", "--", "sh", "-c", "exit 7", status=7).stderr == ""
    held = terminal.run("sage-pip-lock", "-s", "p", "--", program("sagepip"), "status", *HERE)
    assert "lock: held by readers" in held.stdout
    held = terminal.run("sage-pip-lock", "-x", "p", "--", program("sagepip"), "status", *HERE)
    assert "lock: held by" in held.stdout and "readers" not in held.stdout


def test_own_variables(terminal: Terminal) -> None:
    """SAGEPIP_CACHE_DIR, SAGEPIP_DEBUG and SAGEPIP_LOCK_FILE do what their names say."""
    cache = terminal.run("sagepip", "cache", "dir", settings={"SAGEPIP_CACHE_DIR": "/some/where"})
    assert cache.stdout == "/some/where\n"
    done = terminal.run(
        "sagepip", "install", "./no.whl", status=FAILED, settings={"SAGEPIP_DEBUG": "1"}
    )
    assert "Traceback" in done.stderr
    lock = terminal.where / "outer.lock"
    terminal.install(*HERE, FINE, settings={"SAGEPIP_LOCK_FILE": lock})
    assert lock.exists()


def test_python_path(terminal: Terminal) -> None:
    """PYTHONPATH reaches neither sagepip's own imports nor a build."""
    for name in ("packaging", "installer", "filelock", "json", "sitecustomize"):
        (terminal.where / "evil" / name).mkdir(parents=True)
        (terminal.where / "evil" / name / "__init__.py").write_text("raise SystemExit('evil')\n")
    (terminal.where / "evil/sitecustomize/__init__.py").write_text("")
    make_project(terminal.where / "source", in_tree=TINY_BACKEND, probes=["installer"])
    terminal.install(*HERE, "./source", settings={"PYTHONPATH": terminal.where / "evil"})
    seen = json.loads((site_of(terminal.where / "p") / "demo/seen.json").read_text())
    assert "PYTHONPATH" not in seen["environ"]
    assert str(terminal.where / "evil") not in seen["path"]


def test_where_bytecode_goes(terminal: Terminal) -> None:
    """Variables of the user's Python change neither whether nor where nor how it is compiled."""
    terminal.install("--prefix", "plain", FINE)
    variables = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": str(terminal.where / "caches"),
        "PYTHONOPTIMIZE": "2",
    }
    terminal.install("--prefix", "odd", FINE, settings=variables)
    plain, odd = (site_of(terminal.where / one) / "__pycache__" for one in ("plain", "odd"))
    assert [one.name for one in odd.iterdir()] == [one.name for one in plain.iterdir()]
    assert len(list(odd.glob("fine.*.pyc"))) == 1
    assert not (terminal.where / "caches").exists()
    terminal.run("sagepip", "verify", "--prefix", "odd")


def test_lines_that_sage_looks_for(terminal: Terminal) -> None:
    """Sage's filter takes our line out of both streams; its scanner of logs finds our errors."""
    done = terminal.run("sage-pip-uninstall", "-y", *HERE, "absent")
    skipping = re.compile("^WARNING: Skipping .* as it is not installed.")
    assert [
        one for one in (done.stdout + done.stderr).splitlines() if not skipping.match(one)
    ] == []
    done = terminal.run("sage-pip-install", *HERE, "./absent", status=FAILED)
    assert [one for one in done.stderr.splitlines() if re.match("Error", one)]
