"""Builds every recipe of ``build/pkgs`` from nothing, and again, and verifies: ``make spkgs``.

All recipes go into a fresh prefix, eight at a time; then every package is built again at once on
top of the installed ones; then half of them are uninstalled. After each step the prefix is
checked: RECORDs, pip's own check, imports, installation records, leftovers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.environment import cache_directory, console_script

RECIPES = Path(__file__).parent.parent / "build" / "pkgs"
AT_ONCE = 8


class Spkgs:
    """The steps, in one directory.

    Attributes:
        prefix: where the packages are installed.
        problems: what was found wrong.
    """

    def __init__(self, scratch: Path, *, jobs: int = AT_ONCE) -> None:
        self.prefix = scratch.resolve() / "prefix"
        self.problems: list[str] = []
        self._jobs = jobs
        (scratch / "home").mkdir()
        # pip reaches the index as the user has configured it; builds do not reach it at all.
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(("SAGE", "PYTHON"))}
        self._env["SAGEPIP_CACHE_DIR"] = str(scratch / "cache")

    def spkg(self, action: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one action of ``sagepip spkg``; that it fails is a problem."""
        upstream = cache_directory() / "upstream"
        command = [str(console_script("sagepip")), "spkg", action, "--prefix", str(self.prefix)]
        command += ["--recipes", str(RECIPES), "--upstream", str(upstream)]
        done = self._run([*command, *words])
        if done.returncode != 0:
            self.problems.append(f"spkg {action}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def install(self, names: Sequence[str], *words: str) -> None:
        """Build and install packages and what they need."""
        started = time.monotonic()
        done = self.spkg("install", f"-j{self._jobs}", "-k", *words, *names)
        built = done.stdout.count("Successfully installed ")
        print(f"built {built} packages in {time.monotonic() - started:.0f} s", flush=True)

    def check(self, what: str) -> None:
        """Check all that is there."""
        python = str(self.prefix / "bin" / "python3")
        self.spkg("check")
        checks = {
            "sagepip verify": [str(console_script("sagepip")), "verify", "--python", python],
            "pip check": [sys.executable, "-m", "pip", "--python", python, "check"],
            "imports": [python, "-I", "-c", _IMPORT_ALL],
        }
        before = len(self.problems)
        for name, command in checks.items():
            done = self._run(command)
            if done.returncode != 0:
                self.problems.append(f"{what}: {name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        (site,) = self.prefix.glob("lib/python*/site-packages")
        state = set(os.listdir(site / ".sagepip"))
        if state != {"lock", "gate"}:
            self.problems.append(f"{what}: left in .sagepip: {sorted(state)}")
        if left := os.listdir(f"{self.prefix}.build"):
            self.problems.append(f"{what}: left of builds: {left}")
        print(f"{what}: {'in order' if len(self.problems) == before else 'NOT in order'}")

    def installed(self) -> list[str]:
        """Return the names of what is installed."""
        records = self.prefix / "var/lib/sage/installed"
        return sorted(path.name.rsplit("-", 1)[0] for path in records.iterdir())

    def uninstall(self, names: Sequence[str]) -> None:
        """Take packages away; nothing that only they brought may stay."""
        files = [self._record_files(name) for name in names]
        self.spkg("uninstall", *names)
        left = [one for some in files for one in some if os.path.lexists(self.prefix / one)]
        if left:
            self.problems.append(f"left of what was uninstalled: {left[:5]}")
        print(f"uninstalled {len(names)} packages")

    def _record_files(self, name: str) -> list[str]:
        import json

        (record,) = (self.prefix / "var/lib/sage/installed").glob(f"{name}-[0-9]*")
        files: list[str] = json.loads(record.read_text())["files"]
        return files

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


_IMPORT_ALL = """
import importlib, importlib.metadata as m, sys
bad = []
for one in m.distributions():
    for top in sorted({f.parts[0] for f in one.files or ()
                       if len(f.parts) == 2 and f.name == "__init__.py"}):
        try:
            importlib.import_module(top)
        except Exception as error:
            bad.append(f"{one.name}: {top}: {error!r}")
sys.exit("; ".join(bad) or None)
"""


def last_half(names: Sequence[str]) -> list[str]:
    """Return half of some packages, such that none of the others needs one of them."""
    from sagepip.operations.spkg_recipe import closure

    in_order = [one for one in closure(str(RECIPES), names) if one in names]
    return in_order[len(in_order) // 2 :]


def prove(scratch: Path, names: Sequence[str], *, jobs: int = AT_ONCE) -> list[str]:
    """Build packages from nothing, and the named ones again at once; uninstall half of these.

    Args:
        scratch: an empty directory.
        names: the packages; what they need comes with them.
        jobs: how many at a time.

    Returns:
        What was found wrong.
    """
    run = Spkgs(scratch, jobs=jobs)
    run.install(names)
    run.check("from nothing")
    run.install(names, "--force")
    run.check("built again at once")
    run.uninstall(last_half([one for one in names if one in run.installed()]))
    run.check("without half of them")
    return run.problems


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these, and what they need")
    names: list[str] = parser.parse_args().names
    names = names or sorted(one.parent.name for one in RECIPES.glob("*/type"))
    scratch = Path(tempfile.mkdtemp(prefix="sagepip-spkgs-"))
    try:
        problems = prove(scratch, names)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
