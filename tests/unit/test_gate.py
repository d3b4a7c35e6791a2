"""What no wheel may be; every refusal names the wheel and changes nothing."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import TargetError
from sagepip.ground.free_space import check_space
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from tests.guarantees import snapshot, violations_of_g1
from tests.wheels import digest, make_wheel

INFO = "bad-1.dist-info"
GOOD = {"bad.py": "x = 1\n"}


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    """Return a prefix of its own for the running interpreter."""
    return find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))


def refuse(wheel: Path, destination: Destination, message: str, around: Path) -> None:
    """Install a wheel and check that it is refused in one line, with nothing changed around."""
    before = snapshot(around)
    request = InstallRequest((WheelFile(str(wheel)),), destination, no_deps=True)
    with pytest.raises(TargetError, match=message) as caught:
        install(request)
    assert "\n" not in str(caught.value)
    assert wheel.name in str(caught.value)
    assert snapshot(around) == before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"../evil.py": ""}, "no path inside a wheel"),
        ({"/tmp/evil.py": ""}, "no path inside a wheel"),
        ({"a/../../evil.py": ""}, "no path inside a wheel"),
        ({"a//b.py": ""}, "no path inside a wheel"),
        ({"a\\..\\b.py": ""}, "no path inside a wheel"),
        ({"{data}/scripts/../../evil": ""}, "no path inside a wheel"),
        ({"{data}/unknown/x": ""}, "in no scheme of its .data"),
        ({"other-2.dist-info/METADATA": ""}, r"2 \.dist-info directories"),
        ({"{data}/purelib/other-2.dist-info/METADATA": ""}, "metadata of another distribution"),
        ({"other.egg-info/PKG-INFO": ""}, "metadata of another distribution"),
        ({"{data}/scripts/python3": "#!python\n"}, "would replace an interpreter"),
        ({"{data}/scripts/python3.11": ""}, "would replace an interpreter"),
        ({"a.py": "1", "{data}/purelib/a.py": "2"}, "twice, in different parts"),
        ({"a": "1", "a/b.py": "2"}, "both a file and a directory"),
        ({"a/b.py": "2", "a": "1"}, "both a file and a directory"),
        ({"a": "1", "a/b/": ""}, "both a file and a directory"),
        ({"n" * 256: ""}, "too long"),
    ],
    ids=lambda value: next(iter(value))[:30] if isinstance(value, dict) else None,
)
def test_members(
    tmp_path: Path, destination: Destination, files: dict[str, str], message: str
) -> None:
    """Members that lead out of their place, or over others, are refused."""
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", {**GOOD, **files})
    refuse(wheel, destination, message, tmp_path)


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        ({"bad.py": "y = 1\n"}, r"bad\.py is not what RECORD says"),
        ({"{info}/RECORD": None}, "RECORD"),
        ({"{info}/RECORD": "bad.py,,\n"}, "RECORD has no hash of bad.py"),
        ({"{info}/RECORD": "bad.py\n"}, "row 1 is not path,hash,size"),
        ({"{info}/METADATA": None}, f"holds no {INFO}/METADATA"),
        ({"{info}/METADATA": b"\xff\xfe"}, "not UTF-8"),
        ({"{info}/METADATA": "Name: bad\nVersion: 1\n"}, "METADATA is of version unknown"),
        (
            {"{info}/METADATA": "Metadata-Version: 9.0\nName: bad\nVersion: 1\n"},
            "METADATA is of version 9.0",
        ),
        (
            {"{info}/METADATA": "Metadata-Version: 2.1\nName: good\nVersion: 1\n"},
            "METADATA is of good, the file name says bad",
        ),
        (
            {"{info}/METADATA": "Metadata-Version: 2.1\nName: bad\nVersion: 2\n"},
            "METADATA says version 2, the file name 1",
        ),
        ({"{info}/WHEEL": None}, f"holds no {INFO}/WHEEL"),
        ({"{info}/WHEEL": "Wheel-Version: 2.0\n"}, "Wheel-Version 2.0"),
    ],
    ids=str,
)
def test_metadata(
    tmp_path: Path, destination: Destination, replace: dict[str, str | None], message: str
) -> None:
    """Metadata that is missing, damaged or of something else is refused."""
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", GOOD, replace=replace)
    refuse(wheel, destination, message, tmp_path)


@pytest.mark.parametrize(
    ("entry_points", "message"),
    [
        ("[console_scripts]\n../evil = bad:main\n", "no name for a script"),
        ("[console_scripts]\npython = bad:main\n", "would replace an interpreter"),
        ("[console_scripts]\npython3.11 = bad:main\n", "would replace an interpreter"),
        ("[console_scripts]\n.. = bad:main\n", "no name for a script"),
        ("[console_scripts]\nx = bad\n", "not to module:function"),
        ("[console_scripts]\nx = bad:main; import os\n", "not to module:function"),
        ("[console_scripts]\nx = bad:main\nx = bad:other\n", "bad entry_points.txt"),
        ("nonsense\n", "bad entry_points.txt"),
    ],
)
def test_entry_points(
    tmp_path: Path, destination: Destination, entry_points: str, message: str
) -> None:
    """Scripts with dangerous names or impossible references are refused."""
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", GOOD, entry_points=entry_points)
    refuse(wheel, destination, message, tmp_path)


@pytest.mark.parametrize("algorithm", ["md5", "sha1"])
def test_weak_hashes(tmp_path: Path, destination: Destination, algorithm: str) -> None:
    """A RECORD whose hashes prove nothing is refused."""
    rows = f"bad.py,{algorithm}=x,6\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n"
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", GOOD, replace={"{info}/RECORD": rows})
    refuse(wheel, destination, f"weak or unknown hash {algorithm}", tmp_path)


def test_wrong_size(tmp_path: Path, destination: Destination) -> None:
    """A right hash with a wrong size is refused too."""
    metadata = b"Metadata-Version: 2.1\nName: bad\nVersion: 1\n"
    rows = [
        f"bad.py,{digest(b'x = 1' + bytes([10]))},7",
        f"{INFO}/METADATA,{digest(metadata)},{len(metadata)}",
        f"{INFO}/WHEEL,{digest(WHEEL)},{len(WHEEL)}",
        f"{INFO}/RECORD,,",
    ]
    replace: dict[str, bytes | str | None] = {
        "{info}/METADATA": metadata,
        "{info}/WHEEL": WHEEL,
        "{info}/RECORD": "\n".join(rows),
    }
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", GOOD, replace=replace)
    refuse(wheel, destination, "has 6 bytes, RECORD says 7", tmp_path)


WHEEL = b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def test_other_platform(tmp_path: Path, destination: Destination) -> None:
    """A wheel for another interpreter or platform is refused."""
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", GOOD, tag="cp27-cp27m-win32")
    refuse(wheel, destination, "it is for cp27-cp27m-win32", tmp_path)


def test_requires_python(tmp_path: Path, destination: Destination) -> None:
    """Requires-Python is obeyed."""
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", GOOD, metadata="Requires-Python: <3\n")
    refuse(wheel, destination, "requires Python <3", tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 truncated"])
def test_damaged_file(tmp_path: Path, destination: Destination, content: bytes) -> None:
    """What is no zip file is refused."""
    wheel = tmp_path / "bad-1-py3-none-any.whl"
    wheel.write_bytes(content)
    refuse(wheel, destination, "the file is damaged", tmp_path)


def test_truncated_wheel(tmp_path: Path, destination: Destination) -> None:
    """A wheel that lost its middle is refused by its checksums."""
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", {"bad.py": "x = 1\n" * 500})
    data = bytearray(wheel.read_bytes())
    data[60:70] = b"\0" * 10
    wheel.write_bytes(data)
    refuse(wheel, destination, "damaged", tmp_path)


@pytest.mark.parametrize("name", ["bad.whl", "bad-1.whl", "bad-1-py3-none.whl"])
def test_file_name(tmp_path: Path, destination: Destination, name: str) -> None:
    """A file name that says nothing of the wheel is refused."""
    wheel = make_wheel(tmp_path / "wheels", "bad", "1", GOOD).rename(tmp_path / name)
    refuse(wheel, destination, "not the file name of a wheel", tmp_path)


def test_odd_but_valid(tmp_path: Path, destination: Destination) -> None:
    """Odd plugin names, extras, blanks, and __pycache__ members (left out) are installed."""
    wheel = make_wheel(
        tmp_path / "wheels",
        "bad",
        "1",
        {**GOOD, "__pycache__/bad.cpython-399.pyc": b"", "with space/ü.txt": ""},
        entry_points="[my.plugins]\na:b%c = bad:main [x]\n[console_scripts]\nx = bad : main\n",
    )
    install(InstallRequest((WheelFile(str(wheel)),), destination, no_deps=True))
    site = Path(destination.site)
    assert (site / "with space" / "ü.txt").exists()
    assert not (site / "__pycache__" / "bad.cpython-399.pyc").exists()
    assert (Path(destination.scheme.scripts) / "x").exists()


BAD_RECORDS: dict[str, dict[str, bytes | str | None]] = {
    "altered": {"bad.py": "y = 1\n"},
    "longer": {"bad.py": "y = 1000\n"},
    "unlisted": {"more.py": ""},
    "gone": {"gone.txt": None},
    "nothing": {"{info}/RECORD": ""},
    "broken": {"{info}/RECORD": "bad.py\n"},
    "absent": {"{info}/RECORD": None},
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_bad_record_is_accepted_by_name(
    tmp_path: Path, destination: Destination, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its name a wheel is installed as it is, with a warning; what is written is recorded."""
    files = {**GOOD, "gone.txt": "", "{data}/scripts/x": "#!python\n"}
    replace = BAD_RECORDS[case]
    wheel = make_wheel(tmp_path / "wheels", "Bad_.x", "1", files, replace=replace)
    request = InstallRequest((WheelFile(str(wheel)),), destination, no_deps=True)
    other = dataclasses.replace(request, accept_bad_record=frozenset({"good"}))
    with pytest.raises(TargetError, match=r"RECORD.*--accept-bad-record|holds no .*RECORD"):
        install(other)
    assert not Path(destination.site).exists() or violations_of_g1(Path(destination.site)) == []
    install(dataclasses.replace(request, accept_bad_record=frozenset({"bad-x"})))
    site = Path(destination.site)
    said = capsys.readouterr().err
    assert said.count("WARNING") == 1
    assert wheel.name in said
    assert violations_of_g1(site) == []
    content = replace.get("bad.py", GOOD["bad.py"])
    assert (site / "bad.py").read_text() == content
    assert (site / "more.py").exists() == (case == "unlisted")
    assert (Path(destination.scheme.scripts) / "x").exists()


