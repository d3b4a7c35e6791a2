"""Any upgrade among any neighbours ends as the model says, or changes nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import ConflictError
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from tests.guarantees import snapshot, violations_of_g1
from tests.wheels import make_wheel

PYTHON = TargetPython.running()
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "100"))
# Few names, so that the versions and the neighbours meet.
parts = st.sampled_from(["a", "b", "c.py", "d.txt", "ns"])
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
contents = st.sampled_from(["", "# one\n", "# two\n"])


def is_tree(files: dict[str, str]) -> bool:
    """Whether no path is both a file and a directory."""
    return not any(other.startswith(path + "/") for path in files for other in files)


trees = st.dictionaries(paths, contents, min_size=1, max_size=6).filter(is_tree)


def clash(one: dict[str, str], other: dict[str, str]) -> bool:
    """Whether two trees claim a path differently."""
    both = {**one, **other}
    return not is_tree(both) or any(one[path] != other[path] for path in one.keys() & other.keys())


def run(wheel: Path, destination: Destination, *, compile_bytecode: bool) -> bool:
    """Install a wheel; return whether that was possible."""
    request = InstallRequest(
        (WheelFile(str(wheel)),),
        destination,
        no_deps=True,
        force_reinstall=True,
        compile_bytecode=compile_bytecode,
    )
    try:
        install(request)
    except ConflictError:
        return False
    return True


def modules_and_data(site: Path) -> dict[str, str]:
    """Return the content of all files that are neither bytecode nor metadata nor sagepip's."""
    return {
        str(path.relative_to(site)): path.read_text()
        for path in site.rglob("*")
        if path.is_file()
        and not any(part.endswith((".dist-info", ".sagepip")) for part in path.parts)
        and path.suffix != ".pyc"
    }


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    neighbour=trees,
    versions=st.lists(trees, min_size=1, max_size=3),
    foreign=st.dictionaries(paths, contents, max_size=2).filter(is_tree),
    compile_bytecode=st.booleans(),
    without=st.sampled_from([(), ("can_exchange",), ("can_exchange", "can_link")]),
)
def test_upgrades_follow_the_model(
    neighbour: dict[str, str],
    versions: list[dict[str, str]],
    foreign: dict[str, str],
    compile_bytecode: bool,
    without: tuple[str, ...],
) -> None:
    """After each version: the neighbour's, nobody's and that version's files, nothing else."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        for lacking in without:
            for module in ("planner", "exchanging"):
                patch.setattr(f"sagepip.transaction.{module}.{lacking}", lambda _: False)
        work = Path(directory)
        destination = find_destination(PYTHON, prefix=str(work / "prefix"))
        site = Path(destination.site)
        others = dict(neighbour)
        wheel = make_wheel(work, "neighbour", "1", neighbour)
        assert run(wheel, destination, compile_bytecode=compile_bytecode)
        for path, content in foreign.items():
            if not clash(others, {path: content}) and path not in others:
                (site / path).parent.mkdir(parents=True, exist_ok=True)
                (site / path).write_text(content)
                others[path] = content
        installed: dict[str, str] = {}
        for number, files in enumerate(versions):
            wheel = make_wheel(work, "subject", str(number), files)
            before = snapshot(work / "prefix")
            possible = run(wheel, destination, compile_bytecode=compile_bytecode)
            assert possible == (not clash(others, files)), (others, files)
            if possible:
                installed = files
                # What nobody owned and is as the version has it is listed by it: its own now.
                others = {k: v for k, v in others.items() if k in neighbour or k not in files}
            else:
                # A failed first version may leave the lock, which is never removed.
                assert snapshot(work / "prefix") == before
            assert modules_and_data(site) == {**others, **installed}
            assert violations_of_g1(site) == []
            assert sorted(os.listdir(site / ".sagepip")) == ["gate", "lock"]
            expected = {
                str(parent)
                for path in {**others, **installed}
                for parent in Path(path).parents
                if str(parent) != "."
            }
            found = {
                str(path.relative_to(site))
                for path in site.rglob("*")
                if path.is_dir()
                and not any(part.endswith((".dist-info", ".sagepip")) for part in path.parts)
                and path.name != "__pycache__"
            }
            assert found == expected
