"""An installation that is hit while it compiles on several processors."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.crash.strace import clean_environment, sagepip_command
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.unit.test_compile_workers import is_running, wait_until
from tests.wheels import make_wheel

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two processors",
)
# Takes the compiler seconds, and is larger than what one process is left with.
_MODULE = "".join(
    f"def f{number}(a, b=({number}, 2)):\n    return [a, b]\n" for number in range(9000)
)


def children_of(process: int) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(one) for one in text.split()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_hit_while_compiling(number: signal.Signals, tmp_path: Path) -> None:
    """The old version stays; no process, no temporary file and no staged file does."""
    prefix, temporary = tmp_path / "prefix", tmp_path / "temporary"
    temporary.mkdir()
    environment = clean_environment() | {
        "TMPDIR": str(temporary),
        "SAGEPIP_CACHE_DIR": str(tmp_path / "cache"),
    }

    def command(*words: str | Path) -> list[str]:
        options = ("--no-index", "--no-deps", "--prefix", prefix)
        return sagepip_command(*map(str, ("install", *options, *words)))

    old = make_wheel(tmp_path, "alpha", "1", {"alpha/__init__.py": "VALUE = 1\n"})
    files = {f"alpha/m{one}.py": _MODULE for one in range(10)}
    new = make_wheel(tmp_path, "alpha", "2", {"alpha/__init__.py": "VALUE = 2\n", **files})
    subprocess.run(command(old), env=environment, check=True, capture_output=True)
    site = next(prefix.rglob("site-packages"))
    before = snapshot(prefix)
    with subprocess.Popen(
        command(new),
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # A shell without job control has what it runs in the background ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        workers: list[int] = []
        end = time.monotonic() + 60
        while not workers:
            assert running.poll() is None, "it ended without workers"
            assert time.monotonic() < end
            workers = children_of(running.pid)
        running.send_signal(number)
        said = running.communicate()[1].decode()
    assert running.returncode == -number, said
    wait_until(lambda: not any(map(is_running, workers)))
    if number is signal.SIGKILL:
        recovering = sagepip_command("recover", "--prefix", str(prefix))
        subprocess.run(recovering, env=environment, check=True, capture_output=True)
    assert versions(site, "alpha") == ["1"]
    assert violations_of_g1(site) == []
    assert snapshot(prefix) == before
    assert number is signal.SIGKILL or os.listdir(temporary) == []
