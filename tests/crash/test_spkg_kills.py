"""``sagepip spkg`` killed as it renames or removes: records tell the truth, a second run ends well.

``python -m tests.crash.test_spkg_kills`` tries every such call; the tests a sample.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.crash.strace import (
    Command,
    Point,
    clean_environment,
    has_strace,
    kill_at,
    list_points,
    sagepip_command,
)
from tests.e2e.commands import Terminal
from tests.e2e.spkg_places import Place
from tests.guarantees import versions, violations_of_g1

pytestmark = pytest.mark.skipif(not has_strace(), reason="strace is not here or may not trace")

CALLS = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link", "linkat")
SAMPLE = 4
# The action, what is there before it, and what is there once it has ended well.
SCENARIOS = {
    "first": ("build", "", "1"),
    "upgrade": ("build", "1", "2"),
    "again": ("build", "1", "1"),
    "removal": ("uninstall", "1", ""),
}


class Scenario:
    """A command on a prefix that is put back for each try.

    Args:
        where: an empty directory.
        name: one of the scenarios.
    """

    def __init__(self, where: Path, name: str) -> None:
        self._action, self._before, self._after = SCENARIOS[name]
        self._where = where
        self._place = Place(Terminal(where))
        self._kept = where / "kept"
        place = self._place
        self._recipe("1")
        place.spkg("install", "shown")
        if not self._before:
            place.spkg("uninstall", "shown")
        self._recipe(self._after or "1")
        subprocess.run(["cp", "-a", place.prefix, self._kept], check=True)
        words = place.words(self._action, "shown")
        environ = clean_environment() | {"SAGEPIP_CACHE_DIR": str(where / "cache")}
        self._command = Command(sagepip_command(*words), environ)

    def points(self) -> list[Point]:
        """Return the calls at which it can be killed."""
        found = list_points(self._command, self._where / "log", self._place.prefix)
        return [one for one in found if one.name in CALLS]

    def problems(self, point: Point) -> list[str]:
        """Kill it at a call, look, run it again, and return what is wrong."""
        place, said = self._place, self._where / "said"
        said.unlink(missing_ok=True)
        for path in (place.prefix, Path(f"{place.prefix}.build")):
            shutil.rmtree(path, ignore_errors=True)
        subprocess.run(["cp", "-a", self._kept, place.prefix], check=True)
        killed = kill_at(point, self._command)
        (site,) = place.prefix.glob("lib/python*/site-packages")
        found = [f"ended with {killed}"] if killed != -9 else []
        # In an upgrade the new modules are there a moment before the new metadata.
        found += violations_of_g1(site, hashes=not (self._before and self._after))
        found += [f"claims {one}" for one in place.untrue_claims()]
        there = versions(site, "shown")
        recorded = [one.name for one in place.records.glob("[!.]*")]
        if self._before and self._after and not there:
            found.append("no version is there")
        action = "install" if self._action == "build" else self._action
        place.spkg(action, "shown")
        place.spkg("check")
        found += violations_of_g1(site)
        wanted = [self._after] if self._after else []
        if versions(site, "shown") != wanted:
            found.append(f"afterwards there are {versions(site, 'shown')}")
        told = said.read_text().split("\n") if said.exists() else []
        steps = ["prerm", "postrm"] if self._before else []
        steps = [f"{one} {self._before}" for one in steps]
        steps += [f"postinst {self._after}"] if self._after else []
        # Of a package that is whole, in the version wanted, nothing is run.
        is_whole = recorded == [f"shown-{self._after}"]
        found += [f"not run: {one}" for one in steps if one not in told and not is_whole]
        scripts = place.prefix / "var/lib/sage/scripts/shown"
        of = [one.read_text() for one in sorted(scripts.glob("*rm"))]
        if len(of) != 2 * len(wanted) or not all(
            f"PKG_VER={one}\n" in text for one in wanted for text in of
        ):
            found.append("not the scripts of the version that is there")
        share = place.prefix / "share/shown"
        if (sorted(one.name for one in share.iterdir()) if share.exists() else []) != wanted:
            found.append("other files are left or missing")
        records = [f"shown-{one}" for one in wanted]
        if [one.name for one in place.records.iterdir()] != records:
            found.append(f"records: {list(place.records.iterdir())}")
        state = place.prefix / "var/lib/sage"
        left = [*(state / "unfinished").iterdir(), *state.glob("run-*")]
        left += [one for one in scripts.glob("*") if one.name.startswith(".")]
        left += [one for one in (site / ".sagepip").iterdir() if one.name not in ("lock", "gate")]
        if self._action == "build":
            left += Path(f"{place.prefix}.build").iterdir()
        return found + [f"left: {one}" for one in left]

    def _recipe(self, version: str) -> None:
        modules = {"shown/__init__.py": f"version = {version}\n", f"shown/of_{version}.py": ""}
        self._place.wheel("shown", version, modules)
        for step in ("prerm", "postrm", "postinst"):
            script = self._place.recipes / "shown" / f"spkg-{step}.in"
            script.write_text(f'echo "{step} $PKG_VER" >> {self._where}/said\n')


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_leaves_true_records_and_a_second_run_ends_well(name: str, tmp_path: Path) -> None:
    """At calls spread over the whole command."""
    scenario = Scenario(tmp_path, name)
    points = scenario.points()
    assert len(points) > SAMPLE
    step = len(points) / SAMPLE
    chosen = [points[int(number * step + step / 2)] for number in range(SAMPLE)]
    assert {str(one): found for one in chosen if (found := scenario.problems(one))} == {}


def main(names: Sequence[str]) -> int:
    """Try every call; return the exit status."""
    status = 0
    for name in names or SCENARIOS:
        with tempfile.TemporaryDirectory(prefix="sagepip-spkg-kills-") as where:
            scenario = Scenario(Path(where), name)
            points = scenario.points()
            bad = 0
            for point in points:
                if problems := scenario.problems(point):
                    bad += 1
                    print(f"{name}: {point}: {problems}", flush=True)  # noqa: T201
            print(f"{name}: {len(points)} kills, {bad} with problems", flush=True)  # noqa: T201
            status |= bad > 0
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
