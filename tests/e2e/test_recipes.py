"""The recipes of ``build/pkgs``: their form, and ``make spkgs`` with a few of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from bench.spkgs import RECIPES, prove
from packaging.utils import canonicalize_name

from sagepip.build.wheelhouse import parse_file_name
from sagepip.operations.spkg_recipe import closure, list_recipes, read_recipe

NAMES = list_recipes(str(RECIPES))
TOOLCHAIN = {
    *("pip", "setuptools", "wheel", "setuptools_scm", "flit_core", "hatchling", "python_build"),
    *("installer", "packaging", "pyproject_hooks", "filelock", "sagepip"),
}
# setuptools, C; flit_core; hatchling; pdm; make install into DESTDIR with a module.
SAMPLE = ["markupsafe", "mdurl", "jinja2", "iniconfig", "findpython", "prefix_info"]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_what_sage_asks_for(name: str) -> None:
    """Each file, in its form; a checksum, and a version that the file name tells as well."""
    directory = RECIPES / name
    recipe = read_recipe(str(RECIPES), name)
    title, line = (directory / "SPKG.rst").read_text().splitlines()[:2]
    assert title.startswith(f"{name}: ")
    assert line == "=" * len(title)
    assert recipe.kind == "standard"
    assert re.fullmatch(r"[0-9][0-9a-z.]*", recipe.version)
    assert "|" in (directory / "dependencies").read_text().partition("\n")[0]
    if recipe.upstream is None:
        assert recipe.file("spkg-install.in")
        return
    assert "VERSION" in (directory / "checksums.ini").read_text()
    required = (directory / "version_requirements.txt").read_text().split()
    parsed = parse_file_name(recipe.upstream.file_name)
    assert parsed is not None
    assert [canonicalize_name(one) for one in required] == [canonicalize_name(parsed[0])]
    assert str(parsed[1]) == recipe.version
    assert recipe.upstream.is_wheel or recipe.file("spkg-install.in")


def test_there_are_enough_packages_and_each_can_be_ordered() -> None:
    """The toolchain, and at least 25 ordinary ones that are built from source."""
    packages = closure(str(RECIPES), NAMES)
    assert set(packages) == set(NAMES)
    ordinary = [
        one.name
        for one in packages.values()
        if one.name not in TOOLCHAIN and one.upstream and not one.upstream.is_wheel
    ]
    assert set(NAMES) >= TOOLCHAIN
    assert len(ordinary) >= 25


@pytest.mark.index
def test_a_few_are_built_from_nothing_rebuilt_at_once_and_half_of_them_uninstalled(
    tmp_path: Path,
) -> None:
    """After each step RECORDs, pip's own check, imports and records are right, and nothing left."""
    assert prove(tmp_path, SAMPLE, jobs=os.cpu_count() or 2) == []
