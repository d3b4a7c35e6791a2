"""What ``make sage`` works out itself: packages and their order, configuring, counting, telling."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from bench.sage_newer import make_newer
from bench.sage_report import cells_of, details, verdict
from bench.sage_round import Kind, Round, deciding_line, record_problems, stale_files
from bench.sage_tree import SageTree, next_patch_level
from bench.sage_watch import Watch, waiting

from sagepip.staging.checked_archive import check_wheel
from tests.wheels import make_wheel

TEMPLATES = {
    "build/make/Makefile.in": "SHELL = @SHELL@\nNONE = @UNHEARD_OF@\n"
    "BUILT = @SAGE_BUILT_PACKAGES@\nDUMMY = @SAGE_DUMMY_PACKAGES@\n"
    "NORMAL = @SAGE_NORMAL_PACKAGES@\nSCRIPT = @SAGE_SCRIPT_PACKAGES@\n"
    "@SAGE_PACKAGE_VERSIONS@\n@SAGE_PACKAGE_DEPENDENCIES@\n@SAGE_PACKAGE_TREES@\n",
    "build/bin/sage-build-env-config.in": "MINOR=@PYTHON_MINOR@\n",
    "src/bin/sage-env-config.in": "SAGE_LOCAL=@prefix@\n",
    "src/bin/sage-src-env-config.in": "SAGE_VENV=@SAGE_VENV@\n",
}
PACKAGES = {
    "zlib": "",
    "python3": "zlib",
    "pip": "| $(PYTHON)",
    "six": "| pip $(PYTHON)",
    "demo": "six $(BLAS) zlib | pip $(PYTHON)   # a comment",
    "other": "six | pip $(PYTHON)",
}


@pytest.fixture
def tree(tmp_path: Path) -> SageTree:
    """A tree with a few packages, of which two are not Python's."""
    for name, text in TEMPLATES.items():
        path = tmp_path / "sage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, needs in PACKAGES.items():
        recipe = tmp_path / "sage/build/pkgs" / name
        recipe.mkdir(parents=True)
        (recipe / "type").write_text("standard\n")
        (recipe / "package-version.txt").write_text("1.0\n")
        (recipe / "dependencies").write_text(f" {needs}\n\n----\nnot read\n")
        if name not in ("zlib", "python3"):
            (recipe / "version_requirements.txt").write_text(f"{name}\n")
    return SageTree(tmp_path / "sage", tmp_path / "upstream")


def test_what_is_needed_comes_first_and_only_python_packages_count(tree: SageTree) -> None:
    tree.configure(["demo"])
    assert list(tree.packages) == ["pip", "six", "demo"]
    tree.configure(["demo", "pip"], exactly=True)
    assert list(tree.packages) == ["demo", "pip"]


def test_a_tree_is_configured_as_configure_would(tree: SageTree) -> None:
    tree.configure(["demo"])
    made = (tree.root / "build/make/Makefile").read_text().splitlines()
    assert made[1:4] == ["NONE = ", "BUILT = pip six demo", "DUMMY = other python3 zlib"]
    assert "vers_six = 1.0" in made
    assert "deps_six = | pip $(PYTHON)" in made
    assert "deps_demo = six $(BLAS) zlib | pip $(PYTHON)" in made
    assert "trees_demo = SAGE_VENV" in made
    assert tree.record(tree.packages["six"]) == tree.venv / "var/lib/sage/installed/six-1.0"
    assert (tree.root / "src/bin/sage-env-config").read_text() == f"SAGE_LOCAL={tree.local}\n"
    assert (tree.root / "src/bin/sage-src-env-config").read_text() == f"SAGE_VENV={tree.venv}\n"
    minor = (tree.root / "build/bin/sage-build-env-config").read_text()
    assert minor == f"MINOR={sys.version_info.minor}\n"


def test_script_packages_are_told_from_others_and_may_lie_elsewhere(tree: SageTree) -> None:
    checksums = f"tarball=six-VERSION.tar.gz\nsha256={'0' * 64}\n"
    (tree.recipes / "six/checksums.ini").write_text(checksums)
    for one in ("package-version.txt", "dependencies"):
        (tree.recipes / "zlib" / one).unlink()
    tree.configure(["six", "zlib"], exactly=True)
    made = (tree.root / "build/make/Makefile").read_text().splitlines()
    assert made[4:6] == ["NORMAL = six", "SCRIPT = zlib"]
    assert {"trees_six = SAGE_VENV", "trees_zlib = SAGE_LOCAL", "vers_zlib = none"} <= set(made)
    record = tree.record(tree.packages["zlib"])
    assert record == tree.local / "var/lib/sage/installed/zlib-none"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text('{"files": ["there", "gone"]}')
    (tree.local / "there").touch()
    problems = record_problems(tree)
    assert problems == ["six: 0 installation records", "zlib-none: 1 recorded files missing: gone"]
    tree.configure(["zlib"], exactly=True)
    tree.go_on_to_next_edition()
    assert tree.packages["zlib"].full_name == "zlib-none.p0"


