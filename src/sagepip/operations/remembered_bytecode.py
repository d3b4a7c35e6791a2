"""Which remembered bytecode an installation of a project may use."""

from __future__ import annotations

import os
import sys

from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import TargetPython
from sagepip.staging.bytecode_memory import BytecodeMemory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def remembered_bytecode(project: str, python: TargetPython) -> Iterator[BytecodeMemory | None]:
    """Yield what is remembered of a project's modules, and save what was added if all went well.

    Args:
        project: its name.
        python: the target interpreter; only what the running one compiles is remembered.
    """
    from sagepip.build.cache import find_cache, interpreter_key, key_of

    cache = None
    if python.compiles_like_running:
        cache = find_cache(os.environ, "bytecode is")
    if cache is None:
        yield None
        return
    # What the compiler leaves out on request, it leaves out silently.
    ranges = bool(os.environ.get("PYTHONNODEBUGRANGES")) or "no_debug_ranges" in sys._xoptions
    key = key_of(["bytecode", canonical_name(project), interpreter_key(python), ranges])
    memory = BytecodeMemory(os.path.join(cache.bytecode, key))
    try:
        yield memory
        if memory.save():
            from sagepip.build.cache_bound import keep_bound

            keep_bound(cache, os.environ)
    finally:
        memory.close()
