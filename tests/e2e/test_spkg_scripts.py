"""The scripts of packages: which are run when, and what follows where one of them fails."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.build_fixtures import TINY_BACKEND, make_project
from tests.e2e.commands import Terminal, site_of
from tests.e2e.locking import hold, wait_until
from tests.e2e.spkg_places import INSTALL, Place, recipe
from tests.guarantees import snapshot, versions

SAYS = """\
seen=$(test -e "$SAGE_LOCAL/share/$PKG_BASE/$PKG_VER" && echo there || echo gone)
echo "{step} $PKG_VER $seen" >> {said}
"""


class Scripted:
    """A package whose scripts say that they are run, and whether its file is there."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._said = place.terminal.where / "said"

    def write(self, version: str = "1", name: str = "talks", **more: str) -> Path:
        """Write its recipe; what is given is added to the script of that step."""
        directory = recipe(self.place.recipes, name, version=version, script=INSTALL)
        for step in ("preinst", "prerm", "piprm", "postrm", "postinst", "check"):
            text = SAYS.format(step=step, said=self._said) + more.get(step, "")
            (directory / f"spkg-{step}.in").write_text(text)
        return directory

    def said(self) -> list[str]:
        """Return what was said since the last time."""
        found = self._said.read_text().splitlines() if self._said.exists() else []
        self._said.unlink(missing_ok=True)
        return found


@pytest.fixture
def place(terminal: Terminal) -> Place:
    return Place(terminal)


@pytest.fixture
def talks(place: Place) -> Scripted:
    return Scripted(place)


def state(place: Place) -> dict[str, object]:
    """All of a prefix but logs."""
    found = snapshot(place.prefix)
    return {path: one for path, one in found.items() if "var/lib/sage/logs" not in path}


def test_scripts_run_in_sages_order_and_those_of_the_version_that_is_there(
    place: Place, talks: Scripted
) -> None:
    """In an upgrade those of the old version, though its recipe has gone."""
    talks.write("1")
    place.spkg("install", "talks")
    assert talks.said() == ["preinst 1 gone", "postinst 1 there"]
    talks.write("2")
    place.spkg("install", "talks")
    assert talks.said() == [
        *("preinst 2 gone", "prerm 1 there", "piprm 1 there", "postrm 1 gone"),
        "postinst 2 there",
    ]
    scripts = place.prefix / "var/lib/sage/scripts/talks"
    kept = ["spkg-check", "spkg-piprm", "spkg-postrm", "spkg-prerm"]
    assert sorted(os.listdir(scripts)) == kept
    assert all(
        one.startswith("share/") for one in json.loads(place.record("talks").read_text())["files"]
    )
    (place.recipes / "talks" / "spkg-prerm.in").write_text("exit 1\n")
    place.spkg("uninstall", "talks")
    assert talks.said() == ["prerm 2 there", "piprm 2 there", "postrm 2 gone"]
    assert not scripts.exists()
    place.spkg("check")
    assert list((place.prefix / "var/lib/sage/unfinished").iterdir()) == []


def test_a_version_without_scripts_leaves_none_of_the_old_ones(
    place: Place, talks: Scripted
) -> None:
    """Nothing of version 1 is run when version 2 goes."""
    directory = talks.write("1")
    place.spkg("install", "talks")
    for one in directory.glob("spkg-*rm.in"):
        one.unlink()
    (directory / "spkg-check.in").unlink()
    (directory / "package-version.txt").write_text("2\n")
    place.spkg("install", "talks")
    talks.said()
    assert not (place.prefix / "var/lib/sage/scripts/talks").exists()
    place.spkg("uninstall", "talks")
    assert talks.said() == []


def test_a_prerm_that_objects_stops_everything(place: Place, talks: Scripted) -> None:
    """An uninstallation of several, and an upgrade: nothing has changed."""
    allowed = place.terminal.where / "allowed"
    recipe(place.recipes, "other", script=INSTALL)
    objection = f"test -e {allowed} || {{ echo not yet; exit 7; }}\n"
    talks.write("1", prerm=objection)
    place.spkg("install", "talks", "other")
    before = state(place)
    _, errors = place.spkg("uninstall", "other", "talks", status=1)
    assert "spkg-prerm of talks-1: exit status 7" in errors
    assert "\nnot yet\n" in errors, "its log is shown"
    assert state(place) == before
    talks.write("2")
    _, errors = place.spkg("install", "talks", status=1)
    assert "talks-2 failed in its step prerm" in errors
    assert "\nnot yet\n" in errors
    assert "exit status 7" in errors
    assert state(place) == before
    allowed.touch()
    place.spkg("install", "talks")
    assert place.record("talks").name == "talks-2"
    place.spkg("uninstall", "other", "talks")
    assert not (place.prefix / "share").exists()


