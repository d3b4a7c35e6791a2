"""Sites on the lower layer of an overlay file system, as in a container image; real mounts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.strace import clean_environment, sagepip_command
from tests.guarantees import snapshot, versions, violations_of_g1
from tests.wheels import make_wheel

SITE = Path("lib") / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def mount(*arguments: str) -> bool:
    """Mount something; return whether that was possible."""
    program = shutil.which("mount")
    if program is None or os.geteuid() != 0:
        return False
    done = subprocess.run([program, *arguments], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[Path]:
    """Make a directory that is an overlay over ``tmp_path/lower``, once that is populated."""
    lower = tmp_path / "lower"
    for name in ("lower", "upper", "scratch", "merged"):
        (tmp_path / name).mkdir()
    yield lower
    subprocess.run(["umount", "--lazy", tmp_path / "merged"], capture_output=True, check=False)


def put_over(lower: Path) -> Path:
    """Mount the overlay and return it."""
    base = lower.parent
    options = f"lowerdir={lower},upperdir={base}/upper,workdir={base}/scratch"
    if not mount("-t", "overlay", "overlay", "-o", options, f"{base}/merged"):
        pytest.skip("no overlay file system can be mounted here")
    return base / "merged"


def sagepip(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run sagepip to its end."""
    done = subprocess.run(
        sagepip_command(*map(str, arguments)),
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def install(prefix: Path, wheel: Path) -> None:
    """Install a wheel whatever is there."""
    sagepip("install", "--no-index", "--force-reinstall", "--prefix", prefix, wheel)


def tree(prefix: Path) -> dict[str, object]:
    """Return what is in a prefix, but for bytecode, which holds its path."""
    return {
        key: content
        for key, (_, content) in snapshot(prefix).items()
        if not key.endswith((".pyc", "RECORD"))
    }


@pytest.fixture
def wheels(tmp_path: Path) -> tuple[Path, Path]:
    """Two versions: modules added, changed and removed, a directory that becomes a file."""
    first = make_wheel(
        tmp_path,
        "alpha",
        "1",
        {
            "alpha/__init__.py": "VALUE = 1\n",
            "alpha/gone.py": "",
            "alpha/going/deep/module.py": "",
            "alpha/kind/__init__.py": "",
            "alpha/sub/data.txt": "one\n",
            "{data}/scripts/alpha-tool": "#!python\nprint(1)\n",
        },
        entry_points="[console_scripts]\nalpha = alpha:main\n",
    )
    second = make_wheel(
        tmp_path,
        "alpha",
        "2",
        {
            "alpha/__init__.py": "VALUE = 2\n",
            "alpha/new/__init__.py": "",
            "alpha/kind": "a file now\n",
            "alpha/sub/data.txt": "two\n",
            "{data}/scripts/alpha-tool": "#!python\nprint(2)\n",
        },
    )
    return first, second


@pytest.mark.parametrize("again", [False, True], ids=["upgrade", "reinstall"])
def test_upgrade_over_a_lower_layer(
    layers: Path, wheels: tuple[Path, Path], tmp_path: Path, *, again: bool
) -> None:
    """Directories of the lower layer cannot be renamed; the new version comes file by file."""
    first, second = wheels
    wheel = first if again else second
    install(layers, first)
    (layers / SITE / "alpha-1.dist-info" / "REQUESTED").unlink()
    (layers / SITE / "alpha-1.dist-info" / "of-nobody").touch()
    plain = tmp_path / "plain"
    install(plain, first)
    install(plain, wheel)
    merged = put_over(layers)
    install(merged, wheel)
    assert tree(merged) == tree(plain)
    assert violations_of_g1(merged / SITE) == []
    assert versions(merged / SITE, "alpha") == ["1" if again else "2"]
    # The next layer's change of what this one has made.
    install(merged, wheel)
    assert tree(merged) == tree(plain)


def test_uninstall_from_a_lower_layer(layers: Path, wheels: tuple[Path, Path]) -> None:
    """Emptied directories of the lower layer go, too."""
    install(layers, wheels[0])
    merged = put_over(layers)
    sagepip("uninstall", "--yes", "--prefix", merged, "alpha")
    left = {path.name for path in (merged / SITE).rglob("*")}
    assert left == {".sagepip", "lock", "gate"}
    assert not list((merged / "bin").iterdir())


def test_mount_inside_a_package(wheels: tuple[Path, Path], tmp_path: Path) -> None:
    """What is mounted on a package's directory is neither moved away nor emptied of others'."""
    prefix = tmp_path / "prefix"
    install(prefix, wheels[0])
    elsewhere, inside = tmp_path / "elsewhere", prefix / SITE / "alpha" / "sub"
    shutil.copytree(inside, elsewhere)
    if not mount("--bind", str(elsewhere), str(inside)):
        pytest.skip("nothing can be mounted here")
    try:
        install(prefix, wheels[1])
        assert (inside / "data.txt").read_text() == "two\n"
        assert (elsewhere / "data.txt").read_text() == "two\n"
        assert violations_of_g1(prefix / SITE) == []
        assert sorted(os.listdir(prefix / SITE / ".sagepip")) == ["gate", "lock"]
        sagepip("uninstall", "--yes", "--prefix", prefix, "alpha")
        assert os.listdir(elsewhere) == []
    finally:
        subprocess.run(["umount", inside], check=True)


def test_data_on_another_mount(tmp_path: Path) -> None:
    """``PREFIX/share`` may be a mount of its own: files are staged there, and nothing stays."""
    prefix, share = tmp_path / "prefix", tmp_path / "prefix" / "share"
    share.mkdir(parents=True)
    if not mount("-t", "tmpfs", "none", str(share)):
        pytest.skip("nothing can be mounted here")
    try:
        for version, name in (("1", "one"), ("2", "two")):
            files = {f"{{data}}/data/share/doc/alpha/{name}": name, "alpha.py": ""}
            install(prefix, make_wheel(tmp_path, "alpha", version, files))
            assert tree(share) == {
                "doc": None,
                "doc/alpha": None,
                f"doc/alpha/{name}": name.encode(),
            }
            assert violations_of_g1(prefix / SITE) == []
        sagepip("uninstall", "--yes", "--prefix", prefix, "alpha")
        assert tree(share) == {}
        assert sorted(os.listdir(prefix / SITE / ".sagepip")) == ["gate", "lock"]
    finally:
        subprocess.run(["umount", share], check=True)
