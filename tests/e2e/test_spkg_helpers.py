"""The functions that scripts of recipes may call, as Sage's own recipes call them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.e2e.commands import Terminal, site_of
from tests.e2e.spkg_places import Place, recipe
from tests.guarantees import versions

HELPERS = Path(__file__).parents[2] / "src/sagepip/operations/spkg_helpers.sh"
# sage-dist-helpers of Sage 10.7.
OF_SAGE = {
    *("sdh_die", "sdh_check_vars", "sdh_guard", "sdh_configure", "sdh_make", "sdh_make_check"),
    *("sdh_make_install", "sdh_build_wheel", "sdh_build_and_store_wheel", "sdh_pip_install"),
    *("sdh_pip_editable_install", "sdh_store_wheel", "sdh_store_and_pip_install_wheel"),
    *("sdh_actually_pip_install_wheel", "sdh_pip_uninstall", "sdh_cmake", "sdh_install"),
    "sdh_preload_lib",
}


@pytest.fixture
def place(terminal: Terminal) -> Place:
    return Place(terminal)


def project(place: Place, script: str) -> Path:
    """Write the recipe of a package whose source lies in it."""
    directory = recipe(place.recipes, "demo", script=script)
    make_project(directory / "src", in_tree=TINY_BACKEND)
    return directory


def test_all_functions_of_sage_are_there() -> None:
    """By name; what each does is tested below."""
    found = set(re.findall(r"^(sdh_\w+)\(\)", HELPERS.read_text(), re.MULTILINE))
    assert found == OF_SAGE


@pytest.mark.parametrize(
    "script",
    [
        "cd src && sdh_pip_install .",
        "cd src\nsdh_pip_install --no-build-isolation --no-deps .",
        "cd src && sdh_build_wheel --sdist-then-wheel . && sdh_store_and_pip_install_wheel .",
        "cd src\nsdh_build_wheel .\nsdh_store_wheel .\n"
        'sdh_actually_pip_install_wheel demo --no-deps "$wheel"',
    ],
)
def test_a_project_is_built_stored_and_staged(place: Place, script: str) -> None:
    """In the ways of Sage's recipes; it is published, recorded, and a wheel for later builds."""
    project(place, script)
    place.spkg("install", "demo")
    site = site_of(place.prefix)
    assert versions(site, "demo") == ["1.0"]
    assert any(one.endswith("demo/__init__.py") for one in record_files(place))
    wheels = list((place.prefix / "var/lib/sage/wheels").glob("demo-1.0-*.whl"))
    assert len(wheels) == 1
    place.spkg("check")


def test_settings_reach_the_backend(place: Place) -> None:
    """Each way to spell -C; a repeated key becomes a list, and a value keeps its blanks."""
    words = '-C a=1 --config-settings "b=2 3" --config-setting=c=4 -Cc=5'
    project(place, f"cd src && sdh_pip_install {words} .")
    place.spkg("install", "demo")
    seen = json.loads((site_of(place.prefix) / "demo/seen.json").read_text())
    assert seen["config_settings"] == {"a": "1", "b": "2 3", "c": ["4", "5"]}


def test_a_wheel_may_be_stored_without_being_installed(place: Place) -> None:
    """As Sage stores those that only builds need."""
    script = (
        'cd src\nsdh_build_and_store_wheel --no-isolation .\ntest -f "$wheel" || sdh_die lost\n'
    )
    project(place, script)
    place.spkg("install", "demo")
    assert versions(site_of(place.prefix), "demo") == []
    assert list((place.prefix / "var/lib/sage/wheels").glob("demo-1.0-*.whl"))


def test_files_are_installed_below_destdir(place: Place) -> None:
    """Several sources into a directory; with -T one source under another name; links as links."""
    script = (
        "mkdir d; echo a > d/a; ln -s a d/link; echo b > b\n"
        'sdh_install d b "$SAGE_SHARE/demo"\n'
        'sdh_install -T d "$SAGE_SHARE/other/name"\n'
    )
    recipe(place.recipes, "demo", script=script)
    place.spkg("install", "demo")
    assert record_files(place) == [
        *("share/demo/b", "share/demo/d/a", "share/demo/d/link"),
        *("share/other/name/a", "share/other/name/link"),
    ]
    assert (place.prefix / "share/demo/d/link").is_symlink()


