"""Byte-compilation of staged modules by the target interpreter, final paths inside."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sagepip.ground import console
from sagepip.ground.errors import TargetError
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import phase
from sagepip.staging.bytecode_memory import BytecodeMemory
from sagepip.staging.running_compiler import Job, compile_here


def cache_path(source: str, cache_tag: str) -> str:
    """Return where the bytecode of a module belongs (PEP 3147).

    Not ``importlib.util.cache_from_source``, which follows PYTHONPYCACHEPREFIX.
    """
    parent, name = os.path.split(source)
    return os.path.join(parent, "__pycache__", f"{name.removesuffix('.py')}.{cache_tag}.pyc")


def compile_staged(
    modules: Sequence[tuple[str, str, str]],
    python: TargetPython,
    memory: BytecodeMemory | None = None,
) -> list[tuple[str, str]]:
    """Compile staged modules; those that do not compile (templates, Python 2) are passed over.

    Args:
        modules: the staged path of each module, its final path, and its hash as RECORD has it.
        python: the target interpreter.
        memory: what is remembered of modules that the running interpreter has compiled.

    Returns:
        The final path of each module that was compiled, and that of its bytecode.

    Raises:
        TargetError: the target interpreter cannot compile at all.
    """
    tag = python.cache_tag
    if not modules or tag is None:
        return []
    jobs = [Job(staged, cache_path(staged, tag), *rest) for staged, *rest in modules]
    with phase("compile"):
        if python.compiles_like_running:
            compiled = compile_here(jobs, memory)
        else:
            compiled = _compile_elsewhere([job[:3] for job in jobs], python)
    missed = len(jobs) - len(compiled)
    if missed:
        console.detail(f"{missed} of {len(jobs)} modules do not compile; left as source")
    done = set(compiled)
    return [(job.embedded, cache_path(job.embedded, tag)) for job in jobs if job.source in done]


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
