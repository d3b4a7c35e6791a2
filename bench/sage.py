"""Builds Sage's own packages with Sage's own ``sage-spkg``, unchanged and adopted: ``make sage``.

The source distribution of ``sage_conf`` carries Sage's source tree. It is unpacked twice, and one
copy adopted (``sagepip adopt``). In each, Sage's make builds the same packages with eight jobs:
from nothing; then all of them in a newer version, in make's order; then all of them again, at
once and in no order. After each round the result is checked; while it lasts, the installed
distributions are watched.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from bench.environment import PreparationError, cache_directory, console_script
from bench.processes import ProcessTable
from bench.pyz import make as make_pyz
from bench.sage_report import SageReport, verdict
from bench.sage_round import Kind, Round, run_round
from bench.sage_tree import SageTree
from sagepip.ground.errors import SagepipError
from sagepip.operations.spkg_recipe import Recipe
from sagepip.operations.spkg_upstream import find_upstream

TREES = ("unchanged", "adopted")
AT_ONCE = 8

PACKAGES = (
    # what others are built with
    *("pip", "setuptools", "wheel", "setuptools_scm", "flit_core", "hatchling", "python_build"),
    # sources: setuptools, Python only
    *("decorator", "defusedxml", "cycler", "gast", "beniget", "ply", "pexpect", "prompt_toolkit"),
    *(
        "pytz",
        "snowballstemmer",
        "webencodings",
        "ipython_genutils",
        "pandocfilters",
        "pickleshare",
    ),
    *("jedi", "fastjsonschema", "prometheus_client", "tzlocal"),
    # sources: flit_core, hatchling, meson-python
    *("argon2_cffi", "entrypoints", "tinycss2", "beautifulsoup4", "jupyter_core", "terminado"),
    "meson_python",
    # sources with extension modules in C and C++
    *("markupsafe", "pyrsistent", "psutil", "tornado", "cffi", "argon2_cffi_bindings"),
    "kiwisolver",
    # wheels; some are one module, some share a namespace directory, some are big
    *("six", "idna", "certifi", "charset_normalizer", "urllib3", "requests", "docutils"),
    *("imagesize", "pygments", "jinja2", "attrs", "sniffio", "anyio"),
    *("sphinxcontrib_applehelp", "sphinxcontrib_jsmath", "sphinxcontrib_devhelp"),
    # script packages: one for Python whose source is the tree's, two that are not for Python (and
    # bring no files)
    *("sage_conf", "gnulib", "_prereq"),
)
"""What is built, together with what it needs."""

QUICK = ("pip", "setuptools", "wheel", "python_build", "six", "decorator", "sage_conf", "gnulib")
"""What is built with ``--quick``."""


class Trees:
    """The trees, in one directory.

    Args:
        scratch: the directory.
        names: the packages to build.
        exactly: without what they need.
    """

    def __init__(self, scratch: Path, names: Sequence[str], *, exactly: bool) -> None:
        self._scratch = scratch
        self._names = names
        self._exactly = exactly
        self._upstream = cache_directory() / "upstream"
        self._upstream.mkdir(parents=True, exist_ok=True)

    def unpack(self, name: str) -> SageTree:
        """Unpack and configure one, with all upstream files at hand; adopt it if it is that."""
        if (self._scratch / name).exists():
            raise PreparationError(f"{self._scratch / name} is there already; remove it")
        tree = SageTree.unpack(self._scratch / name, self._upstream)
        tree.configure(self._names, exactly=self._exactly)
        fetch_upstream(tree.packages.values(), self._upstream)
        if name == "adopted":
            self._adopt(tree)
        return tree

    def _adopt(self, tree: SageTree) -> None:
        pyz = self._scratch / "sagepip.pyz"
        make_pyz(pyz)
        command = [str(console_script("sagepip")), "adopt", str(tree.root), "--apply"]
        command += ["--pyz", str(pyz)]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SAGE", "PYTHON", "PIP_"))}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PreparationError(f"sagepip adopt failed:\n{done.stdout}{done.stderr}")


def fetch_upstream(packages: Iterable[Recipe], directory: Path) -> None:
    """Fetch the upstream files that are not there, and compare all with their checksums."""
    with ProcessPoolExecutor(4) as pool:
        for _ in pool.map(_fetch, packages, [str(directory)] * len(list(packages))):
            pass


def _fetch(recipe: Recipe, directory: str) -> None:
    if recipe.upstream is None:
        return
    try:
        find_upstream(recipe, recipe.upstream, directory, index=True)
    except SagepipError as error:
        raise PreparationError(str(error)) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and print what was counted; return the exit status."""
    parser = argparse.ArgumentParser(prog="bench.sage", description=__doc__)
    parser.add_argument("--jobs", type=int, default=AT_ONCE, help="of make (default 8)")
    parser.add_argument("--only", choices=TREES, help="one of the trees")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--packages", nargs="+", metavar="NAME", default=PACKAGES)
    chosen.add_argument("--quick", dest="packages", action="store_const", const=QUICK)
    parser.add_argument("--exactly", action="store_true", help="without what these need")
    parser.add_argument(
        "--round", action="append", choices=[one.name.lower() for one in Kind], help="only this"
    )
    parser.add_argument("--dir", type=Path, help="work there, and leave the trees there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there")
    options = parser.parse_args(arguments)
    kinds = [one for one in Kind if not options.round or one.name.lower() in options.round]
    scratch = options.dir or Path(tempfile.mkdtemp(prefix="sagepip-sage-"))
    rounds: list[Round] = []
    report = SageReport(options.jobs)
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with ProcessTable() as processes:
            trees = Trees(scratch, options.packages, exactly=options.exactly)
            unpacked = {
                name: trees.unpack(name) for name in ([options.only] if options.only else TREES)
            }
            report.introduction(next(iter(unpacked.values())).packages.values())
            for kind in kinds:
                for name, tree in unpacked.items():
                    rounds.append(run_round(name, tree, kind, options.jobs, processes))
                    report.row(rounds[-1])
    except (PreparationError, SagepipError) as error:
        print(f"sage: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if options.dir is None:
            shutil.rmtree(scratch, ignore_errors=True)
    wrong = verdict(rounds)
    report.conclusion(rounds, wrong)
    if options.json:
        told = {"rounds": [asdict(one) for one in rounds], "wrong": wrong}
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
