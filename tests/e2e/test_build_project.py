"""Building wheels from source trees: isolation, hostile hooks, clear failures."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagepip.build.options import Isolation
from sagepip.build.project import build_wheel
from sagepip.ground.errors import BuildError, SagepipError
from sagepip.ground.target_python import TargetPython
from tests.e2e.build_fixtures import (
    TINY_BACKEND,
    make_project,
    make_sdist,
    make_tiny_backend,
    options,
    seen,
)
from tests.wheels import make_wheel

RUNNING = TargetPython.running()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory for sagepip that the test can look into."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """A wheelhouse with the tiny backend."""
    make_tiny_backend(tmp_path / "wheelhouse")
    return tmp_path / "wheelhouse"


def test_isolated_build_sees_its_requirements_alone(
    tmp_path: Path,
    wheelhouse: Path,
    temporary: Path,
    session_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G7: the backend runs in an environment of its own, with none of the user's paths."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "from_pythonpath.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("PIP_TARGET", str(elsewhere))
    monkeypatch.setenv("PIP_FIND_LINKS", str(elsewhere))
    monkeypatch.setenv("CC", "my-compiler")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    monkeypatch.setenv("VIRTUAL_ENV", "/some/venv")
    project = make_project(
        tmp_path / "source", probes=["tiny_backend", "pytest", "sagepip", "from_pythonpath", "pip"]
    )
    built = build_wheel(
        str(project), str(tmp_path / "out"), python=RUNNING, options=options(wheelhouse)
    )
    saw = seen(built.path)
    assert saw["found"] == ["tiny_backend"]
    environ = saw["environ"]
    assert environ["CC"] == "my-compiler"
    assert environ["SOURCE_DATE_EPOCH"] == "1234567890"
    assert environ["PYTHONNOUSERSITE"] == "1"
    assert environ["PIP_CONFIG_FILE"] == os.devnull
    assert environ["PIP_NO_INDEX"] == "1"
    gone = {"PYTHONPATH", "PYTHONOPTIMIZE", "PIP_TARGET", "PIP_FIND_LINKS", "VIRTUAL_ENV"}
    assert not gone & environ.keys()
    assert environ["PATH"].split(os.pathsep)[0] == os.path.dirname(saw["executable"])
    assert saw["executable"].startswith(str(session_cache))
    assert saw["stdin"] == ""
    assert list(temporary.iterdir()) == [], "a successful build leaves nothing behind"
    assert os.listdir(tmp_path / "out") == ["demo-1.0-py3-none-any.whl"]


def test_config_settings_reach_the_backend(tmp_path: Path, wheelhouse: Path) -> None:
    """-C values arrive as given, a repeated key as a list, a key with dashes untouched."""
    settings = {"--global-option": "--use-x", "setup-args": ("-Da=1", "-Db=2")}
    built = build_wheel(
        str(make_project(tmp_path / "source")),
        str(tmp_path / "out"),
        python=RUNNING,
        options=options(wheelhouse, config_settings=settings),
    )
    expected = {"--global-option": "--use-x", "setup-args": ["-Da=1", "-Db=2"]}
    assert seen(built.path)["config_settings"] == expected


def test_dynamic_requirements_are_provided(tmp_path: Path, wheelhouse: Path) -> None:
    """What get_requires_for_build_wheel asks for is there when the wheel is built."""
    make_wheel(wheelhouse, "late", "2.0", {"late.py": ""}, requires=("later",))
    make_wheel(wheelhouse, "later", "1.0", {"later.py": ""})
    project = make_project(
        tmp_path / "source", dynamic=["late>=1", "tiny-backend"], probes=["late", "later"]
    )
    built = build_wheel(
        str(project), str(tmp_path / "out"), python=RUNNING, options=options(wheelhouse)
    )
    assert seen(built.path)["found"] == ["late", "later"]


def test_dynamic_requirement_changes_a_static_one(tmp_path: Path, wheelhouse: Path) -> None:
    """All requirements hold together: a version taken first gives way to one that fits both."""
    make_wheel(wheelhouse, "lib", "1.0", {"lib_one.py": ""})
    make_wheel(wheelhouse, "lib", "2.0", {"lib_two.py": ""})
    project = make_project(
        tmp_path / "source",
        requires=["tiny-backend", "lib"],
        dynamic=["lib<2"],
        probes=["lib_one", "lib_two"],
    )
    built = build_wheel(
        str(project), str(tmp_path / "out"), python=RUNNING, options=options(wheelhouse)
    )
    assert seen(built.path)["found"] == ["lib_one"]


def test_requirement_that_is_an_sdist_is_built(tmp_path: Path, wheelhouse: Path) -> None:
    """A build requirement that there is only a source of is built first, for this build alone."""
    source = make_project(tmp_path / "helper-source", "helper")
    make_sdist(wheelhouse, source, "helper", "1.0")
    before = sorted(os.listdir(wheelhouse))
    project = make_project(
        tmp_path / "source", requires=["tiny-backend", "helper"], probes=["helper"]
    )
    built = build_wheel(
        str(project), str(tmp_path / "out"), python=RUNNING, options=options(wheelhouse)
    )
    assert seen(built.path)["found"] == ["helper"]
    assert sorted(os.listdir(wheelhouse)) == before


def test_cycle_of_build_requirements_is_named(
    tmp_path: Path, wheelhouse: Path, temporary: Path
) -> None:
    """Two sdists that need each other to be built end in one error, not in endless processes."""
    for name, other in (("first", "second"), ("second", "first")):
        source = make_project(tmp_path / name, name, requires=["tiny-backend", other])
        make_sdist(wheelhouse, source, name, "1.0")
    project = make_project(tmp_path / "source", requires=["tiny-backend", "first"])
    with pytest.raises(BuildError, match="first needs itself") as caught:
        build_wheel(
            str(project), str(tmp_path / "out"), python=RUNNING, options=options(wheelhouse)
        )
    assert "provide a wheel" in caught.value.advice
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("kind", ["venv", "debian"])
def test_other_target_interpreters(tmp_path: Path, wheelhouse: Path, kind: str) -> None:
    """The build runs with the target's Python, be it a venv's in an odd place or the system's."""
    if kind == "venv":
        place = tmp_path / "a venv with blanks"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
        executable = str(place / "bin" / "python3")
    else:
        executable = "/usr/bin/python3"
        if not os.path.exists(executable) or sys.platform != "linux":
            pytest.skip("no system Python")
    python = TargetPython.ask(executable)
    if python.version < (3, 11):
        pytest.skip("the tiny backend needs Python 3.11")
    built = build_wheel(
        str(make_project(tmp_path / "source", probes=["pytest", "tiny_backend"])),
        str(tmp_path / "out"),
        python=python,
        options=options(wheelhouse),
    )
    saw = seen(built.path)
    assert tuple(saw["version"]) == python.version[:2]
    assert saw["found"] == ["tiny_backend"]


