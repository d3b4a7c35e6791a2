"""``sagepip verify``: what is damaged is found, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sagepip.ground.destination import Destination
from sagepip.operations.doctor import diagnose
from sagepip.operations.findings import Kind
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.status import site_status
from sagepip.operations.targets import WheelFile
from sagepip.operations.verify import VerifyReport, VerifyRequest, verify
from tests.e2e.maintenance import (
    BEFORE,
    PAUSED_COMMIT,
    install_killed,
    install_paused,
    resume,
    sagepip,
)
from tests.guarantees import snapshot
from tests.wheels import make_wheel

TAG = sys.implementation.cache_tag


@pytest.fixture
def site(tmp_path: Path, bare_site: Destination) -> Path:
    """Install a package with scripts, and two that share a directory; return the site."""
    wheels = [
        make_wheel(
            tmp_path,
            "Pkg",
            "1",
            {
                "pkg/__init__.py": "",
                "pkg/sub/deep.py": "x = 1\n",
                "top.py": "",
                "pkg/data.txt": "d",
            },
            entry_points="[console_scripts]\nrun-pkg = pkg.sub.deep:main\n"
            "[some.plugins]\nplugin = pkg.nowhere:f [extra]\n",
        ),
        make_wheel(tmp_path, "one", "1", {"ns/one/a.py": "", "ns/x.py": ""}),
        make_wheel(tmp_path, "two", "1", {"ns/two/b.py": ""}),
    ]
    put(bare_site, *wheels)
    return Path(bare_site.site)


def put(destination: Destination, *wheels: Path) -> None:
    """Install wheels."""
    targets = tuple(WheelFile(str(wheel)) for wheel in wheels)
    install(InstallRequest(targets, destination, no_deps=True, force_reinstall=True))


def look(destination: Destination, *names: str) -> set[tuple[str, Kind, str]]:
    """Return what verify finds: the distribution, the kind, the path."""
    return {
        (one.name, one.kind, one.path) for one in verify(VerifyRequest(destination, names)).findings
    }


def test_intact(bare_site: Destination, site: Path) -> None:
    """What sagepip installed is intact, to the byte and for the exit status; nothing is written."""
    before = snapshot(Path(bare_site.scheme.data))
    done = sagepip(bare_site, "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{site}: 3 distributions checked, intact\n"
    assert snapshot(Path(bare_site.scheme.data)) == before
    assert sagepip(bare_site, "verify", "-q").stdout == ""


def test_absent_site(bare_site: Destination) -> None:
    """A site that does not exist is empty and intact; it is not made."""
    assert verify(VerifyRequest(bare_site)) == VerifyReport(bare_site.site, (), (), (), ())
    assert not Path(bare_site.scheme.data).exists()


def test_files(bare_site: Destination, site: Path) -> None:
    """Missing, altered and extra files are found, each with its distribution."""
    (site / "pkg" / "sub" / "deep.py").unlink()
    (site / "pkg" / "data.txt").write_text("e")
    (site / "pkg" / "__init__.py").write_text("longer\n")
    (site / "pkg" / "mine.txt").write_text("")
    (site / "pkg" / "mine").mkdir()
    (site / "pkg" / "mine" / "x.py").write_text("")
    (site / "pkg" / "empty").mkdir()
    (site / "Pkg-1.dist-info" / "odd.txt").write_text("")
    assert look(bare_site) == {
        ("pkg", Kind.MISSING, "pkg/sub/deep.py"),
        ("pkg", Kind.ALTERED, "pkg/data.txt"),
        ("pkg", Kind.ALTERED, "pkg/__init__.py"),
        ("pkg", Kind.EXTRA, "pkg/mine.txt"),
        ("pkg", Kind.EXTRA, "pkg/mine/"),
        ("pkg", Kind.EXTRA, "Pkg-1.dist-info/odd.txt"),
        ("pkg", Kind.ENTRY_POINT, "console_scripts: run-pkg"),
    }
    done = sagepip(bare_site, "verify")
    assert done.returncode == 4
    assert "pkg 1: missing pkg/sub/deep.py\n" in done.stdout
    assert "pkg 1: altered pkg/data.txt (sha256)\n" in done.stdout
    assert "pkg 1: altered pkg/__init__.py (7 bytes, not 0)\n" in done.stdout
    assert "pkg 1: extra pkg/mine/ (1 file)\n" in done.stdout
    assert look(bare_site, "one", "TWO") == set()


def test_shared_directories(bare_site: Destination, site: Path) -> None:
    """In a directory of several distributions everything may be; in one's own part nothing."""
    (site / "ns" / "mine.py").write_text("")
    (site / "ns" / "mine").mkdir()
    (site / "ns" / "mine" / "x.py").write_text("")
    assert look(bare_site) == set()
    (site / "ns" / "two" / "mine.py").write_text("")
    assert look(bare_site) == {("two", Kind.EXTRA, "ns/two/mine.py")}