def test_no_other_check_is_left_out_with_a_bad_record(
    tmp_path: Path, destination: Destination
) -> None:
    """What is accepted is a bad RECORD, nothing else."""
    wheel = make_wheel(
        tmp_path / "wheels", "bad", "1", {**GOOD, "../x": ""}, replace={"{info}/RECORD": None}
    )
    request = InstallRequest(
        (WheelFile(str(wheel)),), destination, no_deps=True, accept_bad_record=frozenset({"bad"})
    )
    with pytest.raises(TargetError, match="no path inside a wheel"):
        install(request)


def test_a_wheel_that_cannot_fit(
    tmp_path: Path, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel, be its RECORD right, is refused before it fills the disk; parts are added up."""
    files = {"big.py": "#" * 5000, "{data}/data/big": "x" * 3000}
    wheel = make_wheel(tmp_path / "wheels", "big", "1.0", files)
    room = os.statvfs_result((4096, 4096, 300, 1, 1, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    refuse(wheel, destination, r"needs 8\.\d KiB when unpacked; .* has 4\.0 KiB free", tmp_path)
    monkeypatch.undo()
    request = InstallRequest((WheelFile(str(wheel)),), destination, no_deps=True)
    assert len(install(request).installed) == 1


def test_a_file_system_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is known of the space, or it is asked for below a missing directory."""
    silent = os.statvfs_result((4096, 0, 0, 0, 0, 0, 0, 0, 0, 255))
    check_space(str(tmp_path / "a" / "b"), 1, "x")
    monkeypatch.setattr(os, "statvfs", lambda _: silent)
    check_space(str(tmp_path), 1 << 60, "x")
    monkeypatch.undo()
    with pytest.raises(TargetError, match=r"x needs 1048576\.0 TiB|x needs 1024\.0 PiB"):
        check_space(str(tmp_path / "a" / "b"), 1 << 60, "x")
