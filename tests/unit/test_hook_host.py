"""Hooks forked from one interpreter: fresh processes all the same, and nothing left of them."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyproject_hooks
import pytest

from sagepip.build import hook_hosting
from sagepip.build.hooks import HookRunner
from sagepip.build.options import BuildOptions
from sagepip.ground.errors import BuildError
from sagepip.ground.target_python import TargetPython

RUNNING = TargetPython.running()

# Each import and each hook notes its process.
NOTING = """
import os, sys
def note(what):
    with open("notes", "a") as stream:
        stream.write(f"{what} {os.getpid()}\\n")
note("import")
state = []
def get_requires_for_build_wheel(settings=None):
    note("hook")
    state.append(1)
    os.environ["LEFT_BY_A_HOOK"] = "1"
    os.chdir("/")
    return []
"""


class Build:
    """Calls hooks of a backend that is written into a source directory."""

    def __init__(self, place: Path, backend: str, timeout: float | None) -> None:
        self.source = place / "source"
        self.source.mkdir()
        (self.source / "own_backend.py").write_text(textwrap.dedent(backend))
        self.runner = HookRunner(
            project=str(self.source),
            log_path=str(place / "build.log"),
            temporary=str(place / "tmp"),
            options=BuildOptions(hook_timeout=timeout),
        )
        self.out = place / "out"
        self.out.mkdir()
        self.log = place / "build.log"
        self._hooks = pyproject_hooks.BuildBackendHookCaller(
            str(self.source),
            "own_backend",
            backend_path=["."],
            runner=self.runner,
            python_executable=RUNNING.executable,
        )

    def requires(self) -> Any:
        """Call get_requires_for_build_wheel."""
        return self._hooks.get_requires_for_build_wheel()

    def wheel(self) -> Any:
        """Call build_wheel."""
        return self._hooks.build_wheel(str(self.out))

    def notes(self, what: str) -> list[int]:
        """Return the processes that noted something."""
        lines = (self.source / "notes").read_text().splitlines()
        return [int(line.split()[1]) for line in lines if line.split()[0] == what]


@pytest.fixture
def make_build(tmp_path: Path) -> Iterator[Callable[..., Build]]:
    """Make builds, whose hosts end with the test."""
    made: list[Build] = []

    def make(backend: str, timeout: float | None = None) -> Build:
        made.append(Build(tmp_path, backend, timeout))
        return made[-1]

    yield make
    for one in made:
        one.runner.close()


def test_one_import_and_a_process_for_each_hook(make_build: Callable[..., Build]) -> None:
    """What a hook does to its process is not seen by the next; the backend is imported once."""
    build = make_build(
        NOTING
        + """
def build_wheel(directory, settings=None, metadata=None):
    note("hook")
    assert not state and "LEFT_BY_A_HOOK" not in os.environ
    assert os.path.samefile(os.getcwd(), os.path.dirname(__file__))
    assert sys.argv[1] == "build_wheel", sys.argv
    assert not any(path.endswith(os.path.join("sagepip", "build")) for path in sys.path)
    finders = [type(one).__name__ for one in sys.meta_path]
    assert finders.count("_BackendPathFinder") == 1, finders
    name = "x-1-py3-none-any.whl"
    open(os.path.join(directory, name), "w").close()
    return name
"""
    )
    assert build.requires() == []
    assert build.wheel() == "x-1-py3-none-any.whl", build.log.read_text()
    assert len(build.notes("import")) == 1
    assert len(set(build.notes("hook"))) == 2
    assert not set(build.notes("hook")) & set(build.notes("import"))
    (host,) = build.notes("import")
    os.kill(host, 0)
    build.runner.close()
    with pytest.raises(ProcessLookupError):
        os.kill(host, 0)


WHEEL = """
def build_wheel(directory, settings=None, metadata=None):
    note("hook")
    name = "x-1-py3-none-any.whl"
    open(os.path.join(directory, name), "w").close()
    return name
"""


@pytest.mark.parametrize("own", [None, 123])
def test_collector_is_as_the_interpreter_sets_it(
    make_build: Callable[..., Build], own: int | None
) -> None:
    """Cycles are not looked for while the backend is imported, but are in hooks.

    What a backend says of that when it is imported is left to it.
    """
    show = "import gc; open('collector', 'a').write(f'{gc.isenabled()} {gc.get_threshold()[0]}\\n')"
    text = f"{show}\n" + (f"gc.set_threshold({own})\n" if own else "") + NOTING + WHEEL
    build = make_build(text.replace('note("hook")', f'note("hook"); {show}'))
    build.requires()
    build.wheel()
    assert len(build.notes("import")) == 1
    lines = (build.source / "collector").read_text().splitlines()
    assert lines == ["True 0", *[f"True {own or gc.get_threshold()[0]}"] * 2]


def test_backend_with_threads_is_not_forked(make_build: Callable[..., Build]) -> None:
    """A thread does not survive a fork: then each hook has an interpreter of its own."""
    build = make_build(
        "import threading\n"
        + NOTING
        + """
