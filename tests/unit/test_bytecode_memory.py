"""Bytecode remembered by the content of its source."""

from __future__ import annotations

import base64
import hashlib
import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagepip.staging.bytecode_memory import BytecodeMemory
from sagepip.staging.running_compiler import Job, compile_here

SOURCE = b'''"""A module."""
import os

NAMES = {"a": 1, "b": (2, 3.5, None, "\xc3\xa9")}


class Thing:
    def method(self, value: int = 3) -> "list[int]":
        return [value + one for one in range(value)]

    async def other(self):
        return lambda: (yield)
'''.replace(b"        return lambda: (yield)\n", b"        return lambda: f'{self}'\n")
OLD = "/some/prefix/lib/python3.11/site-packages/thing.py"


_OPENED: list[BytecodeMemory] = []


def opened(path: str) -> BytecodeMemory:
    _OPENED.append(BytecodeMemory(path))
    return _OPENED[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _OPENED:
        _OPENED.pop().close()


def digest_of(source: bytes) -> str:
    value = base64.urlsafe_b64encode(hashlib.sha256(source).digest()).decode().rstrip("=")
    return f"sha256={value}"


def code_of(source: bytes, path: str) -> bytes:
    made = compile(source, path, "exec", dont_inherit=True, optimize=0)
    return marshal.dumps(made)


def joined(memory: BytecodeMemory, digest: str, path: str) -> bytes | None:
    """Return what is remembered of a source, in one."""
    parts = memory.take(digest, path)
    return None if parts is None else b"".join(parts)


def remember(memory: BytecodeMemory, source: bytes, path: str = OLD) -> str:
    digest = digest_of(source)
    memory.note(digest, path, code_of(source, path))
    return digest


def saved(path: Path, *sources: bytes) -> BytecodeMemory:
    memory = opened(str(path))
    for one in sources:
        remember(memory, one)
    assert memory.save()
    memory.close()
    return opened(str(path))


@pytest.mark.parametrize("source", [SOURCE, b"", b"x = 1\n", b"def f():\n    return 2\n"])
@pytest.mark.parametrize("path", [OLD, "/a.py", "/" + "long" * 60 + "/thing.py"])
def test_what_is_taken_is_what_the_compiler_makes(tmp_path: Path, source: bytes, path: str) -> None:
    """Byte for byte, at any place."""
    memory = saved(tmp_path / "memory", source)
    assert joined(memory, digest_of(source), path) == code_of(source, path)


@given(
    name=st.text("abc/_. -", min_size=1, max_size=200),
    value=st.one_of(st.integers(), st.text(), st.floats(allow_nan=False), st.binary()),
)
def test_what_is_taken_is_what_the_compiler_makes_of_any_constant(name: str, value: object) -> None:
    """The path may be of any length, the constants anything."""
    import tempfile

    source = f"def f(a={value!r}):\n    return (a, {value!r})\n".encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as directory:
        memory = saved(Path(directory, "memory"), source)
        assert joined(memory, digest_of(source), "/" + name) == code_of(source, "/" + name)
        memory.close()


def test_unknown_sources_and_odd_paths_are_left_to_the_compiler(tmp_path: Path) -> None:
    """Another source, another hash, a path that marshal writes in another way."""
    memory = saved(tmp_path / "memory", SOURCE)
    digest = digest_of(SOURCE)
    assert memory.take(digest, "/a.py") is not None
    assert memory.take(digest_of(SOURCE + b"\n"), "/a.py") is None
    assert memory.take("sha512=" + digest.partition("=")[2], "/a.py") is None
    assert memory.take("sha256=!", "/a.py") is None
    assert memory.take(digest, "/\xe9.py") is None
    assert memory.take(digest, "/" + "x" * 255) is None


def test_a_source_that_holds_its_own_path_is_not_remembered(tmp_path: Path) -> None:
    """Which of the two strings is the embedded path, nobody could tell."""
    source = f"HERE = {OLD!r}\n".encode()
    assert saved(tmp_path / "memory", source, SOURCE).take(digest_of(source), "/a.py") is None


def test_only_what_was_asked_for_is_kept(tmp_path: Path) -> None:
    """The file has the modules of one version; what it shares with the last is taken over."""
    path = tmp_path / "memory"
    gone, kept, new = b"gone = 1\n", b"kept = 1\n", b"new = 1\n"
    memory = saved(path, gone, kept)
    assert joined(memory, digest_of(kept), OLD) == code_of(kept, OLD)
    remember(memory, new)
    assert memory.save()
    memory = opened(str(path))
    assert joined(memory, digest_of(kept), OLD) == code_of(kept, OLD)
    assert joined(memory, digest_of(new), OLD) == code_of(new, OLD)
    assert memory.take(digest_of(gone), OLD) is None
    assert not memory.save()
    assert os.listdir(tmp_path) == ["memory"]


def test_damage_anywhere_is_noticed(tmp_path: Path) -> None:
    """A changed byte or a missing end: nothing wrong is taken."""
    path = tmp_path / "memory"
    expected = code_of(SOURCE, OLD)
    saved(path, SOURCE, b"x = 1\n").close()
    whole = path.read_bytes()
    taken = 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        memory = opened(str(path))
        found = joined(memory, digest_of(SOURCE), OLD)
        memory.close()
        assert found in (None, expected), at
        taken += found is not None
    assert 0 < taken < len(whole)  # the other module's code may be damaged
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        memory = opened(str(path))
        assert memory.take(digest_of(SOURCE), OLD) is None
        memory.close()


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path) -> None:
    """A failure is none of the caller's."""
    memory = opened(str(tmp_path / "nowhere" / "memory"))
    remember(memory, SOURCE)
    assert not memory.save()
    memory.close()


