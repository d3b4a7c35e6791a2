"""What ``make crash-peers`` counts: calls are found and hit, and trees judged, as it says."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from bench.peers_crash import row_of
from bench.peers_matrix import Counts, Result, add
from bench.peers_reader import read_while_changing
from bench.peers_trace import Call, Point, Tracer, find_points, sample
from bench.peers_tree import State, half_installed, judge, read_tree
from bench.processes import ProcessTable

from tests.crash.strace import has_strace
from tests.wheels import make_wheel

PREFIX = Path("/opt/prefix")
POINT = Point("mkdir", 1, "", "mkdir PREFIX/a")


def call(text: str, time: float = 1.0) -> Call:
    found = Call.parse(f"{time:.6f} {text}")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ('mkdir("/opt/prefix/a", 0777) = 0', True),
        ('mkdir("/opt/prefix/a", 0777) = -1 EEXIST (File exists)', False),
        ('mkdir("/opt/prefix-2/a", 0777) = 0', False),
        ('rename("/elsewhere/a", "/opt/prefix/a") = 0', True),
        ('openat(AT_FDCWD</opt>, "/opt/prefix/a", O_RDONLY) = 3</opt/prefix/a>', False),
        ('openat(AT_FDCWD</opt>, "/opt/prefix/a", O_RDWR|O_CREAT) = 3</opt/prefix/a>', True),
        ('write(3</opt/prefix/a>, ""..., 10) = 10', True),
        ('unlinkat(3</opt/prefix/a>, "b", 0) = 0', True),
        ("ioctl(4</opt/prefix/a>, FIOCLEX) = 0", False),
        ("ioctl(4</opt/prefix/a>, BTRFS_IOC_CLONE or FICLONE, 5) = 0", True),
    ],
)
def test_a_call_that_changes_the_prefix_is_told_from_others(text: str, changes: bool) -> None:
    assert call(text).changes(PREFIX) is changes


def test_lines_that_are_no_calls_are_passed_over() -> None:
    assert Call.parse("1.5 +++ killed by SIGKILL +++") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"/opt/prefix/bin/.tmpaGqYUu"', '"/opt/prefix/bin/.tmpRphgbj"'),
        ('"/opt/prefix/RECORDzfgik2ui.tmp"', '"/opt/prefix/RECORDaaaaaaaa.tmp"'),
        ('"/opt/prefix/x.pyc.1405474"', '"/opt/prefix/x.pyc.99"'),
        ('"/opt/prefix/.sagepip/txn/d7d5/new"', '"/opt/prefix/.sagepip/txn/ffff/new"'),
        ('"/opt/prefix/a", "/tmp/one"', '"/opt/prefix/a", "/tmp/two"'),
    ],
)
def test_a_call_is_known_again_under_another_random_name(one: str, other: str) -> None:
    signatures = {call(f"rename({text}) = 0").signature(PREFIX) for text in (one, other)}
    assert len(signatures) == 1


def test_another_name_is_another_call() -> None:
    one, other = (call(f'rmdir("/opt/prefix/{name}") = 0') for name in "ab")
    assert one.signature(PREFIX) != other.signature(PREFIX)


def test_a_killed_call_is_known_again() -> None:
    ended = call('mkdir("/opt/prefix/a", 0777) = 0')
    killed = call('mkdir("/opt/prefix/a", 0777) = ?')
    assert ended.signature(PREFIX) == killed.signature(PREFIX)
    assert killed.result == "?"


def test_points_are_counted_by_thread_and_by_path_where_threads_may_be_confused() -> None:
    first = [call('unlink("/opt/prefix/a") = 0', 1), call('unlink("/opt/prefix/b") = 0', 2)]
    second = [
        call('mkdir("/elsewhere") = 0', 3),
        call('mkdir("/opt/prefix/c") = 0', 4),
        call('unlink("/opt/prefix/d") = 0', 5),
        call('unlink("/opt/prefix/.tmpabcdef") = 0', 6),
    ]
    found = find_points([second, first], PREFIX)
    assert [(one.name, one.ordinal, one.path) for one in found] == [
        ("unlink", 1, "PREFIX/a"),
        ("unlink", 1, "PREFIX/b"),
        ("mkdir", 2, ""),
        ("unlink", 1, "PREFIX/d"),
        ("unlink", 2, ""),
    ]


def test_a_sample_has_all_renames_and_each_nth_other_call() -> None:
    names = ["mkdir", "write", "rename", "write", "write", "renameat2", "unlink"]
    points = [Point(name, number, "", "") for number, name in enumerate(names)]
    assert [one.ordinal for one in sample(points, 2)] == [0, 2, 3, 5, 6]
    assert sample(points, 1) == points


@pytest.mark.skipif(not has_strace(), reason="strace is not here or may not trace")
def test_a_program_is_killed_and_fails_at_the_call_meant(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    program = "import os, sys\nfor name in 'abc': os.mkdir(os.path.join(sys.argv[1], name))"
    command = [sys.executable, "-I", "-c", program, str(prefix)]

    def made() -> list[str]:
        names = sorted(path.name for path in prefix.iterdir())
        for path in prefix.iterdir():
            path.rmdir()
        return names

    with ProcessTable() as processes:
        tracer = Tracer(command, prefix, {}, processes)
        points = tracer.points()
        assert [one.signature for one in points] == [f"mkdir PREFIX/{name}" for name in "abc"]
        assert made() == ["a", "b", "c"]
        assert tracer.kill(points[1]).hit
        assert made() == ["a"]
        failed = tracer.fail(points[2], "ENOSPC")
        assert failed.hit
        assert failed.ended.returncode == 1
        assert made() == ["a", "b"]
        assert not tracer.kill(Point("mkdir", 9, "", "mkdir PREFIX/a")).hit


def lay_out(site: Path, files: dict[str, str], *, info: str = "demo-1.dist-info") -> Path:
    rows = [*files, f"{info}/METADATA", f"{info}/RECORD"]
    record = "".join(f"{row},,\n" for row in rows)
    for name, text in {**files, f"{info}/METADATA": "", f"{info}/RECORD": record}.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    return site


def test_trees_are_judged(tmp_path: Path) -> None:
    site = lay_out(tmp_path, {"demo.py": "1"})
    old = read_tree(site)
    new = {**old, "demo.py": (old["demo.py"][0], b"2")}
    assert judge(read_tree(site), old, new, site) is State.OLD
    (site / "demo.py").write_text("2")
    assert judge(read_tree(site), old, new, site) is State.NEW
    (site / "~emo").mkdir()
    assert judge(read_tree(site), old, new, site) is State.LEFT_OVERS
    (site / "demo.py").write_text("3")
    assert judge(read_tree(site), old, new, site) is State.BROKEN


def test_half_a_distribution_is_no_left_over(tmp_path: Path) -> None:
    site = lay_out(tmp_path, {"demo.py": ""})
    old = read_tree(site)
    info = site / "other-1.dist-info"
    info.mkdir()
    assert half_installed(site)
    assert judge(read_tree(site), old, {}, site) is State.BROKEN
    info.rename(site / "~ther-1.dist-info")
    assert not half_installed(site)
    assert judge(read_tree(site), old, {}, site) is State.LEFT_OVERS


def test_bytecode_is_not_compared(tmp_path: Path) -> None:
    site = lay_out(tmp_path, {"demo.py": ""})
    before = read_tree(site)
    lay_out(site, {"demo.py": "", "__pycache__/demo.cpython-311.pyc": "x"})
    assert read_tree(site) == before


def test_results_are_counted() -> None:
    counts = Counts("pip", "upgrade", "kills", calls=9)
    add(counts, Result(POINT))
    add(counts, Result(POINT, hit=True))
    broken = Result(POINT, True, ("demo: torn",), True, State.BROKEN, rerun=State.LEFT_OVERS)
    add(counts, broken)
    add(counts, Result(POINT, True, state=State.LEFT_OVERS, next_failed=True))
    assert row_of(counts) == [
        *("pip", "upgrade", "kills", "4 of 9", "1", "1", "1", "1", "1", "", "1"),
        *("1 (1)", "0 (0)"),
    ]
    assert counts.violations == 6
    add(counts, Result(POINT, True, misreported=True))
    assert counts.misreported == 1
    assert Counts("pip", "upgrade", "kills").violations == 0


def test_the_reader_counts_what_it_sees(tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, "demo", "1", {"demo.py": "1"}) for _ in range(2)]
    site = lay_out(tmp_path / "site", {"demo.py": "1"})
    metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1\n"
    (site / "demo-1.dist-info" / "METADATA").write_text(metadata)

    def leave(_wheel: Path) -> int:
        time.sleep(0.01)
        return 0

    def hide(_wheel: Path) -> int:
        (site / "demo-1.dist-info").rename(site / "hidden")
        time.sleep(0.05)
        (site / "hidden").rename(site / "demo-1.dist-info")
        return 1

    calm = read_while_changing(site, "demo", wheels, leave, 0.3)
    assert (calm.torn, calm.failed) == (0, 0)
    assert calm.looks > 0
    seen = read_while_changing(site, "demo", wheels, hide, 0.5)
    assert 0 < seen.absent <= seen.torn <= seen.looks
    assert 0 < seen.changes_seen <= seen.changes == seen.failed
