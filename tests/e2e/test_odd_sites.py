"""Sites with oddities in their path and broken neighbours: these stop nothing, and stay as is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import (
    CommitError,
    LockError,
    RecoveryError,
    SagepipError,
    TargetError,
)
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
from sagepip.operations.uninstall import UninstallRequest, uninstall
from tests.guarantees import snapshot, versions
from tests.wheels import make_wheel

METADATA = b"Metadata-Version: 2.1\nName: nn\nVersion: 1\n"
Prepare = Callable[[Path], None]


def _wheels(directory: Path) -> list[Path]:
    points = "[console_scripts]\naa = aa:m\n"
    return [
        make_wheel(directory, "aa", version, {"aa/__init__.py": version}, entry_points=points)
        for version in ("1", "2")
    ]


def _put(destination: Destination, wheel: Path) -> None:
    install(InstallRequest((WheelFile(str(wheel)),), destination))


def _write(name: str, data: bytes = b"") -> Prepare:
    def prepare(site: Path) -> None:
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_bytes(data)

    return prepare


def _link(name: str, target: str) -> Prepare:
    return lambda site: (site / name).symlink_to(target)


def _pipe(name: str) -> Prepare:
    def prepare(site: Path) -> None:
        (site / name).parent.mkdir(exist_ok=True)
        os.mkfifo(site / name)

    return prepare


def _all(*prepares: Prepare) -> Prepare:
    def prepare(site: Path) -> None:
        for one in prepares:
            one(site)

    return prepare


def _neighbour(record: bytes, metadata: bytes = METADATA) -> Prepare:
    info = "nn-1.dist-info"
    return _all(_write(f"{info}/METADATA", metadata), _write(f"{info}/RECORD", record))


NEIGHBOURS: dict[str, Prepare] = {
    "empty dist-info": lambda site: (site / "nn-1.dist-info").mkdir(),
    "dist-info without a version": lambda site: (site / "x.dist-info").mkdir(),
    "dist-info that is a file": _write("nn-1.dist-info"),
    "dist-info that is a dangling link": _link("nn-1.dist-info", "nowhere"),
    "dist-info that is a link to itself": _link("nn-1.dist-info", "nn-1.dist-info"),
    "METADATA that is a pipe": _pipe("nn-1.dist-info/METADATA"),
    "METADATA that is a pipe, and is asked": _pipe("n-n-1.dist-info/METADATA"),
    "METADATA that is a directory": lambda site: (site / "nn-1.dist-info/METADATA").mkdir(
        parents=True
    ),
    "METADATA that is binary": _neighbour(b"", b"\xff\xfe\0"),
    "METADATA with a version that is none": _neighbour(b"", METADATA.replace(b": 1", b": x")),
    "METADATA with requirements that are none": _neighbour(b"", METADATA + b"Requires-Dist: !!\n"),
    "no RECORD": _write("nn-1.dist-info/METADATA", METADATA),
    "RECORD that is a pipe": _all(
        _write("nn-1.dist-info/METADATA", METADATA), _pipe("nn-1.dist-info/RECORD")
    ),
    "RECORD that is binary": _neighbour(b"\xff\0,,\n"),
    "RECORD with an open quote": _neighbour(b'"x,,\n'),
    "RECORD that reaches outside": _neighbour(b"../../../../outside,,\n/etc/passwd,,\n"),
    "name that is no text": _write(os.fsdecode(b"n\xff-1.dist-info/METADATA"), METADATA),
    "egg-link that leads nowhere": _write("nn.egg-link", b"/nowhere\n.\n"),
    "egg-link that is a pipe": _pipe("nn.egg-link"),
    "easy-install.pth that is binary": _write("easy-install.pth", b"\xff/nowhere\n"),
    "easy-install.pth that is a pipe": _pipe("easy-install.pth"),
}


@pytest.mark.parametrize("case", NEIGHBOURS)
def test_broken_neighbour(tmp_path: Path, case: str) -> None:
    """A broken neighbour stops neither installation, upgrade nor removal, and is left alone."""
    destination = find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))
    site = Path(destination.scheme.purelib)
    site.mkdir(parents=True)
    NEIGHBOURS[case](site)
    before = snapshot(site)
    for number, wheel in enumerate(_wheels(tmp_path / "wheels"), 1):
        _put(destination, wheel)
        assert versions(site, "aa") == [str(number)]
        assert (site / "aa" / "__init__.py").read_text() == str(number)
    uninstall(UninstallRequest(("aa",), destination))
    after = {name: one for name, one in snapshot(site).items() if ".sagepip" not in name}
    assert after == before


@pytest.mark.parametrize(
    "name",
    [
        "prä fix '\" $x",
        "line\u2028separator",
        "new\nline",
        "co:lon%s{x}",
        os.fsdecode(b"no\xff\xfetext"),
        "-rf",
        "d" * 200,
    ],
)
def test_odd_path(tmp_path: Path, name: str) -> None:
    """Whatever the path of the prefix holds: installed, upgraded, run and removed."""
    destination = find_destination(TargetPython.running(), prefix=str(tmp_path / name))
    site = Path(destination.scheme.purelib)
    for wheel in _wheels(tmp_path / "wheels"):
        _put(destination, wheel)
    assert versions(site, "aa") == ["2"]
    assert os.access(Path(destination.scheme.scripts) / "aa", os.X_OK)
    uninstall(UninstallRequest(("aa",), destination))
    assert sorted(os.listdir(site)) == [".sagepip"]


BROKEN: dict[str, tuple[Prepare, type[SagepipError], str]] = {
    "a file": (_all(Path.rmdir, Path.touch), CommitError, "cannot write"),
    "state that is a file": (_write(".sagepip"), CommitError, "cannot write"),
    "state that leads nowhere": (_link(".sagepip", "nowhere"), CommitError, "cannot write"),
    "a lock that is a directory": (
        lambda site: (site / ".sagepip" / "lock").mkdir(parents=True),
        LockError,
        "cannot lock",
    ),
    "a journal that is a pipe": (_pipe(".sagepip/journal"), RecoveryError, "journal"),
}


@pytest.mark.parametrize("target", ["missing", "../../../elsewhere/missing", "there"])
def test_site_that_is_a_link(tmp_path: Path, target: str) -> None:
    """A link is followed, to what is missing as well; it stays, and is the same site."""
    destination = find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))
    site = Path(destination.scheme.purelib)
    site.parent.mkdir(parents=True)
    (site.parent / "there").mkdir()
    site.symlink_to(target)
    for wheel in _wheels(tmp_path / "wheels"):
        _put(destination, wheel)
    assert versions(site, "aa") == ["2"]
    assert os.readlink(site) == target
    assert site.resolve() == Path(destination.site)
    uninstall(UninstallRequest(("aa",), destination))
    assert sorted(os.listdir(site)) == [".sagepip"]


@pytest.mark.parametrize(
    "links", [{"": "site-packages"}, {"": "a", "a": "b", "b": "site-packages"}]
)
@pytest.mark.parametrize("place", ["site-packages", "prefix"])
def test_links_in_a_circle(tmp_path: Path, links: dict[str, str], place: str) -> None:
    """A site, or a prefix, that leads to itself is told before anything looks at it."""
    home = tmp_path / "prefix"
    if place == "site-packages":
        plain = find_destination(TargetPython.running(), prefix=str(home))
        home = Path(plain.scheme.purelib)
    home.parent.mkdir(parents=True, exist_ok=True)
    for name, target in links.items():
        (home.parent / (name or home.name)).symlink_to(target.replace("site-packages", home.name))
    with pytest.raises(TargetError, match=r"leads to no directory: .*symbolic links") as caught:
        find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))
    assert str(home) in str(caught.value)
    assert caught.value.advice


@pytest.mark.parametrize("case", BROKEN)
def test_broken_site(tmp_path: Path, case: str) -> None:
    """A site that cannot be one is named in one line with advice, and stays as it is."""
    prepare, kind, message = BROKEN[case]
    destination = find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))
    site = Path(destination.scheme.purelib)
    site.mkdir(parents=True)
    prepare(site)
    wheel = _wheels(tmp_path / "wheels")[0]
    before = {name: one for name, one in snapshot(tmp_path).items() if ".sagepip" not in name}
    with pytest.raises(kind, match=message) as caught:
        _put(destination, wheel)
    assert str(site) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.advice
    after = {name: one for name, one in snapshot(tmp_path).items() if ".sagepip" not in name}
    assert after == before
