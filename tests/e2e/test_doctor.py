"""``sagepip doctor``: known damage is found, what is certainly rubbish goes, all else stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sagepip.ground.destination import Destination
from sagepip.ground.errors import RecoveryError
from sagepip.operations.doctor import DoctorReport, DoctorRequest, diagnose, doctor
from sagepip.operations.symptoms import Symptom
from sagepip.transaction.lock import SiteLock
from tests.e2e.maintenance import BEFORE, STAGED, install_killed, sagepip
from tests.e2e.test_verify import put
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

TAG = sys.implementation.cache_tag


@pytest.fixture
def site(tmp_path: Path, bare_site: Destination) -> Path:
    """Install two packages and return the site."""
    put(
        bare_site,
        make_wheel(tmp_path, "pkg", "1", {"pkg/__init__.py": "", "top.py": ""}),
        make_wheel(tmp_path, "other", "1", {"other.py": ""}),
    )
    return Path(bare_site.site)


def symptoms(destination: Destination) -> dict[str, Symptom]:
    """Return what the doctor finds, by the paths relative to the site."""
    site = destination.site
    return {os.path.relpath(one.path, site): one.symptom for one in diagnose(destination)}


def fix(destination: Destination) -> DoctorReport:
    """Repair."""
    return doctor(DoctorRequest(destination, fix=True))


def test_healthy(bare_site: Destination, site: Path) -> None:
    """What sagepip installed is healthy, and --fix changes nothing of it."""
    before = snapshot(Path(bare_site.scheme.data))
    for words in ((), ("--fix",)):
        done = sagepip(bare_site, "doctor", *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{site}: no problems\n", "")
    assert snapshot(Path(bare_site.scheme.data)) == before


def test_absent_site(bare_site: Destination) -> None:
    """A site that does not exist is healthy, and is not made."""
    assert fix(bare_site).remaining == ()
    assert not Path(bare_site.scheme.data).exists()


def test_rubbish_goes(bare_site: Destination, site: Path) -> None:
    """What is certainly rubbish is removed by --fix, and the tree is as it was before."""
    before = snapshot(Path(bare_site.scheme.data))
    (site / "~kg" / "deep").mkdir(parents=True)
    (site / "~kg" / "__init__.py").write_text("")
    (site / "~-g-1.dist-info").mkdir()
    (site / "empty-1.dist-info").mkdir()
    (site / "half-2.dist-info").mkdir()
    (site / "half-2.dist-info" / "INSTALLER").write_text("pip\n")
    (site / "gone" / "sub" / "__pycache__").mkdir(parents=True)
    (site / "gone" / "sub" / "__pycache__" / f"x.{TAG}.pyc").write_bytes(b"")
    (site / "pkg" / "__pycache__" / "x.cpython-399.opt-1.pyc").write_bytes(b"")
    (site / "__pycache__" / f"x.{TAG}.pyc").write_bytes(b"")
    wanted = {
        "~kg": Symptom.HALF_REMOVED,
        "~-g-1.dist-info": Symptom.HALF_REMOVED,
        "empty-1.dist-info": Symptom.REMNANT,
        "half-2.dist-info": Symptom.REMNANT,
        "gone": Symptom.STALE,
        "pkg/__pycache__/x.cpython-399.opt-1.pyc": Symptom.STALE,
        f"__pycache__/x.{TAG}.pyc": Symptom.STALE,
    }
    assert symptoms(bare_site) == wanted
    assert sagepip(bare_site, "doctor").returncode == 4
    done = sagepip(bare_site, "doctor", "--fix")
    assert done.returncode == 0
    for path, symptom in wanted.items():
        assert f"fixed: removed {site}/{path} ({symptom.value})\n" in done.stdout
    assert done.stdout.endswith(f"{site}: no problems\n")
    assert snapshot(Path(bare_site.scheme.data)) == before


def test_what_stays(bare_site: Destination, site: Path) -> None:
    """Bytecode with a source, other caches, and whatever else belongs to somebody stay."""
    (site / "mine" / "__pycache__").mkdir(parents=True)
    (site / "mine" / "__pycache__" / "f.nbi").write_bytes(b"")
    cache = site / "pkg" / "__pycache__"
    (cache / "__init__.cpython-311-pytest-8.3.4.pyc").write_bytes(b"")
    (site / "namespace").mkdir()
    (site / "~listed").mkdir()
    with (site / "pkg-1.dist-info" / "RECORD").open("a") as stream:
        stream.write("~listed/x.py,,\n")
    assert symptoms(bare_site) == {}
    (site / "mine" / "__pycache__" / f"x.{TAG}.pyc").write_bytes(b"")
    assert symptoms(bare_site) == {f"mine/__pycache__/x.{TAG}.pyc": Symptom.STALE}
    fix(bare_site)
    assert (site / "mine" / "__pycache__" / "f.nbi").exists()


def test_advice_only(bare_site: Destination, site: Path) -> None:
    """What might be wanted is named with what to do, and stays as it is."""
    pkg = site / "pkg-1.dist-info"
    shutil.copytree(pkg, site / "Two-1.dist-info")
    shutil.copytree(pkg, site / "two-2.dist-info")
    shutil.copytree(pkg, site / "same_name-1.dist-info")
    shutil.copytree(pkg, site / "Same.Name-1.dist-info")
    (pkg / "METADATA").unlink()
    (site / "other-1.dist-info" / "RECORD").unlink()
    (site / "-kg-1.dist-info").mkdir()
    (site / "file-1.dist-info").write_text("")
    (site / "dead.pth").write_text("# comment\n/nowhere/at/all\nimport sys; sys.path\n")
    (site / "hook.pth").write_text("import no_such_hook; no_such_hook.install()\n")
    (site / "good.pth").write_text("pkg\nimport top\n")
    (site / "dead.egg-link").write_text("/nowhere/at/all\n.")
    (site / "good.egg-link").write_text(f"{site}\n.")
    (pkg / "RECORDab_12xyz.tmp").write_text("")
    (site / ".tmpAbC123").mkdir()
    Path(bare_site.scheme.scripts).mkdir(exist_ok=True)
    Path(bare_site.scheme.scripts, ".sagepip-0123456789abcdef").mkdir()
    found = symptoms(bare_site)
    assert found == {
        "Two-1.dist-info": Symptom.TWICE,
        "Same.Name-1.dist-info": Symptom.RESPELLED,
        "pkg-1.dist-info": Symptom.NO_METADATA,
        "other-1.dist-info": Symptom.NO_RECORD,
        "-kg-1.dist-info": Symptom.BAD_NAME,
        "file-1.dist-info": Symptom.BAD_NAME,
        "dead.pth": Symptom.DEAD_PATH,
        "hook.pth": Symptom.DEAD_PATH,
        "dead.egg-link": Symptom.DEAD_LINK,
        "pkg-1.dist-info/RECORDab_12xyz.tmp": Symptom.TEMPORARY,
        ".tmpAbC123": Symptom.TEMPORARY,
        "../../../bin/.sagepip-0123456789abcdef": Symptom.TEMPORARY,
    }
    before = snapshot(Path(bare_site.scheme.data))
    report = fix(bare_site)
    assert len(report.remaining) == len(found)
    assert (report.removed, report.recovery) == ((), None)
    assert snapshot(Path(bare_site.scheme.data)) == before
    assert all(one.advice for one in report.remaining)


def test_advice_for_two_versions_works(tmp_path: Path, bare_site: Destination, site: Path) -> None:
    """Reinstalling leaves one version."""
    shutil.copytree(site / "pkg-1.dist-info", site / "PKG-0.dist-info")
    assert symptoms(bare_site) == {"PKG-0.dist-info": Symptom.TWICE}
    put(bare_site, make_wheel(tmp_path, "pkg", "1", {"pkg/__init__.py": "", "top.py": ""}))
    assert symptoms(bare_site) == {}
    assert (versions(site, "pkg"), versions(site, "PKG")) == (["1"], [])


def test_advice_for_a_missing_record_works(
    tmp_path: Path, bare_site: Destination, site: Path
) -> None:
    """The directory moved away, the same version can be installed over what is there."""
    (site / "pkg-1.dist-info" / "RECORD").unlink()
    assert symptoms(bare_site) == {"pkg-1.dist-info": Symptom.NO_RECORD}
    shutil.move(site / "pkg-1.dist-info", tmp_path / "away")
    put(bare_site, make_wheel(tmp_path, "pkg", "1", {"pkg/__init__.py": "", "top.py": ""}))
    assert symptoms(bare_site) == {}
    assert violations_of_g1(site) == []


@pytest.mark.parametrize(
    ("where", "symptom"), [(BEFORE, Symptom.JOURNAL), (STAGED, Symptom.ORPHAN)]
)
def test_interrupted_changes(
    tmp_path: Path, bare_site: Destination, site: Path, where: str, symptom: Symptom
) -> None:
    """What a killed sagepip left is found, and resolved by --fix."""
    before = snapshot(Path(bare_site.scheme.data))
    install_killed(bare_site, where, make_wheel(tmp_path, "new", "1", {"new.py": ""}))
    assert symptom in symptoms(bare_site).values()
    done = sagepip(bare_site, "doctor", "--fix")
    assert done.returncode == 0, done.stdout
    assert f"fixed: {site}: " in done.stdout
    assert snapshot(Path(bare_site.scheme.data)) == before


def test_unreadable_journal(bare_site: Destination, site: Path) -> None:
    """As long as a journal cannot be understood nothing is repaired."""
    (site / "~kg").mkdir()
    (site / ".sagepip" / "journal").write_text("nonsense\n")
    assert symptoms(bare_site)[".sagepip/journal"] is Symptom.BAD_JOURNAL
    with pytest.raises(RecoveryError):
        fix(bare_site)
    assert (site / "~kg").exists()


def test_transaction_without_a_mark(bare_site: Destination, site: Path) -> None:
    """A transaction's directory that does not tell its owner is left to people, unless empty."""
    transactions = site / ".sagepip" / "txn"
    (transactions / "0123456789abcdef" / "new-0").mkdir(parents=True)
    (transactions / "fedcba9876543210").mkdir()
    for path in transactions.iterdir():
        os.utime(path, (0, 0))
    (one,) = fix(bare_site).remaining
    assert (one.symptom, one.is_fixable) == (Symptom.ORPHAN, False)
    assert [path.name for path in transactions.iterdir()] == ["0123456789abcdef"]


