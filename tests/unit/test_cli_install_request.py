"""From a command line to the request that ``install`` gets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from sagepip.build.options import Isolation
from sagepip.cli import install_command
from sagepip.cli.commands import Invocation
from sagepip.cli.package_sources import fold_formats
from sagepip.ground import console
from sagepip.ground.errors import SagepipError, TargetError, UsageError
from sagepip.operations.report import InstalledEntry, InstallReport, UnchangedEntry
from sagepip.operations.request import InstallRequest, MissingDependencies
from sagepip.operations.targets import NamedRequirement, SourceDirectory

Ask = Callable[..., InstallRequest]
INSTALLED = InstalledEntry("Demo.A", "1.0", True, "w", "u", "", True, (), 1, 0.0, {})


class FakeInstall:
    """Stands for ``operations.install``: keeps the request and answers with a report."""

    def __init__(self) -> None:
        self.requests: list[InstallRequest] = []

    def install(self, request: InstallRequest) -> InstallReport:
        """Keep the request."""
        self.requests.append(request)
        unchanged = (UnchangedEntry("other", "2", "/site"),)
        return InstallReport((INSTALLED,), unchanged, "/site", dry_run=request.dry_run)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeInstall:
    """Put a fake in place of the operation, and a project into the working directory."""
    fake = FakeInstall()
    module = ModuleType("sagepip.operations.install")
    module.install = fake.install  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sagepip.operations.install", module)
    monkeypatch.setattr(console, "verbosity", 0)
    monkeypatch.setenv("NO_COLOR", "1")  # restored afterwards: --no-color sets it
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def ask(fake: FakeInstall) -> Ask:
    """Return a function that runs the command and gives the request."""

    def run(*words: str, program: str = "sagepip install", **environ: str) -> InstallRequest:
        assert install_command.run(Invocation(program, words, environ)) == 0
        return fake.requests[-1]

    return run


def test_defaults(ask: Ask) -> None:
    """Without options: isolated, compiled, for the running interpreter, dependencies required."""
    request = ask(".")
    assert (SourceDirectory(str(Path.cwd())),) == request.targets
    assert request.destination.python.is_running
    assert request.destination.is_default
    assert request.build.isolation is Isolation.WHEELHOUSE
    assert request.compile_bytecode
    assert request.missing_dependencies is MissingDependencies.ERROR
    assert request.stored_wheels is None
    assert request.lock_timeout is None
    assert request.build.sources.index_allowed
    flags = ("no_deps", "upgrade", "force_reinstall", "ignore_installed", "dry_run")
    assert not any(getattr(request, flag) for flag in flags)


@pytest.mark.parametrize(
    ("word", "attribute"),
    [
        ("--no-deps", "no_deps"),
        ("--no-dependencies", "no_deps"),
        ("-U", "upgrade"),
        ("--upgrade", "upgrade"),
        ("--force-reinstall", "force_reinstall"),
        ("-I", "ignore_installed"),
        ("--ignore-installed", "ignore_installed"),
        ("--ignore-requires-python", "ignore_requires_python"),
        ("--break-system-packages", "break_system_packages"),
        ("--dry-run", "dry_run"),
    ],
)
def test_flags_of_the_request(ask: Ask, word: str, attribute: str) -> None:
    """Each flag reaches its own attribute, and no other."""
    request, plain = ask(word, "."), ask(".")
    assert getattr(request, attribute) is True
    names = [f for f in InstallRequest.__dataclass_fields__ if f not in ("destination", attribute)]
    assert [getattr(plain, n) for n in names] == [getattr(request, n) for n in names]


def test_building(ask: Ask) -> None:
    """The options of the build reach it; the last of two opposite ones wins."""
    build = ask(
        *("--no-build-isolation", "--check-build-dependencies", "-vv", "-C", "a=1"),
        *("--config-settings", "--b=--c=d", "--config-setting=a=2", "."),
    ).build
    assert build.isolation is Isolation.NONE
    assert build.check_dependencies
    assert build.config_settings == {"a": ["1", "2"], "--b": "--c=d"}
    assert build.verbosity == 2
    assert not ask("--no-compile", ".").compile_bytecode
    assert ask(".", "-q").build.verbosity == 0
    for text in ("a", "=b"):
        with pytest.raises(UsageError, match="KEY=VALUE"):
            ask("-C", text, ".")


FROM_SITE = "--build-isolation=installed"
ISOLATION: dict[Isolation, list[tuple[tuple[str, ...], dict[str, str]]]] = {
    Isolation.WHEELHOUSE: [
        ((), {}),
        (("--build-isolation",), {}),
        (("--build-isolation=wheelhouse",), {}),
        (("--no-build-isolation", "--build-isolation"), {}),
        ((FROM_SITE, "--build-isolation"), {}),
        ((), {"PIP_NO_BUILD_ISOLATION": "1"}),
    ],
    Isolation.INSTALLED: [
        ((FROM_SITE,), {}),
        (("--no-build-isolation", FROM_SITE), {}),
        ((), {"SAGE_PIP_INSTALL_FLAGS": FROM_SITE}),
        ((), {"SAGE_PIP_INSTALL_FLAGS": FROM_SITE, "PIP_NO_BUILD_ISOLATION": "0"}),
    ],
    Isolation.NONE: [
        (("--build-isolation=none",), {}),
        ((FROM_SITE, "--no-build-isolation"), {}),
        (("--no-build-isolation",), {"SAGE_PIP_INSTALL_FLAGS": FROM_SITE}),
        ((), {"PIP_NO_BUILD_ISOLATION": "0"}),
    ],
}


@pytest.mark.parametrize("expected", ISOLATION)
def test_isolation(ask: Ask, expected: Isolation) -> None:
    """The option is a flag, or says behind = where from; what was given last wins."""
    for words, environ in ISOLATION[expected]:
        assert ask(*words, ".", **environ).build.isolation is expected, (words, environ)


@pytest.mark.parametrize("value", ["instaled", "", "INSTALLED", "1"])
def test_unknown_isolation_is_one_clear_line(ask: Ask, value: str) -> None:
    """Whatever stands behind = must be one of the choices."""
    with pytest.raises(UsageError) as caught:
        ask(f"--build-isolation={value}", ".")
    expected = f"--build-isolation={value}: no such choice (one of wheelhouse, installed, none)"
    assert str(caught.value) == expected


def test_destination(ask: Ask, tmp_path: Path) -> None:
    """--prefix, --root and --target move the destination."""
    assert str(tmp_path / "p") == ask("--prefix=p", ".").destination.scheme.data
    assert str(tmp_path / "r") == ask("--root", "r", ".").destination.root
    assert str(tmp_path / "t") == ask("-t", "t", ".").destination.scheme.purelib
    with pytest.raises(UsageError, match="exclude each other"):
        ask("-t", "t", "--prefix", "p", ".")


def test_destdir(ask: Ask, tmp_path: Path) -> None:
    """SAGE_DESTDIR is as --root, which wins; an empty --root leaves it in force."""
    assert str(tmp_path / "d") == ask(".", SAGE_DESTDIR=f"{tmp_path}/d").destination.root
    assert str(tmp_path / "r") == ask(".", "--root=r", SAGE_DESTDIR="/d").destination.root
    assert ask(".", "--root=", SAGE_DESTDIR="/d").destination.root == "/d"
    assert ask(".", "--root=", SAGE_DESTDIR="").destination.root == ""
    with pytest.raises(UsageError, match="SAGE_DESTDIR"):
        ask(".", "-t", "t", SAGE_DESTDIR="/d")


def test_target_interpreter(ask: Ask, tmp_path: Path) -> None:
    """SAGE_VENV names the target's venv; --python wins."""
    with pytest.raises(TargetError, match="SAGE_VENV"):
        ask(".", SAGE_VENV=str(tmp_path))
    request = ask(".", "--python", sys.executable, SAGE_VENV=str(tmp_path))
    assert request.destination.python.is_running


