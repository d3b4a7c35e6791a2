"""``SAGE_SUDO`` in an adopted tree: what is run by it, and a builder without rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.commands import Terminal
from tests.e2e.sage_trees import INSTALL, SageTree, adopt, unpack_sage_root
from tests.e2e.sudo_places import BUILDER, RecordingSudo, root_at_hand, why_no_sudo
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

pytestmark = pytest.mark.index

SAY = 'echo "{step} $PKG_VER" >> "$SAGE_INST_LOCAL/said"\n'
STORE = """\
mkdir -p "$SAGE_DESTDIR_LOCAL/share" dist
echo "$PKG_VER" > "$SAGE_DESTDIR_LOCAL/share/$PKG_BASE"
cp {wheel} dist/
sdh_store_wheel .
"""


def write(tree: SageTree, name: str, version: str, *, install: str = INSTALL, **more: str) -> None:
    """A package that installs a wheel, with scripts for root and scripts for its removal."""
    module = f"{name}/__init__.py"
    of_version = {module: f"version = {version}\n", f"{name}/of_{version}.py": ""}
    wheel = make_wheel(tree.terminal.where, name, version, of_version)
    said = {step: SAY.format(step=step) for step in ("preinst", "postinst", "prerm", "postrm")}
    tree.package(name, version, install.format(wheel=wheel), **said, **more)


@pytest.fixture
def recording(terminal: Terminal) -> RecordingSudo:
    return RecordingSudo(terminal.where)


def with_sudo(tree: SageTree, name: str, sudo: str, *, status: int = 0) -> None:
    """Run sage-spkg for a package."""
    version = (tree.root / "build/pkgs" / name / "package-version.txt").read_text().strip()
    tree.bash(
        f"exec sage-spkg {name}-{version} '{tree.prefix}'",
        cwd=tree.root,
        settings={"SAGE_SUDO": sudo},
        status=status,
    )


def test_what_is_run_by_it(tree: SageTree, recording: RecordingSudo) -> None:
    """The scripts for root and the copy, in Sage's order; building and removing are not."""
    sudo = f"{recording.program} -E"
    sagepip = f"{tree.root}/build/bin/sage-sagepip"
    where = [sagepip, "spkg", "publish", "--prefix", str(tree.prefix)]
    for version in ("1", "2"):
        write(tree, "recorded", version)
        with_sudo(tree, "recorded", sudo)
        staged = f"{tree.prefix}/var/tmp/sage/build/recorded-{version}/inst{tree.prefix}"
        assert recording.told() == [
            ["./spkg-preinst"],
            [*where, "recorded", staged],
            ["./spkg-pipinst"],
            ["./spkg-postinst"],
        ]
        assert versions(tree.site, "recorded") == [version]
    assert violations_of_g1(tree.site) == []
    tree.bash(f"sage-spkg-uninstall recorded {tree.prefix}")
    assert recording.told() == []
    assert versions(tree.site, "recorded") == []
    write(tree, "built", "1", install=STORE, build=SAY.format(step="build"))
    with_sudo(tree, "built", sudo)
    assert [one[0] for one in recording.told()] == [
        *("./spkg-preinst", "./spkg-install", sagepip, "./spkg-pipinst", "./spkg-postinst"),
    ]