def test_without_isolation_the_target_is_used(tmp_path: Path) -> None:
    """--no-build-isolation: the backend comes from the target, which needs no wheelhouse."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = TargetPython.ask(str(place / "bin" / "python3"))
    project = make_project(tmp_path / "source", probes=["tiny_backend", "pytest"])
    checked = options(isolation=Isolation.NONE, check_dependencies=True)
    with pytest.raises(BuildError, match=r"not installed for .*: tiny-backend \("):
        build_wheel(str(project), str(tmp_path / "out"), python=python, options=checked)
    with pytest.raises(BuildError, match=r"tiny_backend of .* cannot be imported"):
        build_wheel(
            str(project),
            str(tmp_path / "out"),
            python=python,
            options=options(isolation=Isolation.NONE),
        )
    site = Path(python.scheme_paths["purelib"])
    with zipfile.ZipFile(make_tiny_backend(tmp_path / "wheels")) as archive:
        archive.extractall(site)
    built = build_wheel(str(project), str(tmp_path / "out"), python=python, options=checked)
    saw = seen(built.path)
    assert saw["executable"] == python.executable
    assert saw["found"] == ["tiny_backend"]


def test_wrong_version_of_a_dependency_is_found_in_the_target(tmp_path: Path) -> None:
    """--check-build-dependencies looks at the target's versions, through dependencies too."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = TargetPython.ask(str(place / "bin" / "python3"))
    needs = ("inner>=2", "pytest; extra == 'x'")
    wheels = [
        make_wheel(tmp_path, "outer", "1.0", {"outer.py": ""}, requires=needs),
        make_wheel(tmp_path, "inner", "1.0", {"inner.py": ""}),
    ]
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(python.scheme_paths["purelib"])
    project = make_project(
        tmp_path / "source", requires=["outer", 'never; python_version < "3"', "outer[x]"]
    )
    with pytest.raises(BuildError) as caught:
        build_wheel(
            str(project),
            str(tmp_path / "out"),
            python=python,
            options=options(isolation=Isolation.NONE, check_dependencies=True),
        )
    problem = caught.value.problem
    assert "inner>=2 (needed by outer) (installed: 1.0)" in problem
    assert "pytest (needed by outer)" in problem
    assert "never" not in problem