def test_wheelhouses(ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wheelhouses add up: variable, flags, options, files, and SAGE_SPKG_WHEELS, made later."""
    (tmp_path / "with blank").mkdir()
    (tmp_path / "reqs.txt").write_text(f"-f {tmp_path}/f5\n")
    for number in range(1, 6):
        (tmp_path / f"f{number}").mkdir()
    request = ask(
        *("-f", "f3", "--find-links", (tmp_path / "with blank").as_uri(), "-ff4", "."),
        *("-r", "reqs.txt", "-f", "f1"),
        PIP_FIND_LINKS=f"f1 file://localhost{tmp_path}/f2",
        SAGE_SPKG_WHEELS=f"{tmp_path}/later",
        SAGE_PIP_INSTALL_FLAGS="-f f2",
    )
    names = ("f1", "f2", "f3", "with blank", "f4", "f5", "later")
    assert tuple(str(tmp_path / name) for name in names) == request.build.sources.find_links
    assert not request.build.sources.index_allowed
    assert str(tmp_path / "later") == request.stored_wheels
    assert capsys.readouterr().err == ""


def test_a_missing_wheelhouse(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """A wheelhouse that is not there is said, and does not open the way to the index."""
    request = ask("-f", "nowhere", ".")
    assert not request.build.sources.index_allowed
    assert "nowhere does not exist" in capsys.readouterr().err
    with pytest.raises(UsageError, match="not a directory: --find-links https://x"):
        ask("-f", "https://x", ".")


def test_index_of_a_file(ask: Ask, tmp_path: Path) -> None:
    """The index that a requirement file names wins; a directory is given by absolute path."""
    (tmp_path / "reqs.txt").write_text("-i V\nx")
    assert ask("-i", "U", "-r", "reqs.txt").build.sources.index_url == "V"
    (tmp_path / "simple").mkdir()
    assert ask(".", "-i", "simple").build.sources.index_url == str(tmp_path / "simple")


def test_index(ask: Ask) -> None:
    """-i opens the index beside a wheelhouse; PIP_INDEX_URL does so only where there is none."""
    assert ask("-f", ".", "-i", "U", ".").build.sources.index_url == "U"
    assert ask("-f", ".", ".", SAGE_PIP_INSTALL_FLAGS="-i U").build.sources.index_url == "U"
    assert ask(".", PIP_INDEX_URL="U").build.sources.index_url == "U"
    sources = ask("-f", ".", ".", PIP_INDEX_URL="U").build.sources
    assert sources.index_url is None
    assert not sources.index_allowed
    assert ask(".", "-i", "V", PIP_INDEX_URL="U").build.sources.index_url == "V"
    assert not ask(".", "-i", "U", "--no-index").build.sources.index_allowed


def test_constraints(ask: Ask, tmp_path: Path) -> None:
    """Constraint files are checked to be there, and given by absolute path."""
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    (tmp_path / "reqs.txt").write_text("-c c")
    sources = ask(
        *("-c", "b", "-r", "reqs.txt", "--build-constraint", (tmp_path / "a").as_uri()),
        PIP_CONSTRAINT="a",
    ).build.sources
    assert tuple(str(tmp_path / n) for n in ("a", "b", "c")) == sources.constraints
    assert (str(tmp_path / "a"),) == sources.build_constraints
    for words in (("-c", "no"), ("--build-constraint", "no"), ("-c", "."), ("-c", "/dev/null")):
        with pytest.raises(TargetError, match="constraint file"):
            ask(*words, ".")
    (tmp_path / "reqs.txt").write_text("\n-c no")
    with pytest.raises(TargetError, match=r"reqs\.txt, line 2"):
        ask("-r", "reqs.txt")


def test_formats(ask: Ask, tmp_path: Path) -> None:
    """--no-binary and --only-binary fold in order, over variables, options and files."""
    (tmp_path / "reqs.txt").write_text("--only-binary a\n--prefer-binary")
    words = ("--only-binary=:all:", "--no-binary", "A,b", "-r", "reqs.txt")
    sources = ask(*words, PIP_ONLY_BINARY="z").build.sources
    assert (sources.only_binary, sources.no_binary) == ((":all:", "a"), ("b",))
    assert sources.prefer_binary
    assert not ask(".").build.sources.prefer_binary


@pytest.mark.parametrize(
    "pairs",
    [
        ["no:a,b", "only:b"],
        ["no::all:", "only:a"],
        ["only:a", "no::all:"],
        ["no:a", "no::none:"],
        ["no::all:,:none:,c", "only:d,:all:,e"],
        ["only:a", "no:b,:all:,c,:none:,d"],
        ["no:a.B,C_d", "only:c-D"],
        ["no::all:,a,:all:,b"],
    ],
)
def test_formats_as_pip_folds_them(pairs: list[str]) -> None:
    """The installed pip's FormatControl comes to the same two sets."""
    from pip._internal.models.format_control import FormatControl

    control = FormatControl()
    ours = []
    for pair in pairs:
        option, _, value = pair.partition(":")
        ours.append((f"--{option}-binary", value))
        sets = (control.no_binary, control.only_binary)
        target, other = sets if option == "no" else sets[::-1]
        FormatControl.handle_mutual_excludes(value, target, other)
    expected = (tuple(sorted(control.no_binary)), tuple(sorted(control.only_binary)))
    assert expected == fold_formats(ours)


def test_requirement_files(ask: Ask, tmp_path: Path) -> None:
    """Targets of files follow those of the command line, each once, with their own settings."""
    (tmp_path / "reqs.txt").write_text("demo -C a=2\n.\n--no-index\nout; python_version<'3'\n")
    request = ask("first", "-C", "a=1", "-r", "reqs.txt", "first")
    first, demo = NamedRequirement("first"), NamedRequirement("demo")
    here = SourceDirectory(str(tmp_path))
    assert (first, demo, here) == request.targets
    assert request.build_options(first).config_settings == {"a": "1"}
    assert request.build_options(demo).config_settings == {"a": "2"}
    assert request.build_options(here).config_settings == {}
    assert request.build.sources.no_index
    (tmp_path / "reqs.txt").write_text("\n./nowhere.whl")
    with pytest.raises(TargetError, match=r"^reqs\.txt, line 2: no such file"):
        ask("-r", "reqs.txt")


def test_editables(ask: Ask, tmp_path: Path) -> None:
    """-e, PIP_EDITABLE and lines of files add up, settings of a line and all."""
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "setup.py").touch()
    (tmp_path / "reqs.txt").write_text("-e ./d -C x=2\n-e ./c; python_version < '3'\n")
    request = ask("-e", "c", "-C", "x=1", "-r", "reqs.txt", PIP_EDITABLE="a\t./b")
    a, b, c, d = (SourceDirectory(str(tmp_path / name), editable=True) for name in "abcd")
    assert request.targets == (a, b, c, d)
    assert request.build_options(c).config_settings == {"x": "1"}
    assert request.build_options(d).config_settings == {"x": "2"}
    assert ask("--editable=a").targets == (a,)
    with pytest.raises(TargetError, match=r"^reqs\.txt, line 1: no such file"):
        (tmp_path / "reqs.txt").write_text("-e nowhere")
        ask("-r", "reqs.txt")


