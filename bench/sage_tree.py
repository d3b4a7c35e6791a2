"""A Sage source tree that builds Python packages, and scripts, without ``configure``.

``configure`` fills a few templates. Its script is not in the source distribution of ``sage_conf``,
and would look for hundreds of libraries, of which Python packages need none. So the templates are
filled here: the compilers and libraries are the system's, the interpreter is the one that runs
this program, and all packages but the chosen ones count as taken from the system. Everything else
is Sage's own: ``build/make/install``, the rules of its Makefile, ``sage-spkg``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from bench.environment import Pin, fetch_sdists, tool_environment
from bench.processes import Finished, ProcessTable
from bench.sage_newer import exchange_digests, make_newer
from sagepip.operations.spkg_recipe import PYTHON, Recipe, read_recipe

SAGE = Pin("sage-conf", "10.7")
"""The distribution that carries the tree."""

RECORDS = Path("var/lib/sage/installed")
"""Where a prefix has the records of installed packages."""

LONGEST_MAKE = 3600.0
"""Seconds after which make is ended."""

_TEMPLATES = (
    "build/make/Makefile.in",
    "build/bin/sage-build-env-config.in",
    "src/bin/sage-env-config.in",
    "src/bin/sage-src-env-config.in",
)

_CONF = "sage_conf"
_CONF_SOURCE = Path("pkgs/sage-conf")
_CONF_TEMPLATES = (
    str(_CONF_SOURCE / "_sage_conf/_conf.py.in"),
    str(_CONF_SOURCE / "bin/sage-env-config.in"),
)


class SageTree:
    """An unpacked tree.

    Args:
        root: its directory, SAGE_ROOT.
        upstream: where upstream files lie, SAGE_DISTFILES.

    Attributes:
        root: its directory.
        local: where it installs libraries, SAGE_LOCAL.
        venv: where it installs Python packages, SAGE_VENV.
        packages: the chosen packages and what they need, what is needed first.
        edition: which edition of them is to be built.
    """

    def __init__(self, root: Path, upstream: Path) -> None:
        self.root = root.resolve()
        self.local = self.root / "local"
        self.venv = self.local / f"var/lib/sage/venv-python3.{sys.version_info.minor}"
        self.packages: dict[str, Recipe] = {}
        self.edition = 0
        self._first_upstream = upstream

    @classmethod
    def unpack(cls, root: Path, upstream: Path) -> SageTree:
        """Fetch the distribution, if the cache lacks it, and unpack the tree that it carries."""
        archive = fetch_sdists([SAGE])[SAGE]
        with tarfile.open(archive) as opened:
            members = []
            for member in opened.getmembers():
                _, _, name = member.name.partition("/sage_root/")
                if name:
                    members.append(member.replace(name=name, deep=False))
            opened.extractall(root, members, filter="data")
        return cls(root, upstream)

    @property
    def recipes(self) -> Path:
        """The directory of its packages."""
        return self.root / "build/pkgs"

    @property
    def site(self) -> Path:
        """The directory of its installed Python packages."""
        return self.venv / f"lib/python3.{sys.version_info.minor}/site-packages"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin/python3"

    def configure(self, names: Iterable[str], *, exactly: bool = False) -> None:
        """Choose packages, and write what ``configure`` writes.

        Args:
            names: the packages.
            exactly: without what they need.
        """
        self.packages = python_packages(self.recipes, names, exactly=exactly)
        values = self._values()
        templates = list(_TEMPLATES)
        if _CONF in self.packages:
            templates += _CONF_TEMPLATES
            source = self.recipes / _CONF / "src"
            if not source.is_symlink():  # a source distribution has no links
                source.symlink_to(self.root / _CONF_SOURCE)
        for template in templates:
            text = (self.root / template).read_text(encoding="utf-8")
            filled = re.sub(r"@(\w+)@", lambda found: values.get(found[1], ""), text)
            (self.root / template.removesuffix(".in")).write_text(filled, encoding="utf-8")
        (self.local / RECORDS).mkdir(parents=True, exist_ok=True)

    @property
    def upstream(self) -> Path:
        """Where the upstream files of this edition lie; trees in one directory share them."""
        if not self.edition:
            return self._first_upstream
        return self.root.parent / f"upstream-{self.edition}"

    def go_on_to_next_edition(self) -> None:
        """Make a newer version of each package, from other content, and configure again."""
        before = self.upstream
        self.edition += 1
        for recipe in self.packages.values():
            directory = Path(recipe.directory)
            path = directory / "package-version.txt"
            path.write_text(next_patch_level(recipe.version) + "\n", encoding="ascii")
            if recipe.upstream is not None:
                name = recipe.upstream.file_name
                if not (self.upstream / name).exists():
                    make_newer(self._first_upstream / name, self.upstream / name, self.edition)
                checksums = directory / "checksums.ini"
                exchange_digests(checksums, before / name, self.upstream / name)
            elif recipe.name == _CONF:
                with open(self.root / _CONF_SOURCE / "sage_conf.py", "a", encoding="utf-8") as end:
                    end.write(f"\n# edition {self.edition}\n")
        self.configure(self.packages, exactly=True)

    def make(self, processes: ProcessTable, targets: Iterable[str], jobs: int) -> Finished:
        """Run Sage's make, going on after failures."""
        return processes.finish(self.start_make(processes, targets, jobs), LONGEST_MAKE)

    def start_make(
        self, processes: ProcessTable, targets: Iterable[str], jobs: int
    ) -> subprocess.Popen[str]:
        """Start Sage's make, in a process group of its own."""
        return processes.start(
            ["./install", *targets],
            cwd=self.root / "build/make",
            env=self._environment
            | {"MAKE": f"make -k -j{jobs}", "V": "0", "SAGE_DISTFILES": str(self.upstream)},
        )

    def tree_of(self, name: str) -> str:
        """Return the variable that names where a package is installed."""
        return "SAGE_VENV" if is_python_package(self.recipes / name) else "SAGE_LOCAL"

    def prefix_of(self, recipe: Recipe) -> Path:
        """Where a package is installed."""
        return self.venv if self.tree_of(recipe.name) == "SAGE_VENV" else self.local

    def record(self, recipe: Recipe) -> Path:
        """Where a package's installation record is."""
        return self.prefix_of(recipe) / RECORDS / recipe.full_name

    def log(self, recipe: Recipe) -> Path:
        """Where a package's log is."""
        return self.root / "logs/pkgs" / f"{recipe.full_name}.log"

    @cached_property
    def _environment(self) -> dict[str, str]:
        env = tool_environment(self.root.parent / f"{self.root.name}-home")
        return env | {"PATH": _path_of_base_python(env["PATH"])}

    def _values(self) -> Mapping[str, str]:
        everything = sorted(one.parent.name for one in self.recipes.glob("*/type"))
        chosen = " ".join(self.packages)
        scripts = [one.name for one in self.packages.values() if one.upstream is None]
        lines = {
            "VERSIONS": [f"vers_{one.name} = {one.version}" for one in self.packages.values()],
            "DEPENDENCIES": [
                f"deps_{one.name} = {_dependencies(Path(one.directory))}"
                for one in self.packages.values()
            ],
            "TREES": [f"trees_{name} = {self.tree_of(name)}" for name in self.packages],
        }
        return {
            **{f"SAGE_PACKAGE_{key}": "\n".join(value) for key, value in lines.items()},
            "SAGE_BUILT_PACKAGES": chosen,
            "SAGE_NORMAL_PACKAGES": " ".join(one for one in self.packages if one not in scripts),
            "SAGE_SCRIPT_PACKAGES": " ".join(scripts),
            "SAGE_DUMMY_PACKAGES": " ".join(one for one in everything if one not in self.packages),
            "SHELL": shutil.which("bash") or "/bin/bash",
            "prefix": str(self.local),
            "SAGE_ROOT": str(self.root),
            "SAGE_VENV": str(self.venv),
            "PYTHON_FOR_VENV": str(_base_python()),
            "PYTHON_MINOR": str(sys.version_info.minor),
            "CC": "gcc",
            "CXX": "g++",
            "SAGE_DEBUG": "no",
            "SAGE_EDITABLE": "no",
            "SAGE_WHEELS": "no",
            "SAGE_ARCHFLAGS": "unset",
        }


