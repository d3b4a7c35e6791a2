"""Cached build environments: resolved anew when they must be, shared, and as they were made."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagepip.build import resolution
from sagepip.build.cache import Cache, cache_path, find_cache, make_once
from sagepip.build.environment import BuildEnvironment, EnvironmentUse
from sagepip.build.options import BuildOptions
from sagepip.build.project import build_wheel
from sagepip.build.provisioning import Provisioner
from sagepip.build.resolution import resolve
from sagepip.build.sources import PackageSources
from sagepip.build.tree_stamps import find_change
from sagepip.ground import console
from sagepip.ground.errors import BuildError, TargetError
from sagepip.ground.target_python import TargetPython
from tests.e2e.build_fixtures import make_project, make_sdist, make_tiny_backend, options
from tests.wheels import make_wheel

RUNNING = TargetPython.running()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache, for this test alone."""
    monkeypatch.setenv("SAGEPIP_CACHE_DIR", str(tmp_path / "cache"))
    found = find_cache(os.environ)
    assert found is not None
    return found


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse."""
    house = tmp_path / "house"
    make_wheel(house, "app", "1.0", {"app.py": "one = 1"}, requires=("lib>=1",))
    make_wheel(
        house,
        "lib",
        "1.0",
        {"lib/__init__.py": "", "lib/data.txt": "data"},
        entry_points="[console_scripts]\nlib-program = lib:main\n",
    )
    return house


class Pip:
    """Counts how often pip is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        real = resolve

        def counted(*words: Any, **named: Any) -> Any:
            self.calls += 1
            return real(*words, **named)

        monkeypatch.setattr(resolution, "resolve", counted)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    """Counts how often pip is asked."""
    return Pip(monkeypatch)


def provide(
    cache: Cache | None, place: Path, *requirements: str, sources: PackageSources | None = None
) -> BuildEnvironment:
    """Return the environment that a build with these requirements gets."""
    workspace = tempfile.mkdtemp(prefix="workspace-", dir=place)
    build_options = BuildOptions(sources or PackageSources(find_links=(str(place / "house"),)))
    with EnvironmentUse(cache, workspace, python=RUNNING, project="x") as use:
        provisioner = Provisioner(
            cache, use, workspace, python=RUNNING, options=build_options, project="x"
        )
        return provisioner.provision(requirements)


def ask(environment: BuildEnvironment, program: str) -> str:
    """Run a program in an environment and return what it prints."""
    command = [environment.python_executable, "-I", "-c", program]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def versions(environment: BuildEnvironment) -> dict[str, str]:
    """Return what is installed in an environment."""
    program = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    found: dict[str, str] = json.loads(ask(environment, program))
    return found


def test_second_build_asks_pip_nothing(tmp_path: Path, cache: Cache, house: Path, pip: Pip) -> None:
    """The same requirements, in any order, get the same environment without pip."""
    first = provide(cache, tmp_path, "app", "lib>=0.5")
    assert versions(first) == {"app": "1.0", "lib": "1.0"}
    assert pip.calls == 1
    before = sorted(os.listdir(cache.environments))
    assert provide(cache, tmp_path, "lib>=0.5", "app").path == first.path
    assert pip.calls == 1
    assert sorted(os.listdir(cache.environments)) == before
    assert find_change(first.path) == ""


def test_environments_share_files_and_scripts_run(
    tmp_path: Path, cache: Cache, house: Path
) -> None:
    """Files are links to the unpacked wheel; scripts run their own environment's Python."""
    one = provide(cache, tmp_path, "lib")
    two = provide(cache, tmp_path, "app")
    assert one.path != two.path
    paths = [next(Path(each.path).rglob("lib/data.txt")) for each in (one, two)]
    assert os.path.samefile(*paths)
    assert len(os.listdir(cache.wheels)) == 2
    for each in (one, two):
        script = Path(each.path, "bin", "lib-program").read_text()
        # Beyond what fits into a first line the shell is asked (see staging/scripts.py).
        assert each.python_executable in "".join(script.splitlines()[:2])
        assert os.access(Path(each.path, "bin", "lib-program"), os.X_OK)
        program = """
            import base64, hashlib, importlib.metadata as m
            for file in m.files("lib"):
                if file.hash:
                    data = file.locate().read_bytes()
                    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
                    assert digest.decode().rstrip("=") == file.hash.value, file
            print(len(m.files("lib")))
        """
        assert int(ask(each, textwrap.dedent(program))) > 5


