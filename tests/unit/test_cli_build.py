"""The options of ``build``, and from a command line to its request."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sagepip.build.options import Isolation
from sagepip.cli.build_options import BUILD
from sagepip.cli.build_request import build_request
from sagepip.cli.commands import Invocation
from sagepip.cli.install_options import INSTALL
from sagepip.cli.option import Kind, Status
from sagepip.cli.site_command import read_command_line
from sagepip.ground import console
from sagepip.ground.errors import UsageError
from sagepip.operations.build import BuildRequest
from sagepip.operations.targets import NamedRequirement

Ask = Callable[..., BuildRequest]
TABLE = BUILD.table


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    """Return a function that gives the request of a command line."""
    monkeypatch.setattr(console, "verbosity", 0)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **environ: str) -> BuildRequest:
        line = read_command_line(Invocation("sagepip build", words, environ), BUILD)
        assert line is not None
        return build_request(line.settings, line.words, environ)

    return run


def test_every_option_of_pip_wheel_is_known() -> None:
    """The table has every option of pip's wheel command, with its arity and its sense."""
    from pip._internal.commands import create_command

    for theirs in create_command("wheel").parser.option_list_all:
        for name in (*theirs._short_opts, *theirs._long_opts):
            ours = TABLE.find(name)
            assert ours is not None, name
            assert theirs.takes_value() == ours.takes_value, name
            if ours.status is Status.SAME:
                assert (theirs.action == "store_false") == (ours.kind is Kind.OFF), name
                assert (theirs.action == "append") == (ours.kind is Kind.LIST), name
                assert (theirs.action == "count") == (ours.kind is Kind.COUNT), name


def test_options_are_those_of_install() -> None:
    """What both have is one: the same names, and for the same value."""
    for theirs in INSTALL.options:
        for name in theirs.names:
            ours = TABLE.find(name)
            assert ours is not None, name
            assert ours.names == theirs.names, name
            assert ours.takes_value == theirs.takes_value, name
            if ours.status is theirs.status:
                assert (ours.kind, ours.dest) == (theirs.kind, theirs.dest), name


def test_no_name_twice() -> None:
    """No spelling stands for two options."""
    names = [name for option in TABLE.options for name in option.names]
    assert sorted(set(names)) == sorted(names)


def test_what_only_install_does_is_refused() -> None:
    """It is told where it belongs; a PIP_ variable of it, made for install, is no business here."""
    for name in ("--root", "--prefix", "-t", "-U", "--force-reinstall", "--report", "--compile"):
        with pytest.raises(UsageError) as caught:
            TABLE.get(name)
        assert "sagepip install" in caught.value.advice
    for name in ("--dry-run", "-e", "--global-option", "--user"):
        with pytest.raises(UsageError) as caught:
            TABLE.get(name)
        assert caught.value.advice


def test_variables(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """PIP_ variables of what build has are read; those of install's are passed over silently."""
    request = ask("demo", PIP_WHEEL_DIR="w", PIP_NO_INDEX="1", PIP_ROOT="/r", PIP_PREFIX="/p")
    assert request.directory == str(Path.cwd() / "w")
    assert request.build.sources.no_index
    ask("demo", PIP_NO_DEPS="0", PIP_UPGRADE="1", PIP_COMPILE="no", PIP_DRY_RUN="1")
    assert capsys.readouterr().err == ""


def test_defaults(ask: Ask) -> None:
    """Without options: isolated, wheels, for the running interpreter, into this directory."""
    request = ask("demo>1")
    assert request.targets == (NamedRequirement("demo>1"),)
    assert request.python.is_running
    assert request.build.isolation is Isolation.WHEELHOUSE
    assert not request.build.keep_build
    assert request.directory == str(Path.cwd())
    assert not (request.one_per_project or request.sdist or request.sdist_then_wheel)


def test_directory(ask: Ask, tmp_path: Path) -> None:
    """The last name wins; the wheelhouse is one however it is named, and takes no sdists."""
    house = {"SAGE_SPKG_WHEELS": str(tmp_path / "house")}
    (tmp_path / "link").symlink_to("house")

    def where(*words: str) -> tuple[str, bool]:
        request = ask("demo", *words, **house)
        return request.directory.removeprefix(f"{tmp_path}"), request.one_per_project

    assert where() == ("/house", True)
    assert where("-w", "a", "--outdir", "b") == ("/b", False)
    assert where("-o", "./link") == ("/link", True)
    assert where("--sdist") == ("", False)
    assert where("--sdist", "-w", "house") == ("/house", False)


def test_names_of_python_m_build(ask: Ask) -> None:
    """-n, -x, --wheel, --config-json do what they do there; -w without a directory is noticed."""
    request = ask("-n", "-x", "--wheel", "-o", "d", "--config-json", '{"a": ["b", "c"]}', "demo")
    assert request.build.isolation is Isolation.NONE
    assert request.build.config_settings == {"a": ["b", "c"]}
    for bad in ('{"a": {"b": "c"}}', '["a"]', '{"a": ["b", 1]}', "{"):
        with pytest.raises(UsageError, match="--config-json"):
            ask("--config-json", bad, "demo")
    request = ask("-w", "-n", "demo")
    assert (request.build.isolation, request.directory) == (
        Isolation.NONE,
        str(Path("dist").absolute()),
    )
    with pytest.raises(UsageError, match="python -m build"):
        ask("-wn", "demo")
    with pytest.raises(UsageError, match="run it for each"):
        ask("--sdist", "--wheel", "demo")


def test_where_python_m_build_stores(ask: Ask, tmp_path: Path) -> None:
    """--wheel and -w alone store in the project's dist; a place that is named, or known, wins."""
    for name in ("pyproject.toml", "sub/pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def where(*words: str, **environ: str) -> str:
        return ask(*words, **environ).directory.removeprefix(f"{tmp_path}/")

    assert where("--wheel") == "dist"
    assert where("-w", "sub") == "sub/dist"
    assert where("-w", "sub", ".") == "sub"
    assert where("--wheel", "./sub") == "sub/dist"
    assert where("--wheel", ".", "./sub") == "dist"
    assert where("--wheel", "-o", ".", "./sub") == str(tmp_path)
    assert where("-o", "sub") == "sub"
    assert where("--wheel", "-w", "y", ".") == "y"
    assert where("--wheel", SAGE_SPKG_WHEELS="h") == "h"
    assert where("-w", "sub", SAGE_SPKG_WHEELS="h") == "h"


def test_isolation_from_what_is_installed(ask: Ask) -> None:
    """The site's lock is waited for no longer than for an installation."""
    build = ask("--build-isolation=installed", "--lock-timeout=2", "demo").build
    assert (build.isolation, build.lock_timeout) == (Isolation.INSTALLED, 2)


def test_target_interpreter(ask: Ask) -> None:
    """--python wins over SAGE_VENV."""
    assert ask("demo", "--python", sys.executable, SAGE_VENV="/none").python.is_running
