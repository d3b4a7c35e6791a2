"""The target interpreter and its schemes."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from sagepip.ground.destination import find_destination
from sagepip.ground.errors import TargetError, UsageError
from sagepip.ground.target_python import TargetPython, find_target_python


@pytest.fixture(scope="session")
def other_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a venv that is not the running one."""
    path = tmp_path_factory.mktemp("other") / "venv"
    venv.create(path, with_pip=False, symlinks=True)
    return path


def test_running_interpreter_needs_no_subprocess(monkeypatch: pytest.MonkeyPatch) -> None:
    """The running interpreter describes itself in this process."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a subprocess"))
    python = find_target_python(None, {})
    assert python.is_running
    assert find_destination(python).scheme.purelib == sysconfig.get_path("purelib")
    assert find_target_python(sys.executable, {}).is_running


def test_other_venv_describes_itself(other_venv: Path) -> None:
    """A venv that links to the same interpreter is told apart, and has its own schemes."""
    python = find_target_python(str(other_venv), {})
    assert not python.is_running
    assert python.virtual
    scheme = find_destination(python).scheme
    assert scheme.scripts == str(other_venv / "bin")
    assert scheme.headers == str(other_venv / "include" / "site" / f"python{python.xy}")
    running = TargetPython.running()
    assert (python.tags, python.markers) == (running.tags, running.markers)
    assert python.compiles_like_running


def test_sage_venv_is_the_default(other_venv: Path) -> None:
    """SAGE_VENV names the target; --python wins over it."""
    by_variable = find_target_python(None, {"SAGE_VENV": str(other_venv)})
    assert by_variable.prefix == str(other_venv)
    assert find_target_python(sys.executable, {"SAGE_VENV": str(other_venv)}).is_running


def test_noise_around_the_answer(other_venv: Path) -> None:
    """A .pth file of the target that prints does not disturb the answer."""
    site = Path(find_destination(find_target_python(str(other_venv), {})).site)
    pth = site / "noise.pth"
    pth.write_text("import sys; print('noise', end=''); print('{}', file=sys.stderr)\n")
    try:
        assert find_target_python(str(other_venv), {}).prefix == str(other_venv)
    finally:
        pth.unlink()


def test_pythonpath_does_not_reach_the_target(
    other_venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module in PYTHONPATH cannot take part in the description."""
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert find_target_python(str(other_venv), {}).virtual


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent", None, "no such interpreter"),
        ("text", "hello\n", "cannot run the target interpreter"),
        ("liar", "#!/bin/sh\necho nothing; exit 3\n", r"does not describe itself \(exit status 3"),
    ],
)
def test_unusable_interpreter(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    """What is no Python is refused with one line."""
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
        path.chmod(0o755)
    with pytest.raises(TargetError, match=message) as caught:
        find_target_python(str(path), {})
    assert "\n" not in str(caught.value)


def test_directory_without_interpreter(tmp_path: Path) -> None:
    """A directory that is no venv is refused, naming where the value came from."""
    with pytest.raises(TargetError, match=r"no Python in .* \(SAGE_VENV\)"):
        find_target_python(None, {"SAGE_VENV": str(tmp_path)})


def test_prefix_moves_the_whole_scheme(tmp_path: Path) -> None:
    """--prefix moves every directory of the scheme."""
    python = TargetPython.running()
    scheme = find_destination(python, prefix=str(tmp_path)).scheme
    assert scheme.purelib == f"{tmp_path}/lib/python{python.xy}/site-packages"
    assert (scheme.scripts, scheme.data) == (f"{tmp_path}/bin", str(tmp_path))
    assert all(path.startswith(str(tmp_path)) for path in vars(scheme).values())


def test_prefix_root() -> None:
    """--prefix=/ gives absolute paths, not relative ones."""
    scheme = find_destination(TargetPython.running(), prefix="/").scheme
    assert scheme.data == "/"
    assert scheme.scripts == "/bin"


def test_root_leads_below_it(tmp_path: Path) -> None:
    """With --root the final paths stay, and the live ones lie below the root."""
    python = TargetPython.running()
    plain, staged = find_destination(python), find_destination(python, root=str(tmp_path))
    assert staged.scheme == plain.scheme
    assert staged.live(plain.scheme.scripts) == str(tmp_path) + plain.scheme.scripts
    assert staged.site == os.path.realpath(str(tmp_path) + plain.scheme.purelib)
    assert not staged.is_default
    assert find_destination(python, root="/").root == ""


def test_target_is_flat(tmp_path: Path) -> None:
    """--target puts modules straight into the directory and scripts into its bin."""
    scheme = find_destination(TargetPython.running(), target=str(tmp_path)).scheme
    assert (scheme.purelib, scheme.scripts) == (str(tmp_path), f"{tmp_path}/bin")


def test_target_excludes_prefix_and_root(tmp_path: Path) -> None:
    """Options that contradict each other are wrong usage."""
    python = TargetPython.running()
    with pytest.raises(UsageError, match="exclude each other"):
        find_destination(python, target="a", prefix="b")
    with pytest.raises(UsageError, match="exclude each other"):
        find_destination(python, target="a", root="b")


@pytest.mark.skipif(
    not os.path.exists("/usr/lib/python3/dist-packages"), reason="no Debian Python here"
)
def test_debian_python() -> None:
    """Debian's interpreter: dist-packages by default, plain prefix scheme for --prefix, as pip."""
    python = TargetPython.ask("/usr/bin/python3")
    assert find_destination(python).scheme.purelib.endswith("dist-packages")
    assert python.externally_managed is not None
    moved = find_destination(python, prefix="/p").scheme
    assert moved.purelib == f"/p/lib/python{python.xy}/site-packages"
