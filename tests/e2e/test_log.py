"""``--log``: what is said is kept in a file, too."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.build_fixtures import make_project
from tests.e2e.commands import Terminal, error_line
from tests.guarantees import snapshot
from tests.wheels import make_wheel

_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3} \[\d+\] (.*)\n")


def lines(log: Path) -> list[str]:
    """Return the lines of a log without their beginnings, which all must have."""
    found = []
    for line in log.read_text().splitlines(keepends=True):
        match = _LINE.fullmatch(line)
        assert match, line
        found.append(match[1])
    return found


def test_quiet_commands_tell_the_log(terminal: Terminal) -> None:
    """Whatever -q hides is in the file, whose directory is made; the next command appends."""
    place, log = terminal.where / "prefix", terminal.where / "logs" / "build.log"
    wheel = make_wheel(terminal.where / "made", "pkg", "1", {"pkg.py": ""}, requires=("gone",))
    done = terminal.install("-q", "--log", log, "--prefix", place, "--no-index", wheel)
    assert (done.stdout, done.stderr) == ("", "")
    said = lines(log)
    assert said[0].startswith("sagepip ")
    assert f"sage-pip-install -q --log {log} --prefix {place} --no-index {wheel} (in " in said[0]
    assert any(line.startswith("WARNING: ") and "gone" in line for line in said)
    assert said[-1] == "Successfully installed pkg-1"
    terminal.run(
        "sage-pip-uninstall",
        *("-qy", "--prefix", place, "pkg", "none"),
        settings={"PIP_LOG": log},
    )
    later = lines(log)
    assert later[: len(said)] == said
    assert "WARNING: Skipping none as it is not installed." in later[len(said) :]
    assert later[-1] == "Successfully uninstalled pkg-1"


def test_output_of_builds_and_errors_are_in_the_log(terminal: Terminal) -> None:
    """What a hook prints goes to the file without -v; the error that ends the command, too."""
    log = terminal.where / "log"
    backend = """
        print('a word of the hook')
        raise SystemExit('no wheel')
    """
    source = make_project(terminal.where / "source", in_tree=backend)
    where = terminal.where / "prefix"
    words = ("--prefix", where, "--log", log, "--no-index", source)
    done = terminal.run("sage-pip-install", *words, status=1)
    said = lines(log)
    assert "a word of the hook" in said
    assert said[-1] == done.stderr.splitlines()[-1]
    assert said[-1].startswith("Error: ")


def test_credentials_stay_out(terminal: Terminal) -> None:
    """The first line has no password of an address."""
    where, log = terminal.where / "prefix", terminal.where / "log"
    index = "http://me:secret@127.0.0.1:9/simple"
    terminal.refuse(where, "--prefix", where, "--log", log, "-i", index, "./gone")
    assert "secret" not in log.read_text()
    assert "-i http://****@127.0.0.1:9/simple" in lines(log)[0]


def test_a_log_that_cannot_be_written(terminal: Terminal) -> None:
    """One clear line, and nothing is changed; if it fails later, the work goes on."""
    place = terminal.where / "prefix"
    wheel = make_wheel(terminal.where / "made", "pkg", "1", {"pkg.py": ""})
    before = snapshot(terminal.where)
    done = terminal.run(
        "sage-pip-install", "--log", terminal.where, "--prefix", place, wheel, status=1
    )
    assert error_line(done).startswith(f"Error: cannot write the log {terminal.where}: ")
    assert snapshot(terminal.where) == before
    done = terminal.install("--log", "/dev/full", "--prefix", place, wheel)
    assert done.stderr == "WARNING: the log /dev/full ends here: No space left on device\n"
    assert done.stdout == "Successfully installed pkg-1\n"
