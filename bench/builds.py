"""Builds of tiny projects without isolation, each in a fresh interpreter of the environment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from bench.environment import VirtualEnvironment
from bench.processes import Command, ProcessTable

VERSION = "1.2.3"
"""The version that every tiny project must be built with."""

PLAIN = f"""\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "tiny"
version = "{VERSION}"
[tool.setuptools]
py-modules = ["tiny"]
"""
"""A project that wants nothing of setuptools_scm; setuptools loads its entry points anyway."""

RELYING = f"""\
[build-system]
requires = ["setuptools", "setuptools_scm"]
build-backend = "setuptools.build_meta"
[project]
name = "tiny"
dynamic = ["version"]
[tool.setuptools]
py-modules = ["tiny"]
[tool.setuptools_scm]
fallback_version = "{VERSION}"
"""
"""A project whose version comes from setuptools_scm: without it, it is built as 0.0.0."""

HOOK = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


class TinyBuilder:
    """Builds tiny projects, each in a new directory."""

    def __init__(
        self,
        venv: VirtualEnvironment,
        scratch: Path,
        env: Mapping[str, str],
        processes: ProcessTable,
    ) -> None:
        self._python = venv.python
        self._scratch = scratch
        self._env = env
        self._processes = processes
        self._count = 0

    def build(self, project: str) -> str | None:
        """Build a project by the text of its ``pyproject.toml``.

        Returns:
            None if a right wheel came out, otherwise the reason.
        """
        self._count += 1
        source = self._scratch / f"tiny-{self._count}"
        source.mkdir(parents=True)
        (source / "pyproject.toml").write_text(project)
        (source / "tiny.py").write_text("ANSWER = 42\n")
        try:
            command: Command = [self._python, "-c", HOOK, source / "dist"]
            done = self._processes.run(command, env=self._env, cwd=source)
            if done.returncode != 0:
                return done.last_lines()
            built = [path.name for path in source.glob("dist/*.whl")]
            if [name.split("-")[:2] for name in built] != [["tiny", VERSION]]:
                return f"no error, but a wrong wheel: {', '.join(built) or 'none'}"
            return None
        finally:
            shutil.rmtree(source, ignore_errors=True)
