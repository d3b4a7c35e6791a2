"""Projects whose own backend can make editable wheels and sdists, for tests without an index."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

# Modules lie in src/. The editable wheel has a .pth file that runs a module of the wheel, which
# puts src/ on the path, as setuptools' does; the module remembers what the hook was given.
BACKEND = """
import base64, hashlib, os, tarfile, tomllib, zipfile

class UnsupportedOperation(Exception):
    pass

def _tool():
    with open("pyproject.toml", "rb") as stream:
        return tomllib.load(stream)["tool"]["own"]

def get_requires_for_build_editable(config_settings=None):
    return _tool()["dynamic"]

def build_wheel(directory, config_settings=None, metadata_directory=None):
    files = {name: _read(os.path.join("src", name)) for name in sorted(os.listdir("src"))
             if name.endswith(".py")}
    if not os.path.exists("needed.txt"):
        raise SystemExit("needed.txt is missing")
    return _wheel(directory, "", files)

def build_editable(directory, config_settings=None, metadata_directory=None):
    name = _tool()["name"]
    with open("built.log", "a") as log:
        log.write("editable\\n")
    if not os.listdir("src"):
        return _wheel(directory, "", {})
    finder = (f"import sys\\nSETTINGS = {config_settings!r}\\n"
              f"sys.path.append({os.path.abspath('src')!r})\\n")
    files = {f"__editable__.{name}.pth": f"import _{name}_finder\\n", f"_{name}_finder.py": finder}
    return _wheel(directory, "0.editable-", files)

def build_sdist(directory, config_settings=None):
    tool = _tool()
    if not tool["sdist"]:
        raise UnsupportedOperation("no sdist today")
    top = f"{tool['name']}-{tool['version']}"
    with tarfile.open(os.path.join(directory, top + ".tar.gz"), "w:gz") as archive:
        for name in tool["sdist"]:
            archive.add(name, f"{top}/{name}")
    return top + ".tar.gz"

def _read(path):
    with open(path) as stream:
        return stream.read()

def _wheel(directory, tag, files):
    tool = _tool()
    name, version = tool["name"], tool["version"]
    info = f"{name}-{version}.dist-info"
    fields = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
    for extra, requirement in tool["requires"].items():
        marker = f" ; extra == '{extra}'" if extra else ""
        fields += f"Provides-Extra: {extra}\\n" if extra else ""
        fields += f"Requires-Dist: {requirement}{marker}\\n"
    files = {
        **files,
        f"{info}/METADATA": fields,
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: own\\nRoot-Is-Purelib: true\\n"
        "Tag: py3-none-any\\n",
        f"{info}/entry_points.txt": f"[console_scripts]\\n{name}-tool = {name}:main\\n",
    }
    record = ""
    wheel = f"{name}-{version}-{tag}py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
            record += f"{path},sha256={digest.rstrip('=')},{len(text)}\\n"
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\\n")
    return wheel
"""
WHOLE = ("pyproject.toml", "backend", "src", "needed.txt")


def make_own_project(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    module: str | None = "def main(): print('one')\n",
    requires: Mapping[str, str] | None = None,
    dynamic: Sequence[str] = (),
    sdist: Sequence[str] = WHOLE,
    backend: str = BACKEND,
) -> Path:
    """Write a source tree with a module and a script that runs it.

    Args:
        directory: where; made.
        name: of the project and of its module.
        version: of the project.
        module: the text of the module; None for a project of metadata alone.
        requires: a runtime requirement for each extra, and for none (an empty string).
        dynamic: the answer to get_requires_for_build_editable.
        sdist: what goes into an sdist; nothing makes it one that cannot be made.
        backend: the source of the backend.
    """
    (directory / "src").mkdir(parents=True)
    (directory / "backend").mkdir()
    (directory / "backend" / "own_backend.py").write_text(backend)
    (directory / "needed.txt").touch()
    if module is not None:
        (directory / "src" / f"{name}.py").write_text(module)
    values = {"name": name, "version": version, "dynamic": [*dynamic], "sdist": [*sdist]}
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "own_backend"\n'
        'backend-path = ["backend"]\n[tool.own]\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        + "[tool.own.requires]\n"
        + "".join(f"{json.dumps(key)} = {json.dumps(v)}\n" for key, v in (requires or {}).items())
    )
    return directory