def test_failures_of_piprm_and_postrm_are_told_and_the_package_goes(
    place: Place, talks: Scripted
) -> None:
    """With the status, the script and the log."""
    talks.write("1", piprm="exit 4\n", postrm="kill -TERM $$\n")
    place.spkg("install", "talks")
    out, errors = place.spkg("uninstall", "talks")
    assert out == "Successfully uninstalled talks-1\n"
    log = place.prefix / "var/lib/sage/logs/talks-1.log"
    scripts = place.prefix / "var/lib/sage/scripts/talks"
    assert errors.splitlines() == [
        f"WARNING: {scripts}/spkg-piprm of talks-1: exit status 4: distributions may be left "
        f"(see {log})",
        f"WARNING: {scripts}/spkg-postrm of talks-1: ended by SIGTERM: files or settings may be "
        f"left (see {log})",
    ]
    assert not scripts.exists()
    assert list(place.records.iterdir()) == []


def test_what_a_failure_has_left_may_always_go(place: Place, talks: Scripted) -> None:
    """A prerm does not object to the removal of a package whose installation has not ended."""
    talks.write("1", postinst="exit 3\n", prerm="exit 5\n")
    place.spkg("install", "talks", status=1)
    assert "interrupted" in place.spkg("list")[0]
    _, errors = place.spkg("uninstall", "talks")
    assert "exit status 5: what is left of the package goes nevertheless" in errors
    assert talks.said() == [
        *("preinst 1 gone", "postinst 1 there"),
        *("prerm 1 there", "piprm 1 there", "postrm 1 gone"),
    ]
    assert not (place.prefix / "share").exists()
    assert not (place.prefix / "var/lib/sage/scripts/talks").exists()
    place.spkg("check")


def test_scripts_may_append_to_those_that_are_kept(place: Place, talks: Scripted) -> None:
    """As gcc's do: what postinst makes, postrm removes; the functions of recipes are there."""
    made = place.terminal.where / "made"
    talks.write(
        "1",
        postinst=f'touch {made}\necho "rm {made}" >> "$SAGE_SPKG_SCRIPTS/$PKG_BASE/spkg-postrm"\n',
        prerm='sdh_check_vars SAGE_ROOT SAGE_LOCAL PKG_NAME\ntest "$PWD" = "$SAGE_ROOT" || exit 1\n'
        "sagepip --version > /dev/null\n",
    )
    place.spkg("install", "talks")
    assert made.exists()
    place.spkg("uninstall", "talks")
    assert not made.exists()


def test_a_script_that_is_a_program_is_kept_as_it_is(place: Place) -> None:
    """``spkg-prerm`` without ``.in``, of whatever language."""
    directory = recipe(place.recipes, "program", script=INSTALL)
    said = place.terminal.where / "said"
    script = directory / "spkg-prerm"
    script.write_text(
        f"#!/usr/bin/env python3\nimport os\nopen({str(said)!r}, 'w').write("
        "os.environ['PKG_NAME'] + ' ' + os.environ['SAGE_LOCAL'])\n"
    )
    script.chmod(0o755)
    place.spkg("install", "program")
    kept = place.prefix / "var/lib/sage/scripts/program/spkg-prerm"
    assert kept.read_bytes() == script.read_bytes()
    place.spkg("uninstall", "program")
    assert said.read_text() == f"program-1 {place.prefix}"


def test_a_distribution_that_piprm_uninstalls_is_not_absent_in_an_upgrade(place: Place) -> None:
    """The new version's replaces it; where there is none any more it goes."""
    where = place.terminal.where
    directory = recipe(place.recipes, "late", script=INSTALL)
    project = make_project(where / "demo", in_tree=TINY_BACKEND)
    (directory / "spkg-pipinst.in").write_text(
        f"sage-pip-install --no-index --no-deps {project} || sdh_die\n"
    )
    absent = where / "absent"
    (directory / "spkg-piprm.in").write_text(f"touch {absent}\nsdh_pip_uninstall -y demo\n")
    place.spkg("install", "late")
    site = site_of(place.prefix)
    assert versions(site, "demo") == ["1.0"], "it is installed, not staged"
    (directory / "package-version.txt").write_text("2\n")
    place.spkg("install", "late")
    assert versions(site, "demo") == ["1.0"]
    assert not absent.exists()
    (directory / "spkg-pipinst.in").unlink()
    (directory / "package-version.txt").write_text("3\n")
    place.spkg("install", "late")
    assert versions(site, "demo") == []


