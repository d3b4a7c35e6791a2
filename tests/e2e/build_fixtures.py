"""Projects, wheels and sdists made by code, for the tests of builds."""

from __future__ import annotations

import io
import json
import tarfile
import textwrap
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sagepip.build.options import BuildOptions
from sagepip.build.sources import PackageSources
from tests.wheels import make_wheel

# A PEP 517 backend of a few lines; the wheel it makes tells what the build could see.
TINY_BACKEND = """
import base64, hashlib, importlib.util, json, os, sys, tomllib, zipfile

def _project():
    with open("pyproject.toml", "rb") as stream:
        return tomllib.load(stream)

def get_requires_for_build_wheel(config_settings=None):
    return _project().get("tool", {}).get("tiny", {}).get("dynamic", [])

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    data = _project()
    name, version = data["project"]["name"], data["project"]["version"]
    probes = data.get("tool", {}).get("tiny", {}).get("probes", [])
    seen = {
        "executable": sys.executable,
        "environ": dict(os.environ),
        "config_settings": config_settings,
        "path": sys.path,
        "stdin": sys.stdin.read(),
        "found": [one for one in probes if importlib.util.find_spec(one)],
        "version": list(sys.version_info[:2]),
    }
    print("tiny backend at work")
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": "",
        f"{name}/seen.json": json.dumps(seen),
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\n"
        "Tag: py3-none-any\\n",
    }
    record = ""
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
            record += f"{path},sha256={digest.rstrip('=')},{len(text)}\\n"
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\\n")
    return wheel
"""


def make_tiny_backend(directory: Path) -> Path:
    """Write the tiny backend's own wheel, with a program in it."""
    directory.mkdir(parents=True, exist_ok=True)
    return make_wheel(
        directory,
        "tiny_backend",
        "1.0",
        {"tiny_backend.py": TINY_BACKEND + "\ndef main():\n    print('tiny program')\n"},
        entry_points="[console_scripts]\ntiny-program = tiny_backend:main\n",
    )


def make_project(
    directory: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    requires: Sequence[str] = ("tiny-backend",),
    backend: str = "tiny_backend",
    in_tree: str | None = None,
    dynamic: Sequence[str] = (),
    probes: Sequence[str] = (),
) -> Path:
    """Write a source tree.

    Args:
        directory: where; made.
        name: of the project.
        version: of it.
        requires: build requirements.
        backend: the backend's module.
        in_tree: the source of a backend in the tree itself; ``requires`` is then empty.
        dynamic: what the tiny backend answers to get_requires_for_build_wheel.
        probes: modules that the tiny backend looks for.
    """
    directory.mkdir(parents=True)
    if in_tree is not None:
        (directory / "backend").mkdir()
        (directory / "backend" / "own_backend.py").write_text(textwrap.dedent(in_tree))
        system = 'requires = []\nbuild-backend = "own_backend"\nbackend-path = ["backend"]\n'
    else:
        system = f'requires = {json.dumps(list(requires))}\nbuild-backend = "{backend}"\n'
    (directory / "pyproject.toml").write_text(
        f"[build-system]\n{system}"
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
        f"[tool.tiny]\ndynamic = {json.dumps(list(dynamic))}\n"
        f"probes = {json.dumps(list(probes))}\n"
    )
    (directory / "PKG-INFO").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    return directory


def make_sdist(directory: Path, source: Path, name: str, version: str) -> Path:
    """Pack a source tree as an sdist."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(source, f"{name}-{version}")
    return path


def make_tar(path: Path, members: Sequence[tuple[str, bytes, Any]]) -> Path:
    """Write a tar file from (name, type, content or link name)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = content
                archive.addfile(info)
            else:
                data = (content or "").encode()
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def options(*find_links: Path, **changes: Any) -> BuildOptions:
    """Return build options that look for requirements in these directories alone."""
    sources = PackageSources(find_links=tuple(map(str, find_links)), no_index=True)
    return BuildOptions(sources=sources, **changes)


def seen(wheel: str) -> dict[str, Any]:
    """Return what the tiny backend saw when it made a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith("/seen.json")]
        answer: dict[str, Any] = json.loads(archive.read(name))
        return answer
