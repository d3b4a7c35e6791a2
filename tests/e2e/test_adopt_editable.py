"""Editable installations by Sage's own helper in an adopted tree, with real backends."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from bench.environment import Pin, fetch_sdists

from tests.e2e.commands import Terminal
from tests.e2e.sage_trees import SageTree
from tests.guarantees import snapshot, versions

pytestmark = pytest.mark.index

SETUP = Pin("sage-setup", "10.7")
# pip and setuptools of Sage 10.7: newer ones know no "setup.py develop" any more.
TOOLS = ("pip==24.2", "setuptools==73.0.1", "wheel", "meson-python", "meson", "ninja", "packaging")
MESON = {
    "pyproject.toml": '[build-system]\nrequires = ["meson-python"]\n'
    'build-backend = "mesonpy"\n[project]\nname = "counted"\nversion = "1"\n',
    "meson.build": "project('counted', 'c', version: '1')\n"
    "py = import('python').find_installation(pure: false)\n"
    "py.extension_module('_counted', 'counted.c', install: true)\n"
    "py.install_sources('counted.py')\n",
    "counted.py": "from _counted import value\n",
}
C_SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_counted", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__counted(void) {
    PyObject *made = PyModule_Create(&module);
    PyModule_AddIntConstant(made, "value", %d);
    return made;
}
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse with the backends."""
    house = tmp_path_factory.mktemp("tools")
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(house), *TOOLS], check=True)
    return house


@pytest.fixture
def equipped(adopted: Path, terminal: Terminal, tools: Path) -> SageTree:
    """The adopted tree, the backends installed."""
    tree = SageTree(adopted, terminal)
    for wheel in tools.iterdir():
        shutil.copy(wheel, tree.wheels)
    tree.bash("sage-pip-install pip setuptools wheel meson-python ninja")
    return tree


def unpack_setup(where: Path) -> Path:
    """Unpack Sage's own ``sage_setup``, of which ``import sage_setup`` needs nothing else."""
    with tarfile.open(fetch_sdists([SETUP])[SETUP]) as archive:
        archive.extractall(where, filter="data")
    return where / "sage_setup-10.7"


def test_sages_own_package_by_its_own_recipe(equipped: SageTree) -> None:
    """``SAGE_EDITABLE=yes sage-spkg sage_setup``; again in place of itself; then uninstalled."""
    tree = equipped
    project = unpack_setup(tree.terminal.where)
    (link := tree.root / "build/pkgs/sage_setup/src").symlink_to(project)
    before = snapshot(tree.site)
    where = "import sage_setup; print(sage_setup.__file__)"
    script = f"exec sage-spkg sage_setup-10.7 {tree.prefix}"
    try:
        for _ in range(2):
            tree.bash(script, cwd=tree.root, settings={"SAGE_EDITABLE": "yes"})
            assert tree.imports(where) == str(project / "sage_setup/__init__.py")
            assert versions(tree.site, "sage_setup") == ["10.7"]
    finally:
        link.unlink()
    url = json.loads((tree.site / "sage_setup-10.7.dist-info/direct_url.json").read_text())
    assert url["dir_info"] == {"editable": True}
    assert [one.name for one in tree.stamps.iterdir()] == ["sage_setup-10.7"]
    (project / "sage_setup/added.py").touch()
    tree.imports("import sage_setup.added")
    tree.bash("sage-pip-uninstall sage-setup")
    assert without_caches(snapshot(tree.site)) == without_caches(before)
    assert (project / "sage_setup/added.py").exists()


def test_legacy_editable_is_left_to_pip(equipped: SageTree) -> None:
    """As sagelib's is; a wheel takes its place, and it that of a wheel."""
    tree = equipped
    project = unpack_setup(tree.terminal.where)
    legacy = {"SETUPTOOLS_ENABLE_FEATURES": "legacy-editable"}
    where = "import sage_setup; print(sage_setup.__file__)"
    for settings in (legacy, {}, legacy):
        # As in the recipe of sagelib, which poisons what would lead to Sage's own sources.
        script = "export SAGE_ROOT=/doesnotexist SAGE_SRC=/doesnotexist; sdh_pip_editable_install ."
        tree.helpers(script, cwd=project, settings=settings)
        assert tree.imports(where) == str(project / "sage_setup/__init__.py")
    tree.helpers("sdh_pip_install --no-build-isolation .", cwd=project)
    assert tree.imports(where) == str(tree.site / "sage_setup/__init__.py")
    tree.helpers("sdh_pip_editable_install .", cwd=project, settings=legacy)
    assert tree.imports(where) == str(project / "sage_setup/__init__.py")
    tree.bash("sage-pip-uninstall sage-setup")
    lines = [one.read_text() for one in tree.site.glob("*.pth")]
    assert str(project) not in "".join(lines)
    assert not [
        one for one in tree.site.iterdir() if "sage" in one.name.lower() and one.name != ".sagepip"
    ]


def test_meson_python_builds_again_at_the_import(equipped: SageTree) -> None:
    """The extension module is built in the source tree, and anew when its source has changed."""
    tree = equipped
    (project := tree.terminal.where / "counted").mkdir()
    for name, text in MESON.items():
        (project / name).write_text(text)
    source = project / "counted.c"
    source.write_text(C_SOURCE % 1)
    tree.helpers("sdh_pip_editable_install .", cwd=project)
    show = "python3 -I -c 'import counted; print(counted.__file__, counted.value)'"
    assert tree.bash(show).stdout == f"{project}/counted.py 1\n"
    source.write_text(C_SOURCE % 2)
    assert tree.bash(show).stdout == f"{project}/counted.py 2\n"
    tree.bash("sage-pip-uninstall counted")
    tree.bash("python3 -I -c 'import counted'", status=1)
    assert source.exists()


def without_caches(found: dict[str, tuple[int, bytes | str | None]]) -> set[str]:
    """Return what is in a site but bytecode and what is sagepip's."""
    return {one for one in found if "__pycache__" not in one and not one.startswith(".sagepip")}
