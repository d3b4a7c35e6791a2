"""``sagepip adopt`` on the tree of Sage 10.7: what each changed script does then."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from sagepip.operations.adopt_edits import EDITS
from tests.e2e.commands import Terminal, installed
from tests.e2e.sage_trees import INSTALL, SageTree, unpack_sage_root
from tests.guarantees import snapshot
from tests.wheels import make_wheel

pytestmark = pytest.mark.index

LOCKED = 'flock -n "$1" true && echo free || echo locked'
BACKEND = """\
import base64, hashlib, os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    files = {'thing.py': open('thing.py').read(), 'thing-1.dist-info/METADATA':
             'Metadata-Version: 2.1\\nName: thing\\nVersion: 1\\n',
             'thing-1.dist-info/WHEEL': 'Wheel-Version: 1.0\\nGenerator: x\\n'
             'Root-Is-Purelib: true\\nTag: py3-none-any\\n'}
    record = ''
    name = 'thing-1-py3-none-any.whl'
    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f'{path},sha256={digest.decode().rstrip("=")},{len(text)}\\n'
            wheel.writestr(path, text)
        wheel.writestr('thing-1.dist-info/RECORD', record + 'thing-1.dist-info/RECORD,,\\n')
    return name
build_editable = build_wheel
"""


def source(where: Path, *, requires: str = "", module: str = "value = 1\n") -> Path:
    """A project that brings its backend."""
    where.mkdir()
    (where / "pyproject.toml").write_text(
        f'[build-system]\nrequires = [{requires}]\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n[project]\nname = "thing"\nversion = "1"\n'
    )
    (where / "backend.py").write_text(BACKEND)
    (where / "thing.py").write_text(module)
    return where


def test_the_tree_is_changed_once_and_restored(terminal: Terminal, pyz: Path) -> None:
    """A diff that patch(1) understands, then the changes, then nothing, then the tree of before."""
    root = unpack_sage_root(terminal.where)
    before = snapshot(root)
    shown = terminal.run("sagepip", "adopt", "--pyz", pyz, root)
    assert snapshot(root) == before
    patch = subprocess.run(
        ["patch", "-p1", "--dry-run", "--batch", "-d", root],
        input=shown.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert patch.returncode == 0, patch.stdout
    changed = [line[6:] for line in shown.stdout.splitlines() if line.startswith("+++ b/")]
    terminal.run("sagepip", "adopt", "--pyz", pyz, "--apply", root)
    after = snapshot(root)
    for path in changed:
        words = ["python3", "-c", "compile(open(0).read(), 'x', 'exec')"]
        if not path.endswith(".py"):
            words = ["bash", "-n", "/dev/stdin"]
        with open(root / path) as stream:
            subprocess.run(words, stdin=stream, check=True)
    again = terminal.run("sagepip", "adopt", "--pyz", pyz, "--apply", root)
    assert "already adopted" in again.stdout
    assert snapshot(root) == after
    assert len(changed) == 7
    terminal.run("sagepip", "adopt", "--undo", root)
    assert snapshot(root) == before


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_a_checkout_at_an_odd_place_with_files_that_are_read_only(
    terminal: Terminal, pyz: Path
) -> None:
    """Git sees the changed scripts and the two new files, and after --undo nothing."""
    root = unpack_sage_root(terminal.where / "ein Baum für's Büro")
    for edit in EDITS:
        if (root / edit.path).exists():
            (root / edit.path).chmod(0o555 if edit.path.startswith("build/bin") else 0o444)

    def git(*words: str) -> list[str]:
        # Unpacked by root, the tree is somebody else's.
        settings = ("user.name=x", "user.email=x", "core.quotePath=false", "safe.directory=*")
        own = [word for one in settings for word in ("-c", one)]
        done = subprocess.run(["git", *own, *words], cwd=root, capture_output=True, check=True)
        return done.stdout.decode().splitlines()

    git("init", "--quiet")
    (root / ".git/info/exclude").write_text("build/pkgs\n__pycache__\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    before = snapshot(root / "build")
    assert terminal.run("sagepip", "adopt", "--pyz", pyz, root).stdout
    assert git("status", "--porcelain") == []
    terminal.run("sagepip", "adopt", "--pyz", pyz, "--apply", root)
    new = {"build/bin/sage-sagepip", "build/bin/sagepip.pyz"}
    changed = {edit.path for edit in EDITS if (root / edit.path).exists()}
    told = {f" M {path}" for path in changed} | {f"?? {path}" for path in new}
    assert set(git("status", "--porcelain")) == told
    (root / "src/bin").mkdir(exist_ok=True)
    tree = SageTree(root, terminal)
    wheel = make_wheel(terminal.where, "odd", "1", {"odd.py": ""})
    tree.bash(f"sage-flock -x {tree.prefix}/var/lock/pip3.lock sage-pip-install {wheel}")
    tree.imports("import odd")
    tree.bash("sage-pip-uninstall odd")
    terminal.run("sagepip", "adopt", "--undo", root)
    assert git("status", "--porcelain") == []
    assert not (root / "build/.sagepip-adopted").exists()
    assert without_bytecode(snapshot(root / "build")) == before


def without_bytecode(found: dict[str, tuple[int, bytes | str | None]]) -> object:
    """Leave out what running the scripts has made."""
    return {path: one for path, one in found.items() if "__pycache__" not in path}


def test_wheels_are_installed_as_sage_lists_them(tree: SageTree) -> None:
    """From a file with a line a wheel; PYTHONPATH and PIP_ variables say nothing."""
    where = tree.terminal.where
    (strangers := where / "strangers").mkdir()
    for name in ("packaging", "build", "pip", "zipfile"):
        (strangers / f"{name}.py").write_text("raise SystemExit('a stranger')\n")
    files = {"space/a.py": "", "single.py": "one = 1\n"}
    first = make_wheel(where, "space_a", "1", files, metadata="Requires-Python: >=3.99\n")
    second = make_wheel(where, "space_b", "1", {"space/b.py": ""}, requires=("nonesuch>=3",))
    listed = where / "spkg-requirements.txt"
    listed.write_text(f"space_a @ file://{first}\n")
    with listed.open("a") as stream:
        stream.write(f"space_b @ file://{second}\n")
    settings = {"PYTHONPATH": str(strangers), "PIP_REQUIRE_HASHES": "1", "PIP_TARGET": "/nowhere"}
    done = tree.bash(f"sage-pip-install -r {listed}", settings=settings)
    assert {one.replace("-", "_") for one in installed(done)} == {"space_a_1", "space_b_1"}
    assert "nonesuch" in done.stderr
    assert "requires Python >=3.99" in done.stderr
    tree.imports("import space.a, space.b, single")
    done = tree.bash(
        f"sage-pip-uninstall nonesuch; sage-pip-uninstall -r {listed}", settings=settings
    )
    assert "Skipping nonesuch as it is not installed" in done.stderr
    assert not (tree.site / "space").exists()
    assert tree.bash("sage-pip-uninstall space_a").returncode == 0


def test_what_sagepip_brings_along_does_not_count_as_installed(tree: SageTree) -> None:
    """Where the venv's Python is the one that runs it: pip itself is Sage's first package."""
    for name in ("pip", "packaging", "installer"):
        make_wheel(tree.wheels, name, "99", {f"{name}.py": ""})
    make_wheel(tree.wheels, "needy", "1", {"needy.py": ""}, requires=("filelock", "installer"))
    make_wheel(tree.wheels, "filelock", "99", {"filelock.py": ""})
    done = tree.bash("sage-pip-install pip packaging needy")
    names = {"pip-99", "packaging-99", "needy-1", "filelock-99", "installer-99"}
    assert installed(done) == names


def test_the_same_version_is_replaced_and_a_failure_is_3(tree: SageTree) -> None:
    """A wheel of another content; and a file that is no wheel changes nothing."""
    where = tree.terminal.where
    wheel = make_wheel(where, "again", "1", {"again.py": "value = 1\n", "gone.py": ""})
    tree.helpers(f"sdh_actually_pip_install_wheel again {wheel}")
    make_wheel(where, "again", "1", {"again.py": "value = 2\n"})
    tree.helpers(f"sdh_actually_pip_install_wheel again {wheel}")
    assert tree.imports("import again; print(again.value)") == "2"
    assert not (tree.site / "gone.py").exists()
    newer = make_wheel(where, "again", "2", {"again.py": ""}, requires=("nonesuch",))
    tree.bash(f"sage-pip-install {newer}")
    assert [one.name for one in tree.site.glob("again-*")] == ["again-2.dist-info"]
    before = snapshot(tree.site)
    wheel.write_bytes(b"no wheel")
    tree.bash(f"sage-pip-install {wheel}", status=3)
    tree.helpers(f"sdh_actually_pip_install_wheel again {wheel}", status=3)
    assert snapshot(tree.site) == before


def test_a_root_is_filled_and_the_venv_left_alone(tree: SageTree) -> None:
    """--root wins over SAGE_DESTDIR; both lead to the same place below."""
    where = tree.terminal.where
    wheel = make_wheel(where, "rooted", "1", {"rooted.py": ""})
    tree.bash(f"sage-pip-install --root={where}/root --no-warn-script-location {wheel}")
    tree.bash(f"sage-pip-install {wheel}", settings={"SAGE_DESTDIR": f"{where}/destdir"})
    both = {"SAGE_DESTDIR": f"{where}/neither"}
    tree.bash(f"sage-pip-install --root={where}/both {wheel}", settings=both)
    assert not (where / "neither").exists()
    for root in ("root", "destdir", "both"):
        assert (where / root / tree.site.relative_to("/") / "rooted.py").exists()
    assert not (tree.site / "rooted.py").exists()


def test_a_wheel_is_built_staged_and_listed(tree: SageTree) -> None:
    """Readable as the umask says, in the staged wheelhouse; the installation is for later."""
    where = tree.terminal.where
    project = source(where / "project")
    build = where / "build/thing-1"
    build.mkdir(parents=True)
    destdir = where / "destdir"
    settings = {"SAGE_DESTDIR": str(destdir), "SAGE_BUILD_DIR": str(where / "build")}
    settings["PIP_FIND_LINKS"] = "/nowhere"
    script = "umask 022; sdh_pip_install . && echo $PIP_NO_INDEX$PIP_FIND_LINKS ."
    done = tree.helpers(script, cwd=project, settings=settings)
    assert done.stdout.splitlines()[-1] == "/nowhere ."
    (stored,) = Path(f"{destdir}{tree.wheels}").iterdir()
    assert stored.name == "thing-1-py3-none-any.whl"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o644
    assert list((project / "dist").iterdir()) == []
    listed = Path(f"{destdir}{tree.scripts}/thing/spkg-requirements.txt")
    assert listed.read_text() == f"thing @ file://{tree.wheels}/{stored.name}\n"
    assert (build / "spkg-pipinst").read_text().startswith("sdh_actually_pip_install_wheel thing")
    assert not (tree.site / "thing.py").exists()
    # Without staging it is stored and installed at once; a failure ends the script.
    tree.helpers("sdh_pip_install .", cwd=project)
    assert [one.name for one in tree.wheels.iterdir()] == [stored.name]
    assert tree.imports("import thing; print(thing.value)") == "1"
    # Were it the same, byte for byte, it would stay as it is.
    (tree.wheels / stored.name).unlink()
    tree.helpers("umask 027; sdh_build_and_store_wheel .", cwd=project)
    assert stat.S_IMODE((tree.wheels / stored.name).stat().st_mode) == 0o640
    (project / "backend.py").write_text("raise SystemExit(7)\n")
    failed = tree.helpers("sdh_pip_install .; echo not reached", cwd=project, status=1)
    assert "Error building a wheel for thing-1" in failed.stderr
    assert "not reached" not in failed.stdout


def test_what_a_build_lacks_is_told_and_done_without(tree: SageTree) -> None:
    """Only where a requirement is nowhere to be had; a build that fails is not repeated."""
    where = tree.terminal.where
    project = source(where / "project", requires='"nonesuch>=3"')
    done = tree.helpers("sdh_build_wheel --no-deps .; echo $install_options", cwd=project)
    assert done.stdout.split() == ["--no-deps"]
    assert "nonesuch" in done.stderr
    assert "without isolation" in done.stderr
    with (project / "backend.py").open("a") as stream:
        stream.write(
            "def build_wheel(*_):\n    open('runs', 'a').write('x')\n    raise OSError(7)\n"
        )
    tree.helpers("sdh_build_wheel .", cwd=project, status=1)
    assert (project / "runs").read_text() == "x"
    (project / "pyproject.toml").write_text(
        (project / "pyproject.toml").read_text().replace('"nonesuch>=3"', "")
    )
    tree.helpers("sdh_build_wheel .", cwd=project, status=1)
    assert (project / "runs").read_text() == "xx"


def test_an_editable_installation_goes_into_the_venv(tree: SageTree) -> None:
    """Though the rest of the package is staged."""
    project = source(tree.terminal.where / "project", module="value = 5\n")
    destdir = tree.terminal.where / "destdir"
    tree.helpers("sdh_pip_editable_install .", cwd=project, settings={"SAGE_DESTDIR": str(destdir)})
    assert tree.imports("import thing; print(thing.value)") == "5"
    url = json.loads((tree.site / "thing-1.dist-info/direct_url.json").read_text())
    assert url["dir_info"] == {"editable": True}
    assert not destdir.exists()


def test_sage_flock_holds_its_lock(tree: SageTree, tmp_path: Path) -> None:
    """While the command runs; that of pip is the lock of the site, under which sagepip can run."""
    lock = tmp_path / "some.lock"
    done = tree.bash(f"sage-flock -x {lock} bash -c '{LOCKED}' . {lock}; {LOCKED}", status=0)
    assert done.stdout.split()[0] == "locked"
    assert tree.bash(f"set {lock}; {LOCKED}").stdout.split() == ["free"]
    shared = tree.bash(f"sage-flock -s {lock} flock -s -n {lock} echo shared")
    assert shared.stdout == "shared\n"
    assert tree.bash(f"sage-flock {lock} sh -c 'exit 7'", status=7)
    assert tree.bash(f"exec 9<>{lock}; sage-flock -x 9 && flock -n {lock} true", status=1)
    wheel = make_wheel(tmp_path, "within", "1", {"within.py": ""})
    of_pip = tree.prefix / "var/lock/pip3.lock"
    of_site = tree.site / ".sagepip/lock"
    tree.bash(f"sage-pip-uninstall nonesuch; sage-pip-install {wheel}; sage-pip-uninstall within")
    script = f"bash -c '{LOCKED}; sage-pip-install {wheel}' . {of_site}"
    for option in ("-s", "-x"):
        assert tree.bash(f"sage-flock {option} {of_pip} {script}").stdout.split()[0] == "locked"
        tree.imports("import within")
        tree.bash("sage-pip-uninstall within")


def test_sage_pip_changes_the_venv_alone(tree: SageTree) -> None:
    """Pip itself runs, with all its options; what changes nothing waits for nobody."""
    wheel = make_wheel(tree.terminal.where, "some", "1", {"some.py": ""})
    tree.bash(f"sage-pip-install {wheel}")
    lock = tree.site / ".sagepip/lock"
    (tree.site / "pip.py").write_text(
        "import subprocess, sys\n"
        f"free = subprocess.run(['flock', '-n', '{lock}', 'true']).returncode == 0\n"
        "print(*sys.argv[1:], 'free' if free else 'locked')\n"
    )
    for words, state in (
        ("install --user git+https://nowhere", "locked"),
        ("-q uninstall some", "locked"),
        ("list", "free"),
    ):
        done = tree.bash(f"sage --pip {words}")
        assert done.stdout == f"--disable-pip-version-check {words} {state}\n"
    # What makes no wheel is left to pip, too.
    done = tree.helpers(
        "sdh_pip_editable_install .", settings={"SETUPTOOLS_ENABLE_FEATURES": "legacy-editable"}
    )
    assert done.stdout.endswith("--editable . locked\n")


def test_with_sudo_all_is_staged(tree: SageTree) -> None:
    """The copy runs under it, and the wheel is installed in the staged tree."""
    where = tree.terminal.where
    sudo = where / "sudo"
    sudo.write_text(f'#!/bin/sh\necho "$1" >> {where}/as_root\nexec "$@"\n')
    sudo.chmod(0o755)
    old = make_wheel(where, "staged", "1", {"staged.py": "value = 1\n", "gone.py": ""})
    new = make_wheel(where, "staged", "2", {"staged.py": "value = 2\n"})
    settings = {"SAGE_SUDO": str(sudo)}
    for version, wheel in (("1", old), ("2", new)):
        tree.package("staged", version, INSTALL.format(wheel=wheel))
        script = f"exec sage-spkg staged-{version} {tree.prefix}"
        tree.bash(script, cwd=tree.root, settings=settings)
        assert tree.imports("import staged; print(staged.value)") == version
    assert f"{tree.root}/build/bin/sage-sagepip" in (where / "as_root").read_text()
    assert {one.name for one in tree.site.glob("*.dist-info")} == {"staged-2.dist-info"}
    assert not (tree.site / "gone.py").exists()
    assert [one.name for one in tree.wheels.iterdir()] == [new.name]
    assert [one.name for one in tree.stamps.iterdir()] == ["staged-2"]


def test_the_old_package_stays_until_the_new_one_is_there(tree: SageTree) -> None:
    """While the new one is built, and where that fails; then only the new one is left."""
    where = tree.terminal.where
    old = make_wheel(where, "upgraded", "1", {"upgraded.py": "value = 1\n", "gone.py": ""})
    new = make_wheel(where, "upgraded", "2", {"upgraded.py": "value = 2\n"})
    look = "python3 -c 'import upgraded; print(\"value is\", upgraded.value)'\n"
    remove = f"cat {tree.prefix}/share/upgraded/* > {where}/postrm\n"
    tree.package("upgraded", "1", INSTALL.format(wheel=old), postrm=remove)
    tree.spkg("upgraded")
    assert tree.imports("import upgraded; print(upgraded.value)") == "1"
    tree.package("upgraded", "2", look + INSTALL.format(wheel=new) + "exit 9\n")
    assert "value is 1" in tree.spkg("upgraded", status=1).stdout
    assert tree.imports("import upgraded, gone; print(upgraded.value)") == "1"
    assert [one.name for one in tree.stamps.iterdir()] == ["upgraded-1"]
    tree.package("upgraded", "2", look + INSTALL.format(wheel=new))
    assert "value is 1" in tree.spkg("upgraded").stdout
    assert tree.imports("import upgraded; print(upgraded.value)") == "2"
    assert not (tree.site / "gone.py").exists()
    assert [one.name for one in (tree.prefix / "share/upgraded").iterdir()] == ["2"]
    assert (where / "postrm").read_text() == "2\n"
    assert [one.name for one in tree.wheels.iterdir()] == [new.name]
    assert [one.name for one in tree.stamps.iterdir()] == ["upgraded-2"]
    names = {one.name for one in (tree.scripts / "upgraded").iterdir()}
    assert names == {"spkg-requirements.txt", "spkg-piprm"}
    listed = json.loads((tree.stamps / "upgraded-2").read_text())["files"]
    assert "share/upgraded/2" in listed
    tree.bash(f"sage-spkg-uninstall upgraded {tree.prefix}")
    assert not (tree.site / "upgraded.py").exists()
    assert not (tree.prefix / "share/upgraded").exists()


def test_a_script_of_the_old_package_can_stop_the_new_one(tree: SageTree) -> None:
    """Before anything is published."""
    place = 'mkdir -p "$SAGE_DESTDIR_LOCAL/share"; touch "$SAGE_DESTDIR_LOCAL/share/$PKG_VER"\n'
    allowed = tree.terminal.where / "allowed"
    tree.package("guarded", "1", place, prerm=f"ls $SAGE_LOCAL/share; test -e {allowed}\n")
    tree.spkg("guarded")
    tree.package("guarded", "2", place)
    assert "of the installed version failed" in tree.spkg("guarded", status=1).stderr
    assert {one.name for one in (tree.prefix / "share").iterdir()} == {"1"}
    assert [one.name for one in tree.stamps.iterdir()] == ["guarded-1"]
    allowed.touch()
    tree.spkg("guarded")
    assert {one.name for one in (tree.prefix / "share").iterdir()} == {"2"}
    assert not (tree.scripts / "guarded").exists()


def test_what_moves_to_another_package_or_gets_another_name(tree: SageTree) -> None:
    """A file that another package has meanwhile stays; a distribution of the old name goes."""
    where = tree.terminal.where
    old = make_wheel(where, "oldname", "1", {"renamed.py": "value = 1\n"})
    new = make_wheel(where, "newname", "2", {"renamed.py": "value = 2\n"})
    move = 'mkdir -p "$SAGE_DESTDIR_LOCAL/share"; echo $PKG_BASE > "$SAGE_DESTDIR_LOCAL/share/it"\n'
    # The record takes a name with a blank for two names, of which one is a directory's.
    blank = 'touch "$SAGE_DESTDIR_LOCAL/share/x lib"\n'
    tree.package("renamed", "1", move + blank + INSTALL.format(wheel=old))
    tree.spkg("renamed")
    tree.package("taker", "1", move)
    tree.spkg("taker")
    tree.package("renamed", "2", INSTALL.format(wheel=new))
    tree.spkg("renamed")
    assert not tree.stamps.joinpath("renamed-1").exists()
    assert (tree.prefix / "share/it").read_text() == "taker\n"
    assert tree.imports("import renamed; print(renamed.value)") == "2"
    assert {one.name for one in tree.site.glob("*.dist-info")} == {"newname-2.dist-info"}


def test_a_failure_after_publishing_leaves_no_record(tree: SageTree) -> None:
    """So that make builds the package again; --keep-existing leaves all of the old one."""
    place = 'mkdir -p "$SAGE_DESTDIR_LOCAL/share"; touch "$SAGE_DESTDIR_LOCAL/share/$PKG_VER"\n'
    tree.package("failing", "1", place)
    tree.spkg("failing")
    tree.package("failing", "2", place)
    tree.spkg("failing", "--keep-existing")
    names = {one.name for one in (tree.prefix / "share").iterdir()}
    assert names == {"1", "2"}
    tree.package("failing", "3", place, postinst="exit 5\n")
    tree.spkg("failing", status=1)
    assert list(tree.stamps.iterdir()) == []
    assert {one.name for one in (tree.prefix / "share").iterdir()} == {"3"}


def test_an_installation_without_a_list_of_files(tree: SageTree) -> None:
    """Its own script takes it away before the new version is built, as before."""
    old = tree.prefix / "share/ancient-file"
    old.parent.mkdir()
    old.touch()
    tree.stamps.mkdir()
    (tree.stamps / "ancient-0").touch()
    place = 'mkdir -p "$SAGE_DESTDIR_LOCAL/share"; touch "$SAGE_DESTDIR_LOCAL/share/$PKG_VER"\n'
    tree.package("ancient", "1", place)
    script = tree.root / "build/pkgs/ancient/spkg-legacy-uninstall"
    script.write_text(f"#!/bin/sh\nexec rm {old}\n")
    script.chmod(0o755)
    tree.spkg("ancient")
    assert {one.name for one in (tree.prefix / "share").iterdir()} == {"1"}
    assert [one.name for one in tree.stamps.iterdir()] == ["ancient-1"]


def test_nothing_but_a_system_python_is_needed_to_publish(tree: SageTree, tmp_path: Path) -> None:
    """There is no venv yet; and a python3 that is too old is passed over."""
    (old := tmp_path / "old").mkdir()
    (old / "python3").write_text(f'#!/bin/sh\ntest "$1" != -I && exec {tree.venv.python} "$@"\n')
    (old / "python3").chmod(0o755)
    path = f"{tree.root}/build/bin:{tree.root}/src/bin:{old}:{tree.path}"
    prefix = tmp_path / "local"
    place = 'mkdir -p "$SAGE_DESTDIR_LOCAL/lib"; touch "$SAGE_DESTDIR_LOCAL/lib/libone.so"\n'
    tree.package("library", "1", place)
    script = f"unset SAGE_VENV TEST_VENV; exec sage-spkg library-1 {prefix}"
    settings = {"PATH": path, "TEST_LOCAL": str(prefix), "SAGE_LOCAL": str(prefix)}
    tree.bash(script, cwd=tree.root, settings=settings)
    assert (prefix / "lib/libone.so").exists()
    assert os.listdir(prefix / "var/lib/sage/installed") == ["library-1"]