def test_configure_make_and_install(place: Place) -> None:
    """A configure that is not of autoconf gets the options that it knows; lib64 leads to lib."""
    directory = recipe(
        place.recipes,
        "demo",
        script="cd src\nsdh_configure --extra\nsdh_make\nsdh_make_check\nsdh_make_install\n",
    )
    (directory / "src").mkdir()
    configure = directory / "src" / "configure"
    configure.write_text(
        "#!/bin/sh\n"
        'for one in "$@"; do case "$one" in --disable-dependency-tracking) exit 1;; esac; done\n'
        'echo "$@" > options\n'
    )
    configure.chmod(0o755)
    (directory / "src" / "Makefile").write_text(
        "all:\n\techo built > built\n"
        "check:\n\tgrep -q built built\n"
        "install:\n\tmkdir -p $(DESTDIR)$(SAGE_LOCAL)/lib64 $(DESTDIR)$(SAGE_LOCAL)/share\n"
        "\tcp built $(DESTDIR)$(SAGE_LOCAL)/lib64/demo\n"
        "\tcp options $(DESTDIR)$(SAGE_LOCAL)/share/demo\n"
    )
    place.spkg("install", "demo")
    assert record_files(place) == ["lib/demo", "share/demo"]
    options = (place.prefix / "share/demo").read_text()
    assert (
        options == f"--prefix={place.prefix} --libdir={place.prefix}/lib --disable-static --extra\n"
    )


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("sdh_check_vars PKG_NAME NO_SUCH_THING", 1, "NO_SUCH_THING is not set"),
        ("(exit 7) || sdh_die gone wrong", 7, "Error: gone wrong"),
        ("(exit 8) || sdh_die <<_END_\nfirst\nsecond\n_END_", 8, "first\nsecond"),
        ("sdh_install nothing $SAGE_SHARE", 1, "nothing is not there"),
        ("sdh_install nothing", 1, "takes sources and a directory"),
        ("mkdir dist; sdh_store_wheel .", 1, "no wheel in"),
        ("sdh_store_wheel a", 1, "takes . and nothing else"),
        ("sdh_make -f nowhere", 2, "cannot build demo"),
    ],
)
def test_what_goes_wrong_ends_the_script(
    place: Place, line: str, status: int, message: str
) -> None:
    """With the exit status of what failed, and a message."""
    recipe(place.recipes, "demo", script=f"{line}\necho 'and on'\n")
    _, errors = place.spkg("install", "demo", status=1)
    assert f"demo-1 failed in its step install: exit status {status}" in errors
    assert message in errors
    assert "and on" not in errors


def test_an_editable_installation_and_its_end(place: Place) -> None:
    """A failing uninstall is a warning; the editable one leads to the source."""
    source = make_project(place.terminal.where / "work", in_tree=TINY_BACKEND)
    backend = source / "backend" / "own_backend.py"
    backend.write_text(backend.read_text() + "\nbuild_editable = build_wheel\n")
    script = f"sdh_pip_uninstall --no-such-option\nsdh_pip_editable_install {source}\n"
    recipe(place.recipes, "demo", script=script)
    place.spkg("install", "demo")
    assert versions(site_of(place.prefix), "demo") == ["1.0"]


@pytest.mark.skipif(shutil.which("ldd") is None, reason="needs ldd")
def test_a_library_is_preloaded(place: Place) -> None:
    """The path that the program loads it from; nothing for one that it does not load."""
    script = (
        "sdh_preload_lib bash libnothing\n"
        '[ -z "$LD_PRELOAD" ] || sdh_die "$LD_PRELOAD"\n'
        "sdh_preload_lib bash libc.so\n"
        'case "$LD_PRELOAD" in /*/libc.so*) ;; *) sdh_die "not libc: $LD_PRELOAD";; esac\n'
    )
    recipe(place.recipes, "demo", script=script)
    place.spkg("install", "demo")


def record_files(place: Place) -> list[str]:
    files: list[str] = json.loads(place.record("demo").read_text())["files"]
    return files