def test_lock_files(bare_site: Destination, site: Path) -> None:
    """Lock files that others own, or that are no files, are found."""
    lock, gate = site / ".sagepip" / "lock", site / ".sagepip" / "gate"
    gate.unlink()
    gate.mkdir()
    if os.getuid() == 0:
        os.chown(lock, 12345, -1)
    else:
        lock.chmod(0o400)
    assert symptoms(bare_site) == {
        ".sagepip/lock": Symptom.LOCK_FILE,
        ".sagepip/gate": Symptom.LOCK_FILE,
    }


def test_killed_repair(bare_site: Destination, site: Path) -> None:
    """A repair that is killed in its middle is finished by the next command."""
    before = snapshot(Path(bare_site.scheme.data))
    for name in ("~a", "~b", "~c"):
        (site / name).mkdir()
    code = (
        "import os, sys\nfrom sagepip.transaction.steps import Retire\n"
        "really, done = Retire.do, []\n"
        "def do(step):\n"
        "    if done: os.kill(os.getpid(), 9)\n"
        "    done.append(really(step))\n"
        "Retire.do = do\n"
        "from sagepip.cli.main import sagepip\nsagepip()\n"
    )
    words = ["doctor", "--fix", "--prefix", bare_site.scheme.data]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert sum(path.name.startswith("~") for path in site.iterdir()) == 2
    assert sagepip(bare_site, "recover").returncode == 0
    assert snapshot(Path(bare_site.scheme.data)) == before


def test_repair_waits_for_the_lock(bare_site: Destination, site: Path) -> None:
    """--fix works under the lock; a look takes none."""
    (site / "~kg").mkdir()
    lock = SiteLock(bare_site.site)
    with lock.hold():
        assert symptoms(bare_site) == {"~kg": Symptom.HALF_REMOVED}
        done = sagepip(bare_site, "doctor", "--fix", "--lock-timeout", "0.2")
        assert done.returncode == 3
        assert (site / "~kg").exists()
        thread = threading.Thread(target=fix, args=(bare_site,))
        thread.start()
        time.sleep(0.3)
        assert (site / "~kg").exists()
    thread.join()
    assert not (site / "~kg").exists()


def test_json(bare_site: Destination, site: Path) -> None:
    """The result for programs."""
    (site / "~kg").mkdir()
    (site / "dead.egg-link").write_text("/nowhere\n")
    done = sagepip(bare_site, "doctor", "--fix", "--json")
    assert done.returncode == 4
    read = json.loads(done.stdout)
    assert [one["path"] for one in read["removed"]] == [str(site / "~kg")]
    assert [one["symptom"] for one in read["remaining"]] == ["dead .egg-link"]
