"""Staged copies: five thousand small files and three large ones, beside ``cp -Rp``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import proof
from bench.performance.figures import FLOOR, OURS, Target
from bench.performance.stage import Bench, Row, Stage, Way
from bench.performance.stopwatch import Cost, RunFailed
from bench.processes import Command

DIRECTORIES, FILES_EACH = 100, 50
LARGE_FILES, LARGE_BYTES = 3, 100_000_000

GROUP = "staged copy of 5,000 small files and 3 of 100 MB"
CP = "cp"

_RENAME = "import os, sys; os.rename(sys.argv[1], sys.argv[2])"


def make_tree(root: Path) -> None:
    """Make a staged tree."""
    for number in range(DIRECTORIES):
        directory = root / "share" / "many" / f"d{number}"
        directory.mkdir(parents=True)
        for other in range(FILES_EACH):
            (directory / f"f{other}").write_bytes(f"{number} {other}\n".encode() * 100)
    (root / "lib").mkdir()
    block = os.urandom(1_000_000)
    for number in range(LARGE_FILES):
        with (root / "lib" / f"large{number}").open("wb") as stream:
            for _ in range(LARGE_BYTES // len(block)):
                stream.write(block)


def _listing(root: Path) -> set[tuple[str, int, int]]:
    found = set()
    for path in proof.files_below(root):
        if "/.sagepip/" not in path:
            status = os.lstat(path)
            found.add((path.removeprefix(str(root)), status.st_size, status.st_mtime_ns))
    return found


def _way(bench: Bench, key: str, *, move: bool, over: bool) -> Way:
    def run(stage: Stage) -> Cost:
        tree = bench.once("staged tree", make_tree)
        prefix, staged = stage.root / "prefix", tree
        if over:
            shutil.copytree(tree, prefix)
        elif key != FLOOR:
            prefix.mkdir()
        if move and key != CP:
            staged = stage.root / "staged"
            shutil.copytree(tree, staged)
        expected = _listing(staged)
        os.sync()  # What was written must not be paid for by what is timed.
        cost = stage.time(_command(bench, key, staged, prefix, move=move))
        if _listing(prefix) != expected:
            raise RunFailed("the prefix does not hold what was staged")
        return cost

    return Way(key, run)


def _command(bench: Bench, key: str, staged: Path, prefix: Path, *, move: bool) -> Command:
    if key == OURS:
        script = bench.peers.sagepip.scripts / "sage-staged-copy"
        return [script, *(["--move"] if move else []), staged, prefix]
    if key == CP:
        return [shutil.which("cp") or "/bin/cp", "-Rp", f"{staged}/.", prefix]
    return [bench.peers.sagepip.python, "-I", "-S", "-c", _RENAME, staged, prefix]


def rows(bench: Bench) -> Iterator[Row]:
    """Give all rows about staged copies."""
    for move, over, limit in (
        (True, False, 0.15),
        (True, True, 0.45),
        (False, False, 1.1),
        (False, True, 1.1),
    ):
        keys = [OURS, CP, *([FLOOR] if move and not over else [])]
        ways = [_way(bench, key, move=move, over=over) for key in keys]
        name = f"{'--move' if move else 'copy'}, {'same files' if over else 'fresh'}"
        yield Row(GROUP, name, ways, [Target("cpu", limit, CP)])
