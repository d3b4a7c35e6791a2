"""``sage-spkg-uninstall`` in an adopted tree: its conventions, and the one transaction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.locking import hold, start, wait_for_note
from tests.e2e.sage_trees import INSTALL, SageTree
from tests.guarantees import snapshot
from tests.wheels import make_wheel

pytestmark = pytest.mark.index

PLACE = """\
mkdir -p "$SAGE_DESTDIR_LOCAL/share/$PKG_BASE/deep/er" "$SAGE_DESTDIR_LOCAL/lib"
echo mine > "$SAGE_DESTDIR_LOCAL/share/$PKG_BASE/deep/er/file"
echo shared > "$SAGE_DESTDIR_LOCAL/share/everybody"
ln -s file "$SAGE_DESTDIR_LOCAL/share/$PKG_BASE/deep/er/link"
touch "$SAGE_DESTDIR_LOCAL/share/x lib"
"""


def staged_wheel(wheel: Path) -> str:
    """Lines of an install script that put a distribution itself into the staged tree."""
    return f'sage-pip-install --root "$SAGE_DESTDIR" {wheel}\n'


def test_all_of_a_package_goes_and_nothing_else(tree: SageTree) -> None:
    """Directories that are empty then, too; not what another package or distribution lists."""
    where = tree.terminal.where
    own = make_wheel(where, "inside", "1", {"inside/__init__.py": "", "ns/one.py": ""})
    other = make_wheel(where, "beside", "1", {"ns/two.py": ""})
    tree.bash(f"sage-pip-install {other}")
    before = snapshot(tree.site)
    tree.package(
        "keeper",
        "1",
        'mkdir -p "$SAGE_DESTDIR_LOCAL/share"\n'
        'echo shared > "$SAGE_DESTDIR_LOCAL/share/everybody"\n',
    )
    tree.spkg("keeper")
    tree.package(
        "whole", "1", PLACE + staged_wheel(own), postrm=f"ls {tree.prefix}/share > {where}/said\n"
    )
    tree.spkg("whole")
    tree.imports("import inside, ns.one, ns.two")
    # The record of a name with a blank names what is not there, and a directory.
    done = tree.bash(f"sage-spkg-uninstall -v whole {tree.prefix}")
    assert f'rm "{tree.prefix}/share/whole/deep/er/file"' in done.stdout.splitlines()
    assert f"File {tree.prefix}/share/x not found" in done.stderr
    assert f"Removing stamp file {tree.stamps}/whole-1" in done.stdout
    assert {one.name for one in (tree.prefix / "share").iterdir()} == {"everybody", "x lib"}
    assert (where / "said").read_text() == "everybody\nx lib\n"
    assert snapshot(tree.site) == before
    assert [one.name for one in tree.stamps.iterdir()] == ["keeper-1"]
    assert not (tree.scripts / "whole").exists()
    again = tree.bash(f"sage-spkg-uninstall whole {tree.prefix}")
    assert "No stamp file for package 'whole'" in again.stderr
    quiet = tree.bash("sage-spkg-uninstall keeper")
    assert quiet.stdout == f"Removing stamp file {tree.stamps}/keeper-1\n"
    assert not (tree.prefix / "share/everybody").exists()


def test_it_waits_for_the_lock_of_the_site(tree: SageTree) -> None:
    """Nothing of the package has gone while somebody else changes the site."""
    own = make_wheel(tree.terminal.where, "waits", "1", {"waits.py": ""})
    tree.package("waiting", "1", PLACE + staged_wheel(own))
    tree.spkg("waiting")
    before = snapshot(tree.prefix / "share")
    holder = hold(tree.terminal, "--python", tree.venv.python)
    script = f"exec sage-spkg-uninstall waiting {tree.prefix}"
    removing = start(tree.terminal, "bash", "-c", script, **tree.environ)
    assert str(tree.site) in wait_for_note(removing)
    assert snapshot(tree.prefix / "share") == before
    tree.imports("import waits")
    holder.communicate("\n", timeout=60)
    assert removing.communicate(timeout=60)
    assert removing.returncode == 0
    assert not (tree.prefix / "share/waiting").exists()
    assert not (tree.site / "waits.py").exists()


def test_scripts_and_options_are_as_before(tree: SageTree) -> None:
    """A prerm that fails stops it with its status, other scripts do not; records and files."""
    where = tree.terminal.where
    wheel = make_wheel(where, "scripted", "1", {"scripted.py": ""})
    allowed = where / "allowed"
    tree.package(
        "scripted",
        "1",
        INSTALL.format(wheel=wheel),
        postrm="exit 4\n",
        prerm=f"test -e {allowed} || exit 7\n",
    )
    tree.spkg("scripted")
    before = snapshot(tree.prefix)
    stopped = tree.bash(f"sage-spkg-uninstall scripted {tree.prefix}", status=7)
    assert "pre-uninstall script for 'scripted' failed" in stopped.stderr
    assert snapshot(tree.prefix) == before
    tree.imports("import scripted")
    kept = tree.bash(f"sage-spkg-uninstall --keep-files scripted {tree.prefix}")
    assert "keeping package files" in kept.stdout
    assert list(tree.stamps.iterdir()) == []
    tree.imports("import scripted")
    allowed.touch()
    tree.spkg("scripted")
    done = tree.bash(f"sage-spkg-uninstall scripted {tree.prefix}")
    assert "Error running the post-uninstall script" in done.stderr
    assert not (tree.site / "scripted.py").exists()
    assert not (tree.wheels / wheel.name).exists()
    assert list(tree.stamps.iterdir()) == []
    help_text = tree.bash("sage-spkg-uninstall --help").stdout
    assert all(one in help_text for one in ("--verbose", "--keep-files", "--log-directory"))


def test_an_error_leaves_the_package(tree: SageTree) -> None:
    """With its files, scripts and record, and the exit status 1; a second run removes it."""
    tree.package("stuck", "1", PLACE)
    tree.spkg("stuck")
    before = snapshot(tree.prefix)
    blocked = {"SAGEPIP_LOCK_TIMEOUT": "0"}
    holder = hold(tree.terminal, "--python", tree.venv.python)
    done = tree.bash(f"sage-spkg-uninstall stuck {tree.prefix}", status=1, settings=blocked)
    holder.communicate("\n", timeout=60)
    assert "Error during uninstallation of 'stuck'" in done.stderr
    assert "was not free" in done.stderr
    state = {path for path in snapshot(tree.prefix) if ".sagepip" not in path}
    assert state == {path for path in before if ".sagepip" not in path}
    tree.bash(f"sage-spkg-uninstall stuck {tree.prefix}")
    assert not (tree.prefix / "share/stuck").exists()


def test_what_a_record_claims_outside_stays(tree: SageTree) -> None:
    """A record is a file that anybody may have edited."""
    outside = tree.terminal.where / "outside"
    outside.touch()
    lock = tree.site / ".sagepip/lock"
    tree.bash(
        "sage-pip-lock --version > /dev/null || sage-sagepip lock "
        f"--python {tree.venv.python} -- true"
    )
    tree.stamps.mkdir()
    files = ["../outside", "../venv/../outside", str(lock.relative_to(tree.prefix)), "share/in"]
    (tree.stamps / "claims-1").write_text(json.dumps({"files": files}))
    (tree.prefix / "share").mkdir(exist_ok=True)
    (tree.prefix / "share/in").touch()
    done = tree.bash(f"sage-spkg-uninstall claims {tree.prefix}")
    assert "does not lie in" in done.stderr
    assert outside.exists()
    assert not (tree.prefix / "share/in").exists()
