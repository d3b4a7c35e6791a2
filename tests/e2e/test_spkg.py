"""``sagepip spkg``: recipes with sources of their own, so that nothing has to be fetched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.e2e.commands import Terminal
from tests.e2e.spkg_places import INSTALL, Place, recipe
from tests.wheels import make_wheel


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
    warning = f"WARNING: Skipping user as it is not installed in {place.prefix}.\n"
    assert place.spkg("uninstall", "user")[1] == warning


def test_a_failure_is_told_once_and_a_second_run_goes_on(place: Place) -> None:
    """The package, its step, the end of its log; others are built; nothing of it is published."""
    recipe(place.recipes, "good", script=INSTALL)
    bad = INSTALL + "echo the compiler says no\nexit 7\n"
    recipe(place.recipes, "bad", script=bad)
    recipe(place.recipes, "after", needs="bad", script=INSTALL)
    _, errors = place.spkg("install", "-k", "-j1", "after", "good", status=1)
    assert errors.count("Error: bad-1 failed in its step install: exit status 7") == 1
    assert errors.count("the compiler says no") == 1
    assert str(place.prefix / "var/lib/sage/logs/bad-1.log") in errors
    assert "***" not in errors, "make's own lines say nothing more"
    assert errors.splitlines()[-1] == (
        f"Error: only 1 of 3 packages were built in {place.prefix}; failed: bad; not begun: after "
        "(a second run goes on where this one ended)"
    )
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