lock = threading.Event()
threading.Thread(target=lock.wait, daemon=True).start()
def get_requires_for_build_wheel(settings=None):
    note("hook")
    assert threading.active_count() == 2
    return []
"""
    )
    assert build.requires() == []
    assert build.requires() == []
    assert len(set(build.notes("import"))) == 3
    assert len(set(build.notes("hook"))) == 2
    assert set(build.notes("hook")) <= set(build.notes("import"))


IMPORTS = {
    "raise ImportError('no such luck')": pyproject_hooks.BackendUnavailable,
    "raise SystemExit(7)": BuildError,
    "import os; os._exit(7)": BuildError,
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": BuildError,
    "1 / 0": BuildError,
    "syntax error": BuildError,
}


@pytest.mark.parametrize("text", IMPORTS)
def test_backend_that_cannot_be_imported(make_build: Callable[..., Build], text: str) -> None:
    """The import's failure is the hook's, every time it is tried."""
    build = make_build(text)
    for _ in range(2):
        with pytest.raises(IMPORTS[text]) as caught:
            build.requires()
        if "_exit" in text or "SystemExit" in text:
            assert "ended with exit status 7" in str(caught.value)
        elif "SIGKILL" in text:
            assert "killed by SIGKILL" in str(caught.value)


@pytest.mark.parametrize("where", ["import", "hook"])
def test_hang_is_ended_by_the_limit(make_build: Callable[..., Build], where: str) -> None:
    """The time limit reaches the import of the backend as well as the hook."""
    text = "import time, os\nopen('pid', 'w').write(str(os.getpid()))\n"
    if where == "import":
        text += "time.sleep(600)\n"
    else:
        text += "def get_requires_for_build_wheel(settings=None):\n"
        text += "    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    build = make_build(text, timeout=1.0)
    with pytest.raises(BuildError, match="--build-timeout"):
        build.requires()
    with pytest.raises(ProcessLookupError):
        os.kill(int((build.source / "pid").read_text()), 0)


def test_host_that_dies_between_hooks_is_replaced(make_build: Callable[..., Build]) -> None:
    """Somebody kills it (out of memory): the next hook gets another."""
    build = make_build(NOTING)
    build.requires()
    os.kill(build.notes("import")[0], signal.SIGKILL)
    os.waitid(os.P_PID, build.notes("import")[0], os.WEXITED | os.WNOWAIT)
    assert build.requires() == []
    assert len(build.notes("import")) == 2


def test_signal_that_ends_a_hook_is_named(make_build: Callable[..., Build]) -> None:
    """A hook that dies by a signal takes nobody with it."""
    build = make_build(
        NOTING
        + """
def build_wheel(directory, settings=None, metadata=None):
    os.kill(os.getpid(), 11)
"""
    )
    with pytest.raises(BuildError, match="killed by SIGSEGV"):
        build.wheel()
    assert build.requires() == []
    assert len(build.notes("import")) == 1


def test_what_a_hook_leaves_running_is_ended(make_build: Callable[..., Build]) -> None:
    """A process left behind holds none of the host's descriptors, and is ended; the host is not."""
    build = make_build(
        NOTING
        + """
def build_wheel(directory, settings=None, metadata=None):
    if not os.fork():
        links = [os.readlink(f"/proc/self/fd/{one}") for one in range(3, 20)
                 if os.path.exists(f"/proc/self/fd/{one}")]
        open("links", "w").write(repr([one for one in links if "pipe" in one]))
        note("left")
        import time
        time.sleep(600)
    while not os.path.exists("notes") or "left" not in open("notes").read():
        pass
    name = "x-1-py3-none-any.whl"
    open(os.path.join(directory, name), "w").close()
    return name
"""
    )
    build.wheel()
    (left,) = build.notes("left")
    with pytest.raises(ProcessLookupError):
        os.kill(left, 0)
    assert (build.source / "links").read_text() == "[]"
    assert build.requires() == []
    assert len(build.notes("import")) == 1


def test_what_the_host_is_loaded_from(
    make_build: Callable[..., Build], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes from the working directory; nothing is written beside the host's own file."""
    own = tmp_path / "elsewhere" / "hook_host.py"
    own.parent.mkdir()
    shutil.copy(hook_hosting.HOST_FILE, own)
    monkeypatch.setattr(hook_hosting, "HOST_FILE", str(own))
    build = make_build("import sys, plain\n" + NOTING.replace("return []", "return plain.found()"))
    for name in ("importlib", "json", "gc", "warnings", "_in_process"):
        (build.source / f"{name}.py").write_text("raise SystemExit(9)\n")
    beside = build.source / "plain"
    beside.mkdir()
    (beside / "__init__.py").write_text(
        "import sys\ndef found(): return [] if sys.dont_write_bytecode is False else ['no']\n"
    )
    assert build.requires() == []
    assert [one.name for one in own.parent.iterdir()] == ["hook_host.py"]
    assert list(beside.glob("__pycache__/*"))
