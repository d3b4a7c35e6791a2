"""What is said of a virtual environment without starting its interpreter is what that says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from sagepip.ground import interpreter_probe
from sagepip.ground.sibling_environment import describe_sibling
from sagepip.ground.target_python import TargetPython

BASE = os.path.realpath(sys.executable)


def make(place: Path, *options: str) -> str:
    """Make a virtual environment of the running installation; return its interpreter."""
    subprocess.run([BASE, "-m", "venv", "--without-pip", *options, place], check=True)
    return str(place / "bin" / "python")


def asked(executable: str) -> dict[str, object]:
    """Return what an interpreter says of itself."""
    source = Path(interpreter_probe.__file__).read_text(encoding="utf-8")
    run = subprocess.run(
        [executable, "-I", "-c", source, ""], check=True, capture_output=True, text=True
    )
    answer: dict[str, object] = json.loads(run.stdout.partition(interpreter_probe.MARK)[2])
    return answer


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("plain") / "venv"
    make(place)
    if describe_sibling(str(place / "bin" / "python")) is None:
        pytest.skip("this Python's environments have to be asked")
    return place


def site(place: Path) -> Path:
    found: Path = next(place.glob("lib/python*/site-packages"))
    return found


def test_same_as_asked(plain: Path) -> None:
    """A plain environment is described as it describes itself, in every field."""
    for name in ("python", "python3"):
        executable = str(plain / "bin" / name)
        assert describe_sibling(executable) == asked(executable)


def test_same_through_link(plain: Path, tmp_path: Path) -> None:
    """Through a link to the environment, and through one to the interpreter's directory."""
    (tmp_path / "link").symlink_to(plain)
    executable = str(tmp_path / "link" / "bin" / "python")
    assert describe_sibling(executable) == asked(executable)


@pytest.mark.parametrize(
    "text",
    ["import sys; sys.dont_write_bytecode = True\n", "/nowhere\n", "# nothing\n"],
    ids=["import", "path", "comment"],
)
def test_same_beside_harmless_pth(tmp_path: Path, text: str) -> None:
    """Files that bring in no directory of distributions do not matter."""
    executable = make(tmp_path / "venv")
    (site(tmp_path / "venv") / "some.pth").write_text(text)
    assert describe_sibling(executable) == asked(executable)


@pytest.mark.parametrize("word", ["/elsewhere/site-packages", "import site; site.addsitedir('/x')"])
def test_paths_that_are_added(tmp_path: Path, word: str) -> None:
    """Where a .pth file may bring in distributions the interpreter is asked, and says so."""
    executable = make(tmp_path / "venv")
    other = tmp_path / "other" / "site-packages"
    other.mkdir(parents=True)
    (site(tmp_path / "venv") / "some.pth").write_text(
        word.replace("/elsewhere", f"{tmp_path}/other")
    )
    assert describe_sibling(executable) is None
    assert TargetPython.ask(executable).prefix == str(tmp_path / "venv")


def test_added_path_counts(tmp_path: Path) -> None:
    """The directory that a .pth file names is one that the target sees."""
    executable = make(tmp_path / "venv")
    other = tmp_path / "other" / "site-packages"
    other.mkdir(parents=True)
    (site(tmp_path / "venv") / "some.pth").write_text(f"{other}\n")
    assert str(other.resolve()) in TargetPython.ask(executable).site_directories


@pytest.mark.parametrize("option", ["--system-site-packages", "--copies"])
def test_others_are_asked(tmp_path: Path, option: str) -> None:
    """An environment that sees the system's distributions, or is no link, is asked."""
    assert describe_sibling(make(tmp_path / "venv", option)) is None


def test_customized_site_is_asked(tmp_path: Path) -> None:
    """An environment with a sitecustomize, which may do anything, is asked."""
    executable = make(tmp_path / "venv")
    (site(tmp_path / "venv") / "sitecustomize.py").write_text("")
    assert describe_sibling(executable) is None


def test_no_environment_is_asked(tmp_path: Path) -> None:
    """What is no environment, and what is nothing at all."""
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "python"
    link.symlink_to(BASE)
    assert describe_sibling(str(link)) is None
    assert describe_sibling(str(tmp_path / "bin" / "missing")) is None


def test_environment_of_other_home_is_asked(tmp_path: Path) -> None:
    """An environment whose interpreter is ours, made by an installation elsewhere."""
    executable = make(tmp_path / "venv")
    config = tmp_path / "venv" / "pyvenv.cfg"
    lines = config.read_text().splitlines()
    lines = [f"home = {tmp_path}" if line.startswith("home") else line for line in lines]
    config.write_text("\n".join(lines))
    assert describe_sibling(executable) is None


VARIABLES: list[dict[str, str]] = [
    {},
    {"base": "/x", "platbase": "/x"},
    dict.fromkeys(("installed_base", "base", "installed_platbase", "platbase"), "/@p@"),
]


@pytest.mark.parametrize("variables", VARIABLES, ids=str)
@pytest.mark.parametrize("scheme", sysconfig.get_scheme_names())
def test_paths_as_the_standard_library_says(scheme: str, variables: dict[str, str]) -> None:
    """The paths of schemes are the same, whether the interpreter's variables are loaded or not."""
    found = interpreter_probe.scheme_paths(scheme, variables)
    wanted = sysconfig.get_paths(scheme, vars=dict(variables))
    assert found == {key: wanted[key] for key in found}
    assert {"purelib", "platlib", "scripts", "data", "include"} <= set(found)


def test_describing_loads_no_variables() -> None:
    """There are a thousand, for nothing."""
    source = Path(interpreter_probe.__file__).read_text(encoding="utf-8")
    watch = "\nassert not [one for one in sys.modules if one.startswith('_sysconfigdata')]"
    if sys.platform == "linux":
        subprocess.run([BASE, "-I", "-S", "-c", f"{source}\ndescribe(){watch}"], check=True)
