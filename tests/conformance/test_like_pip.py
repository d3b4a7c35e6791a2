"""Real wheels of different shapes, installed by pip and by sagepip at the same path."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.environment import (
    Pin,
    PreparationError,
    VirtualEnvironment,
    console_script,
    fetch_wheels,
    tool_environment,
)

from tests.conformance.trees import (
    bytecode_faults,
    different_contents,
    directories_with_modes,
    files_with_modes,
    metadata_texts,
    records,
)
from tests.guarantees import violations_of_g1

pytestmark = pytest.mark.index

PINS = tuple(
    map(
        Pin.parse,
        (
            "six==1.17.0",  # one module
            "attrs==26.1.0",  # two packages, stubs
            "idna==3.20",  # a plain package
            "greenlet==3.5.6",  # compiled, C headers
            "jupyterlab_widgets==3.0.17",  # .data/data
            "zope.interface==8.7",  # compiled, namespace, a dot in its name
            "sphinxcontrib-serializinghtml==2.0.0",  # namespace
            "sphinxcontrib-jsmath==2.0.0",  # the same namespace
            "ruamel.yaml==0.19.1",  # namespace, a dot in its name
            "backports.tarfile==1.2.0",  # namespace
            "PyYAML==6.0.3",  # compiled, capitals
            "docutils==0.23",  # many files, scripts
            "pybind11==3.1.0",  # .data/data with headers, scripts
            "setuptools==84.2.1",  # a .pth file, vendored dist-infos
        ),
    )
)


@dataclass(frozen=True)
class Both:
    """One set of wheels installed twice.

    Attributes:
        by_pip: the environment that pip filled, moved aside.
        by_sagepip: the one that sagepip filled.
        empty: the files of an environment that nobody filled.
        environ: for further commands.
    """

    by_pip: VirtualEnvironment
    by_sagepip: VirtualEnvironment
    empty: dict[str, int]
    environ: dict[str, str]

    def pip(self, environment: VirtualEnvironment, *words: str | Path) -> str:
        """Run pip on an environment; return what it prints."""
        return _run(environment.pip(*words), self.environ)


def _run(command: Sequence[str | Path], environ: dict[str, str]) -> str:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Install all wheels by pip, move that aside, and install them by sagepip in its place."""
    try:
        wheels = list(fetch_wheels(PINS).values())
    except PreparationError as error:
        pytest.fail(f"{error} (without the package index: -m 'not index')")
    home = tmp_path_factory.mktemp("conformance")
    environ = tool_environment(home / "home")
    place = home / "venv"
    by_pip = VirtualEnvironment.create(place)
    empty = files_with_modes(place)
    _run(by_pip.pip("install", "--quiet", "--no-deps", "--no-index", *wheels), environ)
    place.rename(home / "by-pip")
    by_sagepip = VirtualEnvironment.create(place)
    script = console_script("sage-pip-install")
    words: list[str | Path] = [script, "--python", by_sagepip.python, "--no-deps", *wheels]
    assert _run(words, environ).count("Successfully installed") == len(PINS)
    return Both(VirtualEnvironment(home / "by-pip"), by_sagepip, empty, environ)


def test_same_files_and_modes(both: Both) -> None:
    """Both put the same files and directories to the same places, with the same modes."""
    first, second = both.by_pip.root, both.by_sagepip.root
    assert files_with_modes(second) == files_with_modes(first)
    assert directories_with_modes(second) == directories_with_modes(first)


def test_same_contents(both: Both) -> None:
    """The files are the same, byte for byte, shebang lines of scripts included."""
    assert different_contents(both.by_pip.root, both.by_sagepip.root) == []


def test_same_metadata(both: Both) -> None:
    """What installers write about an installation means the same, but for who did it."""
    ours = metadata_texts(both.by_sagepip.root)
    theirs = metadata_texts(both.by_pip.root)
    assert {key for key in theirs if key[1] == "direct_url.json"} != set()
    assert ours.keys() == theirs.keys()
    for key, text in theirs.items():
        if key[1] == "direct_url.json":
            assert json.loads(ours[key]) == json.loads(text)
        else:
            assert (ours[key], text) == ("sagepip\n", "pip\n") or ours[key] == text, key


def test_same_record(both: Both) -> None:
    """RECORD lists the same files with the same hashes; G1 holds for what sagepip installed."""
    ours, theirs = records(both.by_sagepip.root), records(both.by_pip.root)
    assert len(ours) >= len(PINS)
    assert ours == theirs
    assert violations_of_g1(both.by_sagepip.site) == []


def test_bytecode_is_good(both: Both) -> None:
    """All bytecode is for the source beside it, with the final path inside."""
    assert bytecode_faults(both.by_sagepip.site) == []
    assert len(list(both.by_sagepip.site.rglob("*.pyc"))) > 300


def test_scripts_run(both: Both) -> None:
    """The programs of the entry points run with the interpreter that they were installed for."""
    for name, says in {"pybind11-config": "3.1.0", "docutils": "0.23"}.items():
        script = both.by_sagepip.scripts / name
        assert says in _run([script, "--version"], both.environ)
        assert script.read_text().startswith(f"#!{both.by_sagepip.python}\n")


def test_pip_lists_checks_and_uninstalls(both: Both) -> None:
    """For pip the two environments are the same, and it leaves nothing when it removes all."""
    for words in (["list", "--format=freeze"], ["check"]):
        assert both.pip(both.by_sagepip, *words) == both.pip(both.by_pip, *words)
    names = [pin.name for pin in PINS]
    # An empty site-packages pip would remove as a whole; sagepip's lock keeps it.
    (both.by_pip.site / "keep").touch()
    for environment in (both.by_pip, both.by_sagepip):
        both.pip(environment, "uninstall", "--yes", *names)
    assert files_with_modes(both.by_sagepip.root) == both.empty
    left = directories_with_modes(both.by_sagepip.root)
    assert left == directories_with_modes(both.by_pip.root)
    assert both.pip(both.by_sagepip, "list", "--format=freeze") == ""
    # sagepip finds an environment that it can install to again.
    state = sorted(path.name for path in (both.by_sagepip.site / ".sagepip").iterdir())
    assert state == ["gate", "lock"]
