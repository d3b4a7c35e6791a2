"""Run the test suite that an installed package has left."""

from __future__ import annotations

import os

from sagepip.ground import console
from sagepip.ground.errors import UsageError
from sagepip.ground.filesystem import make_directories
from sagepip.operations.spkg_change import changing
from sagepip.operations.spkg_environment import ScriptsOf
from sagepip.operations.spkg_scripts import KeptScripts, ScriptFailed
from sagepip.operations.spkg_tree import SpkgTree


def run_test_suite(tree: SpkgTree, name: str, recipes: str, root: str) -> tuple[str, str]:
    """Run the test suite of what is installed of a package; nobody changes the package meanwhile.

    It begins in the directory in which the package was built, if that was kept, else in the recipe.

    Args:
        tree: where.
        name: the package.
        recipes: the directory of the recipes.
        root: SAGE_ROOT, or an empty string if it is not known.

    Returns:
        Its version, and ``passed``, ``failed`` or ``has no test suite``.

    Raises:
        UsageError: it is not installed.
    """
    if not os.path.isdir(tree.records):
        raise UsageError(f"{name} is not installed in {tree.prefix}", advice="install it")
    make_directories(tree.unfinished)
    with changing(tree, name) as change:
        if change.earlier is None or change.is_broken_off:
            raise UsageError(f"{name} is not installed in {tree.prefix}", advice="install it")
        version = change.earlier.version
        kept = KeptScripts(ScriptsOf(tree, name, version, root), change, check="yes")
        if not kept.has("check"):
            return version, "has no test suite"
        built_in = os.path.join(tree.builds, f"{name}-{version}", "package")
        try:
            kept.run("check", places=(built_in, os.path.join(recipes, name)))
        except ScriptFailed as error:
            console.note(f"{error}\n{error.output}")
            return version, "failed"
        return version, "passed"