def make_sdist(path: Path, files: dict[str, bytes]) -> None:
    """Write a source archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_an_upgrade_makes_all_chosen_packages_newer(tree: SageTree) -> None:
    archive = tree.upstream / "six-1.0.tar.gz"
    make_sdist(archive, {"six-1.0/six.py": b"SIX = 6\n"})
    digests = [hashlib.new(one, archive.read_bytes()).hexdigest() for one in ("sha1", "sha256")]
    checksums = tree.recipes / "six/checksums.ini"
    checksums.write_text("tarball=six-VERSION.tar.gz\nsha1={}\nsha256={}\n".format(*digests))
    tree.configure(["six"])
    for edition in (1, 2):
        tree.go_on_to_next_edition()
        newer = (tree.upstream / archive.name).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(newer)) as opened:
            stream = opened.extractfile("six-1.0/six.py")
            assert stream is not None
            assert stream.read() == f"SIX = 6\n\n# edition {edition}\n".encode()
        assert checksums.read_text() == (
            f"tarball=six-VERSION.tar.gz\nsha1={hashlib.sha1(newer).hexdigest()}\n"
            f"sha256={hashlib.sha256(newer).hexdigest()}\n"
        )
    assert [one.full_name for one in tree.packages.values()] == ["pip-1.0.p1", "six-1.0.p1"]
    assert "vers_six = 1.0.p1" in (tree.root / "build/make/Makefile").read_text()


def test_files_of_an_earlier_edition_are_found(tree: SageTree) -> None:
    tree.edition = 2
    for name, end in (("old", 1), ("new", 2)):
        path = tree.site / name / "__init__.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"pass\n\n# edition {end}\n")
    (tree.site / "generated.py").write_text("version = 1\n")
    assert stale_files(tree) == ["old/__init__.py"]


def test_a_newer_edition_of_a_wheel_is_a_whole_wheel(tmp_path: Path) -> None:
    carried = "demo/vendored/other-2.dist-info/RECORD"
    files = {"demo/__init__.py": b"", "demo/data.txt": b"1", carried: b"x.py,,\n"}
    old = make_wheel(tmp_path, "demo", "1.0", files=files)
    make_newer(old, tmp_path / "newer" / old.name, 3)
    assert check_wheel(str(tmp_path / "newer" / old.name)).label == "demo 1.0"
    with zipfile.ZipFile(tmp_path / "newer" / old.name) as opened:
        assert opened.read("demo/__init__.py") == b"\n# edition 3\n"
        assert opened.read("demo/data.txt") == b"1"
        assert opened.read(carried) == b"x.py,,\n"


@pytest.mark.parametrize(
    ("version", "newer"),
    [("1.2", "1.2.p0"), ("1.2.p0", "1.2.p1"), ("1.2.p9", "1.2.p10"), ("1.post1", "1.post1.p0")],
)
def test_patch_levels_are_raised(version: str, newer: str) -> None:
    assert next_patch_level(version) == newer


NO_PIP = """\
[spkg-install] Error: something of an earlier attempt
[spkg-pipinst] /sage/venv/bin/python3: No module named pip
[spkg-pipinst] Warning: installing with "python3 -m pip install" failed. Retrying
[spkg-pipinst] /sage/venv/bin/python3: No module named pip
[spkg-pipinst] Error: installing with pip  failed
[spkg-pipinst] ********************************************************************************
[spkg-pipinst] Error installing setuptools
[spkg-pipinst] ********************************************************************************
Error running the pipinst script for setuptools-73.0.1.p2.
"""
NO_BACKEND = """\
[spkg-install] ERROR No module named 'packaging'
[spkg-install] Retrying with "python3 -m build --no-isolation".
[spkg-install] ERROR Backend 'setuptools.build_meta' is not available.
[spkg-install] ********************************************************************************
[spkg-install] Error building a wheel for cffi-1.17.1.p2
"""
NO_HEADER = """\
[spkg-install] zmq_compat.h:20:10: fatal error: zmq.h: No such file or directory
[spkg-install] compilation terminated.
[spkg-install] error: command '/usr/bin/gcc' failed with exit code 1
[spkg-install] Error: build_wheel of /sage/build/pyzmq/src ended with exit status 1; log: build.log
[spkg-install] ********************************************************************************
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (NO_PIP, "/sage/venv/bin/python3: No module named pip"),
        (NO_BACKEND, "ERROR Backend 'setuptools.build_meta' is not available."),
        (NO_HEADER, "zmq_compat.h:20:10: fatal error: zmq.h: No such file or directory"),
        ("[spkg-install] x.c:1: it is odd\nthe last\n" + "*" * 70 + "\nError\n", "the last"),
        ("sage-pip-install: error: no file\n" + "*" * 70, "sage-pip-install: error: no file"),
        ("", "the log is empty"),
    ],
)
def test_the_deciding_line_of_a_log_is_found(log: str, line: str) -> None:
    assert deciding_line(log) == line


