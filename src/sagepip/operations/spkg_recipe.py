"""Package recipes in Sage's format: ``build/pkgs/NAME/``."""

from __future__ import annotations

import os
import re

from sagepip.ground.errors import TargetError, UsageError
from sagepip.ground.light_dataclass import dataclass
from sagepip.operations.spkg_checks import Checks

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

PYTHON = "python3"
"""The one name that stands for an interpreter: the system's, in a virtual environment."""

_TOOLCHAIN = (
    *("pip", "setuptools", "wheel", "setuptools_scm", "flit_core", "hatchling"),
    *("python_build", "installer", "packaging", "pyproject_hooks", "filelock", "sagepip"),
)
_VARIABLES = {"$(PYTHON)": (PYTHON,), "$(PYTHON_TOOLCHAIN)": _TOOLCHAIN}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Upstream:
    """The file that a package is made of.

    Attributes:
        file_name: its name.
        sha256: of its content, in hexadecimal digits.
    """

    file_name: str
    sha256: str

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel."""
        return self.file_name.endswith(".whl")


@dataclass(frozen=True)
class Recipe:
    """One package.

    Attributes:
        name: its name, and its directory's.
        directory: the directory, absolute.
        version: Sage's version of it, patch level included.
        kind: the content of ``type``.
        upstream: its file; None for a package that is only scripts.
        needs: packages that must be there first; it is rebuilt when they are.
        needs_only_there: packages that must be there first (after the bar).
    """

    name: str
    directory: str
    version: str
    kind: str
    upstream: Upstream | None
    needs: tuple[str, ...]
    needs_only_there: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """Name and version, as the installation record is called."""
        return f"{self.name}-{self.version}"

    @property
    def all_needs(self) -> tuple[str, ...]:
        """All that must be there first."""
        return tuple(dict.fromkeys((*self.needs, *self.needs_only_there)))

    def file(self, name: str) -> str | None:
        """Return the path of a file of the recipe, None if it has none of that name."""
        path = os.path.join(self.directory, name)
        return path if os.path.isfile(path) else None

    def patches(self) -> list[str]:
        """Return the paths of its patches, in the order in which they apply."""
        directory = os.path.join(self.directory, "patches")
        if not os.path.isdir(directory):
            return []
        names = sorted(os.listdir(directory))
        return [os.path.join(directory, one) for one in names if one.endswith(".patch")]


def read_recipe(recipes: str, name: str, *, wanted_by: str = "", is_tested: bool = False) -> Recipe:
    """Read one recipe.

    Args:
        recipes: the directory of all recipes.
        name: which.
        wanted_by: the package that needs it, for the message.
        is_tested: whether it needs also what its test suite needs.

    Raises:
        UsageError: there is none of that name.
        TargetError: it cannot be read or understood.
    """
    directory = os.path.join(os.path.abspath(recipes), name)
    if not _NAME.fullmatch(name) or not os.path.isdir(directory):
        by = f", which {wanted_by} needs," if wanted_by else ""
        raise UsageError(
            f"no recipe of {name}{by} in {recipes}", advice="see sagepip spkg list, or --recipes"
        )
    version = (_text(directory, "package-version.txt") or "none").strip()
    needs, only_there = _dependencies(directory, is_tested=is_tested)
    return Recipe(
        name,
        directory,
        version,
        _text(directory, "type").strip() or "standard",
        _upstream(directory, version),
        needs,
        only_there,
    )


def closure(recipes: str, names: Iterable[str], checks: Checks | None = None) -> dict[str, Recipe]:
    """Read recipes and those of all that they need, what is needed first.

    Args:
        recipes: the directory of all recipes.
        names: which.
        checks: whose test suites are run: these need more.

    Raises:
        UsageError, TargetError: as of :func:`read_recipe`; or they need each other.
    """
    found: dict[str, Recipe] = {}
    under_way: list[str] = []

    def visit(name: str, wanted_by: str) -> None:
        if name in found or name == PYTHON:
            return
        if name in under_way:
            circle = " → ".join([*under_way[under_way.index(name) :], name])
            raise TargetError(
                f"{recipes}: packages need each other: {circle}", advice="correct dependencies"
            )
        under_way.append(name)
        is_tested = checks is not None and checks.of(name) != "no"
        recipe = read_recipe(recipes, name, wanted_by=wanted_by, is_tested=is_tested)
        for one in recipe.all_needs:
            visit(one, name)
        under_way.pop()
        found[name] = recipe

    for name in names:
        visit(name, "")
    return found


def list_recipes(recipes: str) -> list[str]:
    """Return the names of all recipes of a directory, sorted.

    Raises:
        TargetError: the directory cannot be read.
    """
    try:
        names = sorted(os.listdir(recipes))
    except OSError as error:
        raise TargetError(
            f"cannot read the recipes in {recipes}: {error.strerror}", advice="give --recipes DIR"
        ) from error
    return [one for one in names if os.path.isfile(os.path.join(recipes, one, "type"))]


def _text(directory: str, name: str) -> str:
    path = os.path.join(directory, name)
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"cannot read {path}: {error}", advice="correct the recipe") from error


def _dependencies(directory: str, *, is_tested: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read first lines: what is needed, a bar, what has only to be there; more files of that."""
    recipes = os.path.dirname(directory)
    before, _, after = _first_line(directory, "dependencies").partition("|")
    for more in ("order_only", "check") if is_tested else ("order_only",):
        after += " " + _first_line(directory, f"dependencies_{more}")
    return tuple(_names(before, recipes)), tuple(_names(after, recipes))


