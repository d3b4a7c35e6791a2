"""``sagepip check`` says what ``pip check`` says, of sites that are in order and of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.e2e.commands import Terminal, site_of

_PURE = "Wheel-Version: 1.0\nTag: py3-none-any\n"

# What lies in the site: metadata directories, each with METADATA's fields behind Name and Version
# (a line break alone: there is none), and WHEEL's text.
SITES: dict[str, dict[str, tuple[str, str]]] = {
    "nothing": {},
    "in order": {"a-1": ("Requires-Dist: b>=1", _PURE), "b-2": ("", _PURE)},
    "missing": {"a-1": ("Requires-Dist: B.c\nRequires-Dist: d[x]>=2", _PURE)},
    "too old": {"a-1": ("Requires-Dist: b>=3", _PURE), "b-2.0": ("", _PURE)},
    "too old, with extras and a marker": {
        "a-1": ("Requires-Dist: b[x,y] (>=3) ; python_version >= '3'", _PURE),
        "b-2.0": ("", _PURE),
    },
    "both, of two": {
        "z-1": ("Requires-Dist: no\nRequires-Dist: b<1\nRequires-Dist: b<2", _PURE),
        "a-1": ("Requires-Dist: nowhere\nRequires-Dist: b>3", _PURE),
        "b-2.0": ("", _PURE),
    },
    "twice the same": {"a-1": ("Requires-Dist: b\nRequires-Dist: b>1", _PURE)},
    "a prerelease will do": {"a-1": ("Requires-Dist: b>=1", _PURE), "b-2rc1": ("", _PURE)},
    "a prerelease is too early": {"a-1": ("Requires-Dist: b>=2", _PURE), "b-2rc1": ("", _PURE)},
    "markers and extras that do not apply": {
        "a-1": (
            "Requires-Dist: b ; python_version < '3'\nRequires-Dist: c ; extra == 'x'\n"
            "Provides-Extra: x",
            _PURE,
        )
    },
    "a reference": {"a-1": ("Requires-Dist: b @ file:///nowhere/b.tar.gz", _PURE)},
    "names that are not normalised": {
        "A.b-1": ("Requires-Dist: C_D", _PURE),
        "c.d-1": ("", _PURE),
    },
    "another platform": {
        "Odd_Name-1": ("", "Wheel-Version: 1.0\nTag: cp27-cp27m-win32\n"),
        "a-1": ("Requires-Dist: missing", "Wheel-Version: 1.0\nTag: cp27.py3-none-any\n"),
    },
    "a wheel without tags": {"a-1": ("", "Wheel-Version: 1.0\n")},
    "a requirement that is none": {
        "a-1": ("Requires-Dist: >>> ???", _PURE),
        "b-1": ("Requires-Dist: a", _PURE),
    },
    "a version that is none": {"a-late": ("", _PURE), "b-1": ("Requires-Dist: a", _PURE)},
    "no METADATA, as other tools leave it": {"a-1": ("\n", ""), "b-1": ("Requires-Dist: a", "")},
    "pip's leftovers": {"~a-1": ("Requires-Dist: missing", _PURE)},
}


def make_site(site: Path, what: dict[str, tuple[str, str]]) -> None:
    """Make metadata directories; METADATA and WHEEL are left out where they are empty."""
    site.mkdir(exist_ok=True)
    for stem, (fields, wheel) in what.items():
        info = site / f"{stem}.dist-info"
        info.mkdir()
        name, _, version = stem.partition("-")
        if fields != "\n":
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{fields}\n"
            (info / "METADATA").write_text(text)
        if wheel:
            (info / "WHEEL").write_text(wheel)


def compare(terminal: Terminal, words: tuple[str, ...], settings: dict[str, str]) -> str:
    """Ask pip and sagepip; their lines, exit status and warnings must agree. Return the lines."""
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words, "check"],
        cwd=terminal.where,
        env={**terminal.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    done = terminal.run("sagepip", *words, "check", status=pip.returncode, settings=settings)
    assert sorted(done.stdout.splitlines()) == sorted(pip.stdout.splitlines())
    assert warnings(done.stderr) == warnings(pip.stderr)
    return pip.stdout


def warnings(said: str) -> list[list[str]]:
    """Return what is said to be unreadable; the reasons are in the words of two libraries."""
    found = [line for line in said.splitlines() if "Error parsing dependencies of" in line]
    return sorted(line.split(": ")[:2] for line in found)


@pytest.mark.parametrize("what", SITES.values(), ids=SITES)
def test_like_pip(tmp_path: Path, what: dict[str, tuple[str, str]]) -> None:
    """Of an environment both say the same lines, with the same exit status and warnings."""
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    make_site(site_of(environment), what)
    compare(Terminal(tmp_path), ("--python", str(environment)), {})


@pytest.mark.parametrize("name", ["in order", "missing", "too old", "another platform"])
def test_python_path_like_pip(tmp_path: Path, name: str) -> None:
    """What PYTHONPATH names is seen first, as EasyBuild's modules need it."""
    make_site(tmp_path / "site", SITES[name])
    said = compare(Terminal(tmp_path), (), {"PYTHONPATH": str(tmp_path / "site")})
    assert ("No broken" in said) == (name == "in order")


def test_where_and_how(tmp_path: Path) -> None:
    """A directory that is named counts; --json and -q say it otherwise; nothing is changed."""
    terminal, site = Terminal(tmp_path), tmp_path / "site"
    make_site(site, SITES["too old"] | {"c-1": ("Requires-Dist: nowhere", _PURE)})
    before = sorted(os.walk(site))
    done = terminal.run("sagepip", "check", "--target", site, status=1)
    assert done.stdout.splitlines() == [
        "c 1 requires nowhere, which is not installed.",
        "a 1 has requirement b>=3, but you have b 2.0.",
    ]
    assert terminal.run("sagepip", "check", "-q", "-t", site, status=1).stdout == ""
    found = json.loads(terminal.run("sagepip", "check", "--json", "-t", site, status=1).stdout)
    assert found["checked"] == 3
    assert [(one["name"], one["kind"]) for one in found["problems"]] == [
        ("c", "missing"),
        ("a", "conflict"),
    ]
    assert sorted(os.walk(site)) == before
    # What PYTHONPATH names is not part of a place that was named.
    nowhere = ("--target", tmp_path / "nowhere")
    done = terminal.run("sagepip", "check", *nowhere, settings={"PYTHONPATH": site})
    assert done.stdout == "No broken requirements found.\n"
