"""What was once found stays repaired; and a little fuzzing without the engine, in each run."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.findings import FINDINGS
from tests.fuzz.targets import TARGETS

_ROUNDS = 60


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the files of the targets, and what words name, in a directory of the test's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("name", "data"), FINDINGS, ids=lambda value: str(value)[:30])
def test_finding(name: str, data: bytes) -> None:
    """Each is refused as documented."""
    TARGETS[name].check(data)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a declared encoding may be deprecated
@pytest.mark.parametrize("name", TARGETS)
def test_sample(name: str) -> None:
    """Seeds, and seeds that were changed in some places, do what the target says."""
    chance = random.Random(name)
    target = TARGETS[name]
    for seed in target.seeds:
        target.check(seed)
    for _ in range(_ROUNDS):
        data = bytearray(chance.choice(target.seeds))
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(data) + 1)
            end = min(len(data), start + chance.choice((0, 1, 1, 4, 30)))
            other = chance.choice(target.seeds)
            at = chance.randrange(len(other))
            data[start:end] = chance.choice((other[at : at + 8], chance.randbytes(1), b""))
        target.check(bytes(data))


def test_a_target_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that is not documented comes out of a target."""

    def broken(_text: str) -> None:
        raise KeyError("not documented")

    monkeypatch.setattr("tests.fuzz.targets.parse_record", broken)
    with pytest.raises(KeyError):
        TARGETS["record"].check(b"a,,\n")
