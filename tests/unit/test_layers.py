"""The layers and the owners of the design, enforced."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sagepip

PACKAGE = Path(sagepip.__file__).parent
# Each may import what stands after it, and itself.
LAYERS = ["cli", "operations", "build", "staging", "transaction", "ground"]
# What one module alone may import or call (DESIGN.md, Layers).
OWNERS = {
    "fcntl": {"transaction/flock.py"},
    "filelock": {"transaction/flock.py"},
    "installer": {"staging/installer_library.py"},
    "build": {"build/build_library.py"},
}
CHANGING_CALLS = {
    ("os", name)
    for name in (
        "rename",
        "renames",
        "replace",
        "unlink",
        "remove",
        "rmdir",
        "removedirs",
        "link",
    )
} | {("shutil", "rmtree"), ("shutil", "move")}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of each import, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.lineno, node.module or ""


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    """A module imports only from its own layer and those below."""
    if layer(path) not in LAYERS:
        return  # __init__ and __main__ stand above all
    allowed = LAYERS[LAYERS.index(layer(path)) :]
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "sagepip" and len(parts) > 1:
            assert parts[1] in allowed, f"{path}:{line}: {layer(path)} imports {name}"


def test_each_library_has_one_owner() -> None:
    """The libraries that touch the world are imported by one module each."""
    users: dict[str, set[str]] = {name: set() for name in OWNERS}
    for path in modules():
        for _, name in imports(path):
            if name.split(".")[0] in users:
                users[name.split(".")[0]].add(str(path.relative_to(PACKAGE)))
    assert users == OWNERS


def test_one_module_renames_and_removes() -> None:
    """Renames, links and removals are made by ground/filesystem.py; trash goes by removing.py."""
    offenders = []
    for path in modules():
        if path in (PACKAGE / "ground" / "filesystem.py", PACKAGE / "ground" / "removing.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and (node.value.id, node.attr) in CHANGING_CALLS
            ):
                offenders.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.attr}")
    assert offenders == []


def test_one_module_runs_pip() -> None:
    """No module but build/pip_runner.py names pip as a program."""
    offenders = [
        str(path.relative_to(PACKAGE))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.List)
        and [one.value for one in node.elts if isinstance(one, ast.Constant)][-2:] == ["-m", "pip"]
    ]
    assert set(offenders) <= {"build/pip_runner.py"}


def test_modules_are_small() -> None:
    """No module grows over 400 lines (docs/design.md)."""
    large = {
        str(path.relative_to(PACKAGE)): count
        for path in modules()
        if (count := len(path.read_text().splitlines())) > 400
    }
    assert large == {}