def _first_line(directory: str, name: str) -> str:
    return _text(directory, name).partition("\n")[0].partition("#")[0]


def _names(text: str, recipes: str) -> Iterable[str]:
    for word in text.split():
        if word in _VARIABLES:
            # A Sage tree's own toolchain is smaller.
            yield from (one for one in _VARIABLES[word] if _is_there(one, recipes))
        elif not word.startswith("$") and word != "FORCE":
            yield word  # other variables stand for programs of a Sage tree's own configuration


def _is_there(name: str, recipes: str) -> bool:
    return name == PYTHON or os.path.isdir(os.path.join(recipes, name))


def _upstream(directory: str, version: str) -> Upstream | None:
    text = _text(directory, "checksums.ini")
    if not text.strip():
        return None
    found = [
        Upstream(_file_name(one.get("tarball", ""), version), one.get("sha256", "").lower())
        for one in _blocks(text)
    ]
    for one in found:
        name_is_one = one.file_name and "/" not in one.file_name
        if not name_is_one or not re.fullmatch("[0-9a-f]{64}", one.sha256):
            found = []
    if not found:
        raise TargetError(
            f"{directory}/checksums.ini does not give file names and their sha256",
            advice="correct the recipe",
        )
    # Wheels of several platforms, say.
    return found[0] if len(found) == 1 else next(filter(_suits, found), found[0])


def _file_name(pattern: str, version: str) -> str:
    """Put a version and its parts into a file name."""
    # A patch level (1.2.p0) is Sage's own.
    plain = re.sub(r"\.p\d+$", "", version)
    parts = plain.split(".")
    values = {"": plain} | dict(zip(("_MAJOR", "_MINOR", "_MICRO"), parts, strict=False))
    variable = re.compile(r"\$\{VERSION(_MAJOR|_MINOR|_MICRO|)\}|VERSION(_MAJOR|_MINOR|_MICRO|)")
    return variable.sub(lambda found: values.get(found[1] or found[2] or "", found[0]), pattern)


def _blocks(text: str) -> list[dict[str, str]]:
    """Return the settings of each file; one begins with each ``tarball=``."""
    blocks: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if not equals or line.lstrip().startswith("#"):
            continue
        if key.strip() == "tarball" and "tarball" in blocks[-1]:
            blocks.append({})
        blocks[-1].setdefault(key.strip(), value.strip())
    return blocks


def _suits(upstream: Upstream) -> bool:
    """Whether a file is a source, or a wheel that this interpreter takes."""
    if not upstream.is_wheel:
        return True
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    from sagepip.ground.target_python import TargetPython

    try:
        tags = {str(one) for one in parse_wheel_filename(upstream.file_name)[3]}
    except InvalidWheelFilename:
        return False
    return not tags.isdisjoint(TargetPython.running().tags)
