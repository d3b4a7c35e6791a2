"""What others wrote into a site or a source tree: no look at it may fail."""

from __future__ import annotations

import os
import shutil
from functools import cache

from sagepip.build.constraints import Constraints
from sagepip.build.hook_answer import answer_problem
from sagepip.build.project_checks import backend_name, check_source
from sagepip.build.requirements_text import constraint_lines
from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.target_python import TargetPython
from sagepip.operations.check import CheckRequest, check
from sagepip.operations.doctor import DoctorRequest, doctor
from sagepip.operations.verify import VerifyRequest, verify
from sagepip.staging.scripts import split_script
from sagepip.transaction.holder import Holder
from sagepip.transaction.installed import list_installed
from tests.fuzz.target import Target, may_refuse, place

_INFO = "demo-1.0.dist-info"
# The files of an installed distribution that bytes are put in place of, by their first byte.
_FILES = {
    f"{_INFO}/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: a>1\n",
    f"{_INFO}/RECORD": b"demo.py,,\ndemo-1.0.dist-info/METADATA,,\n../../bin/demo,sha256=x,1\n",
    f"{_INFO}/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\nTag: cp311.cp312-abi3-any\n",
    f"{_INFO}/INSTALLER": b"pip\n",
    f"{_INFO}/direct_url.json": b'{"url": "file:///x", "dir_info": {"editable": true}}',
    f"{_INFO}/entry_points.txt": b"[console_scripts]\ndemo = demo:main\n[x]\na = b.c:d [e]\n",
    "old.egg-link": b"../somewhere\n.\n",
    "old-1.egg-info/PKG-INFO": b"Name: old\nVersion: 1\nRequires-Dist: demo<1\n",
    "old-1.egg-info/installed-files.txt": b"../old.py\nPKG-INFO\n",
    "some.pth": b"import demo; demo.x\n../elsewhere\n# comment\n",
    "demo.py": b"x = 1\n",
}
_HOOKS = ("build_wheel", "get_requires_for_build_wheel", "prepare_metadata_for_build_wheel", "_x")


@cache
def _destination(site: str) -> Destination:
    return find_destination(TargetPython.running(), target=site)


def _installed(data: bytes) -> None:
    """Put bytes in place of one file of a site, and look at it in every way that reads only."""
    names = list(_FILES)
    spoilt = names[data[0] % len(names)] if data else names[0]
    site = place() / "site"
    shutil.rmtree(site, ignore_errors=True)
    for name, content in _FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(data[1:] if name == spoilt else content)
    destination = _destination(str(site))
    with may_refuse():
        for one in verify(VerifyRequest(destination)).findings:
            str(one)
    with may_refuse():
        for problem in check(CheckRequest(destination)).problems:
            str(problem)
    with may_refuse():
        for symptom in doctor(DoctorRequest(destination)).remaining:
            str(symptom)
    for found in list_installed([str(site)]):
        str(found.label), found.is_editable, found.linked_directory
        with may_refuse():
            found.record  # noqa: B018
    assert sorted(str(one.relative_to(site)) for one in site.rglob("*") if one.is_file()) == sorted(
        _FILES
    )


def _holder(data: bytes) -> None:
    """Read bytes as the line of a lock file."""
    holder = Holder.parse(data)
    if holder is not None:
        assert str(holder).isprintable()


def _project(data: bytes) -> None:
    """Read bytes as pyproject.toml."""
    source = place() / "project"
    source.mkdir(exist_ok=True)
    (source / "pyproject.toml").write_bytes(data)
    with may_refuse():
        check_source(str(source))
    with may_refuse():
        assert backend_name(str(source)) or True


def _answer(data: bytes) -> None:
    """Read bytes as the answer of a hook."""
    path = place() / "answer.json"
    path.write_bytes(data)
    for hook in _HOOKS:
        assert isinstance(answer_problem(hook, str(path)), str)


def _constraints(data: bytes) -> None:
    """Read bytes as a constraint file."""
    path = place() / "constraints.txt"
    path.write_bytes(data)
    with may_refuse():
        list(constraint_lines(str(path), {}))
    with may_refuse():
        Constraints([str(path)], TargetPython.running().markers).against("a", "1")


def _script(data: bytes) -> None:
    """Read bytes as an installed script."""
    found = split_script(data)
    assert found is None or (os.path.isabs(found[0]) and data.endswith(found[1]))


TARGETS = {
    "installed": Target(
        _installed, tuple(bytes([i]) + one for i, one in enumerate(_FILES.values()))
    ),
    "holder": Target(_holder, (b"12 host 1700000000.5 sage-pip-install -v .\n", b"1 h nan x")),
    "project": Target(
        _project,
        (
            b'[build-system]\nrequires = ["a"]\nbuild-backend = "b"\nbackend-path = ["."]\n',
            b'[project]\nname = "demo"\nversion = "1"\n[tool.x]\ny = {z = 1}\n',
        ),
    ),
    "answer": Target(
        _answer,
        (
            b'{"return_val": "demo-1.0-py3-none-any.whl", "warnings": []}',
            b'{"return_val": ["a>1; os_name == \'x\'"]}',
            b'{"no_backend": true, "traceback": "x", "backend_error": null}',
        ),
    ),
    "constraints": Target(
        _constraints,
        (
            b"a>1 ; python_version > '3'\n-c other.txt\n--hash=x\n",
            b"-r file:///x\n-c http://x\na\n",
        ),
    ),
    "script": Target(
        _script,
        (
            b"#!/usr/bin/python -I\nx\n",
            b"#!/bin/sh\n'''exec' '/a b/python' \"$0\" \"$@\"\n' '''\nx\n",
        ),
    ),
}