HOSTILE_RESULTS = {
    "absolute": "open('/tmp/nothing', 'a').close(); return '/tmp/nothing'",
    "climbing": "return '../demo-1.0-py3-none-any.whl'",
    "subdirectory": "return 'sub/demo-1.0-py3-none-any.whl'",
    "absent": "return 'demo-1.0-py3-none-any.whl'",
    "no wheel": "open(wheel_directory + '/demo.txt', 'w').close(); return 'demo.txt'",
    "no text": "return None",
    "link": "import os; os.symlink('/etc/passwd', wheel_directory + '/demo-1.0-py3-none-any.whl');"
    " return 'demo-1.0-py3-none-any.whl'",
    "exit": "import os; os._exit(0)",
}


@pytest.mark.parametrize("case", HOSTILE_RESULTS)
def test_result_must_be_a_wheel_in_the_directory(tmp_path: Path, case: str) -> None:
    """Rule 14: whatever the hook answers, only a plain name of a real wheel there is taken."""
    body = HOSTILE_RESULTS[case].replace("/tmp/nothing", str(tmp_path / "x-1.0-py3-none-any.whl"))
    backend = f"def build_wheel(wheel_directory, settings=None, metadata=None):\n    {body}\n"
    project = make_project(tmp_path / "source", in_tree=backend)
    out = tmp_path / "out"
    with pytest.raises(BuildError) as caught:
        build_wheel(str(project), str(out), python=RUNNING, options=options())
    assert str(project) in caught.value.problem
    assert "\n" not in caught.value.problem
    assert not out.exists()


def test_failing_hook_is_one_line_and_keeps_its_traces(tmp_path: Path, temporary: Path) -> None:
    """A hook's failure names the hook, the project and the log; the log's end comes with it."""
    backend = """
    import sys
    def build_wheel(wheel_directory, settings=None, metadata=None):
        for number in range(100):
            print("line", number)
        sys.stdout.flush()
        sys.stdout.buffer.write(b"bad byte \\xff\\n")
        sys.stdout.flush()
        raise SystemExit(3)
    """
    project = make_project(tmp_path / "source", in_tree=backend)
    with pytest.raises(BuildError) as caught:
        build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options())
    error = caught.value
    (workspace,) = temporary.iterdir()
    log = workspace / "build.log"
    assert f"build_wheel of {project} ended with exit status 3" in error.problem
    assert str(log) in error.problem
    environment = error.advice.rpartition("build environment: ")[2]
    assert os.access(os.path.join(environment, "bin", "python"), os.X_OK)
    assert "line 0\n" in log.read_text(errors="replace")
    assert "line 99" in error.output
    assert "bad byte \N{REPLACEMENT CHARACTER}" in error.output
    assert "line 50\n" not in error.output


