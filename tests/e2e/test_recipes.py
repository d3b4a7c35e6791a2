"""The recipes of ``build/pkgs``: their form, and ``make spkgs`` with a few of them."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from bench.environment import cache_directory
from bench.spkgs import RECIPES, prove
from packaging.utils import canonicalize_name

from sagepip.build.wheelhouse import parse_file_name
from sagepip.operations.spkg_recipe import closure, list_recipes, read_recipe
from sagepip.operations.spkg_upstream import find_upstream
from tests.e2e.commands import Terminal, site_of
from tests.e2e.spkg_places import Place
from tests.guarantees import versions, violations_of_g1

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


@pytest.mark.index
def test_a_real_package_with_scripts_is_tested_upgraded_and_uninstalled(terminal: Terminal) -> None:
    """By its recipe, its test suite and scripts that it might have."""
    place = Place(terminal)
    place.upstream = cache_directory() / "upstream"
    place.upstream.mkdir(parents=True, exist_ok=True)
    for name in ("pip", "setuptools", "markupsafe"):  # the toolchain is what is there of it
        shutil.copytree(RECIPES / name, place.recipes / name)
        recipe = read_recipe(str(RECIPES), name)
        assert recipe.upstream is not None
        find_upstream(recipe, recipe.upstream, str(place.upstream), index=True)
    said, directory = terminal.where / "said", place.recipes / "markupsafe"
    imports = 'python3 -I -c "import markupsafe" 2> /dev/null && echo there || echo gone'
    for step in ("prerm", "postrm"):
        (directory / f"spkg-{step}.in").write_text(f'echo {step} "$({imports})" >> {said}\n')
    place.spkg("install", "--check", "yes", "markupsafe")
    site = site_of(place.prefix)
    record = json.loads(place.record("markupsafe").read_text())
    assert record["test_result"] == "passed"
    (library,) = (one for one in record["files"] if "_speedups" in one and one.endswith(".so"))
    assert place.spkg("test", "markupsafe")[0].endswith(": passed\n")
    (directory / "package-version.txt").write_text(f"{record['package_version']}.p7\n")
    place.spkg("install", "--check", "warn", "markupsafe")
    assert place.record("markupsafe").name.endswith(".p7")
    assert said.read_text() == "prerm there\npostrm there\n", "one version or the other"
    (place.prefix / library).unlink()
    assert violations_of_g1(site) != []
    place.spkg("install", "--force", "--check", "yes", "markupsafe")
    assert violations_of_g1(site) == []
    said.unlink()
    place.spkg("uninstall", "markupsafe")
    assert said.read_text() == "prerm there\npostrm gone\n"
    assert versions(site, "markupsafe") == []
    assert place.spkg("check")[0].endswith(": 2 packages, 0 findings\n")
