"""Measures whether a file system can do what sagepip needs: ``make filesystem DIR=/some/mount``.

Everything is tried with real processes in a new directory there, which is removed afterwards.
What is needed must work; what is only wanted has a fallback, which is named. The exit status is
0 if everything needed works.
"""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.terminal import BAD, FAINT, GOOD, paint
from sagepip.ground.filesystem import (
    can_exchange,
    can_move_directory,
    can_rename_between,
    identity,
    place,
)

HOLD = """
import fcntl, sys
stream = open(sys.argv[1], "r+")
fcntl.flock(stream, fcntl.LOCK_SH if sys.argv[2] == "shared" else fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""
TRY = """
import fcntl, sys
stream = open(sys.argv[1], "r+")
try:
    how = fcntl.LOCK_SH if sys.argv[2] == "shared" else fcntl.LOCK_EX
    fcntl.flock(stream, fcntl.LOCK_NB | how)
except BlockingIOError:
    sys.exit(1)
"""
ROUNDS = 300


@dataclass(frozen=True)
class Check:
    """One property of a file system.

    Attributes:
        name: what is tried.
        needed: whether sagepip refuses to work, or gives no guarantee, without it.
        otherwise: what happens where it does not work.
        works: tries it in a new directory.
    """

    name: str
    needed: bool
    otherwise: str
    works: Callable[[Path], bool]


def _free(lock: Path, how: str) -> bool:
    return subprocess.run([sys.executable, "-c", TRY, lock, how], check=False).returncode == 0


def _while_held(
    how: str, look: Callable[[Path, subprocess.Popen[str]], bool]
) -> Callable[[Path], bool]:
    def check(directory: Path) -> bool:
        lock = directory / "lock"
        lock.touch()
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, lock, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as holder:
            assert holder.stdout is not None
            try:
                return holder.stdout.readline() == "held\n" and look(lock, holder)
            finally:
                holder.kill()

    return check


def _freed_by_kill(lock: Path, holder: subprocess.Popen[str]) -> bool:
    if _free(lock, "exclusive"):
        return False
    holder.kill()
    holder.wait()
    return _free(lock, "exclusive")


def _exclusive_rename(directory: Path) -> bool:
    first, second = directory / "first", directory / "second"
    first.touch()
    second.touch()
    try:
        place(str(first), str(second))
    except FileExistsError:
        return first.exists()
    return False


def _identity_stays(directory: Path) -> bool:
    inner = directory / "inner"
    inner.mkdir()
    one = inner / "file"
    one.write_text("content")
    before = identity(str(one))
    inner.rename(directory / "moved")
    one = directory / "moved" / "file"
    one.rename(directory / "file")
    return identity(str(directory / "file")) == before


def _moves_directories(directory: Path) -> bool:
    pinned = directory / "pinned"
    (pinned / "inner").mkdir(parents=True)
    (directory / "package").mkdir()
    return can_move_directory(str(directory / "package"), str(pinned))


def _links(directory: Path) -> bool:
    (directory / "file").touch()
    try:
        os.link(directory / "file", directory / "link")
    except OSError:
        return False
    return os.path.samefile(directory / "file", directory / "link")


def _full_times(directory: Path) -> bool:
    path = directory / "file"
    path.touch()
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    return path.stat().st_mtime_ns == 10**18 + 1


def _clones(directory: Path) -> bool:
    (directory / "file").write_bytes(b"x" * 100000)
    with (directory / "file").open("rb") as read, (directory / "copy").open("wb") as write:
        try:
            return os.copy_file_range(read.fileno(), write.fileno(), 100000) == 100000
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP):
                return False
            raise


def _attributes(directory: Path) -> bool:
    (directory / "file").touch()
    try:
        os.setxattr(directory / "file", "user.sagepip", b"yes")
    except OSError:
        return False
    return os.getxattr(directory / "file", "user.sagepip") == b"yes"


CHECKS = (
    Check(
        "an exclusive flock excludes an exclusive one",
        True,
        "nothing is installed: the lock would protect nobody",
        _while_held("exclusive", lambda lock, _: not _free(lock, "exclusive")),
    ),
    Check(
        "an exclusive flock excludes a shared one",
        True,
        "nothing is installed",
        _while_held("exclusive", lambda lock, _: not _free(lock, "shared")),
    ),
    Check(
        "shared flocks go together",
        False,
        "readers wait for each other",
        _while_held("shared", lambda lock, _: _free(lock, "shared")),
    ),
    Check(
        "a flock is freed when its holder is killed",
        True,
        "a crash would block the site for ever",
        _while_held("exclusive", _freed_by_kill),
    ),
    Check(
        "a rename keeps inode, time and size",
        True,
        "recovery refuses: it cannot tell what was done",
        _identity_stays,
    ),
    Check(
        "renames stay within one mount",
        True,
        "nothing can be published in one step",
        lambda directory: can_rename_between(str(directory), str(directory.parent)),
    ),
    Check(
        "a rename to a name that exists is refused",
        True,
        "a file that appears meanwhile could be lost",
        _exclusive_rename,
    ),
    Check(
        "two names are exchanged in one step",
        False,
        "an upgrade retires, then places: absent for a moment",
        lambda directory: can_exchange(str(directory)),
    ),
    Check(
        "directories can be renamed",
        False,
        "packages change file by file",
        _moves_directories,
    ),
    Check(
        "hard links",
        False,
        "files that only the old version has are copied before they go",
        _links,
    ),
    Check(
        "times in nanoseconds",
        False,
        "staged copies round times",
        _full_times,
    ),
    Check(
        "copy_file_range",
        False,
        "bytes are copied through memory",
        _clones,
    ),
    Check(
        "extended attributes",
        False,
        "staged copies leave them out",
        _attributes,
    ),
)


def kind_of(directory: Path) -> str:
    """Return the type of the file system that a directory is on, as the mount table says."""
    best, kind = "", "unknown"
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return kind
    for line in lines:
        _, where, name, *_ = line.split(" ")
        where = where.replace("\\040", " ")
        if (f"{directory}/").startswith(where.rstrip("/") + "/") and len(where) >= len(best):
            best, kind = where, name
    return kind


def _lock_microseconds(directory: Path) -> float:
    """Return how long it takes to take and free the lock of a site that nobody else wants."""
    from sagepip.transaction.lock import SiteLock

    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with SiteLock(str(directory)).hold(10):
            pass
        times.append(time.perf_counter() - started)
    return sorted(times)[ROUNDS // 2] * 1e6


def main() -> int:
    """Try everything and print what works."""
    parser = argparse.ArgumentParser(prog="bench.filesystem", description="see the module")
    parser.add_argument("directory", type=Path, help="a directory on the file system")
    options = parser.parse_args()
    try:
        above = options.directory.resolve(strict=True)
        scratch = tempfile.mkdtemp(prefix="sagepip-filesystem-", dir=above)
    except OSError as error:
        print(f"filesystem: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    failed = False
    print(f"{above} ({kind_of(above)})")
    try:
        for number, check in enumerate(CHECKS):
            directory = Path(scratch, str(number))
            directory.mkdir()
            try:
                works = check.works(directory)
            except OSError as error:
                works = False
                print(paint(f"      {error.strerror}", FAINT))
            failed = failed or (check.needed and not works)
            mark = paint("yes", GOOD) if works else paint("NO " if check.needed else "no ", BAD)
            note = "" if works else f": {check.otherwise}"
            print(f"  {mark} {check.name}{note}")
        if not failed:
            print(f"  lock taken and freed in {_lock_microseconds(Path(scratch)):.0f} µs (median)")
    finally:
        subprocess.run(["rm", "-rf", scratch], check=True)
    print("good for a site" if not failed else paint("not for a site", BAD))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