def test_makes_job_server_reaches_the_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler run under a hook shares the tokens of the make that runs sagepip."""
    backend = TINY_BACKEND.replace(
        'print("tiny backend at work")',
        "os.write(int(os.environ['MAKEFLAGS'].rpartition(',')[2]), b'+')",
    )
    project = make_project(tmp_path / "source", in_tree=backend)
    read, write = os.pipe()
    try:
        os.set_inheritable(read, True)
        os.set_inheritable(write, True)
        os.set_blocking(read, False)
        monkeypatch.setenv("MAKEFLAGS", f"-j2 --jobserver-auth={read},{write}")
        build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options())
        assert os.read(read, 1) == b"+"
    finally:
        os.close(read)
        os.close(write)


def test_killed_hook_names_the_signal(tmp_path: Path) -> None:
    """A hook that the kernel kills (out of memory) is reported as killed."""
    backend = """
    import os
    def build_wheel(wheel_directory, settings=None, metadata=None):
        os.kill(os.getpid(), 9)
    """
    project = make_project(tmp_path / "source", in_tree=backend)
    with pytest.raises(BuildError, match="was killed by SIGKILL"):
        build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options())


def test_background_process_does_not_hold_the_build(tmp_path: Path) -> None:
    """Rule 14: a process left behind with the build's output open does not make us wait."""
    backend = TINY_BACKEND.replace(
        'print("tiny backend at work")',
        "import subprocess; subprocess.Popen(['sleep', '20'])",
    )
    project = make_project(tmp_path / "source", in_tree=backend)
    started = time.monotonic()
    build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options())
    assert time.monotonic() - started < 15