CHANGES: dict[str, Callable[[Path], object]] = {
    "a newer version": lambda house: make_wheel(house, "lib", "2.0", {"lib.py": "two = 2"}),
    "another file of that name": lambda house: make_wheel(house, "lib", "1.0", {"lib.py": "new"}),
    "a dependency's dependency": lambda house: make_wheel(
        house, "app", "1.1", {"app.py": ""}, requires=("lib>=1",)
    ),
    "a file that goes": lambda house: (house / "lib-1.0-py3-none-any.whl").unlink(),
    "rewritten in place": lambda house: (house / "lib-1.0-py3-none-any.whl").write_bytes(
        (house / "lib-1.0-py3-none-any.whl").read_bytes()
    ),
    "an sdist": lambda house: make_sdist(
        house, make_project(house.parent / "src", "lib", "3.0"), "lib", "3.0"
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_changed_wheelhouse_is_resolved_anew(
    tmp_path: Path, cache: Cache, house: Path, pip: Pip, change: Callable[[Path], object]
) -> None:
    """Whatever happens to files of the projects concerned, pip is asked again."""
    make_tiny_backend(house)
    provide(cache, tmp_path, "app")
    change(house)
    try:
        after = versions(provide(cache, tmp_path, "app"))
    except BuildError as error:
        assert "lib" in error.problem
        assert not (house / "lib-1.0-py3-none-any.whl").exists()
    else:
        house_has = {name.partition("-")[0] for name in os.listdir(house)}
        assert after.keys() <= house_has | {"app"}
    assert pip.calls >= 2


def test_other_projects_wheels_change_nothing(
    tmp_path: Path, cache: Cache, house: Path, pip: Pip
) -> None:
    """In a distribution's build the wheelhouse grows all the time: that alone asks pip nothing."""
    provide(cache, tmp_path, "app")
    make_wheel(house, "other", "1.0", {"other.py": ""})
    make_wheel(house, "library", "1.0", {"library.py": ""})
    provide(cache, tmp_path, "app")
    assert pip.calls == 1


def test_an_sdist_that_matters_makes_everything_matter(
    tmp_path: Path, cache: Cache, house: Path, pip: Pip
) -> None:
    """What an sdist needs is not known: then any file that comes has pip asked again."""
    make_tiny_backend(house)
    make_sdist(house, make_project(tmp_path / "src", "tool", "1.0"), "tool", "1.0")
    first = provide(cache, tmp_path, "tool")
    calls = pip.calls
    assert versions(first)["tool"] == "1.0"
    assert provide(cache, tmp_path, "tool").path == first.path, "built once"
    assert pip.calls == calls
    make_wheel(house, "anything", "1.0", {"anything.py": ""})
    provide(cache, tmp_path, "tool")
    assert pip.calls > calls


def test_constraints_and_formats_are_part_of_the_question(
    tmp_path: Path, cache: Cache, house: Path, pip: Pip
) -> None:
    """Other build constraints, other wheelhouses and --only-binary are other questions."""
    make_wheel(house, "lib", "2.0", {"lib.py": ""})
    constraint = tmp_path / "constraint.txt"
    seen = []
    for number, text in enumerate(("", "lib<2\n", "lib<3\n", "lib<2\n")):
        constraint.write_text(text)
        sources = PackageSources(
            find_links=(str(house),), build_constraints=(str(constraint),) if text else ()
        )
        seen.append(versions(provide(cache, tmp_path, "app", sources=sources))["lib"])
        assert pip.calls == min(number + 1, 3)
    assert seen == ["2.0", "1.0", "2.0", "1.0"]
    (tmp_path / "inner.txt").write_text("lib<2\n")
    constraint.write_text("-c inner.txt\n")
    sources = PackageSources(find_links=(str(house),), build_constraints=(str(constraint),))
    for _ in range(2):
        assert versions(provide(cache, tmp_path, "app", sources=sources))["lib"] == "1.0"
    assert pip.calls == 5, "a constraint file that leads to another is not remembered"


def test_half_written_wheel_is_reported_and_leaves_nothing(
    tmp_path: Path, cache: Cache, house: Path
) -> None:
    """A wheel that is cut off, or not what its RECORD says, never becomes an environment."""
    wheel = house / "lib-1.0-py3-none-any.whl"
    data = wheel.read_bytes()
    for damaged in (data[: len(data) // 2], b"", data.replace(b"data", b"dxta")):
        wheel.write_bytes(damaged)
        with pytest.raises((BuildError, TargetError), match=r"lib-1\.0-py3-none-any\.whl"):
            provide(cache, tmp_path, "app")
        assert os.listdir(cache.environments) == []
        assert all(not name.startswith(".") for name in os.listdir(cache.wheels))
    wheel.write_bytes(data)
    assert versions(provide(cache, tmp_path, "app"))["lib"] == "1.0"


def test_wheel_that_changes_after_resolution_is_resolved_anew(
    tmp_path: Path, cache: Cache, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel that another process replaces while pip's answer is read is not used by surprise."""
    replaced: list[int] = []

    def resolve_and_replace(*words: Any, **named: Any) -> Any:
        found = resolve(*words, **named)
        if not replaced:
            replaced.append(1)
            make_wheel(house, "lib", "1.0", {"lib/__init__.py": "", "lib/data.txt": "other"})
        return found

    monkeypatch.setattr(resolution, "resolve", resolve_and_replace)
    environment = provide(cache, tmp_path, "app")
    assert next(Path(environment.path).rglob("data.txt")).read_text() == "other"


VANDALS = {
    "writes into a module": 'open(lib.__file__, "a").write("x = 1")',
    "adds a module": 'open(os.path.join(site, "added.py"), "w").close()',
    "adds a .pth": 'open(os.path.join(site, "added.pth"), "w").close()',
    "removes a file": 'os.unlink(os.path.join(os.path.dirname(lib.__file__), "data.txt"))',
    "adds a program": 'open(os.path.join(sys.prefix, "bin", "added"), "w").close()',
}
VANDAL = """
import os, sys
import lib
import tiny_backend
from tiny_backend import *
site = os.path.dirname(os.path.dirname(lib.__file__))
def build_wheel(wheel_directory, settings=None, metadata=None):
    {action}
    return tiny_backend.build_wheel(wheel_directory, settings, metadata)
"""


@pytest.mark.parametrize("action", VANDALS.values(), ids=VANDALS.keys())
def test_what_a_build_does_to_its_environment_reaches_no_other(
    tmp_path: Path, cache: Cache, house: Path, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A build that changes its environment is named, and the next build has a clean one."""
    make_tiny_backend(house)
    project = make_project(tmp_path / "source", in_tree=VANDAL.format(action=action))
    settings = project / "pyproject.toml"
    text = settings.read_text().replace("requires = []", 'requires = ["tiny-backend", "lib"]')
    settings.write_text(text)
    build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options(house))
    said = capsys.readouterr().err
    assert "was changed during the build" in said
    assert str(project) in said
    after = provide(cache, tmp_path, "tiny-backend", "lib")
    assert find_change(after.path) == ""
    assert Path(next(Path(after.path).rglob("lib/__init__.py"))).read_text() == ""
    assert not list(Path(after.path).rglob("added*"))
    assert (next(Path(after.path).rglob("data.txt"))).read_text() == "data"
    assert not [name for name in os.listdir(cache.environments) if name.startswith(".")]


def test_bytecode_is_no_change_and_stays(tmp_path: Path, cache: Cache, house: Path) -> None:
    """Python writes bytecode into a shared environment once, for all later builds."""
    environment = provide(cache, tmp_path, "app")
    command = [environment.python_executable, "-c", "import app, lib"]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(command, check=True, env=environ)
    assert list(Path(environment.path).rglob("app.*.pyc"))
    assert find_change(environment.path) == ""
    assert provide(cache, tmp_path, "app").path == environment.path


def test_changed_environment_in_use_is_left_to_its_users(
    tmp_path: Path, cache: Cache, house: Path
) -> None:
    """While a build uses an environment that was damaged the next one makes a private one."""
    workspace = tmp_path / "first"
    workspace.mkdir()
    with EnvironmentUse(cache, str(workspace), python=RUNNING, project="x") as use:
        provisioner = Provisioner(
            cache,
            use,
            str(workspace),
            python=RUNNING,
            options=options(house),
            project="x",
        )
        shared = provisioner.provision(["app"])
        next(Path(shared.path).rglob("data.txt")).unlink()
        private = provide(cache, tmp_path, "app")
        assert private.path.startswith(str(tmp_path / "workspace-"))
        assert next(Path(private.path).rglob("data.txt")).read_text() == "data"
        assert os.path.exists(shared.python_executable)
    after = provide(cache, tmp_path, "app")
    assert after.path == shared.path
    assert find_change(after.path) == ""


def _provide_in_process(cache: Cache, place: Path, number: int, results: Any) -> None:
    own = place / f"process-{number}"
    own.mkdir()
    (own / "house").symlink_to(place / "house")
    sources = PackageSources(find_links=(str(place / "house"),))
    results.put(provide(cache, own, "app", sources=sources).path)


def test_concurrent_makers_do_not_collide(tmp_path: Path, cache: Cache, house: Path) -> None:
    """Many who want one environment at once get one, whole, made once."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    processes = [
        context.Process(target=_provide_in_process, args=(cache, tmp_path, number, results))
        for number in range(6)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
    (path,) = {results.get() for _ in processes}
    assert find_change(path) == ""
    for directory in (cache.environments, cache.wheels, cache.resolutions):
        assert [name for name in os.listdir(directory) if name.startswith(".")] == []
    assert len(os.listdir(cache.wheels)) == 2


def test_maker_that_was_killed_is_succeeded(tmp_path: Path, cache: Cache) -> None:
    """What a killed maker left is thrown away by the one who waits for it."""
    final = os.path.join(cache.environments, "entry")
    program = textwrap.dedent(
        """
        import os, sys, time
        from sagepip.build.cache import make_once
        def fill(tree):
            os.mkdir(tree)
            open(os.path.join(tree, "half"), "w").close()
            print("filling", flush=True)
            time.sleep(600)
        make_once(sys.argv[1], fill)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", program, final], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    def fill(tree: str) -> None:
        os.mkdir(tree)
        Path(tree, "whole").touch()

    make_once(final, fill)
    assert os.listdir(final) == ["whole"]
    assert os.listdir(cache.environments) == ["entry"]


def test_unusable_cache_is_no_obstacle(
    tmp_path: Path, house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cache that cannot be made, or that others may write to, is said and not used."""
    (tmp_path / "file").write_text("")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    foreign.chmod(0o777)
    project = make_project(tmp_path / "source", requires=("tiny-backend",))
    make_tiny_backend(house)
    for place in (tmp_path / "file" / "cache", foreign):
        monkeypatch.setenv("SAGEPIP_CACHE_DIR", str(place))
        assert find_cache(os.environ) is None
        assert "not cached" in capsys.readouterr().err
        build_wheel(str(project), str(tmp_path / "out"), python=RUNNING, options=options(house))
    assert os.listdir(foreign / "v1" / "environments") == []


def test_nothing_is_made_in_somebody_elses_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With sudo HOME is still the user's: a cache of root's there would lock the user out."""
    home = tmp_path / "home"
    home.mkdir()
    assert find_cache({"XDG_CACHE_HOME": str(home)}) is not None
    shutil.rmtree(home / "sagepip")
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(home).st_uid + 1)
    assert find_cache({"XDG_CACHE_HOME": str(home)}) is None
    assert list(home.iterdir()) == []


def test_where_the_cache_is() -> None:
    """The variable, else the user's cache directory; nowhere without a home."""
    assert cache_path({"SAGEPIP_CACHE_DIR": "/a/b"}) == "/a/b/v1"
    assert cache_path({"XDG_CACHE_HOME": "/c"}) == "/c/sagepip/v1"
    assert cache_path({"XDG_CACHE_HOME": "relative"}).endswith("/.cache/sagepip/v1")


def test_build_is_the_same_while_the_site_changes(
    tmp_path: Path, cache: Cache, house: Path
) -> None:
    """G7: what others install into and remove from the site meanwhile is not seen by a build."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = TargetPython.ask(str(venv / "bin" / "python"))
    make_tiny_backend(house)
    rival = make_wheel(
        tmp_path / "rival", "tiny_backend", "9.0", {"tiny_backend.py": "raise SystemExit(1)"}
    )
    project = make_project(
        tmp_path / "source", requires=("tiny-backend",), probes=["tiny_backend", "lib"]
    )
    stop = tmp_path / "stop"
    program = textwrap.dedent(
        """
        import os, subprocess, sys
        rival, lib, venv, stop = sys.argv[1:]
        sagepip = [sys.executable, "-I", "-m", "sagepip"]
        rounds = 0
        while not os.path.exists(stop):
            subprocess.run(
                [*sagepip, "install", "-q", "--no-deps", "--python", venv, rival, lib], check=True
            )
            subprocess.run(
                [*sagepip, "uninstall", "-qy", "--python", venv, "tiny-backend", "lib"], check=True
            )
            rounds += 1
            print(rounds, flush=True)
        """
    )
    lib = house / "lib-1.0-py3-none-any.whl"
    command = [sys.executable, "-I", "-c", program, str(rival), str(lib), str(venv), str(stop)]
    rival_process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert rival_process.stdout is not None
        rival_process.stdout.readline()
        seen = set()
        for count in range(4):
            built = build_wheel(
                str(project), str(tmp_path / "out"), python=python, options=options(house)
            )
            seen.add(Path(built.path).read_bytes())
            # A new environment, too, is made beside the changes. The others write to the same
            # cache meanwhile: it is moved away whole, as a removal of it would meet new files.
            os.rename(cache.path, tmp_path / f"cache-{count}")
            time.sleep(0.01)
        stop.touch()
        assert rival_process.wait() == 0
    finally:
        rival_process.kill()
        rival_process.communicate()
    assert len({json.dumps(_saw(one, tmp_path), sort_keys=True) for one in seen}) == 1


def _saw(wheel: bytes, place: Path) -> dict[str, Any]:
    from tests.e2e.build_fixtures import seen

    path = place / "look.whl"
    path.write_bytes(wheel)
    found: dict[str, Any] = seen(str(path))
    assert found["found"] == ["tiny_backend"]
    return {key: found[key] for key in ("found", "version", "config_settings")}


def test_verbosity_says_what_is_provided(
    tmp_path: Path, cache: Cache, house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """-v names the build requirements when an environment is made."""
    previous = console.verbosity
    console.verbosity = 1
    try:
        provide(cache, tmp_path, "app")
    finally:
        console.verbosity = previous
    assert "build requirement lib 1.0" in capsys.readouterr().err
