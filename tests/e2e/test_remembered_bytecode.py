"""Bytecode that an installation takes from the cache."""

from __future__ import annotations

import base64
import hashlib
import marshal
from pathlib import Path

from sagepip.staging.bytecode_memory import BytecodeMemory
from tests.e2e.commands import Terminal
from tests.wheels import make_wheel

FILES = {"some_pkg/__init__.py": "def f():\n    return __file__\n", "some_pkg/bad.py": "print 1\n"}


def test_a_second_prefix_takes_the_same_bytecode_and_a_failure_leaves_none(
    terminal: Terminal,
) -> None:
    """It is what the compiler makes there; pruned and damaged memories are no obstacle."""
    wheel = make_wheel(terminal.where, "some_pkg", "1", FILES)
    cache = terminal.where / "cache"
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}

    def install(prefix: str, cache: Path) -> dict[str, bytes]:
        settings = epoch | {"SAGEPIP_CACHE_DIR": str(cache)}
        terminal.run(
            "sage-pip-install", "--force-reinstall", "--prefix", prefix, wheel, settings=settings
        )
        top = terminal.where / prefix
        return {one.name: one.read_bytes() for one in top.rglob("*.pyc")}

    (terminal.where / "nowhere").write_text("")
    first = install("first", cache)
    (remembered,) = (cache / "v1" / "bytecode").iterdir()
    content = remembered.read_bytes()
    second = install("second/with/a/longer/path", cache)
    assert remembered.read_bytes() == content
    without = install("second/with/a/longer/path", terminal.where / "nowhere")
    assert second == without
    assert len(second) == 1
    assert second != first
    (name,) = second
    assert b"second/with/a/longer/path" in second[name]
    said = terminal.run("sagepip", "cache", "info", settings={"SAGEPIP_CACHE_DIR": cache}).stdout
    assert "bytecode files: 1\n" in said
    # It is really taken from there: other code in the place of the module's is not noticed.
    value = hashlib.sha256(FILES["some_pkg/__init__.py"].encode()).digest()
    digest = "sha256=" + base64.urlsafe_b64encode(value).decode().rstrip("=")
    made = compile("MARK = 1", "/x.py", "exec", dont_inherit=True, optimize=0)
    other = BytecodeMemory(str(terminal.where / "other"))
    other.note(digest, "/x.py", marshal.dumps(made))
    assert other.save()
    other.close()
    (terminal.where / "other").rename(remembered)
    (marked,) = install("fourth", cache).values()
    assert b"MARK" in marked
    remembered.write_bytes(content[: len(content) // 2])
    assert install("third", cache).keys() == first.keys()
    assert remembered.read_bytes() == content
    terminal.run("sagepip", "cache", "prune", "--all", settings={"SAGEPIP_CACHE_DIR": cache})
    assert not remembered.exists()
