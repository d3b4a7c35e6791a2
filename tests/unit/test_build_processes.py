"""The processes of a build: their environment, descriptors, logs and pip's command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagepip.build.child_environ import hook_environ, pip_environ
from sagepip.build.hooks import jobserver_descriptors
from sagepip.build.pip_runner import run_pip, source_arguments
from sagepip.build.sources import PackageSources
from sagepip.ground.target_python import TargetPython

OFFLINE = PackageSources(no_index=True)
INDEX = PackageSources(index_url="file:///index/simple")
MISLEADING = [
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONPLATLIBDIR",
    "PYTHONOPTIMIZE",
    "PYTHONWARNINGS",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    "PYTHON",
    "_PYPROJECT_HOOKS_BACKEND_PATH_JSON",
    "__PYVENV_LAUNCHER__",
    "VIRTUAL_ENV",
    "PIP_FIND_LINKS",
    "PIP_TARGET",
    "PIP_USER",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_CONSTRAINT",
]
WANTED = [
    *("CC", "CFLAGS", "MAKEFLAGS", "LD_LIBRARY_PATH", "LD_PRELOAD", "DIST_EXTRA_CONFIG"),
    *("SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "PYTHON_CPU_COUNT"),
    *("SETUPTOOLS_SCM_PRETEND_VERSION", "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_DEMO"),
]


@pytest.fixture
def user_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a user who has set everything that can mislead."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "PYTHON")):
            monkeypatch.delenv(name)
    for name in MISLEADING + WANTED:
        monkeypatch.setenv(name, "set")


@pytest.mark.usefixtures("user_environ")
def test_pip_without_index_sees_none_of_the_users_settings() -> None:
    """No index allowed: no PIP_ variable, no configuration file, no PYTHON variable."""
    environ = pip_environ(OFFLINE)
    pip = {name for name in environ if name.startswith("PIP_")}
    assert pip == {"PIP_CONFIG_FILE", "PIP_NO_INDEX"}
    assert environ["PIP_CONFIG_FILE"] == os.devnull
    python = {name for name in environ if name.startswith("PYTHON")}
    assert python == {"PYTHONNOUSERSITE", "PYTHONSAFEPATH"}
    assert environ["CC"] == "set"


@pytest.mark.usefixtures("user_environ")
def test_pip_with_index_keeps_what_reaches_it() -> None:
    """Index allowed: certificates and the index stay; what changes pip's work does not."""
    environ = pip_environ(INDEX)
    pip = {name for name in environ if name.startswith("PIP_")}
    assert pip == {"PIP_CERT", "PIP_INDEX_URL"}


@pytest.mark.usefixtures("user_environ")
def test_hooks_keep_what_builds_need() -> None:
    """Compilers, make's job server and dates reach a hook; import paths do not."""
    environ = hook_environ(OFFLINE)
    assert set(WANTED) <= environ.keys()
    python = {name for name in environ if name.startswith("PYTHON")}
    assert python == {"PYTHONNOUSERSITE", "PYTHONHASHSEED", "PYTHON_CPU_COUNT"}
    gone = {"VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "_PYPROJECT_HOOKS_BACKEND_PATH_JSON"}
    assert not gone & environ.keys()
    assert environ["PIP_NO_INDEX"] == "1"
    assert "PIP_NO_INDEX" not in hook_environ(INDEX)


def test_reproducible_builds_do_not_hash_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """With SOURCE_DATE_EPOCH sets have the same order in each build, unless the user says how."""
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert "PYTHONHASHSEED" not in hook_environ(OFFLINE)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert hook_environ(OFFLINE)["PYTHONHASHSEED"] == "0"
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert hook_environ(OFFLINE)["PYTHONHASHSEED"] == "7"


def test_sources_become_pips_options() -> None:
    """A wheelhouse alone forbids the index; an index that is asked for is passed on."""
    assert source_arguments(PackageSources(find_links=("/a", "/b c"))) == [
        *("--no-index", "--find-links", "/a", "--find-links", "/b c")
    ]
    assert source_arguments(PackageSources()) == []
    asked = PackageSources(
        find_links=("/a",),
        index_url="file:///i",
        no_binary=("x",),
        only_binary=("y",),
        prefer_binary=True,
    )
    assert source_arguments(asked) == [
        *("--index-url", "file:///i", "--find-links", "/a", "--no-binary", "x"),
        *("--only-binary", "y", "--prefer-binary"),
    ]


def test_pip_runs_isolated_from_variables_and_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Our own pip answers, whatever pip.py lies in the directory or on PYTHONPATH."""
    (tmp_path / "pip.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PIP_FIND_LINKS", "/users/wheels")
    outcome = run_pip(["config", "list"], python=TargetPython.running(), sources=None)
    assert outcome.exit_status == 0
    assert "/users/wheels" not in outcome.output
    failed = run_pip(["nonsense"], python=TargetPython.running(), sources=None)
    assert failed.exit_status != 0
    assert "nonsense" in failed.output


def test_jobserver_descriptors_are_passed_only_when_they_are_makes(tmp_path: Path) -> None:
    """Pipes that were inherited are passed on; closed, private or other descriptors are not."""
    read, write = os.pipe()
    try:
        flags = f"-j --jobserver-auth={read},{write}"
        assert jobserver_descriptors(flags) == (), "Python's own descriptors are not inherited"
        os.set_inheritable(read, True)
        os.set_inheritable(write, True)
        assert jobserver_descriptors(flags) == (read, write)
        assert jobserver_descriptors(f"-j --jobserver-fds={read},{write}") == (read, write)
        last = f"--jobserver-auth=77,78 {flags}"
        assert jobserver_descriptors(last) == (read, write), "make obeys the last"
    finally:
        os.close(read)
        os.close(write)
    assert jobserver_descriptors(flags) == (), "closed"
    assert jobserver_descriptors("-j --jobserver-auth=fifo:/tmp/x") == ()
    assert jobserver_descriptors("-j --jobserver-auth=-2,-2") == ()
    with open(tmp_path / "file", "w") as stream:
        os.set_inheritable(stream.fileno(), True)
        number = stream.fileno()
        assert jobserver_descriptors(f"--jobserver-auth={number},{number}") == ()
