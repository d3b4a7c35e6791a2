"""Byte-compilation of staged modules by the target interpreter, final paths inside."""

from __future__ import annotations

import os

from sagepip.ground import console
from sagepip.ground.errors import TargetError
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import phase
from sagepip.staging.bytecode_memory import BytecodeMemory
from sagepip.staging.compile_workers import CompileWorkers, worker_count
from sagepip.staging.running_compiler import (
    Job,
    bytecode_mode,
    compile_here,
    compile_source,
    would_compile_to,
)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def cache_path(source: str, cache_tag: str) -> str:
    """Return where the bytecode of a module belongs (PEP 3147).

    Not ``importlib.util.cache_from_source``, which follows PYTHONPYCACHEPREFIX.
    """
    parent, separator, name = source.rpartition(os.sep)
    return f"{parent}{separator}__pycache__{os.sep}{name.removesuffix('.py')}.{cache_tag}.pyc"


class Compilation:
    """The modules of a wheel, on their way to bytecode; to be closed.

    Args:
        python: the target interpreter.
        memory: what is remembered of modules that the running interpreter has compiled.
    """

    def __init__(self, python: TargetPython, memory: BytecodeMemory | None = None) -> None:
        self._python = python
        self._memory = memory
        self._jobs: list[Job] = []
        self._workers: CompileWorkers | None = None

    def expect(self, modules: Iterable[tuple[str, int]]) -> None:
        """Start as many workers as are worth it, before the modules are there.

        Args:
            modules: the hash of each as RECORD has it, and its size.
        """
        if not self._python.compiles_like_running:
            return
        sizes = (size for digest, size in modules if not self._is_known(digest))
        count = worker_count(sum(sizes))
        if count > 0:
            self._workers = CompileWorkers(count, compile_source)

    @property
    def remembers(self) -> bool:
        """Whether it is known what the modules that were installed last were compiled to."""
        return self._memory is not None and self._python.cache_tag is not None

    def bytecode_of(self, module: str) -> str:
        """Return the path of a module's bytecode."""
        return cache_path(module, self._python.cache_tag or "")

    def would_make(
        self, content: bytes, found: os.stat_result, final: str, digest: str
    ) -> tuple[bytes, int] | None:
        """Return what would be made of a live module, and its permissions.

        Args:
            content: of the module.
            found: its status.
            final: its path as the scheme has it.
            digest: its hash as RECORD has it.

        Returns:
            The file of bytecode; None if the module does not compile.
        """
        assert self._memory is not None
        made = would_compile_to(content, found, final, digest, self._memory)
        return None if made is None else (made, bytecode_mode(found))

    def add(self, staged: str, final: str, digest: str) -> None:
        """Take a module in.

        Args:
            staged: where it lies, complete.
            final: the path that its bytecode is to say.
            digest: its hash as RECORD has it.
        """
        tag = self._python.cache_tag
        if tag is None:
            return
        self._jobs.append(Job(staged, cache_path(staged, tag), final, digest))
        if self._workers is not None and not self._is_known(digest):
            self._workers.add(staged, final)

    def finish(self) -> list[tuple[Job, str]]:
        """Compile what was taken in; what does not compile (templates, Python 2) is passed over.

        Returns:
            Each module that was compiled, and the final path of its bytecode.

        Raises:
            TargetError: the target interpreter cannot compile at all.
        """
        tag = self._python.cache_tag
        if not self._jobs or tag is None:
            return []
        with phase("compile"):
            if self._python.compiles_like_running:
                compiled = compile_here(self._jobs, self._memory, self._workers)
            else:
                compiled = _compile_elsewhere([job[:3] for job in self._jobs], self._python)
        missed = len(self._jobs) - len(compiled)
        if missed:
            console.detail(f"{missed} of {len(self._jobs)} modules do not compile; left as source")
        done = set(compiled)
        return [(job, cache_path(job.embedded, tag)) for job in self._jobs if job.source in done]

    def close(self) -> None:
        """End what is still at work."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def _is_known(self, digest: str) -> bool:
        return self._memory is not None and self._memory.knows(digest)


def _compile_elsewhere(jobs: Sequence[tuple[str, str, str]], python: TargetPython) -> list[str]:
    import inspect
    import json
    import subprocess

    from sagepip.staging import compile_modules

    source = inspect.getsource(compile_modules)
    done = subprocess.run(
        [python.executable, "-I", "-c", source, "run"],
        input=json.dumps(jobs),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(compile_modules.MARK):
            answer: list[str] = json.loads(line[len(compile_modules.MARK) :])
            return answer
    said = done.stderr.strip().splitlines()
    raise TargetError(
        f"{python.executable} failed to compile bytecode: {said[-1] if said else 'no answer'}",
        advice="install with --no-compile, or repair the interpreter",
    )
