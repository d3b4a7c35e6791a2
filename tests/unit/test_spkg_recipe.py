"""What recipes and variables say, read as Sage reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagepip.operations.spkg_checks import Checks
from sagepip.operations.spkg_recipe import closure, read_recipe


def recipe(recipes: Path, name: str, **files: str) -> None:
    directory = recipes / name
    directory.mkdir(parents=True)
    for file, text in {"type": "standard\n", **files}.items():
        (directory / file.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("default", "packages", "wanted"),
    [
        ("no", None, "no no no"),
        ("yes", None, "yes no warn"),
        ("warn", None, "warn warn warn"),
        ("yes", "", "yes yes yes"),
        ("no", "a,?python3", "yes warn no"),
        ("yes", "!a:?meson_python", "no yes warn"),
        ("yes", "?a,!a", "no yes yes"),
        ("1", None, "no no no"),
    ],
)
def test_whose_test_suites_are_run(default: str, packages: str | None, wanted: str) -> None:
    """As in Sage's Makefile; what comes last counts."""
    checks = Checks(default, packages)
    assert [checks.of(one) for one in ("a", "python3", "meson_python")] == wanted.split()


def test_test_suites_and_order_have_needs_of_their_own(tmp_path: Path) -> None:
    """``dependencies_check`` counts only where the test suite is run."""
    recipe(
        tmp_path,
        "user",
        dependencies="base # words\nmore words\n",
        dependencies_order_only="before\n",
        dependencies_check="tester\n",
    )
    for name in ("base", "before", "tester"):
        recipe(tmp_path, name)
    found = read_recipe(str(tmp_path), "user")
    assert (found.needs, found.needs_only_there) == (("base",), ("before",))
    assert list(closure(str(tmp_path), ["user"])) == ["base", "before", "user"]
    tested = closure(str(tmp_path), ["user"], Checks("no", "?user"))
    assert list(tested) == ["base", "before", "tester", "user"]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("a-VERSION.tar.gz", "a-3.14.2.tar.gz"),
        ("a-${VERSION}.tar.gz", "a-3.14.2.tar.gz"),
        ("aVERSION_MAJOR-${VERSION_MINOR}_VERSION_MICRO.zip", "a3-14_2.zip"),
    ],
)
def test_a_file_name_has_the_version_or_its_parts(
    tmp_path: Path, pattern: str, wanted: str
) -> None:
    """Without the patch level, which is the recipe's own."""
    checksums = f"tarball={pattern}\nsha256={'0' * 64}\n"
    recipe(tmp_path, "a", package_version="", checksums__ini=checksums)
    (tmp_path / "a/package-version.txt").write_text("3.14.2.p1\n")
    upstream = read_recipe(str(tmp_path), "a").upstream
    assert upstream is not None
    assert upstream.file_name == wanted
