"""What happens in the crash matrices: what is installed before, and the command that is hit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from tests.crash.strace import clean_environment, sagepip_command
from tests.wheels import make_wheel

_NOT_PURE = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: py3-none-any\n"


# The name of a try's own copy of the staged tree, beside its prefix.
STAGED = "staged"
# The name of the package whose record lists what a staged tree has brought.
RECORDED = "recorded"


class Place(Enum):
    """Where a scenario installs to."""

    ONE_SITE = "one site"
    TWO_SITES = "platlib is not purelib"
    SCRIPTS_ELSEWHERE = "scripts are on another file system"


@dataclass(frozen=True)
class Scenario:
    """What is installed before, and what is being installed when the process is hit.

    Attributes:
        name: for reports.
        before: wheels to install first.
        command: wheels that the command which is hit installs.
        project: the project whose versions are watched (G2); empty if it goes.
        removed: projects that the command uninstalls, instead of installing.
        place: where to.
        exchange: whether the kernel has ``renameat2``.
        staged: the staged tree that the command copies, instead of installing.
        staged_before: a staged tree to copy first.
        move: whether it takes the files of its staged tree.
        withdrawn: whether the command takes away what the staged tree copied first has brought.
    """

    name: str
    before: tuple[Path, ...]
    command: tuple[Path, ...] = ()
    project: str = ""
    removed: tuple[str, ...] = ()
    place: Place = Place.ONE_SITE
    exchange: bool = True
    staged: Path | None = None
    staged_before: Path | None = None
    move: bool = False
    withdrawn: bool = False

    def arguments(self, prefix: Path) -> list[str]:
        """Return the arguments of the command that is hit."""
        if self.removed:
            return ["uninstall", "--yes", "--prefix", str(prefix), *self.removed]
        if self.withdrawn:
            return ["spkg", "withdraw", "--prefix", str(prefix), RECORDED]
        if self.staged is not None:
            options = ["--move"] if self.move else []
            return ["copy", *options, str(prefix.parent / STAGED), str(prefix)]
        return install_arguments(prefix, self.command)


def install_arguments(prefix: Path, wheels: Sequence[Path]) -> list[str]:
    """Return the arguments that install wheels into a prefix."""
    options = ["--no-index", "--no-deps", "--force-reinstall", "--prefix", str(prefix)]
    return ["install", *options, *map(str, wheels)]


def make_all_scenarios(wheels: Path) -> list[Scenario]:
    """Make the wheels of the scenarios, and the scenarios: the plain ones in other places, too."""
    plain = make_scenarios(wheels)
    elsewhere = [
        replace(one, name=f"{one.name}, scripts elsewhere", place=Place.SCRIPTS_ELSEWHERE)
        for one in plain
        if one.name in ("upgrade", "uninstall")
    ]
    without = [replace(one, name=f"{one.name}, no exchange", exchange=False) for one in plain]
    copies = make_copy_scenarios(wheels, plain)
    rebuilt = _rebuilt_scenario(wheels)
    return [*plain, rebuilt, *_two_sites_scenarios(wheels), *elsewhere, *without, *copies]


def _rebuilt_scenario(wheels: Path) -> Scenario:
    """Make a wheel, and the same with one directory changed: the rest stays as it is."""
    files: dict[str, str | bytes] = {
        "alpha/__init__.py": "VALUE = 1\n",
        "alpha/stays.py": "STAYS = True\n",
        "alpha/sub/__init__.py": "",
        "alpha/sub/data.bin": bytes(range(256)) * 40,
        "alpha/sub/gone.py": "OLD = True\n",
        "alpha_single.py": "VALUE = 1\n",
    }
    changed = files | {"alpha/sub/__init__.py": "# new\n", "alpha/sub/data.bin": b"new"}
    del changed["alpha/sub/gone.py"]
    first = make_wheel(wheels / "first", "alpha", "1", files)
    second = make_wheel(wheels / "second", "alpha", "1", changed)
    return Scenario("reinstall, one directory differs", (first,), (second,), "alpha")


def make_copy_scenarios(wheels: Path, plain: Sequence[Scenario]) -> list[Scenario]:
    """Make staged trees of wheels and of a C library, and the scenarios that copy them."""
    upgrade = next(one for one in plain if one.name == "upgrade")
    (first,), (second,) = upgrade.before, upgrade.command
    trees = wheels / "trees"
    alpha = make_staged_tree(trees / "alpha", second)
    library, newer = _make_library(trees / "library", "1"), _make_library(trees / "newer", "2")
    legacy = make_legacy(make_staged_tree(trees / "legacy", second))
    both = make_staged_tree(trees / "both", second)
    other = make_staged_tree(trees / "other", make_wheel(wheels, "native", "1", {"native.py": ""}))
    (other / "lib").rename(both / "lib64")
    return [
        Scenario("staged copy, fresh", (), project="alpha", staged=alpha),
        Scenario("staged copy, upgrade", (first,), project="alpha", staged=alpha),
        Scenario("staged copy --move, upgrade", (first,), project="alpha", staged=alpha, move=True),
        Scenario("staged copy, C library", (), staged=newer, staged_before=library),
        Scenario("staged copy, egg-info", (first,), project="alpha", staged=legacy),
        Scenario("staged copy, two sites", (first,), project="alpha", staged=both, move=True),
        Scenario("withdrawal", (), staged_before=alpha, withdrawn=True),
    ]


def make_staged_tree(directory: Path, *wheels: Path) -> Path:
    """Make a staged tree with wheels in it, and a C library."""
    command = sagepip_command(*install_arguments(directory, wheels))
    subprocess.run(command, env=clean_environment(), check=True, capture_output=True)
    for state in list(directory.rglob(".sagepip")):
        shutil.rmtree(state)
    _make_library(directory, "1")
    return directory


def write_record(prefix: Path, tree: Path) -> None:
    """Write the record that Sage would have of a package that brought a staged tree."""
    files = [str(one.relative_to(tree)) for one in sorted(tree.rglob("*")) if is_file(one)]
    records = prefix / "var/lib/sage/installed"
    records.mkdir(parents=True)
    (records / f"{RECORDED}-1").write_text(json.dumps({"files": files}))


def is_file(path: Path) -> bool:
    """Whether a path is what a record lists: a file or a link."""
    return path.is_symlink() or path.is_file()


def make_legacy(tree: Path) -> Path:
    """Turn the metadata in a staged tree into what pip made before there were wheels."""
    for info in list(tree.rglob("*.dist-info")):
        rows = (info / "RECORD").read_text(encoding="utf-8").splitlines()
        paths = [row.rsplit(",", 2)[0] for row in rows]
        egg = info.rename(info.with_suffix(".egg-info"))
        (egg / "METADATA").rename(egg / "PKG-INFO")
        listed = ["PKG-INFO", *(f"../{path}" for path in paths if not path.startswith(info.name))]
        (egg / "installed-files.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
        (egg / "RECORD").unlink()
    return tree


def _make_library(directory: Path, version: str) -> Path:
    library = directory / "lib"
    library.mkdir(parents=True, exist_ok=True)
    (library / f"libomega.so.{version}").write_text(version)
    (library / "libomega.so").symlink_to(f"libomega.so.{version}")
    (directory / "share" / "omega").mkdir(parents=True)
    for large in (library / "omega.a", directory / "share" / "omega" / "data"):
        # The same in all versions: it is not copied over itself.
        large.write_bytes(b"omega" * 20_000)
        os.utime(large, ns=(1_000_000_000_000_000_000, 1_000_000_000_000_000_000))
    (directory / "include" / "omega").mkdir(parents=True)
    (directory / "include" / "omega" / "omega.h").write_text(f"#define OMEGA {version}\n")
    (directory / "share" / "empty").mkdir(parents=True)
    return directory


def make_scenarios(wheels: Path) -> list[Scenario]:
    """Make the wheels of the plain scenarios, and these: any installer can be put to them."""
    first = make_wheel(
        wheels,
        "alpha",
        "1",
        {
            "alpha/__init__.py": "VALUE = 1\n",
            "alpha/gone.py": "OLD = True\n",
            "alpha/sub/__init__.py": "",
            "alpha/sub/data.bin": bytes(range(256)) * 40,
            "alpha_single.py": "VALUE = 1\n",
            "alpha_old.py": "",
            "alpha.pth": "import sys\n",
            "{data}/data/share/alpha/one.txt": "one\n",
            "{data}/scripts/alpha-tool": "#!python\nprint(1)\n",
            "{data}/headers/alpha.h": "#define ALPHA 1\n",
        },
        entry_points="[console_scripts]\nalpha = alpha:main\n",
    )
    second = make_wheel(
        wheels,
        "alpha",
        "2",
        {
            "alpha/__init__.py": "VALUE = 2\n",
            "alpha/new.py": "NEW = True\n",
            "alpha/sub/__init__.py": "# two\n",
            "alpha/sub/data.bin": bytes(range(255)) * 40,
            "alpha_single.py": "VALUE = 2\n",
            "{data}/data/share/alpha/two.txt": "two\n",
            "{data}/scripts/alpha-tool": "#!python\nprint(2)\n",
        },
        entry_points="[console_scripts]\nalpha = alpha:main\nalpha2 = alpha:main\n",
    )
    beta = make_wheel(wheels, "beta", "1", {"space/beta.py": "", "beta/__init__.py": ""})
    gamma = make_wheel(wheels, "gamma", "1", {"space/gamma.py": ""})
    return [
        Scenario("fresh install", (), (first,), "alpha"),
        Scenario("upgrade", (first,), (second,), "alpha"),
        Scenario("downgrade", (second,), (first,), "alpha"),
        Scenario("reinstall", (first,), (first,), "alpha"),
        Scenario("two distributions, shared namespace", (gamma, first), (second, beta), "alpha"),
        Scenario("uninstall", (gamma, beta, first), removed=("alpha", "beta")),
    ]


def _two_sites_scenarios(wheels: Path) -> list[Scenario]:
    first = make_wheel(
        wheels,
        "delta",
        "1",
        {
            "delta/__init__.py": "VALUE = 1\n",
            "delta/gone.py": "",
            "{data}/platlib/delta_native/__init__.py": "VALUE = 1\n",
            "{data}/platlib/delta_native/gone.py": "",
            "{data}/platlib/delta_single.py": "VALUE = 1\n",
        },
    )
    second = make_wheel(
        wheels,
        "delta",
        "2",
        {
            "delta/__init__.py": "VALUE = 2\n",
            "delta/new.py": "",
            "{data}/platlib/delta_native/__init__.py": "VALUE = 2\n",
            "{data}/platlib/delta_native/new.py": "",
            "{data}/platlib/delta_single.py": "VALUE = 2\n",
        },
    )
    # The metadata and the package move to the other site; what was there comes here.
    moved = make_wheel(
        wheels,
        "delta",
        "3",
        {
            "delta/__init__.py": "VALUE = 3\n",
            "delta/new.py": "",
            "delta_native/__init__.py": "VALUE = 3\n",
            "{data}/purelib/delta_single.py": "VALUE = 3\n",
            "{data}/purelib/delta_pure.py": "VALUE = 3\n",
        },
        wheel=_NOT_PURE,
    )
    again = make_wheel(
        wheels,
        "epsilon",
        "1",
        {"epsilon/__init__.py": "", "{data}/purelib/epsilon_pure/__init__.py": ""},
        wheel=_NOT_PURE,
    )
    scenarios = [
        Scenario("fresh install", (), (first, again), "delta"),
        Scenario("upgrade", (again, first), (second,), "delta"),
        Scenario("reinstall", (first, again), (again,), "epsilon"),
        Scenario("metadata moves", (again, second), (moved,), "delta"),
        Scenario("metadata moves back", (again, moved), (second,), "delta"),
        Scenario("uninstall", (first, again), removed=("delta", "epsilon")),
    ]
    return [replace(one, name=f"two sites, {one.name}", place=Place.TWO_SITES) for one in scenarios]
