"""Compile staged modules in the running interpreter, as ``py_compile`` does, or remember them."""

from __future__ import annotations

import gc
import marshal
import os
import struct
from _frozen_importlib_external import MAGIC_NUMBER

from sagepip.ground.filesystem import make_directory
from sagepip.ground.light_contextlib import contextmanager
from sagepip.ground.light_dataclass import NamedTuple
from sagepip.staging.bytecode_memory import BytecodeMemory
from sagepip.staging.compile_workers import CompileWorkers, warnings_ignored
from sagepip.staging.new_files import write_all

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sagepip.staging.bytecode_memory import Buffer

_CHECKED_HASH = 0b11
_REPLACED_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class Job(NamedTuple):
    """A module to be compiled.

    Attributes:
        source: its staged path.
        bytecode: where its bytecode goes.
        embedded: the path that the bytecode is to say: that of the live module.
        digest: the hash of the source as RECORD has it.
    """

    source: str
    bytecode: str
    embedded: str
    digest: str


def compile_here(
    jobs: Sequence[Job], memory: BytecodeMemory | None, workers: CompileWorkers | None = None
) -> list[str]:
    """Compile modules.

    Args:
        jobs: what.
        memory: what is known of sources that were compiled before.
        workers: have been told of what is not.

    Returns:
        The staged paths of those that compiled.

    Raises:
        OSError: a file cannot be written.
    """
    compiled: list[str] = []
    made: set[str] = set()
    with warnings_ignored(), _without_collection():
        if workers is not None:
            workers.finish()
        with_hash = bool(os.environ.get("SOURCE_DATE_EPOCH"))
        for job in jobs:
            directory = job.bytecode[: job.bytecode.rfind(os.sep)]
            try:
                if directory not in made:
                    make_directory(directory)
                    made.add(directory)
            except (FileExistsError, NotADirectoryError):  # a file named __pycache__
                continue
            code = _code(job, memory, workers)
            if code is not None:
                _write(job, code, with_hash)
                compiled.append(job.source)
    return compiled


@contextmanager
def _without_collection() -> Iterator[None]:
    # The compiler makes no cycles; looking for them takes one part in twenty of its time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def compile_source(path: str, embedded: str) -> bytes | None:
    """Compile a module; return its code as marshal writes it, or None if it does not compile.

    Args:
        path: of its source.
        embedded: the path that its code is to say.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as stream:
        return compile_content(stream.read(), embedded)


def compile_content(source: bytes, embedded: str) -> bytes | None:
    """Compile the content of a module: see :func:`compile_source`."""
    try:
        # Not as PYTHONOPTIMIZE says: the name of the file is that of bytecode with all in it.
        made = compile(source, embedded, "exec", dont_inherit=True, optimize=0)
    except Exception:  # whatever a module makes the compiler say, it is left as source
        return None
    return marshal.dumps(made)


def _code(
    job: Job, memory: BytecodeMemory | None, workers: CompileWorkers | None
) -> Sequence[Buffer] | None:
    known = memory.take(job.digest, job.embedded) if memory is not None else None
    if known is not None:
        return known
    is_done, code = workers.code(job.source, job.embedded) if workers else (False, None)
    if not is_done:
        code = compile_source(job.source, job.embedded)
    if code is not None and memory is not None:
        memory.note(job.digest, job.embedded, code)
    return None if code is None else (code,)


def _write(job: Job, code: Sequence[Buffer], with_hash: bool) -> None:
    """Write a file of bytecode (PEP 552) with the permissions of its source."""
    found = os.stat(job.source)
    content = b""
    if with_hash:
        with open(job.source, "rb", buffering=0) as stream:
            content = stream.read()
    descriptor = os.open(job.bytecode, _REPLACED_FILE, bytecode_mode(found))
    try:
        write_all(descriptor, b"".join((_head(found, content, with_hash), *code)))
    finally:
        os.close(descriptor)


def _head(found: os.stat_result, source: bytes, with_hash: bool) -> bytes:
    """Return what bytecode begins with (PEP 552).

    Args:
        found: the status of its source.
        source: the content of that; only needed for its hash.
        with_hash: whether it is to be known by its hash.
    """
    if with_hash:
        import importlib.util

        rest = struct.pack("<I8s", _CHECKED_HASH, importlib.util.source_hash(source))
    else:
        rest = struct.pack("<III", 0, int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF)
    return MAGIC_NUMBER + rest


def bytecode_mode(source: os.stat_result) -> int:
    """Return the permissions of bytecode, as ``py_compile`` gives them."""
    return (source.st_mode | 0o200) & 0o666


def would_compile_to(
    source: bytes, found: os.stat_result, embedded: str, digest: str, memory: BytecodeMemory
) -> bytes | None:
    """Return the file that a module's bytecode would be, or None if it does not compile.

    Args:
        source: the content of the module.
        found: its status.
        embedded: the path that its code is to say.
        digest: its hash as RECORD has it.
        memory: what is known of sources that were compiled before.
    """
    parts = memory.take(digest, embedded)
    if parts is None:
        with warnings_ignored():
            code = compile_content(source, embedded)
        if code is None:
            return None
        memory.note(digest, embedded, code)
        parts = (code,)
    return b"".join((_head(found, source, bool(os.environ.get("SOURCE_DATE_EPOCH"))), *parts))