@pytest.mark.skipif(bool(why_no_sudo()), reason=why_no_sudo() or "it can be used")
def test_the_real_sudo(tree: SageTree) -> None:
    """With ``-E``, whatever PATH it gives: a package is installed, upgraded and removed."""
    for version in ("1", "2"):
        write(tree, "really", version)
        with_sudo(tree, "really", "sudo -n -E")
        assert versions(tree.site, "really") == [version]
        assert tree.imports("import really; print(really.version)") == version
    (module,) = tree.site.glob("really/__init__.py")
    assert module.stat().st_uid == os.getuid(), "staged files keep their owner"
    assert (tree.prefix / "said").read_text().splitlines() == [
        *("preinst 1", "postinst 1", "preinst 2", "prerm 1", "postrm 1", "postinst 2"),
    ]
    assert (tree.site / ".sagepip/lock").stat().st_uid == 0, "the copy was root's"
    tree.bash(f'sudo -n -E env PATH="$PATH" sage-spkg-uninstall really {tree.prefix}')
    assert versions(tree.site, "really") == []
    # Its spkg-install is run by sudo, which may hide build/bin; it has a wheel to store.
    write(tree, "stored", "1", install=STORE, build=SAY.format(step="build"))
    with_sudo(tree, "stored", "sudo -n -E")
    assert [one.name for one in tree.wheels.iterdir()] == ["stored-1-py3-none-any.whl"]
    assert [one.name for one in tree.stamps.iterdir()] == ["stored-1"]


@pytest.fixture
def public(pyz: Path) -> Iterator[Path]:
    """A directory that a user without rights can reach; it goes in the end."""
    where = Path(tempfile.mkdtemp(prefix="sagepip-sudo-"))
    where.chmod(0o755)
    yield where
    shutil.rmtree(where)


def python_of_others() -> str:
    """Return an interpreter that a user without rights can run, or an empty string."""
    for one in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
        words = [one, "-I", "-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"]
        with suppress(OSError):
            if not subprocess.run(words, user=BUILDER, group=BUILDER, check=False).returncode:
                return one
    return ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can do what a user without rights asks")
def test_a_builder_without_rights_has_root_publish(public: Path, pyz: Path) -> None:
    """Into a prefix of root's, but for what sage-spkg itself wants to write to."""
    python = python_of_others()
    if not python:
        pytest.skip("no Python 3.11 or newer that users without rights can run")
    terminal = Terminal(public)
    tree = SageTree(adopt(unpack_sage_root(public), pyz), terminal, f"{public}:{os.defpath}")
    (public / "python3").symlink_to(python)
    shutil.rmtree(tree.prefix / "bin")
    words = [python, "-I", "-m", "venv", "--without-pip", str(tree.prefix)]
    subprocess.run(words, check=True)
    cache, home = public / "cache", public / "user"
    for one in (cache, home, tree.prefix, tree.prefix / "var", tree.stamps, tree.scripts):
        one.mkdir(exist_ok=True)
        os.chown(one, BUILDER, BUILDER)
    for directory, _, _ in os.walk(tree.root):
        os.chown(directory, BUILDER, BUILDER)

    def build(version: str, sudo: str) -> tuple[int, str]:
        write(tree, "asked", version)
        own = {"SAGE_SUDO": sudo, "HOME": home, "SAGEPIP_CACHE_DIR": cache, "TMPDIR": home}
        done = subprocess.run(
            ["bash", "-c", f"exec sage-spkg asked-{version} '{tree.prefix}'"],
            cwd=tree.root,
            env=tree.environ | {name: str(one) for name, one in own.items()},
            user=BUILDER,
            group=BUILDER,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    with root_at_hand(public, python) as root:
        for version in ("1", "2"):
            status, said = build(version, f"{root.program} -E")
            assert status == 0, said
            assert [os.path.basename(one[0]) for one in root.told] == [
                *("spkg-preinst", "sage-sagepip", "spkg-pipinst", "spkg-postinst"),
            ]
            root.told.clear()
            assert versions(tree.site, "asked") == [version]
            assert violations_of_g1(tree.site) == []
    lock = (tree.site / ".sagepip/lock").stat()
    assert (lock.st_uid, lock.st_mode & 0o777) == (0, 0o644)
    assert (tree.site / "asked/__init__.py").stat().st_uid == BUILDER
    # Without it nothing of root's changes, and the package that is there stays.
    before = snapshot(tree.site)
    status, said = build("3", "")
    assert status == 1
    assert "Permission denied" in said
    assert snapshot(tree.site) == before