def test_nobodys_modules_are_no_damage(bare_site: Destination, site: Path) -> None:
    """Top-level modules of nobody are told, and are no damage."""
    (site / "sitecustomize.py").write_text("")
    (site / "local").mkdir()
    (site / "local" / "x.py").write_text("")
    done = sagepip(bare_site, "verify", "-v")
    assert done.returncode == 0
    assert f"nobody's: {site}/local/\nnobody's: {site}/sitecustomize.py\n" in done.stdout
    assert "2 top-level modules are nobody's" in done.stdout


def test_bytecode(bare_site: Destination, site: Path) -> None:
    """Bytecode of a module that is there is never extra; that of one that has gone is."""
    cache = site / "pkg" / "__pycache__"
    for name in ("__init__.cpython-399.pyc", "__init__.cpython-311-pytest-8.3.4.pyc"):
        (cache / name).write_bytes(b"")
    (cache / f"__init__.{TAG}.pyc").write_bytes(b"rewritten")
    (cache / "numba.nbi").write_bytes(b"")
    assert look(bare_site) == set()
    (cache / "gone.cpython-399.pyc").write_bytes(b"")
    (site / "__pycache__" / "gone.cpython-311-pytest-8.3.4.pyc").write_bytes(b"")
    assert look(bare_site) == {
        ("pkg", Kind.STALE, "pkg/__pycache__/gone.cpython-399.pyc"),
        ("", Kind.STALE, "__pycache__/gone.cpython-311-pytest-8.3.4.pyc"),
    }
    shutil.rmtree(cache)
    (site / "__pycache__" / "gone.cpython-311-pytest-8.3.4.pyc").unlink()
    assert look(bare_site) == set(), "bytecode may be thrown away"