def python_packages(recipes: Path, names: Iterable[str], *, exactly: bool) -> dict[str, Recipe]:
    """Read recipes, and unless exactly, those of all Python packages that they need, in order."""
    found: dict[str, Recipe] = {}

    def visit(name: str) -> None:
        if name in found:
            return
        recipe = read_recipe(str(recipes), name)
        for one in recipe.all_needs:
            if is_python_package(recipes / one) and not exactly:
                visit(one)
        found[name] = recipe

    for name in names:
        visit(name)
    return found


def is_python_package(recipe: Path) -> bool:
    """Whether a package goes into the virtual environment, by Sage's rule."""
    if recipe.name == PYTHON:
        return False
    return (recipe / "version_requirements.txt").exists() and not (recipe / "trees.txt").exists()


def next_patch_level(version: str) -> str:
    """Return a package version with the next patch level: Sage's own last part, ``.p0``."""
    found = re.fullmatch(r"(.*)\.p(\d+)", version)
    return f"{found[1]}.p{int(found[2]) + 1}" if found else f"{version}.p0"


def _dependencies(recipe: Path) -> str:
    path = recipe / "dependencies"
    line = path.read_text(encoding="utf-8").partition("\n")[0] if path.exists() else ""
    line = line.partition("#")[0].strip()
    return line if "|" in line else f"{line} |"


def _base_python() -> Path:
    # The interpreter of which this program's virtual environment is one.
    return Path(sys.base_prefix) / f"bin/python3.{sys.version_info.minor}"


def _path_of_base_python(path: str) -> str:
    # Sage's own programs run with the first python3, which must not be a virtual environment's.
    own = str(Path(sys.prefix) / "bin")
    return os.pathsep.join([str(_base_python().parent), *(p for p in path.split(":") if p != own)])