def test_records_must_be_one_each_and_name_files_that_exist(tree: SageTree) -> None:
    tree.configure(["pip", "six"])
    for recipe in tree.packages.values():
        tree.record(recipe).parent.mkdir(parents=True, exist_ok=True)
        tree.record(recipe).write_text(json.dumps({"files": [f"share/{recipe.name}"]}))
        (tree.venv / "share").mkdir(exist_ok=True)
        (tree.venv / f"share/{recipe.name}").touch()
    assert record_problems(tree) == []
    (tree.venv / "share/six").unlink()
    tree.record(tree.packages["pip"]).write_text("{")
    (tree.record(tree.packages["pip"]).parent / "six-0.9").write_text('{"files": []}')
    assert record_problems(tree) == [
        "pip-1.0: the installation record cannot be read",
        "six: 2 installation records",
        "six-1.0: 1 recorded files missing: share/six",
    ]


LOCKS = """\
1: FLOCK  ADVISORY  WRITE 22991 fe:00:2147574 0 EOF
1: -> FLOCK  ADVISORY  WRITE 22992 fe:00:2147574 0 EOF
1: -> FLOCK  ADVISORY  READ 22993 fe:00:2147574 0 EOF
2: -> POSIX  ADVISORY  WRITE 22994 fe:00:99 0 EOF
"""


def test_those_are_counted_who_wait_for_the_locks_in_question() -> None:
    assert waiting(LOCKS, {2147574}) == 2
    assert waiting(LOCKS, {2147574, 99}) == 3
    assert waiting(LOCKS, {22991}) == 0


def install(site: Path, name: str) -> None:
    """Lay out a distribution of one module."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").touch()
    (info / "METADATA").write_text("Metadata-Version: 2.1\n")
    (info / "RECORD").write_text(f"{name}.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_absence_counts_from_its_first_look_to_the_look_that_shows_it_ended(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(tmp_path / "site", clock)
    watch.look()  # there is no site yet, and nothing that could be absent from it
    install(watch.site, "demo")
    install(watch.site, "other")
    for clock.now in (1.0, 2.0):
        watch.look()
    for first, last in ((3.0, 7.0), (8.0, 9.0)):
        shutil.rmtree(watch.site / "demo-1.0.dist-info")
        for clock.now in (first, last - 0.5):
            watch.look()
        install(watch.site, "demo")
        clock.now = last
        watch.look()
    shutil.rmtree(watch.site / "other-1.0.dist-info")
    watch.look()
    clock.now = 10.0
    watch.end()
    told = watch.told()
    assert told["absent"] == ["demo", "other"]
    assert told["absent_seconds"] == 6.0
    assert told["absent_longest"] == 4.0
    assert watch.gaps["demo"].times == 2


def test_what_is_half_there_counts_once_for_each_look(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "site", Clock())
    install(watch.site, "demo")
    install(watch.site, "other")
    watch.look()
    assert watch.told()["torn"] == {}
    (watch.site / "demo.py").unlink()
    for _ in range(2):
        watch.look()
    assert watch.told()["torn"] == {"missing file": 2}
    assert watch.told()["torn_names"] == ["demo"]


def test_a_distribution_is_looked_at_in_its_turn_when_it_is_no_longer_new(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(tmp_path / "site", clock)
    for name in ("one", "two", "three"):
        install(watch.site, name)
    watch.look()
    assert watch.looks == 3
    clock.now = 5.0
    for name in ("one", "two", "three"):
        (watch.site / f"{name}.py").unlink()
    for _ in range(3):
        watch.look()
    assert watch.looks == 6
    assert watch.told()["torn_names"] == ["one", "three", "two"]


SEEN = {"waited": 0.0, "absent": [], "absent_longest": 0.0, "torn": {}, "torn_names": []}


def a_round(tree: str, **worse: object) -> Round:
    """A round of two packages in which nothing went wrong, but for what is given."""
    seen = {**SEEN, "examples": {}, **{key: worse.pop(key) for key in SEEN if key in worse}}
    return Round(tree, Kind.NEW, 2, 60.0, seen=seen, **worse)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "worse",
    [
        {"failures": {"demo": "why"}},
        {"problems": ["something"]},
        {"absent": ["demo"]},
        {"torn": {"missing file": 1}},
    ],
)
def test_whatever_goes_wrong_in_the_adopted_tree_counts(worse: dict[str, object]) -> None:
    assert verdict([a_round("unchanged", **worse), a_round("adopted")]) == []
    assert len(verdict([a_round("unchanged"), a_round("adopted", **worse)])) == 1


def test_a_round_is_told_in_a_row_and_with_its_reasons() -> None:
    failures = {"demo": "no pip"}
    one = a_round("unchanged", failures=failures, retried=["demo"], torn={"x": 3}, waited=1.25)
    assert cells_of(one)[1:] == [
        *("unchanged", "1/2", "1", "1", "60 s", "1.25", "0", "0.0", "3", "in order")
    ]
    told = details(one)
    assert told[1:] == ["  failed: demo: no pip", "  retried: demo"]
    assert details(a_round("adopted")) == []


def test_the_commonest_reasons_are_told_and_the_others_counted() -> None:
    failures = {f"{why}{n}": why for why in "abcdefg" for n in range(1 + (why < "f"))}
    told = details(a_round("unchanged", failures=failures))
    assert told[1] == "  failed: a0, a1: a"
    assert told[-1] == "  failed: 2 more for other reasons"