def test_what_was_not_saved_leaves_nothing(tmp_path: Path) -> None:
    """An installation that fails remembers nothing."""
    memory = opened(str(tmp_path / "memory"))
    remember(memory, SOURCE)
    memory.close()
    assert os.listdir(tmp_path) == []


def compiled(tmp_path: Path, memory: BytecodeMemory | None, name: str = "thing.py") -> bytes:
    source, bytecode = tmp_path / name, tmp_path / "__pycache__" / "thing.pyc"
    source.write_bytes(SOURCE)
    os.utime(source, (1, 1))
    job = Job(str(source), str(bytecode), "/live/thing.py", digest_of(SOURCE))
    assert compile_here([job], memory) == [str(source)]
    return bytecode.read_bytes()


@pytest.mark.parametrize("epoch", ["", "1700000000"])
def test_bytecode_is_that_of_py_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    """Compiled or remembered; with the time of the source, or with its hash (PEP 552)."""
    import py_compile

    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    memory = opened(str(tmp_path / "memory"))
    first = compiled(tmp_path, memory)
    assert memory.save()
    memory.close()
    again = opened(str(tmp_path / "memory"))
    assert again.take(digest_of(SOURCE), "/live/thing.py") is not None
    py_compile.compile(
        str(tmp_path / "thing.py"), str(tmp_path / "other.pyc"), "/live/thing.py", doraise=True
    )
    assert first == compiled(tmp_path, again) == (tmp_path / "other.pyc").read_bytes()


def test_assertions_stay_whatever_the_interpreter_leaves_out(tmp_path: Path) -> None:
    """PYTHONOPTIMIZE is about the running interpreter; the name of the file promises all."""
    source, bytecode = tmp_path / "module.py", tmp_path / "module.pyc"
    source.write_text("assert False, 'kept'\n")
    code = (
        "from sagepip.staging.running_compiler import Job, compile_here\n"
        f"compile_here([Job({str(source)!r}, {str(bytecode)!r}, 'm.py', '')], None)\n"
    )
    subprocess.run([sys.executable, "-O", "-c", code], check=True)
    assert b"kept" in bytecode.read_bytes()
