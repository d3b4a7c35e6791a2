"""SIGTERM in the middle of a commit: the commit is finished, and the command says so."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.crash.strace import clean_environment, has_strace, sagepip_command
from tests.guarantees import versions, violations_of_g1
from tests.wheels import make_wheel


@pytest.mark.skipif(not has_strace(), reason="strace is not here or may not trace")
@pytest.mark.parametrize("option", ["--prefix", "--root"])
def test_signal_during_the_commit(option: str, tmp_path: Path) -> None:
    """It ends the command by that signal; what was being published is there, nothing else is."""
    wheel = make_wheel(tmp_path, "alpha", "1", {"alpha.py": ""})
    target = tmp_path / "target"
    command = sagepip_command("install", "--no-index", option, str(target), str(wheel))
    # The first is the rename that publishes alpha.py.
    inject = "inject=renameat2:signal=SIGTERM:when=1"
    # strace's own messages say that the process was killed: they go elsewhere.
    done = subprocess.run(
        ["strace", "-q", "-o", os.devnull, "-e", "trace=renameat2", "-e", inject, *command],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGTERM
    assert done.stderr == (
        "sagepip: the change had begun to be published when the signal came: it is done\n"
        "Error: ended by SIGTERM\n"
    )
    site = next(target.rglob("site-packages"))
    assert versions(site, "alpha") == ["1"]
    assert violations_of_g1(site) == []
    left = {path.name for path in site.rglob(".sagepip*/**/*")}
    assert left == ({"lock", "gate"} if option == "--prefix" else set())
