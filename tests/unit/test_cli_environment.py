"""Environment variables that stand for options."""

from __future__ import annotations

import pytest

from sagepip.cli.environment import given_by_install_flags, given_by_pip_variables, seconds
from sagepip.cli.install_options import INSTALL
from sagepip.cli.settings import Settings
from sagepip.ground.errors import UsageError


def pip(**environ: str) -> Settings:
    """Return what PIP_ variables give."""
    return Settings(given_by_pip_variables(INSTALL, environ))


@pytest.mark.parametrize("value", ["0", "1", "no", "true", "off", "ON"])
@pytest.mark.parametrize(
    ("variable", "ours", "theirs", "default"),
    [
        ("PIP_NO_BUILD_ISOLATION", "build_isolation", "build_isolation", True),
        ("PIP_NO_COMPILE", "compile", "compile", True),
        ("PIP_COMPILE", "compile", "compile", True),
        ("PIP_NO_DEPS", "no_deps", "ignore_dependencies", False),
        ("PIP_NO_DEPENDENCIES", "no_deps", "ignore_dependencies", False),
        ("PIP_NO_INDEX", "no_index", "no_index", False),
        ("PIP_IGNORE_INSTALLED", "ignore_installed", "ignore_installed", False),
        (
            "PIP_BREAK_SYSTEM_PACKAGES",
            "break_system_packages",
            "override_externally_managed",
            False,
        ),
    ],
)
def test_flags_as_pip_reads_them(
    variable: str,
    ours: str,
    theirs: str,
    default: bool,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The installed pip, asked with the same variable, gives the same truth."""
    from pip._internal.commands import create_command

    for name in ("PIP_CONFIG_FILE", variable):
        monkeypatch.setenv(name, {"PIP_CONFIG_FILE": "/dev/null"}.get(name, value))
    options, _ = create_command("install").parser.parse_args([])
    assert bool(getattr(options, theirs)) == pip(**{variable: value}).flag(ours, default=default)


def test_inverted_sense() -> None:
    """PIP_NO_BUILD_ISOLATION=1 leaves isolation on and 0 switches it off; NO_DEPS is normal."""
    assert pip(PIP_NO_BUILD_ISOLATION="1").flag("build_isolation")
    assert not pip(PIP_NO_BUILD_ISOLATION="0").flag("build_isolation", default=True)
    assert pip(PIP_NO_DEPS="1").flag("no_deps")


def test_lists() -> None:
    """Variables of repeatable options are separated by blanks; others are one value."""
    found = pip(
        PIP_FIND_LINKS=" /a  file:///b%20c\n/d ",
        PIP_CONSTRAINT="x y",
        PIP_BUILD_CONSTRAINT="z",
        PIP_REQUIREMENT="r",
        PIP_CONFIG_SETTINGS="k=a b",
        PIP_NO_BINARY="a,b",
        PIP_PREFIX="/p q",
    )
    assert found.items("find_links") == ["/a", "file:///b%20c", "/d"]
    assert found.items("constraint") == ["x", "y"]
    assert found.items("build_constraint") == ["z"]
    assert found.items("requirement") == ["r"]
    assert found.items("config_settings") == ["k=a b"]
    assert found.pairs("formats") == [("--no-binary", "a,b")]
    assert found.text("prefix") == "/p q"


@pytest.mark.parametrize(("value", "expected"), [("2", 2), ("yes", 1), ("0", 0), ("off", 0)])
def test_counts(value: str, expected: int) -> None:
    """PIP_VERBOSE is a number or a truth value."""
    assert expected == pip(PIP_VERBOSE=value).count("verbose")


@pytest.mark.parametrize(
    "environ", [{"PIP_NO_INDEX": "maybe"}, {"PIP_VERBOSE": "-1"}, {"PIP_NO_DEPS": "2"}]
)
def test_nonsense_is_refused(environ: dict[str, str]) -> None:
    """A value that is no truth value is an error that names the variable."""
    with pytest.raises(UsageError, match=f"{next(iter(environ))}="):
        pip(**environ)


def test_empty_and_foreign_variables_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Empty variables, pip's own matters and what pip itself will read are passed over."""
    found = pip(
        PIP_NO_INDEX="",
        PIP_CONFIG_FILE="/x",
        PIP_DEFAULT_TIMEOUT="9",
        PIP_CERT="/c",
        PIP_EXTRA_INDEX_URL="u",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_USER="0",
        PIP_VERSION="1",
        PIP_HELP="1",
        PIP_MISSING_DEPS="warn",
        OTHER="1",
    )
    assert found.options == []
    assert capsys.readouterr().err == ""


def test_refused_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """A variable that stands for what cannot be done is named."""
    assert pip(PIP_USER="1").options == []
    assert "PIP_USER is set, but --user is not supported: ignored" in capsys.readouterr().err


def test_install_flags() -> None:
    """SAGE_PIP_INSTALL_FLAGS holds options in a shell's words."""
    flags = "--no-deps -C 'a=b c' --find-links=/w"
    found = Settings(given_by_install_flags(INSTALL, {"SAGE_PIP_INSTALL_FLAGS": flags}))
    assert found.flag("no_deps")
    assert found.items("config_settings") == ["a=b c"]
    assert found.items("find_links") == ["/w"]
    assert given_by_install_flags(INSTALL, {}) == []
    assert given_by_install_flags(INSTALL, {"SAGE_PIP_INSTALL_FLAGS": " "}) == []


@pytest.mark.parametrize("flags", ["numpy", "--root", "-r 'x", "--user", "-- x"])
def test_wrong_install_flags(flags: str) -> None:
    """What is no whole option there is an error that names the variable."""
    with pytest.raises(UsageError, match=r"^SAGE_PIP_INSTALL_FLAGS: "):
        given_by_install_flags(INSTALL, {"SAGE_PIP_INSTALL_FLAGS": flags})


def test_a_target_in_the_install_flags() -> None:
    """A word there that is no option is told from an option that does not exist."""
    with pytest.raises(UsageError, match="not an option: numpy"):
        given_by_install_flags(INSTALL, {"SAGE_PIP_INSTALL_FLAGS": "--no-deps numpy"})


def test_seconds() -> None:
    """A time limit is a finite number that is not negative."""
    assert seconds(None, "--lock-timeout") is None
    assert seconds("0", "--lock-timeout") == 0
    assert seconds("1.5", "--lock-timeout") == 1.5
    for text in ("-1", "nan", "inf", "soon"):
        with pytest.raises(UsageError, match=f"--lock-timeout {text}"):
            seconds(text, "--lock-timeout")