def test_extras_of_one_directory_add_up(ask: Ask, tmp_path: Path) -> None:
    """What differs in extras alone is one target, with the settings of the first line."""
    (tmp_path / "reqs.txt").write_text("-e .[b] -C x=1\n-e .[c] -C x=2\n./[d]\n")
    request = ask(".", "-r", "reqs.txt", "-C", "x=0")
    plain = SourceDirectory(str(tmp_path), frozenset({"d"}))
    editable = SourceDirectory(str(tmp_path), frozenset({"b", "c"}), editable=True)
    assert request.targets == (plain, editable)
    assert request.build_options(plain).config_settings == {"x": "0"}
    assert request.build_options(editable).config_settings == {"x": "1"}


def test_sdist_then_wheel(ask: Ask, tmp_path: Path) -> None:
    """It excludes -e, wherever that was given, and has no variable."""
    assert ask("--sdist-then-wheel", ".").sdist_then_wheel
    assert not ask(".", PIP_SDIST_THEN_WHEEL="1").sdist_then_wheel
    (tmp_path / "reqs.txt").write_text("-e .\n")
    for words in (("-e", "."), ("-r", "reqs.txt")):
        with pytest.raises(UsageError, match=f"--sdist-then-wheel and -e {tmp_path} exclude"):
            ask("--sdist-then-wheel", *words)