def test_verbose_build_is_streamed_while_it_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With -v the output appears on stderr; without, a successful build is silent."""
    project = make_project(tmp_path / "source", in_tree=TINY_BACKEND)
    build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options())
    assert capfd.readouterr() == ("", "")
    build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options(verbosity=1))
    output, errors = capfd.readouterr()
    assert output == ""
    assert "tiny backend at work\n" in errors


def test_keep_build_keeps_a_successful_build(tmp_path: Path, temporary: Path) -> None:
    """Asked for, the log and the environment of a good build stay too."""
    project = make_project(tmp_path / "source", in_tree=TINY_BACKEND)
    built = build_wheel(
        str(project), str(tmp_path / "out"), python=RUNNING, options=options(keep_build=True)
    )
    assert built.log_path is not None
    assert "tiny backend at work" in Path(built.log_path).read_text()
    assert Path(built.log_path).parent.parent == temporary


BROKEN_PROJECTS: dict[str, tuple[dict[str, str | bytes], str]] = {
    "empty": ({}, "no pyproject.toml and no setup.py"),
    "bad toml": ({"pyproject.toml": "[build-system\n"}, "Failed to parse"),
    "not text": ({"pyproject.toml": b"a = '\xff'\n"}, "cannot be built"),
    "no requires": ({"pyproject.toml": "[build-system]\nx = 1\n"}, "`requires` is a required"),
    "wrong type": ({"pyproject.toml": "[build-system]\nrequires = 'a'\n"}, "must be an array"),
    "bad requirement": (
        {"pyproject.toml": "[build-system]\nrequires = ['--index-url=x']\n"},
        "build requirement that is none: '--index-url=x'",
    ),
    "path requirement": (
        {"pyproject.toml": "[build-system]\nrequires = ['./here']\n"},
        "build requirement that is none: './here'",
    ),
    "absent requirement": (
        {"pyproject.toml": "[build-system]\nrequires = ['nowhere-to-be-found>=3']\n"},
        "nothing satisfies nowhere-to-be-found>=3 in",
    ),
    "absolute backend": (
        {
            "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'b'\n"
            "backend-path = ['/usr']\n"
        },
        "leads out of it",
    ),
    "absent backend": (
        {"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'no_such'\n"},
        "the build backend no_such of .* cannot be imported: ModuleNotFoundError",
    ),
}


@pytest.mark.parametrize("case", BROKEN_PROJECTS)
def test_broken_projects_are_told_in_one_line(
    tmp_path: Path, wheelhouse: Path, temporary: Path, case: str
) -> None:
    """Whatever is wrong with a project, the error says what and where; nothing is left."""
    files, message = BROKEN_PROJECTS[case]
    source = tmp_path / "source"
    source.mkdir()
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (source / name).write_bytes(data)
    with pytest.raises(BuildError, match=message) as caught:
        build_wheel(str(source), str(tmp_path / "out"), python=RUNNING, options=options(wheelhouse))
    assert str(source) in caught.value.problem
    assert "\n" not in str(caught.value)
    assert caught.value.advice
    assert list(temporary.iterdir()) == []


def test_project_file_that_is_a_fifo_does_not_hang(tmp_path: Path) -> None:
    """Rule 15: what is opened is looked at first."""
    source = tmp_path / "source"
    source.mkdir()
    os.mkfifo(source / "pyproject.toml")
    with pytest.raises(BuildError, match="not a regular file"):
        build_wheel(str(source), str(tmp_path / "out"), python=RUNNING, options=options())


def test_backend_path_through_a_symlink_is_refused(tmp_path: Path) -> None:
    """Rule 14: backend-path is resolved; a link out of the tree brings no foreign backend in."""
    project = make_project(tmp_path / "source", in_tree=TINY_BACKEND)
    shutil.move(project / "backend", tmp_path / "outside")
    os.symlink(tmp_path / "outside", project / "backend")
    with pytest.raises(BuildError, match=r"backend-path of .* leads out of it"):
        build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options())


def test_corrupt_wheel_in_the_wheelhouse_is_named(tmp_path: Path, wheelhouse: Path) -> None:
    """A damaged wheel is named with its path, whichever way it is damaged."""
    project = make_project(tmp_path / "source")
    (wheel,) = wheelhouse.iterdir()
    whole = wheel.read_bytes()
    altered = make_wheel(
        tmp_path / "altered",
        "tiny_backend",
        "1.0",
        {"tiny_backend.py": TINY_BACKEND},
        replace={"tiny_backend.py": TINY_BACKEND + "import evil"},
    )
    for damaged in (b"junk", whole[: len(whole) // 2], altered.read_bytes()):
        wheel.write_bytes(damaged)
        with pytest.raises(SagepipError) as caught:
            build_wheel(
                str(project), str(tmp_path / "out"), python=RUNNING, options=options(wheelhouse)
            )
        assert str(wheel) in caught.value.problem


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """A sagepip process in the middle of a hook that has a child of its own."""
    backend = f"""
    import subprocess, sys, time
    def build_wheel(wheel_directory, settings=None, metadata=None):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        with open({str(tmp_path / "pids")!r}, "w") as stream:
            import os
            print(os.getpid(), child.pid, file=stream)
        time.sleep(60)
    """
    project = make_project(tmp_path / "source", in_tree=backend)
    script = textwrap.dedent(
        f"""
        from sagepip.build.project import build_wheel
        from sagepip.build.options import BuildOptions
        from sagepip.build.sources import PackageSources
        from sagepip.ground.target_python import TargetPython
        options = BuildOptions(sources=PackageSources(no_index=True))
        build_wheel({str(project)!r}, {str(tmp_path / "out")!r},
                    python=TargetPython.running(), options=options)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    pids = tmp_path / "pids"
    deadline = time.monotonic() + 30
    while not (pids.exists() and pids.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    try:
        yield process, pids, tmp_path / "out"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_the_whole_build(
    interrupted: tuple[subprocess.Popen[bytes], Path, Path], temporary: Path, number: int
) -> None:
    """Rule 14: Ctrl-C and SIGTERM end the hook and its children, and clean up."""
    process, pids, out = interrupted
    process.send_signal(number)
    assert process.wait(timeout=20) != 0
    for pid in map(int, pids.read_text().split()):
        deadline = time.monotonic() + 5
        while _runs(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _runs(pid)
    assert not out.exists()
    assert list(temporary.iterdir()) == []


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