def test_test_suites_are_run_where_they_are_wanted(place: Place, talks: Scripted) -> None:
    """yes: a failure leaves the package published, without a record; warn: it is told."""
    test = 'test -e "$PWD/spkg-install.in" || exit 8\ntest "$SAGE_CHECK $PKG_VER" = "yes 1"\n'
    talks.write("1", check=test)
    place.spkg("install", "talks")
    assert talks.said() == ["preinst 1 gone", "postinst 1 there"]
    assert json.loads(place.record("talks").read_text())["test_result"] == ""
    place.spkg("install", "--force", "--check", "yes", "talks")
    assert talks.said()[-2:] == ["postinst 1 there", "check 1 there"]
    assert json.loads(place.record("talks").read_text())["test_result"] == "passed"
    talks.write("2", check=test)
    place.terminal.environ["SAGE_CHECK_PACKAGES"] = "!other,talks"
    _, errors = place.spkg("install", "talks", status=1)
    assert "talks-2 failed in its step check" in errors
    assert (place.prefix / "share/talks/2").exists()
    assert (
        "talks 2: its installation or removal was interrupted" in place.spkg("check", status=4)[0]
    )
    place.terminal.environ["SAGE_CHECK_PACKAGES"] = "?talks"
    _, errors = place.spkg("install", "talks")
    assert "WARNING: Failures testing package talks-2 (ignored)" in errors
    assert json.loads(place.record("talks").read_text())["test_result"] == "failed"
    place.terminal.environ |= {"SAGE_CHECK": "yes", "SAGE_CHECK_PACKAGES": "!talks"}
    talks.said()
    place.spkg("install", "--force", "talks")
    assert "check 2 there" not in talks.said()
    place.spkg("install", "--check", "perhaps", "talks", status=2)


def test_installed_test_suites_can_be_run_again(place: Place, talks: Scripted) -> None:
    """From the directory of the build, if that was kept; else in the recipe."""
    where = f'echo "$PWD" > {place.terminal.where}/pwd\n'
    talks.write("1", check=where)
    recipe(place.recipes, "silent", script=INSTALL)
    place.spkg("install", "talks", "silent")
    assert place.spkg("test", "talks", "silent")[0] == (
        "talks 1: passed\nsilent 1: has no test suite\n"
    )
    ran_in = place.terminal.where / "pwd"
    assert ran_in.read_text().strip() == str(place.recipes / "talks")
    place.terminal.environ["SAGE_KEEP_BUILT_SPKGS"] = "yes"
    talks.write("2", check=where + "exit 9\n")
    place.spkg("install", "talks")
    place.spkg("install", "talks")
    out, errors = place.spkg("test", "talks", status=1)
    assert out == "talks 2: failed\n"
    assert "exit status 9" in errors
    assert ran_in.read_text().strip() == f"{place.prefix}.build/talks-2/package"
    assert "nonesuch is not installed" in place.spkg("test", "nonesuch", status=2)[1]


def test_after_the_publishing_scripts_are_not_staged(place: Place, talks: Scripted) -> None:
    """SAGE_DESTDIR is unset, as in sage-spkg; what users tell recipes reaches them."""
    talks.write(
        "1",
        preinst='test -n "$SAGE_DESTDIR" || exit 1\n',
        postinst='test -z "${SAGE_DESTDIR+x}${SAGE_DESTDIR_LOCAL+x}" || exit 1\n'
        'test "$SAGE_FAT_BINARY" = yes || exit 2\ntest -z "$SAGE_PIP_INSTALL_FLAGS" || exit 3\n',
    )
    place.terminal.environ |= {"SAGE_FAT_BINARY": "yes", "SAGE_PIP_INSTALL_FLAGS": "--nonsense"}
    place.spkg("install", "talks")


def test_a_library_is_found_by_those_that_need_it(place: Place) -> None:
    """Its header, and itself, when its user is linked and when it runs; libtool's notes go."""
    library = recipe(
        place.recipes,
        "library",
        script='lib=$SAGE_DESTDIR_LOCAL/lib\nmkdir -p "$SAGE_DESTDIR_LOCAL/include"\n'
        'echo "int answer(void);" > "$SAGE_DESTDIR_LOCAL/include/answer.h"\n'
        'cc -shared -fPIC -o "$lib/libanswer.so" src/answer.c || sdh_die\n'
        'touch "$lib/libanswer.la"\n',
    )
    (library / "src").mkdir()
    (library / "src/answer.c").write_text("int answer(void) { return 42; }\n")
    user = recipe(
        place.recipes,
        "user",
        needs="library",
        script='mkdir -p "$SAGE_DESTDIR_LOCAL/bin"\n'
        'cc -o "$SAGE_DESTDIR_LOCAL/bin/ask" src/ask.c $LDFLAGS -lanswer || sdh_die\n',
    )
    (user / "src").mkdir()
    (user / "src/ask.c").write_text(
        "#include <answer.h>\nint main(void) { return answer() != 42; }\n"
    )
    (user / "spkg-check.in").write_text('"$SAGE_LOCAL/bin/ask"\n')
    place.spkg("install", "--check", "yes", "user")
    assert json.loads(place.record("library").read_text())["files"] == [
        "include/answer.h",
        "lib/libanswer.so",
    ]


