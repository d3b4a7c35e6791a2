"""The demo's proofs fail for every way in which an environment can be less than whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from bench import proof


def row(site: Path, path: str) -> str:
    """A RECORD row with the right hash and size."""
    content = (site / path).read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with one distribution and sagepip's own directory."""
    site = tmp_path / "lib" / "site-packages"
    info = site / "demo-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "demo.py").write_text("ONE = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nDemo = demo:main\n[x]\na = b\n")
    listed = ["demo.py", f"{info.name}/METADATA", f"{info.name}/entry_points.txt"]
    rows = "".join(row(site, path) for path in listed)
    (info / "RECORD").write_text(rows + f"{info.name}/RECORD,,\n")
    (site / ".sagepip").mkdir()
    for name in ("lock", "gate"):
        (site / ".sagepip" / name).touch()
    return site


def failing(site: Path) -> set[str]:
    """The names of the proofs that do not hold."""
    proofs = {
        "installed": proof.prove_installed(site, [("demo", "1.0")]),
        "records": proof.prove_records(site),
        "stray": proof.prove_nothing_stray(site.parent, site, set()),
        "left": proof.prove_nothing_left(site),
    }
    return {name for name, one in proofs.items() if not one.holds}


def test_a_whole_site_is_proven(site: Path) -> None:
    assert failing(site) == set()


def _rename_metadata(site: Path) -> None:
    (site / "demo-1.0.dist-info").rename(site / "demo-2.0.dist-info")


def _list_without_hash(site: Path) -> None:
    record = site / "demo-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text().replace(row(site, "demo.py"), "demo.py,,\n"))


def _list_twice(site: Path) -> None:
    other = site / "other-1.0.dist-info"
    other.mkdir()
    (other / "RECORD").write_text(row(site, "demo.py") + "other-1.0.dist-info/RECORD,,\n")


@pytest.mark.parametrize(
    ("damage", "failed"),
    [
        (lambda site: (site / "demo.py").unlink(), {"records"}),
        (lambda site: (site / "demo.py").write_text("ONE = 2\n"), {"records"}),
        (lambda site: (site / "demo.py").write_text(""), {"records"}),
        (_list_without_hash, {"records"}),
        (_rename_metadata, {"installed", "records", "stray"}),
        (_list_twice, {"installed", "stray"}),
        (lambda site: (site / "demo-1.0.dist-info" / "RECORD").unlink(), {"records", "stray"}),
        (lambda site: (site / "stray.py").touch(), {"stray"}),
        (lambda site: (site.parent / "stray").touch(), {"stray"}),
        (lambda site: (site / ".sagepip" / "journal").touch(), {"left", "stray"}),
        (lambda site: (site / ".sagepip" / "txn").mkdir(), {"left"}),
    ],
)
def test_damage_is_found(site: Path, damage: Callable[[Path], object], failed: set[str]) -> None:
    damage(site)
    assert failing(site) == failed


def test_a_proof_of_nothing_does_not_hold() -> None:
    assert not proof.Proof("there is nothing").holds


def test_console_scripts_keep_their_case(site: Path) -> None:
    assert proof.console_scripts(site) == ["Demo"]