def test_metadata(bare_site: Destination, site: Path) -> None:
    """METADATA and RECORD that are missing, torn, or of something else are found."""
    info = site / "Pkg-1.dist-info"
    good = {name: (info / name).read_text() for name in ("METADATA", "RECORD")}

    def kinds() -> set[Kind]:
        found = {kind for name, kind, _ in look(bare_site, "pkg")}
        for name, text in good.items():
            (info / name).write_text(text)
        return found

    (info / "METADATA").unlink()
    assert kinds() == {Kind.METADATA}
    (info / "METADATA").write_text("")
    assert kinds() == {Kind.METADATA, Kind.ALTERED}
    (info / "METADATA").write_text(good["METADATA"].replace("Version: 1", "Version: 2"))
    assert Kind.METADATA in kinds()
    (info / "RECORD").unlink()
    assert Kind.RECORD in kinds()
    (info / "RECORD").write_text(good["RECORD"][: len(good["RECORD"]) // 2])
    assert Kind.RECORD in kinds()
    lines = [line for line in good["RECORD"].splitlines() if "/RECORD," not in line]
    (info / "RECORD").write_text("\n".join(lines))
    assert kinds() == {Kind.RECORD}
    assert kinds() == set()


def test_duplicates_and_absent_names(bare_site: Destination, site: Path) -> None:
    """Two versions of one distribution are found; so is a name that is not installed."""
    shutil.copytree(site / "one-1.dist-info", site / "One-2.dist-info")
    assert ("one", Kind.DUPLICATE, "") in look(bare_site, "one")
    assert look(bare_site, "absent") == {("absent", Kind.NOT_INSTALLED, "")}
    assert sagepip(bare_site, "verify", "absent").returncode == 4


def test_record_is_not_trusted(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """Rows that lead out are told, and what they name is not read; a pipe is not waited for."""
    outside = tmp_path / "outside"
    outside.write_text("")
    os.mkfifo(site / "pkg" / "pipe")
    with (site / "Pkg-1.dist-info" / "RECORD").open("a") as stream:
        stream.write(f"{outside},sha256=x,7\n/dev/zero,sha256=x,\npkg/pipe,sha256=x,\n")
    assert look(bare_site) == {
        ("pkg", Kind.OUTSIDE, str(outside)),
        ("pkg", Kind.OUTSIDE, "/dev/zero"),
        ("pkg", Kind.ALTERED, "pkg/pipe"),
    }


def test_script_without_distribution(bare_site: Destination, site: Path) -> None:
    """The script of an entry point whose module has gone is found; other programs are not."""
    scripts = Path(bare_site.scheme.scripts)
    stub = "import sys\nfrom gone.cli import main\nsys.exit(main())\n"
    (scripts / "gone").write_text(f"#!{sys.executable}\n{stub}")
    (scripts / "other").write_text(f"#!/usr/bin/another-python\n{stub}")
    (scripts / "program").write_bytes(b"\x7fELF")
    assert look(bare_site) == {("", Kind.EXTRA, str(scripts / "gone"))}


def test_json(bare_site: Destination, site: Path) -> None:
    """The result for programs."""
    (site / "top.py").unlink()
    done = sagepip(bare_site, "verify", "--json", "pkg")
    assert done.returncode == 4
    assert json.loads(done.stdout) == {
        "site": str(site),
        "checked": [{"name": "pkg", "version": "1"}],
        "unchecked": [],
        "findings": [
            {"name": "pkg", "version": "1", "kind": "missing", "path": "top.py", "detail": ""}
        ],
        "nobodys": [],
    }


def test_legacy_is_not_checked(bare_site: Destination, site: Path) -> None:
    """A .egg-info lists nothing that could be checked, and its modules are not nobody's."""
    (site / "old-1-py3.11.egg-info").mkdir()
    (site / "old-1-py3.11.egg-info" / "top_level.txt").write_text("oldie\n")
    (site / "oldie").mkdir()
    (site / "oldie" / "x.py").write_text("")
    report = verify(VerifyRequest(bare_site))
    assert (report.unchecked, report.findings, report.nobodys) == ((("old", "1"),), (), ())


def test_target_of_pip(tmp_path: Path) -> None:
    """What pip --target installed is intact, though its RECORD misplaces scripts."""
    wheel = make_wheel(
        tmp_path, "pkg", "1", {"pkg.py": ""}, entry_points="[console_scripts]\nx = pkg:main\n"
    )
    target = tmp_path / "target"
    options = ["--no-index", "--no-deps", "--disable-pip-version-check", "-q", "--target"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, target, wheel], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "sagepip", "verify", "--target", target],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_interrupted_change(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """A hot journal is damage of its own, and what it left half-done is reported at once."""
    install_killed(bare_site, BEFORE, make_wheel(tmp_path, "pkg", "2", {"new.py": ""}))
    assert ("", Kind.INTERRUPTED, "") in look(bare_site)
    assert "run sagepip recover" in sagepip(bare_site, "verify").stdout


def test_commit_under_way(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """What is only the middle of somebody's commit is waited for, and not reported."""
    stray = site / "pkg" / "extra.txt"
    stray.write_text("")
    process = install_paused(
        bare_site, PAUSED_COMMIT, make_wheel(tmp_path, "other", "1", {"other.py": ""})
    )

    def go_on() -> None:
        stray.unlink()
        resume(process)

    timer = threading.Timer(0.5, go_on)
    timer.start()
    assert look(bare_site) == set()
    timer.join()


def test_during_upgrades(tmp_path: Path, bare_site: Destination) -> None:
    """No false alarm while others upgrade again and again."""
    wheels = [
        make_wheel(
            tmp_path / version,
            "pkg",
            version,
            {f"pkg/m{number}_{version}.py": version for number in range(20)} | {"a.py": version},
        )
        for version in ("1", "2")
    ]
    put(bare_site, wheels[0])
    ended = threading.Event()

    def upgrade() -> None:
        for number in range(12):
            put(bare_site, wheels[1 - number % 2])
        ended.set()

    thread = threading.Thread(target=upgrade)
    thread.start()
    looks = 0
    while not ended.is_set():
        assert look(bare_site) == set()
        assert diagnose(bare_site) == []
        assert not site_status(bare_site.site).needs_recovery
        looks += 1
    thread.join()
    assert looks > 1
