"""The zip application: on an interpreter without pip, with strangers in the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment
from bench.pyz import archive, make

from tests.e2e.build_fixtures import make_project, make_sdist, make_tiny_backend
from tests.e2e.commands import Done, Terminal
from tests.e2e.spkg_places import Place, recipe


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyz") / "sagepip.pyz"
    make(path)
    return path


def run(terminal: Terminal, *words: str | Path, **settings: str) -> Done:
    return subprocess.run(
        words,
        cwd=terminal.where,
        env=terminal.environ | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def project(where: Path) -> Path:
    """A project that brings its backend: the build needs no requirement."""
    where.mkdir()
    (where / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "zipped"\nversion = "1"\n'
    )
    (where / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(directory, config_settings=None, metadata_directory=None):\n"
        "    with zipfile.ZipFile(directory + '/zipped-1-py3-none-any.whl', 'w') as wheel:\n"
        "        info = 'zipped-1.dist-info/'\n"
        "        wheel.writestr('zipped.py', '')\n"
        "        wheel.writestr(info + 'METADATA',"
        " 'Metadata-Version: 2.1\\nName: zipped\\nVersion: 1\\n')\n"
        "        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\n'\n"
        "            'Root-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(info + 'RECORD', 'zipped.py,,\\n' + ''.join(\n"
        "            f'{info}{name},,\\n' for name in ('METADATA', 'WHEEL', 'RECORD')))\n"
        "    return 'zipped-1-py3-none-any.whl'\n"
    )
    return where


def test_the_zip_application_builds_installs_and_uninstalls_without_pip(
    terminal: Terminal, tmp_path: Path, pyz: Path
) -> None:
    """On a bare interpreter, under names of its own, whatever PYTHONPATH holds."""
    venv = VirtualEnvironment.create(tmp_path / "venv")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    for name in ("packaging", "build", "pip", "zipfile"):
        (stranger / f"{name}.py").write_text("raise SystemExit('a stranger')\n")
    source = project(tmp_path / "project")
    words = ("install", "--accept-bad-record", "zipped", source)
    done = run(terminal, venv.python, pyz, *words, PYTHONPATH=str(stranger))
    assert done.stdout == "Successfully installed zipped-1\n", done.stderr
    assert run(terminal, venv.python, "-c", "import zipped").returncode == 0
    assert run(terminal, venv.python, "-I", pyz, "verify").returncode == 0
    (wheels := tmp_path / "wheels").mkdir()
    missing = run(terminal, venv.python, "-I", pyz, "install", "-f", wheels, "--no-index", "other")
    assert missing.returncode == 1
    assert "other" in missing.stderr
    assert "No module named" not in missing.stderr
    link = tmp_path / "sage-pip-uninstall"
    link.symlink_to(pyz)
    done = run(terminal, venv.python, link, "-y", "zipped")
    assert done.stdout == "Successfully uninstalled zipped-1\n", done.stderr


def test_the_zip_application_needs_no_cache_and_leaves_nothing(
    terminal: Terminal, pyz: Path, venv: VirtualEnvironment
) -> None:
    """Where the cache cannot be written it unpacks to a directory that goes with the run."""
    nowhere = terminal.where / "file"
    nowhere.write_text("")
    done = run(terminal, venv.python, "-I", pyz, "--version", SAGEPIP_CACHE_DIR=str(nowhere))
    assert done.returncode == 0, done.stderr
    assert "sagepip-pyz-" in done.stdout
    done = run(terminal, venv.python, "-I", pyz, "nonsense", SAGEPIP_CACHE_DIR=str(nowhere))
    assert done.returncode == 2
    assert os.listdir(terminal.temporary) == []


def test_the_zip_application_runs_nothing_that_others_may_write(
    terminal: Terminal, pyz: Path, venv: VirtualEnvironment
) -> None:
    """A cache that others may write to is not used."""
    cache = terminal.where / "open"
    cache.mkdir()
    cache.chmod(0o777)
    done = run(terminal, venv.python, "-I", pyz, "--version", SAGEPIP_CACHE_DIR=str(cache))
    assert "sagepip-pyz-" in done.stdout, done.stderr
    assert os.listdir(cache) == []


def copies(terminal: Terminal, pyz: Path, venv: VirtualEnvironment) -> tuple[Path, Path]:
    """Fill a cache with the copy of the zip application and an older one; return both."""
    assert run(terminal, venv.python, "-I", pyz, "--version").returncode == 0
    (copy,) = (Path(terminal.environ["SAGEPIP_CACHE_DIR"]) / "pyz").iterdir()
    older = copy.parent / "0.0.1-0123456789abcdef"
    shutil.copytree(copy, older)
    os.utime(older, (0, 0))
    return copy, older


def test_copies_of_older_versions_are_known_to_the_cache_and_pruned(
    terminal: Terminal, pyz: Path, venv: VirtualEnvironment
) -> None:
    """``cache info`` lists them; ``cache prune`` removes what is unused for long or unfinished."""
    terminal.environ["SAGEPIP_CACHE_DIR"] = str(terminal.where / "cache")
    copy, older = copies(terminal, pyz, venv)
    (copy.parent / "1-2.part").mkdir()
    info = run(terminal, venv.python, "-I", pyz, "cache", "info", "-v").stdout
    assert "unpacked zip applications: 2, 1 in use" in info
    assert f"unpacked zip application {older}: " in info
    dry = run(terminal, venv.python, "-I", pyz, "cache", "prune", "--dry-run", "-v").stdout
    assert f"would remove unpacked zip application {older}: " in dry
    assert older.exists()
    pruned = run(terminal, venv.python, "-I", pyz, "cache", "prune", "-v").stdout
    assert f"removed unpacked zip application {older}: " in pruned
    assert list(copy.parent.iterdir()) == [copy]
    terminal.run("sagepip", "cache", "prune", "--all")
    assert list(copy.parent.iterdir()) == []
    assert run(terminal, venv.python, "-I", pyz, "--version").returncode == 0, "it is made again"


def test_a_copy_that_somebody_runs_from_is_not_pruned(
    terminal: Terminal, pyz: Path, venv: VirtualEnvironment
) -> None:
    """Whatever is asked for; once the command has ended it goes."""
    terminal.environ["SAGEPIP_CACHE_DIR"] = str(terminal.where / "cache")
    copy, _ = copies(terminal, pyz, venv)
    prefix = terminal.where / "prefix"
    prefix.mkdir()
    command: list[str | Path] = [
        venv.python,
        "-I",
        pyz,
        "lock",
        prefix,
        "--",
        "sh",
        "-c",
        "echo in; read line",
    ]
    with subprocess.Popen(
        command,
        env=terminal.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        told = terminal.run("sagepip", "cache", "prune", "--all").stdout
        assert f"left, as it is in use: {copy}" in told
        assert list(copy.parent.iterdir()) == [copy]
        process.communicate("\n")
    terminal.run("sagepip", "cache", "prune", "--all")
    assert not copy.exists()


def test_many_start_while_copies_are_pruned(
    terminal: Terminal, pyz: Path, venv: VirtualEnvironment
) -> None:
    """Nobody runs from a copy that is being taken away."""
    terminal.environ["SAGEPIP_CACHE_DIR"] = str(terminal.where / "cache")
    words: list[str | Path] = [venv.python, "-I", pyz, "verify", "--python", venv.python]

    def start(_number: int) -> Done:
        return run(terminal, *words)

    with ThreadPoolExecutor(3) as pool:
        users = [pool.submit(start, number) for number in range(6)]
        while not all(one.done() for one in users):
            terminal.run("sagepip", "cache", "prune", "--all")
    assert [one.result().stderr for one in users if one.result().returncode] == []


def test_every_kind_of_command_runs_from_the_zip_application(
    terminal: Terminal, tmp_path: Path, pyz: Path
) -> None:
    """Building from a wheelhouse, staging, copying, locking, recipes, looking after a site."""
    venv = VirtualEnvironment.create(tmp_path / "venv")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_tiny_backend(wheels)
    sdist = make_sdist(tmp_path, make_project(tmp_path / "demo"), "demo", "1.0")

    def sagepip(*words: str | Path, status: int = 0) -> str:
        done = run(terminal, venv.python, "-I", pyz, *words)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    where = ("--no-index", "-f", wheels)
    assert (
        sagepip("build", *where, "-w", wheels, sdist).strip().endswith("demo-1.0-py3-none-any.whl")
    )
    assert sagepip("install", *where, "--root", tmp_path / "stage", sdist)
    staged = tmp_path / "stage" / str(venv.root).lstrip("/")
    assert "Copied 9 files" in sagepip("copy", "--move", staged, venv.root)
    assert run(terminal, venv.python, "-I", "-c", "import demo").returncode == 0
    assert sagepip("lock", venv.root, "--", venv.python, "-I", pyz, "uninstall", "-y", "demo") == (
        "Successfully uninstalled demo-1.0\n"
    )
    assert sagepip("install", *where, "demo") == "Successfully installed demo-1.0\n"
    for words in (("verify",), ("doctor",), ("status",), ("recover",), ("cache", "info")):
        sagepip(*words)
    place = Place(Terminal(tmp_path / "spkg"))
    recipe(place.recipes, "made", script=f"sage-pip-install {' '.join(map(str, where))} {sdist}\n")
    assert sagepip(*place.words("install", "made")) == "Successfully installed made-1\n"
    sagepip(*place.words("check"))
    assert sagepip(*place.words("uninstall", "made")) == "Successfully uninstalled made-1\n"
    assert not list(venv.site.glob("pip*")), "there is no pip but that of the zip application"


def test_the_same_content_gives_the_same_bytes(pyz: Path) -> None:
    """The archive tells neither when nor where it was made."""
    assert archive() == pyz.read_bytes()


def test_what_the_zip_application_does_is_traced_and_told_by_it(
    terminal: Terminal, tmp_path: Path, pyz: Path
) -> None:
    """Its commands under each name, those that it starts, failures and kills; in all forms."""
    venv = VirtualEnvironment.create(tmp_path / "venv")
    trace = tmp_path / "trace.jsonl"
    terminal.environ |= {"SAGEPIP_TRACE": str(trace), "SAGEPIP_CACHE_DIR": str(tmp_path / "cache")}
    start = (venv.python, "-I", pyz)
    install = ("install", "--accept-bad-record", "zipped", project(tmp_path / "project"))
    assert run(terminal, *start, *install).returncode == 0
    assert run(terminal, *start, "install", tmp_path / "nothing.whl").returncode == 1
    place = Place(Terminal(tmp_path / "spkg"))
    recipe(place.recipes, "made", script="true\n")
    assert run(terminal, *start, *place.words("install", "made")).returncode == 0
    link = tmp_path / "sage-pip-uninstall"
    link.symlink_to(pyz)
    killed = run(terminal, *start, "lock", venv.root, "--", "sh", "-c", "kill -9 $PPID")
    assert killed.returncode == -9
    assert run(terminal, venv.python, "-I", link, "-y", "zipped").returncode == 0
    del terminal.environ["SAGEPIP_TRACE"]

    def told(*options: str) -> str:
        done = run(terminal, *start, "trace", *options, trace)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert done.stdout == terminal.run("sagepip", "trace", *options, trace).stdout
        return done.stdout

    summary = json.loads(told("--json"))
    commands = {one["label"].partition(" (in ")[0]: one for one in summary["commands"]}
    installed = commands["install zipped 1"]
    assert installed["program"] == "sagepip install"
    assert {"start-up", "hook", "unpack", "commit"} <= installed["phases"].keys()
    assert [one["status"] for one in summary["commands"]] == [0, 1, 0, 0, None, 0]
    (lock,) = (one for one in summary["commands"] if one["status"] is None)
    assert lock["unfinished"] == "command sh -c kill -9 $PPID"
    assert commands["uninstall zipped 1"]["program"] == "sage-pip-uninstall"
    (builder,) = (one for one in summary["commands"] if one["label"].startswith("build made-1"))
    assert "install of made-1" in trace.read_text()
    assert builder["phases"]["command"]["seconds"] > 0
    assert "nothing.whl" in told()
    timeline = tmp_path / "timeline.json"
    told("--chrome", str(timeline))
    assert json.loads(timeline.read_text())["traceEvents"]
    assert trace.read_text().count('"event": "command"') == 6, "telling is not traced"