def test_recipes_that_cannot_be_built_are_refused(place: Place) -> None:
    """Dummies, those of pip, and scripts that would not be what they look like."""
    dummy = recipe(place.recipes, "dummy", script="")
    (dummy / "spkg-install.in").unlink()
    assert "dummy stands for what the system has" in place.spkg("install", "dummy", status=1)[1]
    (dummy / "requirements.txt").write_text("dummy\n")
    assert "sage-pip-install -r" in place.spkg("install", "dummy", status=1)[1]
    recipe(place.recipes, "bang", script="#!/bin/sh\n")
    assert "spkg-install.in begins with #!" in place.spkg("install", "bang", status=1)[1]
    assert not list(place.records.iterdir())


def test_the_stored_wheel_is_named_for_test_suites(place: Place) -> None:
    """``spkg-requirements.txt``, as Sage's test suites and constraints read it."""
    directory = recipe(place.recipes, "demo", script="cd src && sdh_pip_install .")
    make_project(directory / "src", in_tree=TINY_BACKEND)
    (directory / "spkg-check.in").write_text(
        "names=$SAGE_SPKG_SCRIPTS/$PKG_BASE/spkg-requirements.txt\n"
        "test -f \"$(sed -n '1s,.*@ file://,,p' $names)\"\n"
    )
    place.spkg("install", "--check", "yes", "demo")
    named = "var/lib/sage/scripts/demo/spkg-requirements.txt"
    assert named in json.loads(place.record("demo").read_text())["files"]
    place.spkg("install", "--force", "demo")
    assert len((place.prefix / named).read_text().splitlines()) == 1
    place.spkg("uninstall", "demo")
    assert not (place.prefix / named).parent.exists()


@pytest.mark.parametrize("step", ["prerm", "postrm"])
def test_a_removal_that_is_ended_in_a_script_is_repeated(
    place: Place, talks: Scripted, step: str
) -> None:
    """In prerm nothing has changed; in postrm it is interrupted. No process stays."""
    where = place.terminal.where
    block = f"test -e {where}/go || {{ echo $$ > {where}/part; mv {where}/part {where}/at; "
    talks.write("1", **{step: f"{block} sleep 600; }}\n"})
    place.spkg("install", "talks")
    before = state(place)
    removing = place.terminal.start("sagepip", *place.words("uninstall", "talks"))
    wait_until(lambda: (where / "at").exists() or removing.poll() is not None)
    removing.terminate()
    _, errors = removing.communicate(timeout=40)
    assert removing.returncode == -signal.SIGTERM, errors
    with pytest.raises(ProcessLookupError):
        os.kill(int((where / "at").read_text()), 0)
    if step == "prerm":
        assert state(place) == before
    else:
        assert "talks 1 (interrupted)" in place.spkg("list")[0]
        assert not (place.prefix / "share").exists()
    talks.said()
    (where / "go").touch()
    assert place.spkg("uninstall", "talks")[0] == "Successfully uninstalled talks-1\n"
    assert [one.split()[0] for one in talks.said()] == ["prerm", "piprm", "postrm"]
    left = place.prefix / "var/lib/sage"
    assert [*(left / "unfinished").iterdir(), *(left / "scripts").iterdir()] == []
    assert list(place.terminal.temporary.iterdir()) == []


def test_the_time_limit_for_locks_counts_and_nothing_changes(place: Place) -> None:
    """Of a removal and an upgrade that would have to wait for somebody else."""
    place.wheel("shown", "1", {"shown.py": ""})
    place.spkg("install", "shown")
    place.wheel("shown", "2", {"shown.py": ""})
    before = versions(site_of(place.prefix), "shown"), place.record("shown").read_bytes()
    holder = hold(place.terminal, "--python", place.prefix / "bin/python3")
    place.terminal.environ["SAGEPIP_LOCK_TIMEOUT"] = "0"
    assert "was not free" in place.spkg("uninstall", "shown", status=3)[1]
    assert "was not free" in place.spkg("install", "shown", status=1)[1]
    holder.communicate("\n", timeout=60)
    assert (versions(site_of(place.prefix), "shown"), place.record("shown").read_bytes()) == before
    place.spkg("check")
    place.spkg("install", "shown")
    assert versions(site_of(place.prefix), "shown") == ["2"]
