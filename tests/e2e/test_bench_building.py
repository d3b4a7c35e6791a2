"""``make bench-building`` in short: one tiny project by all ways, and ways that cheat."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench import building_ways
from bench.building import Comparison, choose_ways
from bench.building_sources import Prepared, Workshop, prepare
from bench.building_trials import Trial, private_environment
from bench.building_ways import UV_WAYS, Way, ways
from bench.environment import Pin, PreparationError
from bench.packages import Source
from bench.processes import ProcessTable

from tests.wheels import make_wheel

BACKEND = """
import base64, hashlib, os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    with open("src/tiny.py", "rb") as stream:
        files = {"tiny.py": stream.read()}
    files["tiny-1.dist-info/METADATA"] = b"Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n"
    files["tiny-1.dist-info/WHEEL"] = (
        b"Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    )
    rows = ["tiny-1.dist-info/RECORD,,"]
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows.append(f"{name},sha256={digest},{len(data)}")
    files["tiny-1.dist-info/RECORD"] = "\\n".join(rows).encode()
    with zipfile.ZipFile(os.path.join(directory, "tiny-1-py3-none-any.whl"), "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return "tiny-1-py3-none-any.whl"
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    root = tmp_path_factory.mktemp("building")
    with ProcessTable() as processes:
        yield Workshop(root, root / "wheelhouse", processes)


@pytest.fixture(scope="module")
def tiny(workshop: Workshop) -> Prepared:
    """A project of one module, whose backend is in the wheelhouse."""
    make_wheel(workshop.wheelhouse, "tiny_backend", "1", {"tiny_backend.py": BACKEND})
    directory = workshop.root / "source"
    (directory / "src").mkdir(parents=True)
    (directory / "src" / "tiny.py").write_text("ANSWER = 42\n")
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["tiny_backend"]\nbuild-backend = "tiny_backend"\n'
        '[project]\nname = "tiny"\nversion = "1"\n'
    )
    env = private_environment(workshop.root / "home", workshop.root / "preparing")
    found = prepare(Source(Pin("tiny", "1"), "tiny", ("tiny",)), directory, workshop, env)
    assert (found.module, found.marked) == ("tiny.py", "src/tiny.py")
    return found


def compare(tiny: Prepared, workshop: Workshop, ways: list[Way]) -> Comparison:
    shutil.rmtree(workshop.root / "caches", ignore_errors=True)
    comparison = Comparison([tiny], ways, workshop, compiling=True)
    comparison.run(1)
    assert not list(workshop.root.glob("run-*"))
    return comparison


def test_all_ways_without_uv_build_and_install(tiny: Prepared, workshop: Workshop) -> None:
    chosen = ways(None)
    comparison = compare(tiny, workshop, chosen)
    assert comparison.failures == []
    expected = {(way.key, state) for way in chosen for state in ("cold", "warm")}
    figures = comparison.figures()
    assert {(one.way, one.state) for one in figures} == expected
    assert all(one.to_ours and one.cpu_to_ours and one.to_floor for one in figures)
    assert {(one.way, one.state) for one in comparison.summaries(figures)} == expected


@pytest.mark.index
def test_uv_builds_and_installs(tiny: Prepared, workshop: Workshop) -> None:
    chosen, skipped = choose_ways(UV_WAYS, workshop)
    assert skipped == {}
    comparison = compare(tiny, workshop, chosen)
    assert comparison.failures == []
    assert {(run.way, run.state) for run in comparison.runs} == {
        (key, state) for key in UV_WAYS for state in ("cold", "warm")
    }


def test_without_uv_its_ways_are_named_as_skipped(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object) -> Path:
        raise PreparationError("no index")

    monkeypatch.setattr("bench.building.find_uv", absent)
    chosen, skipped = choose_ways(None, workshop)
    assert [way.key for way in chosen] == [way.key for way in building_ways.ways(None)]
    assert skipped == {"uv": "no index", "build-uv": "no index"}
    assert choose_ways(["pip"], workshop)[1] == {}


def unzip(trial: Trial, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(trial.venv.site)


def fresh_wheel(trial: Trial) -> Path:
    return trial.hooks.wheel(trial.root / "wheel")


def older_wheel(trial: Trial) -> Path:
    return next(trial.workshop.root.glob("prepared/*/wheel/*.whl"))


def lose_a_file(trial: Trial) -> None:
    unzip(trial, fresh_wheel(trial))
    (trial.venv.site / "tiny-1.dist-info" / "WHEEL").unlink()


def break_the_module(trial: Trial) -> None:
    with (trial.directory / "src" / "tiny.py").open("a") as stream:
        stream.write("import no_such_module\n")
    unzip(trial, fresh_wheel(trial))


def fail(trial: Trial) -> None:
    trial.run([trial.venv.python, "-c", "raise SystemExit('no compiler')"])


def build(trial: Trial) -> None:
    unzip(trial, fresh_wheel(trial))


@pytest.mark.parametrize(
    ("run", "compiles", "reason"),
    [
        (build, False, ""),
        (build, True, "tiny.py has no bytecode"),
        (lambda _: None, False, "[] is installed"),
        (lambda trial: unzip(trial, older_wheel(trial)), False, "not built from this copy"),
        (lose_a_file, False, "RECORD lists what is not there"),
        (break_the_module, False, "No module named 'no_such_module'"),
        (fail, False, "exit status 1: no compiler"),
    ],
)
def test_a_way_that_does_less_is_not_counted(
    tiny: Prepared,
    workshop: Workshop,
    run: Callable[[Trial], None],
    compiles: bool,
    reason: str,
) -> None:
    comparison = compare(tiny, workshop, [Way("it", "", False, compiles, run)])
    assert len(comparison.runs) == (0 if reason else 1)
    assert [reason in one for one in comparison.failures] == ([True] if reason else [])
    before = len(comparison.failures)
    comparison.run(1)
    assert len(comparison.failures) == before, "a way that failed is given up"


def test_a_module_from_elsewhere_is_not_taken_for_the_installed_one(
    tiny: Prepared, workshop: Workshop
) -> None:
    """The environment that is ready may help with imports; its modules do not count."""
    other = replace(tiny, modules=("tiny", "tiny_backend"))
    comparison = compare(other, workshop, [Way("it", "", False, False, build)])
    (failure,) = comparison.failures
    assert "AssertionError" in failure
