"""``make sdists`` in short: real source archives, and archives that it must find fault with."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench.environment import Pin, copy_into, fetch_sdists, fetch_wheels
from bench.processes import ProcessTable
from bench.proof import files_below
from bench.sdists import as_markdown, summarize
from bench.sdists_attempt import Attempt, Workshop
from bench.sdists_bytes import MODES, ORDER, TIMES, tree_of, unlike, unlike_trees
from bench.sdists_compare import Comparison, compare
from bench.sdists_list import SDISTS, WHEELS, Sdist, chosen

from tests.e2e.build_fixtures import make_project, make_sdist
from tests.wheels import make_wheel

# What test_build_real_backends.py has not: a backend on top of another one, extras in the build
# requirements, and a project that builds itself.
SAMPLE = ("exceptiongroup", "partd", "pdm-backend")
NEEDED = (
    *("flit-scm", "flit-core", "setuptools", "setuptools-scm", "vcs-versioning", "versioneer"),
    *("packaging", "typing-extensions", "locket", "toolz"),
)

# A backend without requirements; its wheel tells what {answer} was.
BACKEND = """
import base64, hashlib, os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    parts = {{
        "demo/__init__.py": "ANSWER = " + repr({answer}),
        "demo/unstable.py": "ANSWER = " + repr(os.urandom(9)),
        "demo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n",
        "demo-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\n"
        "Root-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = ""
    with zipfile.ZipFile(os.path.join(wheel_directory, "demo-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in parts.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
            record += f"{{name}},sha256={{digest.rstrip('=')}},{{len(text)}}\\n"
        listed = zipfile.ZipInfo("demo-1.0.dist-info/RECORD")
        wheel.writestr(listed, record + listed.filename + ",,\\n")
    return "demo-1.0-py3-none-any.whl"
"""


@pytest.fixture
def processes() -> Iterator[ProcessTable]:
    """What starts the commands; nothing of it outlives the test."""
    table = ProcessTable()
    yield table
    table.stop()


@pytest.fixture
def workshop(tmp_path: Path, processes: ProcessTable) -> Workshop:
    """A workshop with a wheelhouse that nobody needs."""
    wheelhouse = tmp_path / "wheelhouse"
    make_wheel(copy_into(wheelhouse, []), "unneeded", "1.0", {"unneeded.py": ""})
    return Workshop(tmp_path, wheelhouse, processes, keep=True)


@pytest.mark.index
def test_real_sdists(tmp_path: Path, processes: ProcessTable) -> None:
    """Each is built offline, twice and as pip builds it, installed whole, and imported."""
    sdists = chosen(SAMPLE)
    wheelhouse = copy_into(
        tmp_path / "wheelhouse", fetch_wheels(pin for pin in WHEELS if pin.name in NEEDED).values()
    )
    archives = fetch_sdists(sdist.pin for sdist in sdists)
    workshop = Workshop(tmp_path, wheelhouse, processes, keep=False)
    with processes.pool(len(sdists)) as pool:
        jobs = [pool.submit(workshop.attempt, one, archives[one.pin]) for one in sdists]
        for job in jobs:
            attempt = job.result()
            assert attempt.problems == []
            assert attempt.beyond_pip == ""
            assert (attempt.likeness, attempt.repeated) == ("same", "same")
            assert attempt.imported


def test_faults_are_found(tmp_path: Path, workshop: Workshop) -> None:
    """A wheel that depends on the run, a changed wheelhouse, a module that is not there."""
    wheel = next((tmp_path / "wheelhouse").iterdir())
    touch = f"os.utime({str(wheel)!r}, (0, 0))"
    devices = "open('/proc/net/dev').read().count(':')"
    ours = "'pip-req-build' in os.getcwd() or os.urandom(9)"
    source = make_project(
        tmp_path / "source", in_tree=BACKEND.format(answer=f"({touch}, {devices}, {ours})")
    )
    archive = make_sdist(tmp_path / "archives", source, "demo", "1.0")
    attempt = workshop.attempt(made("demo", "demo.missing"), archive)
    missing, changed, again, differs = attempt.problems
    assert again == "built twice, demo/__init__.py differs"
    assert (attempt.unlike or set()) > attempt.unlike_pip > {"demo/unstable.py"}
    assert attempt.repeated == "differ"
    assert missing.startswith("import demo.missing: ")
    assert changed == f"{wheel.name} was changed, though it is input"
    assert differs == "the wheel demo/__init__.py differs"
    assert attempt.comparison == Comparison(["demo/__init__.py differs"], ["demo/unstable.py"])
    assert attempt.imported is False
    if workshop.without_network:
        (module,) = (tmp_path / "demo").glob("venv/lib/python*/site-packages/demo/__init__.py")
        assert module.read_text().startswith("ANSWER = (None, 1, ")  # the loopback device


def made(*modules: str) -> Sdist:
    return Sdist(Pin.parse("demo==1.0"), "its own", "made by code", modules)


def test_bytes(tmp_path: Path) -> None:
    """Nothing of two wheels, or of two installations of them, may differ unnoticed."""
    wheels = []
    for number, text in enumerate(("1", "1", "2")):
        house = copy_into(tmp_path / str(number), [])
        wheels.append(make_wheel(house, "demo", "1.0", {"demo.py": text}))
    one, same, other = wheels
    assert unlike(one, same) == set()
    assert unlike(one, other) == {"demo.py", "demo-1.0.dist-info/RECORD"}
    with zipfile.ZipFile(one) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(same, "w") as archive:
        for name in reversed(members):
            archive.writestr(zipfile.ZipInfo(name, (1999, 1, 1, 0, 0, 0)), members[name])
    assert unlike(one, same) == {TIMES, MODES, ORDER}
    site = copy_into(tmp_path / "site", [one])
    before = files_below(site)
    trees = []
    for bytecode in (b"1", b"2"):
        (site / "demo.pyc").write_bytes(bytecode)
        (site / "demo.so").write_bytes(bytecode)
        trees.append(tree_of(site, before))
    one_tree, other_tree = trees
    assert [*one_tree] == ["demo.pyc", "demo.so"]
    assert unlike_trees(one_tree, one_tree, set()) == []
    assert unlike_trees(one_tree, other_tree, set()) == ["demo.pyc", "demo.so"]
    assert unlike_trees(one_tree, other_tree, {"data/demo.so"}) == ["demo.pyc"]
    assert unlike_trees(one_tree, other_tree, {"demo.so", "demo.py"}) == []


def test_paths_of_the_build(tmp_path: Path) -> None:
    """Where the environment of a build lay is no difference; what was taken from it is."""
    inside = "lib/python3.11/site-packages/numpy"
    sources = {
        "one": f'/* "/tmp/one/{inside}/a.h" */',
        "two": f'/* "/var/two/env/{inside}/a.h" */',
        "three": f'/* "/tmp/one/{inside}/b.h" */',
    }
    wheels = {}
    for name, text in sources.items():
        (tmp_path / name).mkdir()
        wheels[name] = make_wheel(tmp_path / name, "demo", "1.0", {"a.c": text})
    assert compare(wheels["one"], wheels["two"]) == Comparison([], ["a.c"])
    assert compare(wheels["one"], wheels["three"]).differences == ["a.c differs"]


def test_what_is_known() -> None:
    """What is known to be found is no fault; not to find it is one."""
    sdist = replace(made(), known=("has a.py",))
    one = Attempt(sdist, cold=1, problems=["the wheel has a.py, too", "other"])
    one.settle()
    assert one.problems == ["other"]
    assert one.notes == ["known: the wheel has a.py, too"]
    one = Attempt(sdist, cold=1)
    one.settle()
    assert one.failed
    one = Attempt(sdist, cold=1, imported=False, problems=["import b: it has a.py"])
    one.settle()
    assert (one.imported, one.failed) == (None, False)


def test_what_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """What pip cannot build either is listed, and counts neither for nor against sagepip."""
    good = Attempt(*(made(), 1, 1, 1), comparison=Comparison(), unlike=set(), imported=True)
    beyond = Attempt(made(), problems=["failed"], beyond_pip="no such header")
    assert summarize([good, beyond]) == 0
    said = capsys.readouterr().out
    assert "1 of 1 built" in said
    assert "1 of the list are built by neither" in said
    assert "no such header" in said
    assert summarize([beyond]) == 1  # Nothing was shown to work.
    assert summarize([good, Attempt(made(), pip=1, problems=["failed"])]) == 1
    assert as_markdown([good, beyond]).splitlines()[2:] == [
        "| demo 1.0 | its own | made by code | 1.00 | 1.00 | same | same |",
        "| demo 1.0 | its own | made by code | - | - |  |  |",
    ]
    ours_alone = Attempt(made(), cold=1, again=1, imported=True, beyond_pip="crashed")
    assert summarize([ours_alone]) == 0
    assert summarize([replace(ours_alone, problems=["verify"])]) == 1


def test_comparison_of_wheels(tmp_path: Path) -> None:
    """Other members, other contents and other modes are found; order and times are not."""
    files = {"a.py": "1", "b.py": "2", "run": "#!/bin/sh\n"}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = make_wheel(tmp_path / "one", "demo", "1.0", files, executable=frozenset({"run"}))
    same = make_wheel(
        tmp_path / "two",
        "demo",
        "1.0",
        dict(reversed(files.items())),
        executable=frozenset({"run"}),
    )
    assert compare(one, same) == Comparison()
    other = make_wheel(
        tmp_path / "two",
        "demo",
        "1.0",
        {"a.py": "1", "b.py": "3", "c.py": "", "run": "#!/bin/sh\n"},
    )
    assert compare(one, other).differences == [
        "lacks c.py",
        "b.py differs",
        "run is executable in one of them",
    ]
    renamed = other.with_name("demo-1.0-py2.py3-none-any.whl")
    shutil.copy(other, renamed)
    assert compare(renamed, other).differences == [f"named {renamed.name}, not {other.name}"]


def test_list_is_long_and_varied() -> None:
    """What was promised: forty and more, no project twice, many backends."""
    assert len({sdist.pin.name for sdist in SDISTS}) == len(SDISTS) >= 40
    assert len({sdist.backend for sdist in SDISTS}) >= 10