def test_editable_in_a_target_directory(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """It is installed as by pip, but .pth files mean nothing there: that is said."""
    ask("-e", ".", "-t", "t")
    assert "what -e installs into t is found only where" in capsys.readouterr().err
    ask(".", "-t", "t")
    ask("-e", ".")
    assert capsys.readouterr().err == ""


def test_nothing_to_install(ask: Ask, tmp_path: Path) -> None:
    """No target at all is wrong usage; a file that asks for nothing is not."""
    with pytest.raises(UsageError, match="nothing to install"):
        ask()
    (tmp_path / "reqs.txt").touch()
    assert ask("-r", "reqs.txt").targets == ()
    assert (NamedRequirement("a"),) == ask("a", "-r", "reqs.txt").targets
    assert len(ask("-e", ".").targets) == 1


def test_lock_timeout(ask: Ask) -> None:
    """--lock-timeout wins over SAGEPIP_LOCK_TIMEOUT; both are checked; --timeout is pip's."""
    assert ask(".", "--lock-timeout=2.5", SAGEPIP_LOCK_TIMEOUT="x").lock_timeout == 2.5
    assert ask(".", SAGEPIP_LOCK_TIMEOUT="3").lock_timeout == 3
    assert ask(".", "--lock-timeout=4").build.lock_timeout == 4, "builds read the site, too"
    assert ask(".", SAGEPIP_LOCK_TIMEOUT="").lock_timeout is None
    assert ask(".", "--timeout", "9").lock_timeout is None
    with pytest.raises(UsageError, match="SAGEPIP_LOCK_TIMEOUT x"):
        ask(".", SAGEPIP_LOCK_TIMEOUT="x")


def test_missing_dependencies(ask: Ask) -> None:
    """sage-pip-install warns, sagepip install refuses, and --missing-deps chooses."""
    error, warn = MissingDependencies.ERROR, MissingDependencies.WARN
    script = "sage-pip-install"
    assert ask(".", program=script).missing_dependencies is warn
    assert ask(".", "--missing-deps=error", program=script).missing_dependencies is error
    assert ask(".", "--missing-deps", "warn").missing_dependencies is warn


def test_a_leading_install(ask: Ask) -> None:
    """sage-pip-install drops pip's subcommand in front, once, and nowhere else."""
    named = NamedRequirement("install")
    script = "sage-pip-install"
    expected = (SourceDirectory(str(Path.cwd())),)
    assert expected == ask("-v", "--root", "install", "install", ".", program=script).targets
    assert (named,) == ask("install", "install", program=script).targets
    assert (named,) == ask("--", "install", program=script).targets
    assert (*expected, named) == ask(".", "install", program=script).targets
    assert (named,) == ask("install").targets


def test_precedence(ask: Ask) -> None:
    """The command line wins over SAGE_PIP_INSTALL_FLAGS, and both over PIP_ variables."""
    sage = {"SAGE_PIP_INSTALL_FLAGS": "--root=/s --no-compile"}
    assert ask(".", PIP_ROOT="/p").destination.root == "/p"
    assert ask(".", PIP_ROOT="/p", **sage).destination.root == "/s"
    assert ask(".", "--root=/c", PIP_ROOT="/p", **sage).destination.root == "/c"
    assert ask(".", "--compile", **sage).compile_bytecode
    none = ask(".", "--no-build-isolation", PIP_NO_BUILD_ISOLATION="1").build
    assert none.isolation is Isolation.NONE


def test_result_on_stdout(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a distribution, in pip's words, and nothing else."""
    ask(".")
    expected = "Successfully installed Demo.A-1.0\n"
    satisfied = "Requirement already satisfied: other==2 in /site\n"
    assert (expected + satisfied, "") == capsys.readouterr()
    ask(".", "--dry-run")
    assert capsys.readouterr().out == "Would install Demo.A-1.0\n" + satisfied
    ask(".", "-q")
    assert capsys.readouterr() == ("", "")
    ask(".", "--report", "-")
    assert ("", expected + satisfied) == capsys.readouterr()


def test_options_without_effect_are_said(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """Under -v, and only then, an option that does nothing says so, once."""
    words = ("--isolated", "--isolated", "--progress-bar", "off", "--retries=3", ".")
    ask(*words)
    assert capsys.readouterr().err == ""
    ask("-v", *words)
    said = capsys.readouterr().err
    assert said.count("--isolated has no effect: ") == 1
    assert "--progress-bar has no effect: " in said


def test_errors_come_before_the_operation(ask: Ask, fake: FakeInstall) -> None:
    """A wrong target among right ones stops everything before install is called."""
    for words in ((".", "./nowhere"), (".", "--user"), (".", "-r", "nowhere")):
        with pytest.raises(SagepipError):
            ask(*words)
    assert fake.requests == []


def test_accepted_bad_records(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """Names are taken in any spelling; what is none is told."""
    request = ask(".", "--accept-bad-record", "Foo_.Bar", "--accept-bad-record=baz")
    assert request.accept_bad_record == {"foo-bar", "baz"}
    assert ask(".").accept_bad_record == frozenset()
    with pytest.raises(UsageError, match=r"--accept-bad-record.*no/name") as caught:
        ask(".", "--accept-bad-record", "no/name")
    assert caught.value.advice
