"""Upstream files: fetched through pip by name and version, and checked."""

from __future__ import annotations

import hashlib
import os
import tempfile

from sagepip.build.pip_runner import run_pip
from sagepip.build.sources import PackageSources
from sagepip.build.wheelhouse import parse_file_name
from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import publish_file, remove_tree
from sagepip.ground.target_python import TargetPython
from sagepip.operations.spkg_recipe import Recipe, Upstream, list_recipes, read_recipe


def find_upstream(recipe: Recipe, upstream: Upstream, directory: str, *, index: bool) -> str:
    """Return the path of a package's upstream file, fetched if it is not there.

    Args:
        recipe: the package.
        upstream: its file.
        directory: where upstream files are kept.
        index: whether it may be fetched.

    Raises:
        TargetError: it cannot be had, or is another than the recipe's.
    """
    path = os.path.join(directory, upstream.file_name)
    if not os.path.exists(path):
        if not index:
            raise TargetError(
                f"{upstream.file_name} of {recipe.name} is not in {directory}",
                advice="put it there, or leave --no-index out",
            )
        _fetch(recipe, upstream, directory)
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != upstream.sha256:
        raise TargetError(
            f"{path} has the sha256 {digest}, not {upstream.sha256} as {recipe.name} wants it",
            advice="remove the file, or correct checksums.ini",
        )
    return path


def _fetch(recipe: Recipe, upstream: Upstream, directory: str) -> None:
    parsed = parse_file_name(upstream.file_name)
    if parsed is None:
        raise TargetError(
            f"{upstream.file_name} of {recipe.name} is not in {directory}, and not a file of the "
            "package index",
            advice="put it there",
        )
    name, version = parsed
    choice = (name,)
    sources = PackageSources(
        only_binary=choice if upstream.is_wheel else (),
        no_binary=() if upstream.is_wheel else choice,
    )
    part = tempfile.mkdtemp(prefix=".fetch-", dir=directory)
    try:
        # pip compares the hash before it runs anything of a source.
        wanted = os.path.join(part, "wanted.txt")
        with open(wanted, "w", encoding="utf-8") as stream:
            stream.write(f"{name}=={version} --hash=sha256:{upstream.sha256}\n")
        words = ["download", "--no-deps", "--require-hashes", "-r", wanted, "--dest", part]
        # To tell its metadata pip has a source build them: with the versions of the recipes, as
        # far as they go together with what the source asks for.
        constraints = os.path.join(part, "constraints.txt")
        with open(constraints, "w", encoding="utf-8") as stream:
            stream.writelines(f"{one}\n" for one in _versions(os.path.dirname(recipe.directory)))
        found = os.path.join(part, upstream.file_name)
        for more in ([], ["--build-constraint", constraints]):
            outcome = run_pip([*words, *more], python=TargetPython.running(), sources=sources)
            if not outcome.exit_status or upstream.is_wheel:
                break
        if outcome.exit_status or not os.path.exists(found):
            lines = [one for one in outcome.output.splitlines() if one.startswith("ERROR")]
            raise TargetError(
                f"pip cannot fetch {upstream.file_name} of {recipe.name}: "
                f"{lines[0] if lines else outcome.output[-200:]}",
                advice=f"put it into {directory}",
            )
        publish_file(found, os.path.join(directory, upstream.file_name))
    finally:
        remove_tree(part)


def _versions(recipes: str) -> list[str]:
    """Return the versions of all recipes, as requirements."""
    found = []
    for one in list_recipes(recipes):
        upstream = read_recipe(recipes, one).upstream
        parsed = parse_file_name(upstream.file_name) if upstream else None
        found += [f"{parsed[0]}=={parsed[1]}"] if parsed else []
    return found
