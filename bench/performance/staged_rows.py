"""Staged copies: five thousand small files and three large ones, beside ``cp -Rp``."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from bench import proof
from bench.performance.figures import FLOOR, LIMIT, OURS, Target
from bench.performance.stage import Bench, Row, Stage, Way
from bench.performance.stopwatch import Cost, RunFailed
from bench.processes import Command

DIRECTORIES, FILES_EACH = 100, 50
LARGE_FILES, LARGE_BYTES = 3, 100_000_000

GROUP = "staged copy of 5,000 small files and 3 of 100 MB"
CP = "cp"

_COPY_WORK = Path(__file__).with_name("copy_work.py")
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


Listed = dict[str, tuple[int, ...]]


def _listing(root: Path) -> Listed:
    """Return what ``cp -Rp`` keeps of all files below a directory, and of what is in them."""
    found: Listed = {}
    for path in proof.files_below(root):
        if "/.sagepip/" not in path:
            one = os.lstat(path)
            kept = (one.st_mode, one.st_uid, one.st_gid, one.st_size, one.st_mtime_ns, one.st_nlink)
            found[path.removeprefix(str(root))] = (*kept, _checksum(path))
    return found


def _checksum(path: str) -> int:
    checksum = 0
    with open(path, "rb", buffering=0) as stream:
        while part := stream.read(1 << 20):
            checksum = zlib.crc32(part, checksum)
    return checksum


def _directories(root: Path) -> Listed:
    """Return the same of all directories below one."""
    found: Listed = {}
    for base, names, _ in os.walk(root):
        if ".sagepip" in names:
            names.remove(".sagepip")
        for name in names:
            one = os.lstat(os.path.join(base, name))
            kept = (stat.S_IMODE(one.st_mode), one.st_uid, one.st_gid, one.st_mtime_ns)
            found[os.path.join(base, name).removeprefix(str(root))] = kept
    return found


def _way(bench: Bench, key: str, *, move: bool, over: bool) -> Way:
    def run(stage: Stage) -> Cost:
        tree = bench.once("staged tree", make_tree)
        prefix, staged = stage.root / "prefix", tree
        if over:
            _copy_tree(tree, prefix)
        elif key != FLOOR:
            prefix.mkdir()
        if move and key != CP:
            staged = stage.root / "staged"
            _copy_tree(tree, staged)
        expected, directories = _listing(staged), _directories(staged)
        os.sync()  # What was written must not be paid for by what is timed.
        cost = stage.time(_command(bench, key, staged, prefix, move=move, over=over))
        if _listing(prefix) != expected:
            raise RunFailed("the prefix does not hold what was staged")
        if _directories(prefix) != directories:
            raise RunFailed("directories in the prefix are not as those that were staged")
        return cost

    return Way(key, run)


def _copy_tree(source: Path, target: Path) -> None:
    target.mkdir()
    subprocess.run([_cp(), "-Rp", f"{source}/.", target], check=True)


def _cp() -> str:
    return shutil.which("cp") or "/bin/cp"


def _command(
    bench: Bench, key: str, staged: Path, prefix: Path, *, move: bool, over: bool
) -> Command:
    if key == OURS:
        script = bench.peers.sagepip.scripts / "sage-staged-copy"
        return [script, *(["--move"] if move else []), staged, prefix]
    if key == CP:
        return [_cp(), "-Rp", f"{staged}/.", prefix]
    if key == LIMIT:
        work = "replace" if over else "copy"
        return [sys.executable, "-I", "-S", _COPY_WORK, work, staged, prefix]
    return [bench.peers.sagepip.python, "-I", "-S", "-c", _RENAME, staged, prefix]


def rows(bench: Bench) -> Iterator[Row]:
    """Give all rows about staged copies."""
    for move, over, limit in (
        (True, False, 0.15),
        (True, True, 0.45),
        (False, False, 1.1),
        (False, True, 1.1),
    ):
        keys = [OURS, CP, *([] if move else [LIMIT]), *([FLOOR] if move and not over else [])]
        ways = [_way(bench, key, move=move, over=over) for key in keys]
        name = f"{'--move' if move else 'copy'}, {'same files' if over else 'fresh'}"
        yield Row(GROUP, name, ways, [Target("cpu", limit, CP)])
