"""``sagepip spkg``: recipes with sources of their own, so that nothing has to be fetched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.e2e.commands import Terminal
from tests.wheels import make_wheel

INSTALL = (
    "sdh_check_vars SAGE_LOCAL SAGE_DESTDIR PKG_NAME PKG_BASE PKG_VERSION\n"
    'mkdir -p "$SAGE_DESTDIR$SAGE_LOCAL/share/$PKG_BASE"\n'
    'echo "$PKG_VERSION" > "$SAGE_DESTDIR$SAGE_LOCAL/share/$PKG_BASE/$PKG_VERSION"\n'
)


def recipe(recipes: Path, name: str, *, version: str = "1", needs: str = "", script: str) -> Path:
    """Write the recipe of a script package."""
    directory = recipes / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "type").write_text("standard\n")
    (directory / "package-version.txt").write_text(f"{version}\n")
    (directory / "dependencies").write_text(f"{needs}\n\nignored: $(NOTHING) nonesuch\n")
    (directory / "spkg-install.in").write_text(script)
    return directory


class Place:
    """A prefix, recipes, and the command on them."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.prefix = terminal.where / "prefix"
        self.recipes = terminal.where / "recipes"
        self.upstream = terminal.where / "upstream"
        self.upstream.mkdir()

    def spkg(self, action: str, *words: str, status: int = 0) -> tuple[str, str]:
        where = ("--prefix", self.prefix, "--recipes", self.recipes, "--upstream", self.upstream)
        done = self.terminal.run(
            "sagepip", "spkg", action, *where, "--no-index", *words, status=status
        )
        return done.stdout, done.stderr

    def record(self, name: str) -> Path:
        (record,) = (self.prefix / "var/lib/sage/installed").glob(f"{name}-*")
        return record


@pytest.fixture
def place(terminal: Terminal) -> Place:
    return Place(terminal)


def test_packages_are_built_in_order_upgraded_and_taken_away(place: Place) -> None:
    """What is needed comes first; a second run builds nothing; an upgrade leaves nothing old."""
    look = 'test -e "$SAGE_LOCAL/share/base/1" || sdh_die "base is not there"\n'
    recipe(place.recipes, "base", script=INSTALL)
    recipe(place.recipes, "user", needs="| base $(PYTHON)", script=look + INSTALL)
    out, _ = place.spkg("install", "-j2", "user")
    assert out.splitlines() == [
        "Successfully installed base-1",
        "Successfully installed user-1",
    ]
    assert json.loads(place.record("user").read_text())["files"] == ["share/user/1"]
    assert place.spkg("install", "-j2", "user")[0] == "Everything is installed\n"
    recipe(place.recipes, "base", version="2", script=INSTALL)
    place.spkg("install", "base")
    assert [one.name for one in (place.prefix / "share/base").iterdir()] == ["2"]
    assert place.record("base").name == "base-2"
    place.spkg("check")
    (place.prefix / "share/user/1").unlink()
    assert "user 1: missing share/user/1" in place.spkg("check", status=4)[0]
    outside = place.terminal.where / "outside"
    outside.write_text("")
    record = json.loads(place.record("user").read_text())
    record["files"] += ["../outside", str(outside)]
    place.record("user").write_text(json.dumps(record))
    assert "is left alone" in place.spkg("uninstall", "user", "base")[1]
    assert outside.exists()
    assert not (place.prefix / "share").exists()
    assert "not installed in" in place.spkg("uninstall", "user", status=2)[1]


def test_a_failure_is_told_once_and_a_second_run_goes_on(place: Place) -> None:
    """The package, its step, the end of its log; others are built; nothing of it is published."""
    recipe(place.recipes, "good", script=INSTALL)
    bad = INSTALL + "echo the compiler says no\nexit 7\n"
    recipe(place.recipes, "bad", script=bad)
    recipe(place.recipes, "after", needs="bad", script=INSTALL)
    _, errors = place.spkg("install", "-k", "-j1", "after", "good", status=1)
    assert "Error: bad-1 failed in its step install: exit status 7" in errors
    assert "the compiler says no" in errors
    assert str(place.prefix / "var/lib/sage/logs/bad-1.log") in errors
    assert sorted(one.name for one in (place.prefix / "share").iterdir()) == ["good"]
    recipe(place.recipes, "bad", script=INSTALL)
    out, _ = place.spkg("install", "-j1", "after", "good")
    assert out.splitlines() == ["Successfully installed bad-1", "Successfully installed after-1"]
    assert list(Path(f"{place.prefix}.build").iterdir()) == []


def test_a_wheel_is_checked_installed_and_kept_for_builds(place: Place) -> None:
    """A wheel of another sha256 is refused; the right one is in the wheelhouse until it goes."""
    wheel = make_wheel(place.upstream, "some_pkg", "1", {"some_pkg.py": ""})
    directory = recipe(place.recipes, "some_pkg", script="")
    (directory / "spkg-install.in").unlink()
    name = wheel.name.replace("-1-", "-VERSION-")
    (directory / "checksums.ini").write_text(f"tarball={name}\nsha256={'0' * 64}\n")
    assert "has the sha256" in place.spkg("install", "some_pkg", status=1)[1]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (directory / "checksums.ini").write_text(f"tarball={name}\nsha256={digest}\n")
    place.spkg("install", "some_pkg")
    assert list(place.prefix.glob("lib/python*/site-packages/some_pkg.py"))
    assert [one.name for one in (place.prefix / "var/lib/sage/wheels").glob("*.whl")] == [
        wheel.name
    ]
    place.spkg("uninstall", "some_pkg")
    assert list((place.prefix / "var/lib/sage/wheels").glob("*.whl")) == []
    assert not list(place.prefix.glob("lib/python*/site-packages/some_pkg*"))


def test_what_is_wrong_with_recipes_is_named(place: Place) -> None:
    """Circles, missing recipes, missing upstream files."""
    recipe(place.recipes, "one", needs="two", script="")
    recipe(place.recipes, "two", needs="| one", script="")
    assert "one → two → one" in place.spkg("install", "one", status=1)[1]
    recipe(place.recipes, "lost", needs="nonesuch", script="")
    assert "no recipe of nonesuch, which lost needs" in place.spkg("install", "lost", status=2)[1]
    assert not place.prefix.exists()
