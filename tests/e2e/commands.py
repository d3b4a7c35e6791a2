"""Run the real commands as a user at a terminal would, with settings of the test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.environment import console_script, tool_environment

from tests.guarantees import snapshot

Done = subprocess.CompletedProcess[str]
Settings = Mapping[str, str | Path]


@dataclass
class Terminal:
    """A working directory, an environment and the commands.

    Attributes:
        where: the working directory; a home directory is made in it.
        environ: the environment of everything that is run.
    """

    where: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environ = {**tool_environment(self.where / "home"), "LC_ALL": "C.UTF-8"}

    @property
    def temporary(self) -> Path:
        """The directory for temporary files."""
        return Path(self.environ["TMPDIR"])

    def run(
        self,
        program: str,
        *words: str | Path,
        status: int = 0,
        cwd: Path | None = None,
        preexec: Callable[[], object] | None = None,
        settings: Settings | None = None,
    ) -> Done:
        """Run a command and check its exit status, and that what it says is no traceback.

        Args:
            program: one of sagepip's.
            words: its arguments.
            status: the exit status that it must have.
            cwd: where to run it.
            preexec: called in the child first.
            settings: more variables.
        """
        done = subprocess.run(
            [console_script(program), *words],
            cwd=cwd or self.where,
            env=self._environ(settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=preexec,
        )
        told = f"{done.args}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == status, told
        if "SAGEPIP_DEBUG" not in (settings or {}):
            assert "Traceback" not in done.stderr, told
        return done

    def _environ(self, settings: Settings | None) -> dict[str, str]:
        return self.environ | {key: str(value) for key, value in (settings or {}).items()}

    def start(
        self, program: str, *words: str | Path, settings: Settings | None = None
    ) -> subprocess.Popen[str]:
        """Start a command and let it run."""
        return subprocess.Popen(
            [console_script(program), *words],
            cwd=self.where,
            env=self._environ(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def install(
        self,
        *words: str | Path,
        cwd: Path | None = None,
        preexec: Callable[[], object] | None = None,
        settings: Settings | None = None,
    ) -> Done:
        """Run ``sage-pip-install``, which must succeed."""
        return self.run("sage-pip-install", *words, cwd=cwd, preexec=preexec, settings=settings)

    def refuse(
        self, target: Path, *words: str | Path, status: int = 1, settings: Settings | None = None
    ) -> str:
        """Run ``sagepip install``, which must fail and leave a directory as it is.

        Args:
            target: the directory; it may not exist.
            words: the arguments.
            status: the exit status that it must have.
            settings: more variables.

        Returns:
            Its one line on stderr.
        """
        before = snapshot(target)
        existed = target.exists()
        done = self.run("sagepip", "install", *words, status=status, settings=settings)
        assert done.stdout == ""
        assert snapshot(target) == before
        assert target.exists() == existed
        assert list(self.temporary.iterdir()) == []
        return error_line(done)


def error_line(done: Done) -> str:
    """Return what an unsuccessful command said: exactly one line that begins with Error."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: "), done.stderr
    return lines[0]


def installed(done: Done) -> set[str]:
    """Return what a command says that it installed."""
    start = "Successfully installed "
    return {line.removeprefix(start) for line in done.stdout.splitlines() if line.startswith(start)}


def site_of(prefix: Path) -> Path:
    """Return the site-packages directory of a prefix."""
    (site,) = prefix.glob("lib/python*/site-packages")
    return site


def state_of(site: Path) -> set[str]:
    """Return what sagepip's own directory holds."""
    return set(os.listdir(site / ".sagepip"))
